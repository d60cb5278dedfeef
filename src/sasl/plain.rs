//! PLAIN (RFC 4616).
//!
//! ```text
//! message = [authzid] NUL authcid NUL password
//! ```

use super::mechanism::{Credentials, Mechanism, Step, authzid};
use crate::secret::Secret;

/// A PLAIN dialogue.
#[derive(Debug)]
pub struct Plain;

impl Mechanism for Plain {
    fn answer(&mut self, message: &[u8]) -> Step {
        let mut parts = message.split(|&byte| byte == 0);
        let (Some(actor), Some(authcid), Some(word), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Step::Malformed("not exactly two NULs");
        };
        if authcid.is_empty() {
            return Step::Malformed("empty user name");
        }
        Step::Done(Credentials::Password {
            authcid: authcid.to_vec(),
            authzid: authzid(actor, authcid),
            password: Secret::new(word),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::mechanism::{outcome, run};

    fn check(message: &[u8], expected: &str) {
        assert_eq!(outcome(&run(Plain, Some(message), &[]).1), expected, "{message:?}");
        let (challenges, step) = run(Plain, None, &[message]);
        assert_eq!((challenges, outcome(&step)), (vec![String::new()], expected.to_owned()));
    }

    #[test]
    fn names_and_password() {
        check(b"\0ann\0secret", "ann as - with secret");
        check(b"ann\0ann\0secret", "ann as - with secret");
        check(b"bob\0ann\0secret", "ann as bob with secret");
        check(b"Ann\0ann\0secret", "ann as Ann with secret");
        check(b"\0\xc3\xa4\0\xff x", "\\xc3\\xa4 as - with \\xff x");
    }

    #[test]
    fn not_exactly_two_nuls() {
        for message in [&b""[..], b"ann", b"ann\0secret", b"\0ann\0secret\0", b"\0\0\0\0"] {
            check(message, "malformed: not exactly two NULs");
        }
    }

    #[test]
    fn a_name_must_be_there_and_a_password_may_be_anything() {
        check(b"\0\0secret", "malformed: empty user name");
        check(b"\0ann\0", "ann as - with ");
        check(b"\0ann\0sec\x01ret", "ann as - with sec\\x01ret");
    }
}
