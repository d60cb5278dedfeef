//! A directory as an administrator describes it in `dovegate.toml`. What goes
//! together is [`Settings`](super::Settings)' matter.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Span,
    mailbox::{
        DomainName, TemplateName,
        provider::{ClientSecret, MappedTemplate, Renames},
    },
};

/// What kind of directory it is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Kind {
    /// A file of Dovecot's or docker-mailserver's.
    #[serde(rename = "passwd-file")]
    PasswdFile,
    /// An LDAP server.
    #[serde(rename = "ldap")]
    Ldap,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum Format {
    /// Dovecot's: `user:password:uid:gid:gecos:home:shell:extra_fields`.
    #[default]
    #[serde(rename = "passwd-file")]
    PasswdFile,
    /// docker-mailserver's `postfix-accounts.cf`: `address|{SCHEME}hash`.
    #[serde(rename = "docker-mailserver")]
    DockerMailserver,
}

/// A directory as written; absent means the default that stands with each key in
/// `contrib/dovegate.toml`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Kind of directory.
    pub kind: Kind,
    /// Domains for which it speaks.
    #[serde(default)]
    pub domains: Vec<DomainName>,
    /// Completes names without a domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_domain: Option<DomainName>,

    /// `passwd-file`: the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// How it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// docker-mailserver's `dovecot-quotas.cf` beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_path: Option<PathBuf>,
    /// Scheme of passwords that name none; `CRYPT` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_scheme: Option<String>,
    /// Fields that have no counterpart here, and may be left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leave_out: Vec<String>,

    /// `ldap`: the servers, asked in this order. `ldap://` or `ldaps://`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// TLS is begun on `ldap://`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starttls: Option<bool>,
    /// Certificates (PEM) to trust besides the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Believe any certificate: for trying things out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_ssl_errors: Option<bool>,
    /// Our own account; anonymous where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind_dn: Option<String>,
    /// Its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind_password: Option<ClientSecret>,
    /// File that holds the password instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind_password_file: Option<PathBuf>,
    /// Below which entry people are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_dn: Option<String>,
    /// Finds the person of an address: `%u` is the address, `%n` what stands before
    /// the `@`, `%d` what stands behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Finds everybody; where absent `filter`, with `*` for the variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_filter: Option<String>,
    /// Attribute with the address; `mail` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_attribute: Option<String>,
    /// Attribute with the person's id, which never becomes another one; `entryUUID`
    /// where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_attribute: Option<String>,
    /// Attributes with the name; the first that somebody has counts. `displayName`
    /// and `cn` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_attributes: Option<Vec<String>>,
    /// Attribute that says that somebody is switched off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_attribute: Option<String>,
    /// Its values that say so; any where absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disabled_values: Vec<String>,
    /// How long what it says is not asked for again; 60 s where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailpassword_cache: Option<Span>,
    /// The same of an address that it does not know; 10 s where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_cache: Option<Span>,
    /// After which time it is asked again where its last answer does not let in;
    /// 5 s where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recheck_interval: Option<Span>,
    /// How long what was right counts while it cannot be asked; 12 h where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_limit: Option<Span>,
    /// How old what is known of a person may be where one of his app passwords is
    /// used; zero does not ask. 15 min where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_check: Option<Span>,
    /// Longest wait for a connection; 3 s where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Span>,
    /// Longest wait for a whole answer; 5 s where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,

    /// A sync makes mailboxes for people who have none; where absent a `passwd-file`'s
    /// does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_users: Option<bool>,
    /// A first login makes one; yes where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_provisioning: Option<bool>,
    /// Syncs run by themselves and change mailboxes that exist; where absent a
    /// `passwd-file`'s do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub periodic_full_sync: Option<bool>,
    /// Minutes from the end of such a sync to the next; 15 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_interval: Option<u32>,
    /// Attribute, or field of a line, that names a person's template;
    /// `mailcow_template` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_attribute: Option<String>,
    /// What its values stand for. Of several that fit, the first here counts.
    #[serde(default)]
    pub attribute_mapping: Vec<MappedTemplate>,
    /// Template of a new mailbox where none fits. Where no template is named at all, a
    /// mailbox has its domain's defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_template: Option<TemplateName>,
    /// It is applied also to mailboxes that exist.
    #[serde(default)]
    pub default_template_updates: bool,
    /// What becomes of a mailbox whose person has another address now.
    #[serde(default)]
    pub renames: Renames,
    /// Of a hundred mailboxes that follow it, how many one sync may switch off;
    /// 10 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdraw_limit: Option<u8>,
}
