//! From a directory as written to one as meant. What cannot work together is named
//! by key, reason and way out.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use url::Url;

use super::written::{self, Format, Written};
pub use crate::remote::settings::Problem;
use crate::{
    clock::Span,
    mailbox::{DomainName, ProviderName, Provisioning, provisioning},
    remote::settings,
    secret::Secret,
};

/// A directory as meant. Equal ones would do the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Its name, which no provider has.
    pub name: ProviderName,
    /// Domains for which it speaks.
    pub domains: BTreeSet<DomainName>,
    /// Completes names without a domain.
    pub default_domain: Option<DomainName>,
    /// How its people become mailboxes.
    pub provisioning: Provisioning,
    /// Where they are.
    pub kind: Kind,
}

/// Where the people of a directory are.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// In a file.
    PasswdFile(PasswdFile),
    /// At an LDAP server.
    Ldap(Box<Ldap>),
}

/// A file of people.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PasswdFile {
    /// The file.
    pub path: PathBuf,
    /// How it is written.
    pub format: Format,
    /// Limits beside it, in docker-mailserver's form.
    pub quota_path: Option<PathBuf>,
    /// Scheme of passwords that name none.
    pub default_scheme: String,
    /// Fields that may be left out.
    pub leave_out: Vec<String>,
}

/// An LDAP server.
#[derive(Clone, Debug, PartialEq)]
pub struct Ldap {
    /// Servers, in the order in which they are asked; never empty.
    pub urls: Vec<Url>,
    /// TLS is begun on `ldap://`.
    pub starttls: bool,
    /// Certificates (PEM) to trust besides the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// Believe any certificate.
    pub ignore_ssl_errors: bool,
    /// Our own account; none asks anonymously.
    pub account: Option<Account>,
    /// Below which entry people are.
    pub base_dn: String,
    /// Finds the person of an address, with `%u`, `%n` and `%d` in it.
    pub filter: String,
    /// Finds everybody.
    pub list_filter: String,
    /// Attribute with the address.
    pub username_attribute: String,
    /// Attribute with the id.
    pub id_attribute: String,
    /// Attributes with the name, of which the first counts that somebody has.
    pub name_attributes: Vec<String>,
    /// Attribute that says that somebody is switched off, and its values that do; any
    /// where there are none.
    pub disabled: Option<(String, Vec<String>)>,
    /// How long what it says is not asked for again.
    pub mailpassword_cache: Duration,
    /// The same of an address that it does not know.
    pub unknown_cache: Duration,
    /// After which time an answer that does not let in is asked for again.
    pub recheck_interval: Duration,
    /// How long what was right counts while it cannot be asked.
    pub stale_limit: Duration,
    /// How old what is known of the owner of an app password may be; none where it is
    /// not asked.
    pub account_check: Option<Duration>,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for a whole answer.
    pub timeout: Duration,
}

/// Our own account at an LDAP server.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name.
    pub dn: String,
    /// Its password; never empty.
    pub password: Secret,
}

impl PartialEq for Account {
    fn eq(&self, other: &Self) -> bool {
        let Self { dn, password } = self;
        *dn == other.dn && password.ct_eq(other.password.expose())
    }
}

impl Settings {
    /// Checks what is written under this name, and reads the files that it names, but
    /// for that of the people.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn mean(name: &ProviderName, written: &Written) -> Result<Self, Vec<Problem>> {
        let mut check = Check { problems: Vec::new() };
        if written.domains.is_empty() {
            check.problem("domains", "name those whose mailboxes are the directory's");
        }
        let provisioning = check.provisioning(written);
        let kind = match written.kind {
            written::Kind::PasswdFile => check.passwd_file(written).map(Kind::PasswdFile),
            written::Kind::Ldap => Some(Kind::Ldap(check.ldap(written).into())),
        };
        let settings = kind.map(|kind| Self {
            name: name.clone(),
            domains: written.domains.iter().cloned().collect(),
            default_domain: written.default_domain.clone(),
            provisioning,
            kind,
        });
        settings.filter(|_| check.problems.is_empty()).ok_or(check.problems)
    }

    /// The stable word for its kind.
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::PasswdFile(_) => "passwd-file",
            Kind::Ldap(_) => "ldap",
        }
    }
}

struct Check {
    problems: Vec<Problem>,
}

impl Check {
    fn problem(&mut self, key: &'static str, reason: impl Into<String>) {
        self.problems.push(Problem { key, reason: reason.into() });
    }

