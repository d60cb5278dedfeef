//! EXTERNAL (RFC 4422 appendix A): the mail server has verified the client's
//! TLS certificate and says whose it is; the message is only whom to act as.

use super::mechanism::{Credentials, Mechanism, Step, authzid};

/// An EXTERNAL dialogue.
#[derive(Debug)]
pub struct External {
    name: Option<Vec<u8>>,
}

impl External {
    /// `name` is the name in the verified certificate.
    pub fn new(name: Option<&[u8]>) -> Self {
        Self { name: name.filter(|name| !name.is_empty()).map(<[u8]>::to_vec) }
    }
}

impl Mechanism for External {
    fn answer(&mut self, message: &[u8]) -> Step {
        let Some(name) = self.name.take() else {
            return Step::Malformed("no verified certificate with a name");
        };
        if message.contains(&0) {
            return Step::Malformed("NUL in the authorization identity");
        }
        let authzid = authzid(message, &name);
        Step::Done(Credentials::Certificate { name, authzid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::mechanism::{outcome, run};

    fn check(certificate: Option<&[u8]>, message: &[u8], expected: &str) {
        let mechanism = || External::new(certificate);
        assert_eq!(outcome(&run(mechanism(), Some(message), &[]).1), expected);
        let (challenges, step) = run(mechanism(), None, &[message]);
        assert_eq!((challenges, outcome(&step)), (vec![String::new()], expected.to_owned()));
    }

    #[test]
    fn the_certificate_names_the_user() {
        check(Some(b"ann"), b"", "ann as -");
        check(Some(b"ann"), b"ann", "ann as -");
        check(Some(b"ann"), b"bob", "ann as bob");
    }

    #[test]
    fn refused() {
        check(None, b"ann", "malformed: no verified certificate with a name");
        check(Some(b""), b"ann", "malformed: no verified certificate with a name");
        check(Some(b"ann"), b"an\0n", "malformed: NUL in the authorization identity");
    }
}
