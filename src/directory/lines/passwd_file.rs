//! Dovecot's passwd-file: `user:password:uid:gid:gecos:home:shell:extra_fields`,
//! of which everything behind the user may be missing.

use super::{LeftOut, dovecot_fields};
use crate::mailbox::{DomainName, Wanted};

/// How the file is meant.
#[derive(Clone, Debug)]
pub struct Options {
    /// Completes users without a domain.
    pub domain: Option<DomainName>,
    /// Scheme of passwords that name none; `CRYPT` in Dovecot.
    pub scheme: String,
    /// Fields that may be left out.
    pub left_out: LeftOut,
}

/// What a line says; `None` for one that says nothing.
///
/// # Errors
/// Why it cannot be taken over.
pub fn parse(line: &str, options: &Options) -> Result<Option<Wanted>, String> {
    if line.trim().is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let mut fields = line.splitn(8, ':');
    let mut next = || fields.next().unwrap_or_default();
    let [user, password, uid, gid, gecos, home, _shell, extra] = std::array::from_fn(|_| next());
    if user.is_empty() {
        return Err("there is no user before the first colon".to_owned());
    }
    let mut wanted = Wanted { address: address(user, options), ..Wanted::default() };
    wanted.hash = hash(password, &options.scheme).map(Into::into);
    wanted.uid = id("uid", uid, options)?;
    wanted.gid = id("gid", gid, options)?;
    let name = gecos.split(',').next().unwrap_or_default().trim();
    wanted.display_name = (!name.is_empty()).then(|| name.to_owned());
    wanted.home = (!home.is_empty()).then(|| home.to_owned());
    dovecot_fields::take_over(&mut wanted, extra, &options.left_out)?;
    Ok(Some(wanted))
}

/// The fields at the end of a line.
pub fn extra_fields(line: &str) -> &str {
    line.splitn(8, ':').nth(7).unwrap_or_default()
}

fn address(user: &str, options: &Options) -> String {
    match &options.domain {
        Some(domain) if !user.contains('@') => format!("{user}@{domain}"),
        _ => user.to_owned(),
    }
}

fn id(name: &str, text: &str, options: &Options) -> Result<Option<u32>, String> {
    if text.is_empty() || options.left_out.has(name) {
        return Ok(None);
    }
    let found = dovecot_fields::number(text);
    found.map(Some).map_err(|why| format!("{name} {why}; {}", options.left_out.way_out(name)))
}

/// The password with its scheme; `None` where nobody can log in with one: empty,
/// or locked as `passwd -l` does it.
fn hash(password: &str, scheme: &str) -> Option<String> {
    let bare = password.strip_prefix("{CRYPT}").unwrap_or(password);
    if bare.is_empty() || bare.starts_with(['!', '*']) || bare == "x" {
        return None;
    }
    if password.starts_with('{') {
        return Some(password.to_owned());
    }
    Some(format!("{{{scheme}}}{password}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::{MailboxState, Quota};

    fn options() -> Options {
        Options { domain: None, scheme: "CRYPT".to_owned(), left_out: LeftOut::default() }
    }

    fn read(line: &str) -> Wanted {
        parse(line, &options()).unwrap().unwrap()
    }

    #[test]
    fn a_whole_line() {
        let wanted = read(
            "ann@example.org:{SHA512-CRYPT}$6$s$h:5000:5001:Ann Example,,,:/srv/mail/ann:/bin/sh:\
             userdb_quota_rule=*:storage=1G nologin",
        );
        assert_eq!(wanted.address, "ann@example.org");
        assert_eq!(wanted.hash.unwrap().as_str(), "{SHA512-CRYPT}$6$s$h");
        assert_eq!((wanted.uid, wanted.gid), (Some(5000), Some(5001)));
        assert_eq!(wanted.display_name.as_deref(), Some("Ann Example"));
        assert_eq!(wanted.home.as_deref(), Some("/srv/mail/ann"));
        assert_eq!(wanted.quota_bytes, Some(Quota { bytes: 1 << 30 }));
        assert_eq!(wanted.state, Some(MailboxState::ReceiveOnly));
    }

    #[test]
    fn colons_in_extra_fields_belong_to_them() {
        let wanted = read("ann@example.org:::::::userdb_mail=maildir:~/m:INBOX=/i");
        assert_eq!(wanted.mail.as_deref(), Some("maildir:~/m:INBOX=/i"));
    }

    #[test]
    fn short_lines_and_lines_that_say_nothing() {
        for line in ["", "  ", "# ann@example.org:x", "#"] {
            assert_eq!(parse(line, &options()), Ok(None), "{line:?}");
        }
        let expected = Wanted { address: "ann@example.org".to_owned(), ..Wanted::default() };
        for line in ["ann@example.org", "ann@example.org:", "ann@example.org:::"] {
            assert_eq!(read(line), expected, "{line}");
        }
        assert!(parse(":{PLAIN}x", &options()).is_err());
        assert!(parse("ann@example.org:{PLAIN}x:vmail", &options()).is_err());
    }

    #[test]
    fn passwords_get_their_scheme() {
        for (written, expected) in [
            ("$1$abcdefgh$x", Some("{CRYPT}$1$abcdefgh$x")),
            ("{plain}secret", Some("{plain}secret")),
            ("", None),
            ("!", None),
            ("!$6$s$h", None),
            ("*LK*", None),
            ("{CRYPT}*", None),
            ("x", None),
        ] {
            let wanted = read(&format!("ann@example.org:{written}"));
            let hash = wanted.hash.as_ref().map(crate::mailbox::PasswordHash::as_str);
            assert_eq!(hash, expected, "{written}");
        }
    }

    #[test]
    fn users_without_a_domain_are_completed() {
        let options = Options { domain: Some("example.org".parse().unwrap()), ..options() };
        let address = |line| parse(line, &options).unwrap().unwrap().address;
        assert_eq!(address("ann:x"), "ann@example.org");
        assert_eq!(address("ann@example.com:x"), "ann@example.com");
        assert_eq!(read("ann:x").address, "ann");
    }
}
