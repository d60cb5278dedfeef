//! What a mail server is told about a user: the fields of a `USER` reply
//! (`auth-protocol` "userdb fields"). Pure: a mailbox, its domain and the
//! patterns in, fields out.

use std::collections::BTreeMap;

use super::{Address, Domain, Mailbox, MailboxState, Quota, Service};

/// Mail processes disconnect from us at a line of 8192 bytes; id, name and
/// what a login adds need their part of it.
const MOST_BYTES: usize = 7000;

/// First minor of the protocol whose clients know the setting names of
/// Dovecot 2.4.
const MINOR_OF_2_4: u32 = 3;

/// Patterns and defaults for mailboxes that name nothing of their own. In
/// patterns `%u` is the whole address, `%n` what stands before the `@`, `%d`
/// what stands behind it, `%%` a percent sign.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Numeric user id.
    pub uid: u32,
    /// Numeric group id.
    pub gid: u32,
    /// Pattern of the home folder.
    pub home: String,
    /// Pattern of the mail location, in the form of Dovecot 2.3.
    pub mail: String,
    /// Patterns of further fields.
    pub fields: BTreeMap<String, String>,
}

/// Why there are no fields.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// Mail processes refuse to run as root.
    #[error("uid 0 is never handed out")]
    Root,
    /// No mail process would read that line.
    #[error("the userdb fields take more than {MOST_BYTES} bytes")]
    TooLong,
    /// A mail location that Dovecot 2.4 has no settings for.
    #[error("mail location \"{0}\" cannot be said to Dovecot 2.4")]
    MailLocation(String),
}

impl Settings {
    /// What is wrong with them: key and reason.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut check = |key: &'static str, pattern: &str| {
            if let Err(reason) = check_pattern(pattern) {
                problems.push((key, reason));
            }
        };
        check("home", &self.home);
        check("mail", &self.mail);
        for pattern in self.fields.values() {
            check("fields", pattern);
        }
        if !self.home.starts_with('/') {
            problems.push(("home", "an absolute path".to_owned()));
        }
        if mail_location_of_2_4(&self.mail).is_err() {
            let reason = "expected DRIVER:PATH, then :INDEX=, :CONTROL=, :INBOX=, :ALT=, :LAYOUT= \
                          or :VOLATILEDIR= as wanted";
            problems.push(("mail", reason.to_owned()));
        }
        if let Some(key) = self.fields.keys().find(|key| !is_field_name(key)) {
            problems.push(("fields", format!("\"{key}\" is no name of a field")));
        }
        problems
    }
}

/// Whether Dovecot could take `name` for a field: no separator in it, and
/// none of those that are made here.
pub fn is_field_name(name: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/' | b'.');
    !name.is_empty() && name.bytes().all(plain) && !matches!(name, "uid" | "gid" | "home" | "user")
}

fn check_pattern(pattern: &str) -> Result<(), String> {
    if pattern.chars().any(char::is_control) {
        return Err("has a control character".to_owned());
    }
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        if character == '%' && !matches!(rest.next(), Some('u' | 'n' | 'd' | '%')) {
            return Err("after % comes u (address), n (local part), d (domain) or %".to_owned());
        }
    }
    Ok(())
}

/// Replaces the variables, once: what they bring in is not looked at again.
pub fn expand(pattern: &str, address: &Address) -> String {
    let mut text = String::with_capacity(pattern.len() + 32);
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        match character {
            '%' => match rest.next() {
                Some('u') => text.push_str(address.as_str()),
                Some('n') => text.push_str(address.local_part()),
                Some('d') => text.push_str(address.domain_str()),
                Some(other) => text.push(other),
                None => {}
            },
            plain => text.push(plain),
        }
    }
    text
}

