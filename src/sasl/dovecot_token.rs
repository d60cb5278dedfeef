//! DOVECOT-TOKEN: Dovecot's own mechanism on the `token` sockets. A session that
//! was given an auth token logs in to a sibling service with it.
//!
//! ```text
//! message = service NUL session-pid NUL user NUL [session-id] NUL token
//! ```

use super::mechanism::{Credentials, Mechanism, Step};
use crate::secret::Secret;

/// A DOVECOT-TOKEN dialogue.
#[derive(Debug)]
pub struct DovecotToken;

impl Mechanism for DovecotToken {
    fn answer(&mut self, message: &[u8]) -> Step {
        let parts: Vec<&[u8]> = message.splitn(6, |&byte| byte == 0).collect();
        let [service, session_pid, user, session, token] = parts[..] else {
            return Step::Malformed("not exactly four NULs");
        };
        if [service, session_pid, user, token].iter().any(|part| part.is_empty()) {
            return Step::Malformed("empty part of an auth token");
        }
        Step::Done(Credentials::AuthToken {
            service: service.to_vec(),
            session_pid: session_pid.to_vec(),
            user: user.to_vec(),
            session: session.to_vec(),
            token: Secret::new(token),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::mechanism::{outcome, run};

    fn check(message: &[u8], expected: &str) {
        assert_eq!(outcome(&run(DovecotToken, Some(message), &[]).1), expected, "{message:?}");
    }

    #[test]
    fn five_parts() {
        check(b"imap\x0077\0ann\0s1\0abc", "imap 77 ann s1 abc");
        check(b"imap\x0077\0ann\0\0abc", "imap 77 ann  abc");
        assert_eq!(outcome(&run(DovecotToken, None, &[]).1), "waits");
    }

    #[test]
    fn refused() {
        for message in [&b""[..], b"imap\x0077\0ann\0s1", b"imap\x0077\0ann\0s1\0abc\0"] {
            check(message, "malformed: not exactly four NULs");
        }
        for message in [
            &b"\x0077\0ann\0s1\0abc"[..],
            b"imap\0\0ann\0s1\0abc",
            b"imap\x0077\0\0s1\0abc",
            b"imap\x0077\0ann\0s1\0",
        ] {
            check(message, "malformed: empty part of an auth token");
        }
    }
}
