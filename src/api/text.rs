//! What the texts that an administrator sets may look like: bounded, and free
//! of bytes that would break a line of the auth protocol, a log or a terminal.

use std::collections::BTreeMap;

use super::Error;

const MAX_NAME_CHARS: usize = 200;
const MAX_TAGS: usize = 50;
const MAX_PATH_BYTES: usize = 1024;
const MAX_FIELDS: usize = 50;
/// Together with everything else of a USER reply this stays under Dovecot's
/// 8192 bytes for a line.
const MAX_FIELDS_BYTES: usize = 4096;

/// A name for people: one line, may be empty.
pub(super) fn label(what: &str, text: &str) -> Result<(), Error> {
    if text.chars().count() > MAX_NAME_CHARS {
        return Err(Error::bad_request(format!(
            "{what} is longer than {MAX_NAME_CHARS} characters"
        )));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::bad_request(format!("{what} has a control character")));
    }
    Ok(())
}

/// Labels of a mailbox.
pub(super) fn tags(tags: &[String]) -> Result<(), Error> {
    if tags.len() > MAX_TAGS {
        return Err(Error::bad_request(format!("more than {MAX_TAGS} tags")));
    }
    if tags.iter().any(String::is_empty) {
        return Err(Error::bad_request("an empty tag"));
    }
    tags.iter().try_for_each(|tag| label("a tag", tag))
}

/// A mail location.
pub(super) fn location(what: &str, text: &str) -> Result<(), Error> {
    if text.is_empty() || text.len() > MAX_PATH_BYTES || text.chars().any(char::is_control) {
        return Err(Error::bad_request(format!(
            "{what} must have 1 to {MAX_PATH_BYTES} bytes and no control characters"
        )));
    }
    Ok(())
}

/// A home folder.
pub(super) fn home(text: &str) -> Result<(), Error> {
    location("home", text)?;
    let climbs = text.split('/').any(|part| part == "..");
    if !text.starts_with('/') || climbs {
        return Err(Error::bad_request("home must be an absolute path without \"..\""));
    }
    Ok(())
}

/// A numeric user or group id: root's is no mailbox's.
pub(super) fn numeric_id(what: &str, id: u32) -> Result<(), Error> {
    // u32::MAX is the kernel's "no id".
    if id == 0 || id == u32::MAX {
        return Err(Error::bad_request(format!("{what} {id} cannot own mail")));
    }
    Ok(())
}

/// Further userdb fields.
pub(super) fn fields(fields: &BTreeMap<String, String>) -> Result<(), Error> {
    let bytes: usize = fields.iter().map(|(key, value)| key.len() + value.len() + 2).sum();
    if fields.len() > MAX_FIELDS || bytes > MAX_FIELDS_BYTES {
        return Err(Error::bad_request(format!(
            "further fields are limited to {MAX_FIELDS} with {MAX_FIELDS_BYTES} bytes together"
        )));
    }
    fields.iter().try_for_each(|(key, value)| field(key, value))
}

fn field(key: &str, value: &str) -> Result<(), Error> {
    let well_formed = !key.is_empty()
        && key.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b':')
        });
    if !well_formed {
        return Err(Error::bad_request(format!("{key:?} cannot be the name of a field")));
    }
    if matches!(key, "uid" | "gid" | "home" | "mail" | "user") {
        return Err(Error::bad_request(format!("{key} is set by its own name, not as a field")));
    }
    if value.chars().any(char::is_control) {
        return Err(Error::bad_request(format!("the value of {key} has a control character")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes() {
        for good in ["/var/vmail/example.org/ann", "/a/..b"] {
            assert!(home(good).is_ok(), "{good}");
        }
        let long = format!("/{}", "a".repeat(MAX_PATH_BYTES));
        for bad in ["", "mail", "/var/../etc", "/var/..", "/a\nb", "/a\tb", &long] {
            assert!(home(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn further_fields() {
        let check = |key: &str, value: &str| fields(&[(key.into(), value.into())].into());
        assert!(check("quota_rule", "*:bytes=5").is_ok());
        assert!(check("namespace/inbox/prefix", "").is_ok());
        for (key, value) in [
            ("", "x"),
            ("a b", "x"),
            ("a=b", "x"),
            ("a\tb", "x"),
            ("uid", "0"),
            ("home", "/"),
            ("note", "a\tb"),
            ("note", "a\nb"),
        ] {
            assert!(check(key, value).is_err(), "{key:?}={value:?}");
        }
        let long = "x".repeat(MAX_FIELDS_BYTES);
        assert!(check("note", &long).is_err());
    }

    #[test]
    fn nobody_owns_mail_as_root() {
        assert!(numeric_id("uid", 5000).is_ok());
        assert!(numeric_id("uid", 0).is_err());
        assert!(numeric_id("gid", u32::MAX).is_err());
    }
}
