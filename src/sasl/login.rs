//! LOGIN (draft-murchison-sasl-login): the server asks for the name, then for
//! the password. Old, and still what some mail clients choose.

use super::mechanism::{Credentials, Mechanism, Step};
use crate::secret::Secret;

/// A LOGIN dialogue.
#[derive(Debug, Default)]
pub struct Login {
    /// The name, once it was said.
    name: Option<Vec<u8>>,
}

impl Mechanism for Login {
    /// An initial response is the name; clients that send an empty one mean none.
    fn start(&mut self, initial: Option<&[u8]>) -> Step {
        match initial {
            Some(name) if !name.is_empty() => self.answer(name),
            _ => Step::Challenge(b"Username:".to_vec()),
        }
    }

    fn answer(&mut self, response: &[u8]) -> Step {
        match self.name.take() {
            None => self.take_name(response),
            Some(authcid) => {
                let password = Secret::new(response);
                Step::Done(Credentials::Password { authcid, authzid: None, password })
            }
        }
    }
}

impl Login {
    fn take_name(&mut self, name: &[u8]) -> Step {
        if name.is_empty() {
            return Step::Malformed("empty user name");
        }
        if name.contains(&0) {
            return Step::Malformed("NUL in the user name");
        }
        self.name = Some(name.to_vec());
        Step::Challenge(b"Password:".to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::mechanism::{outcome, run};

    fn check(initial: Option<&[u8]>, answers: &[&[u8]], challenges: &[&str], expected: &str) {
        let (asked, step) = run(Login::default(), initial, answers);
        assert_eq!(asked, challenges);
        assert_eq!(outcome(&step), expected);
    }

    #[test]
    fn two_questions() {
        let both = &["Username:", "Password:"];
        check(None, &[b"ann", b"secret"], both, "ann as - with secret");
        check(Some(b""), &[b"ann", b"secret"], both, "ann as - with secret");
        check(Some(b"ann"), &[b"secret"], &["Password:"], "ann as - with secret");
        check(None, &[b"ann"], both, "waits");
    }

    #[test]
    fn refused() {
        check(None, &[b""], &["Username:"], "malformed: empty user name");
        check(None, &[b"a\0b"], &["Username:"], "malformed: NUL in the user name");
        check(Some(b"a\0b"), &[], &[], "malformed: NUL in the user name");
    }
}
