//! OAUTHBEARER (RFC 7628 §3.1).
//!
//! ```text
//! message  = gs2-header %x01 *(key "=" value %x01) %x01
//! gs2-header = ("n" / "y") "," "a=" saslname ","
//! key      = 1*ALPHA               ; `auth` is needed, others are ignored
//! saslname = 1*(octet but "," "=" / "=2C" / "=3D")
//! ```
//!
//! The RFC lets the name out; we choose the provider by it, so it is needed here
//! as it is in Dovecot.

use super::{
    bearer::{SEPARATOR, once, token},
    mechanism::{Credentials, Mechanism, Step},
};
use crate::secret::Secret;

/// An OAUTHBEARER dialogue.
#[derive(Debug)]
pub struct Oauthbearer;

impl Mechanism for Oauthbearer {
    fn answer(&mut self, message: &[u8]) -> Step {
        read(message).into()
    }
}

fn read(message: &[u8]) -> Result<Credentials, &'static str> {
    if message.contains(&0) {
        return Err("NUL in the message");
    }
    let (user, rest) = gs2_header(message)?;
    let pairs = rest.strip_prefix(&[SEPARATOR]).ok_or("text behind the gs2 header")?;
    Ok(Credentials::Bearer { user, token: pairs_token(pairs)? })
}

/// Cuts the header off.
fn gs2_header(message: &[u8]) -> Result<(Vec<u8>, &[u8]), &'static str> {
    let mut parts = message.splitn(3, |byte| *byte == b',');
    let (flag, authzid) = (parts.next().unwrap_or_default(), parts.next());
    match flag {
        b"n" | b"y" => {}
        b"F" => return Err("a message that is not GSS-API's own"),
        _ if flag.starts_with(b"p=") => return Err("channel binding asked for"),
        _ => return Err("no gs2 header"),
    }
    let (Some(authzid), Some(rest)) = (authzid, parts.next()) else { return Err("no gs2 header") };
    match authzid.strip_prefix(b"a=") {
        Some(name) => Ok((saslname(name)?, rest)),
        None if authzid.is_empty() => Err("no user name"),
        None => Err("no gs2 header"),
    }
}

/// Undoes the escapes of `,` and `=` (RFC 5801 §4).
fn saslname(escaped: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut pieces = escaped.split(|byte| *byte == b'=');
    let mut name = pieces.next().unwrap_or_default().to_vec();
    for piece in pieces {
        let (code, rest) = piece.split_at_checked(2).ok_or("broken escape in the user name")?;
        match code {
            b"2C" | b"2c" => name.push(b','),
            b"3D" | b"3d" => name.push(b'='),
            _ => return Err("broken escape in the user name"),
        }
        name.extend_from_slice(rest);
    }
    if name.is_empty() { Err("no user name") } else { Ok(name) }
}