    fn passwd_file(&mut self, written: &Written) -> Option<PasswdFile> {
        for key in ldap_keys(written) {
            self.problem(key, "kind passwd-file has none: it is for kind ldap");
        }
        let format = written.format.unwrap_or_default();
        if written.quota_path.is_some() && format != Format::DockerMailserver {
            self.problem("quota_path", "goes with format = \"docker-mailserver\"");
        }
        let path = self.absolute("path", written.path.as_ref());
        if written.path.is_none() {
            self.problem("path", "kind passwd-file needs it");
        }
        let quota_path = self.absolute("quota_path", written.quota_path.as_ref());
        let scheme = written.default_scheme.as_deref().unwrap_or("CRYPT");
        if scheme.is_empty() || scheme.contains(['{', '}']) {
            self.problem("default_scheme", "the name of a scheme, such as SHA512-CRYPT");
        }
        Some(PasswdFile {
            path: path?,
            format,
            quota_path,
            default_scheme: scheme.to_owned(),
            leave_out: written.leave_out.clone(),
        })
    }

    fn absolute(&mut self, key: &'static str, path: Option<&PathBuf>) -> Option<PathBuf> {
        let path = path?;
        if !path.is_absolute() {
            self.problem(key, format!("{}: an absolute path is needed", path.display()));
        }
        Some(path.clone())
    }

    fn ldap(&mut self, written: &Written) -> Ldap {
        for key in file_keys(written) {
            self.problem(key, "kind ldap has none: it is for kind passwd-file");
        }
        let ca_pem = written.ca_file.as_ref().and_then(|path| self.file("ca_file", path));
        let filter = written.filter.clone();
        let filter = filter.unwrap_or_else(|| "(&(objectClass=inetOrgPerson)(mail=%u))".to_owned());
        let list_filter = written.list_filter.clone().unwrap_or_else(|| anybody(&filter));
        if written.base_dn.is_none() {
            self.problem("base_dn", "kind ldap needs it");
        }
        let attribute = |written: &Option<String>, default: &str| {
            written.clone().unwrap_or_else(|| default.to_owned())
        };
        let names = written.name_attributes.clone();
        let account_check = self.time("account_check", written.account_check, 15 * 60, "1d");
        Ldap {
            urls: self.urls(written),
            starttls: written.starttls.unwrap_or(false),
            ca_pem,
            ignore_ssl_errors: written.ignore_ssl_errors.unwrap_or(false),
            account: self.account(written),
            base_dn: written.base_dn.clone().unwrap_or_default(),
            filter,
            list_filter,
            username_attribute: attribute(&written.username_attribute, "mail"),
            id_attribute: attribute(&written.id_attribute, "entryUUID"),
            name_attributes: names.unwrap_or_else(|| ["displayName", "cn"].map(Into::into).into()),
            disabled: written
                .disabled_attribute
                .clone()
                .map(|attribute| (attribute, written.disabled_values.clone())),
            mailpassword_cache: self.time(
                "mailpassword_cache",
                written.mailpassword_cache,
                60,
                "1h",
            ),
            unknown_cache: self.time("unknown_cache", written.unknown_cache, 10, "5m"),
            recheck_interval: self.time("recheck_interval", written.recheck_interval, 5, "5m"),
            stale_limit: self.time("stale_limit", written.stale_limit, 12 * 3600, "7d"),
            account_check: Some(account_check).filter(|time| !time.is_zero()),
            connect_timeout: self.timeout("connect_timeout", written.connect_timeout, 3),
            timeout: self.timeout("timeout", written.timeout, 5),
        }
    }

    fn urls(&mut self, written: &Written) -> Vec<Url> {
        if written.urls.is_empty() {
            self.problem("urls", "kind ldap needs one, such as ldaps://ldap.example.org");
        }
        let mut urls = Vec::new();
        for text in &written.urls {
            match Url::parse(text) {
                Ok(url) if matches!(url.scheme(), "ldap" | "ldaps") && url.has_host() => {
                    urls.push(url);
                }
                _ => self.problem("urls", format!("\"{text}\" is not an ldap or ldaps URL")),
            }
        }
        urls
    }