/// Whether `protocol` finds the mailbox at all. One that is disabled is gone
/// for those who deliver or read, and there for those who look after it:
/// backups go on.
pub fn is_found(mailbox: &Mailbox, protocol: &str) -> bool {
    let uses_mail = Service::from_protocol(protocol).is_some()
        || matches!(protocol, "lmtp" | "lda" | "quota-status");
    mailbox.state != MailboxState::Disabled || !uses_mail
}

/// The fields of a mailbox for a client that announced `minor`.
pub fn fields(
    mailbox: &Mailbox,
    domain: &Domain,
    settings: &Settings,
    minor: u32,
) -> Result<Vec<(String, String)>, Error> {
    let address = &mailbox.address;
    let uid = mailbox.uid.unwrap_or(settings.uid);
    if uid == 0 {
        return Err(Error::Root);
    }
    let gid = mailbox.gid.unwrap_or(settings.gid);
    let mut fields: Vec<(String, String)> = Vec::with_capacity(8);
    let mut add = |name: &str, value: String| fields.push((name.to_owned(), value));
    add("uid", uid.to_string());
    add("gid", gid.to_string());
    add("home", mailbox.home.clone().unwrap_or_else(|| expand(&settings.home, address)));
    let mail = mailbox.mail.clone().unwrap_or_else(|| expand(&settings.mail, address));
    let quota = mailbox.quota.unwrap_or(domain.default_quota);
    if minor >= MINOR_OF_2_4 {
        for (name, value) in mail_location_of_2_4(&mail)?.into_iter().chain(quota_of_2_4(quota)) {
            add(name, value);
        }
    } else {
        add("mail", mail);
        if let Some((name, value)) = quota_of_2_3(quota) {
            add(name, value);
        }
    }
    for (name, pattern) in &settings.fields {
        if !mailbox.extra_fields.contains_key(name) {
            add(name, expand(pattern, address));
        }
    }
    for (name, value) in mailbox.extra_fields.iter().filter(|(name, _)| is_field_name(name)) {
        add(name, value.clone());
    }
    let bytes = |text: &str| text.len() + text.bytes().filter(|byte| *byte < b' ').count();
    let total: usize = fields.iter().map(|(name, value)| bytes(name) + bytes(value) + 2).sum();
    if total > MOST_BYTES { Err(Error::TooLong) } else { Ok(fields) }
}

/// No limit says nothing, so that Dovecot's own settings hold.
fn quota_of_2_3(quota: Quota) -> Option<(&'static str, String)> {
    (!quota.is_unlimited()).then(|| ("quota_rule", format!("*:bytes={}", quota.bytes)))
}

/// As above. A number without a unit is bytes.
fn quota_of_2_4(quota: Quota) -> Option<(&'static str, String)> {
    (!quota.is_unlimited()).then(|| ("quota_storage_size", quota.to_string()))
}

/// `maildir:~/Maildir:INDEX=/x` in the settings that took its place in 2.4.
fn mail_location_of_2_4(location: &str) -> Result<Vec<(&'static str, String)>, Error> {
    let unknown = || Error::MailLocation(location.to_owned());
    let (driver, rest) = location.split_once(':').ok_or_else(unknown)?;
    let mut parts = rest.split(':');
    let path = parts.next().unwrap_or_default();
    if driver.is_empty() || path.is_empty() {
        return Err(unknown());
    }
    let mut settings = vec![("mail_driver", driver.to_owned()), ("mail_path", path.to_owned())];
    for part in parts {
        let (name, value) = part.split_once('=').ok_or_else(unknown)?;
        let setting = match name {
            "INDEX" => "mail_index_path",
            "INDEXPVT" => "mail_index_private_path",
            "CONTROL" => "mail_control_path",
            "INBOX" => "mail_inbox_path",
            "ALT" => "mail_alt_path",
            "VOLATILEDIR" => "mail_volatile_path",
            "LAYOUT" => "mailbox_list_layout",
            _ => return Err(unknown()),
        };
        settings.push((setting, value.to_owned()));
    }
    Ok(settings)
}

#[cfg(test)]
mod tests;