/// The token among `*(key "=" value %x01) %x01`.
fn pairs_token(pairs: &[u8]) -> Result<Secret, &'static str> {
    let mut bearer = None;
    let mut rest = pairs;
    loop {
        let at =
            rest.iter().position(|byte| *byte == SEPARATOR).ok_or("message without its end")?;
        let pair = &rest[..at];
        rest = &rest[at + 1..];
        if pair.is_empty() {
            break;
        }
        let equals = pair.iter().position(|byte| *byte == b'=').ok_or("a key without a value")?;
        let (key, value) = (&pair[..equals], &pair[equals + 1..]);
        if key.is_empty() || !key.iter().all(u8::is_ascii_alphabetic) {
            return Err("a key that is not made of letters");
        }
        if key == b"auth" {
            once(&mut bearer, token(value)?, "two tokens")?;
        }
    }
    if !rest.is_empty() {
        return Err("text behind the message's end");
    }
    bearer.ok_or("no bearer token")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::mechanism::{outcome, run};

    fn check(message: &[u8], expected: &str) {
        assert_eq!(outcome(&run(Oauthbearer, Some(message), &[]).1), expected, "{message:?}");
        let (challenges, step) = run(Oauthbearer, None, &[message]);
        assert_eq!((challenges, outcome(&step)), (vec![String::new()], expected.to_owned()));
    }

    #[test]
    fn name_and_token() {
        for message in [
            &b"n,a=ann@example.org,\x01auth=Bearer abc\x01\x01"[..],
            b"y,a=ann@example.org,\x01auth=bearer abc\x01\x01",
            b"n,a=ann@example.org,\x01host=mail.example.org\x01port=993\x01auth=Bearer abc\x01\x01",
            b"n,a=ann@example.org,\x01auth=Bearer abc\x01mthd=\x01qs=a=b,\r\n\t c\x01\x01",
        ] {
            check(message, "ann@example.org with abc");
        }
    }

    #[test]
    fn names_are_escaped() {
        check(b"n,a==2C=3Da=2cb=3d,\x01auth=Bearer t\x01\x01", ",=a,b= with t");
        check(b"n,a==3D2C,\x01auth=Bearer t\x01\x01", "=2C with t");
        check(b"n,a=\xc3\xa4,\x01auth=Bearer t\x01\x01", "\\xc3\\xa4 with t");
        for name in ["=", "=2", "a=2X", "=00", "=3", "a=b"] {
            let message = format!("n,a={name},\x01auth=Bearer t\x01\x01");
            check(message.as_bytes(), "malformed: broken escape in the user name");
        }
    }

    #[test]
    fn long_tokens() {
        let token = "t".repeat(12_000);
        let message = format!("n,a=ann,\x01auth=Bearer {token}\x01\x01");
        check(message.as_bytes(), &format!("ann with {token}"));
    }

    #[test]
    fn headers_that_are_refused() {
        for (message, why) in [
            (&b""[..], "no gs2 header"),
            (b"\x01", "no gs2 header"),
            (b"n", "no gs2 header"),
            (b"n,", "no gs2 header"),
            (b"n,a=ann\x01auth=Bearer t\x01\x01", "no gs2 header"),
            (b"x,a=ann,\x01auth=Bearer t\x01\x01", "no gs2 header"),
            (b"N,a=ann,\x01auth=Bearer t\x01\x01", "no gs2 header"),
            (b"n,b=ann,\x01auth=Bearer t\x01\x01", "no gs2 header"),
            (b",a=ann,\x01auth=Bearer t\x01\x01", "no gs2 header"),
            (b"user=ann\x01auth=Bearer t\x01\x01", "no gs2 header"),
            (b"n,,\x01auth=Bearer t\x01\x01", "no user name"),
            (b"n,a=,\x01auth=Bearer t\x01\x01", "no user name"),
            (b"p=tls-exporter,a=ann,\x01auth=Bearer t\x01\x01", "channel binding asked for"),
            (b"F,n,a=ann,\x01auth=Bearer t\x01\x01", "a message that is not GSS-API's own"),
            (b"n,a=ann,", "text behind the gs2 header"),
            (b"n,a=ann,x\x01auth=Bearer t\x01\x01", "text behind the gs2 header"),
            (b"n,a=ann,bob,\x01auth=Bearer t\x01\x01", "text behind the gs2 header"),
            (b"n,a=a\0nn,\x01auth=Bearer t\x01\x01", "NUL in the message"),
        ] {
            check(message, &format!("malformed: {why}"));
        }
    }

    #[test]
    fn pairs_that_are_refused() {
        for (pairs, why) in [
            ("", "message without its end"),
            ("\x01", "no bearer token"),
            ("auth=Bearer t", "message without its end"),
            ("auth=Bearer t\x01", "message without its end"),
            ("host=x\x01\x01", "no bearer token"),
            ("Auth=Bearer t\x01\x01", "no bearer token"),
            ("auth=Basic t\x01\x01", "no bearer token"),
            ("auth=Bearer \x01\x01", "empty token"),
            ("auth=Bearer a\r\x01\x01", "line end in the token"),
            ("auth=Bearer a\x01auth=Bearer b\x01\x01", "two tokens"),
            ("auth\x01\x01", "a key without a value"),
            ("=x\x01auth=Bearer t\x01\x01", "a key that is not made of letters"),
            ("a1=x\x01auth=Bearer t\x01\x01", "a key that is not made of letters"),
            ("auth=Bearer t\x01\x01\x01", "text behind the message's end"),
            ("auth=Bearer t\x01\x01host=x\x01", "text behind the message's end"),
            ("auth=Bearer a\0\x01\x01", "NUL in the message"),
        ] {
            let message = format!("n,a=ann,\x01{pairs}");
            check(message.as_bytes(), &format!("malformed: {why}"));
        }
    }
}