    fn account(&mut self, written: &Written) -> Option<Account> {
        let password = match (&written.bind_password, &written.bind_password_file) {
            (Some(_), Some(_)) => {
                self.problem("bind_password_file", "bind_password is set, too: one of both");
                return None;
            }
            (Some(password), None) => Some(Secret::from(password.expose())),
            (None, Some(path)) => {
                let bytes = self.file("bind_password_file", path)?;
                Some(Secret::new(bytes.trim_ascii()))
            }
            (None, None) => None,
        };
        match (&written.bind_dn, password) {
            (None, None) => None,
            (None, Some(_)) => {
                self.problem("bind_dn", "there is a password, and no bind_dn");
                None
            }
            // RFC 4513 §5.1.2: a name without a password is nobody, and yet no error.
            (Some(_), password) if password.as_ref().is_none_or(Secret::is_empty) => {
                self.problem("bind_password", "bind_dn needs one, or bind_password_file");
                None
            }
            (Some(dn), password) => Some(Account { dn: dn.clone(), password: password? }),
        }
    }

    fn provisioning(&mut self, written: &Written) -> Provisioning {
        let is_file = written.kind == written::Kind::PasswdFile;
        let rules = provisioning::AsWritten {
            import_users: written.import_users.unwrap_or(is_file),
            login_provisioning: written.login_provisioning.unwrap_or(true),
            periodic_full_sync: written.periodic_full_sync.unwrap_or(is_file),
            sync_interval: written.sync_interval,
            template_attribute: written.template_attribute.as_deref(),
            attribute_mapping: &written.attribute_mapping,
            default_template: written.default_template.as_ref(),
            default_template_updates: written.default_template_updates,
            renames: written.renames,
            withdraw_limit: written.withdraw_limit,
            template_needed: false,
        };
        let rules = rules.mean(&mut |key, reason| self.problem(key, reason));
        if is_file && (rules.groups().next().is_some() || rules.roles().next().is_some()) {
            self.problem("attribute_mapping", "a file knows no groups and roles: use value");
        }
        rules
    }

    fn time(
        &mut self,
        key: &'static str,
        written: Option<Span>,
        default: u64,
        longest: &'static str,
    ) -> Duration {
        settings::time(written, default, longest).unwrap_or_else(|reason| {
            self.problem(key, reason);
            Duration::ZERO
        })
    }

    fn timeout(&mut self, key: &'static str, written: Option<Span>, default: u64) -> Duration {
        settings::timeout(written, default).unwrap_or_else(|reason| {
            self.problem(key, reason);
            Duration::ZERO
        })
    }

    fn file(&mut self, key: &'static str, path: &Path) -> Option<Vec<u8>> {
        settings::file(path).map_err(|reason| self.problem(key, reason)).ok()
    }
}

/// The filter for whoever has an address at all.
fn anybody(filter: &str) -> String {
    ["%u", "%n", "%d"].iter().fold(filter.to_owned(), |filter, name| filter.replace(name, "*"))
}

/// Keys of a file that are written.
fn file_keys(written: &Written) -> impl Iterator<Item = &'static str> {
    let keys = [
        ("path", written.path.is_some()),
        ("format", written.format.is_some()),
        ("quota_path", written.quota_path.is_some()),
        ("default_scheme", written.default_scheme.is_some()),
        ("leave_out", !written.leave_out.is_empty()),
    ];
    keys.into_iter().filter(|(_, is_written)| *is_written).map(|(key, _)| key)
}

/// Keys of an LDAP server that are written.
fn ldap_keys(written: &Written) -> impl Iterator<Item = &'static str> {
    let keys = [
        ("urls", !written.urls.is_empty()),
        ("starttls", written.starttls.is_some()),
        ("ca_file", written.ca_file.is_some()),
        ("ignore_ssl_errors", written.ignore_ssl_errors.is_some()),
        ("bind_dn", written.bind_dn.is_some()),
        ("bind_password", written.bind_password.is_some()),
        ("bind_password_file", written.bind_password_file.is_some()),
        ("base_dn", written.base_dn.is_some()),
        ("filter", written.filter.is_some()),
        ("list_filter", written.list_filter.is_some()),
        ("username_attribute", written.username_attribute.is_some()),
        ("id_attribute", written.id_attribute.is_some()),
        ("name_attributes", written.name_attributes.is_some()),
        ("disabled_attribute", written.disabled_attribute.is_some()),
        ("disabled_values", !written.disabled_values.is_empty()),
        ("mailpassword_cache", written.mailpassword_cache.is_some()),
        ("unknown_cache", written.unknown_cache.is_some()),
        ("recheck_interval", written.recheck_interval.is_some()),
        ("stale_limit", written.stale_limit.is_some()),
        ("account_check", written.account_check.is_some()),
        ("connect_timeout", written.connect_timeout.is_some()),
        ("timeout", written.timeout.is_some()),
    ];
    keys.into_iter().filter(|(_, is_written)| *is_written).map(|(key, _)| key)
}
