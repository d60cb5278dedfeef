//! XOAUTH2: Google's mechanism for bearer tokens, older than OAUTHBEARER and
//! still what most mail clients send.
//!
//! ```text
//! message = *(field %x01)          ; in any order; others are ignored
//! field   = "user=" name / "auth=Bearer " token / other
//! ```

use super::{
    bearer::{SEPARATOR, once, token},
    mechanism::{Credentials, Mechanism, Step},
};

/// An XOAUTH2 dialogue.
#[derive(Debug)]
pub struct Xoauth2;

impl Mechanism for Xoauth2 {
    fn answer(&mut self, message: &[u8]) -> Step {
        read(message).into()
    }
}

/// How many separators stand at the end is not looked at: clients differ.
fn read(message: &[u8]) -> Result<Credentials, &'static str> {
    if message.contains(&0) {
        return Err("NUL in the message");
    }
    let (mut user, mut bearer) = (None, None);
    for field in message.split(|byte| *byte == SEPARATOR) {
        if let Some(name) = field.strip_prefix(b"user=") {
            once(&mut user, name, "two user names")?;
        } else if let Some(auth) = field.strip_prefix(b"auth=") {
            once(&mut bearer, token(auth)?, "two tokens")?;
        }
    }
    let user = user.filter(|name| !name.is_empty()).ok_or("no user name")?;
    let token = bearer.ok_or("no bearer token")?;
    Ok(Credentials::Bearer { user: user.to_vec(), token })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::mechanism::{outcome, run};

    fn check(message: &[u8], expected: &str) {
        assert_eq!(outcome(&run(Xoauth2, Some(message), &[]).1), expected, "{message:?}");
        let (challenges, step) = run(Xoauth2, None, &[message]);
        assert_eq!((challenges, outcome(&step)), (vec![String::new()], expected.to_owned()));
    }

    #[test]
    fn name_and_token() {
        for message in [
            &b"user=ann@example.org\x01auth=Bearer abc\x01\x01"[..],
            b"user=ann@example.org\x01auth=Bearer abc\x01",
            b"user=ann@example.org\x01auth=Bearer abc",
            b"auth=bearer abc\x01user=ann@example.org\x01\x01",
            b"host=x\x01user=ann@example.org\x01port=993\x01auth=BEARER  abc\x01\x01\x01",
            b"\x01user=ann@example.org\x01auth=Bearer abc\x01User=bob\x01Auth=x\x01",
        ] {
            check(message, "ann@example.org with abc");
        }
        check(b"user=a=b, c\x01auth=Bearer d=e, \xff\x01\x01", "a=b, c with d=e, \\xff");
    }

    #[test]
    fn long_tokens() {
        let token = "t".repeat(12_000);
        let message = format!("user=ann\x01auth=Bearer {token}\x01\x01");
        check(message.as_bytes(), &format!("ann with {token}"));
    }

    #[test]
    fn refused() {
        for (message, why) in [
            (&b""[..], "no user name"),
            (b"\x01", "no user name"),
            (b"auth=Bearer abc\x01\x01", "no user name"),
            (b"user=\x01auth=Bearer abc\x01\x01", "no user name"),
            (b"user=ann\x01\x01", "no bearer token"),
            (b"user=ann\x01auth=\x01\x01", "no bearer token"),
            (b"user=ann\x01auth=Basic abc\x01\x01", "no bearer token"),
            (b"user=ann\x01auth=Bearer \x01\x01", "empty token"),
            (b"user=ann\x01auth=Bearer a\nb\x01\x01", "line end in the token"),
            (b"user=ann\x01user=ann\x01auth=Bearer a\x01\x01", "two user names"),
            (b"user=ann\x01auth=Bearer a\x01auth=Bearer a\x01", "two tokens"),
            (b"user=a\0nn\x01auth=Bearer abc\x01\x01", "NUL in the message"),
            (b"user=ann\x01auth=Bearer a\0bc\x01\x01", "NUL in the message"),
            (b"n,a=ann,\x01auth=Bearer abc\x01\x01", "no user name"),
        ] {
            check(message, &format!("malformed: {why}"));
        }
    }
}
