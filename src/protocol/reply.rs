//! What we send, appended straight to the connection's output.
//!
//! ```text
//! reply = command TAB id *(TAB field) LF
//! field = value / name ["=" value]          ; values tab-escaped
//! ```

use std::fmt::Write as _;

use bytes::{BufMut as _, BytesMut};

use super::{
    Cookie, MAJOR, base64,
    escape::{escape_into, needs_escaping},
};

/// Longest line that a master client takes, with its end: one below its buffer.
pub const MAX_MASTER_REPLY_BYTES: usize = 8191;

/// Longest `original_user` that is sent: no login name is longer, and escaped it
/// still fits every client's buffer.
const MAX_ORIGINAL_BYTES: usize = 1024;

/// A reply that no master client could take; nothing of it was appended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("reply longer than {MAX_MASTER_REPLY_BYTES} bytes")]
pub struct TooLong;

/// How values may be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Values {
    /// Escaped where need be.
    Escaped,
    /// The reader undoes no escapes (Postfix, Exim: minor 0), so a value that
    /// needs one is left out.
    Plain,
}

/// One line in the making.
struct Reply<'a> {
    out: &'a mut BytesMut,
    start: usize,
    values: Values,
}

impl<'a> Reply<'a> {
    fn new(out: &'a mut BytesMut, command: &str) -> Self {
        let start = out.len();
        out.put_slice(command.as_bytes());
        Self { out, start, values: Values::Escaped }
    }

    fn to(out: &'a mut BytesMut, command: &str, id: u32) -> Self {
        Self::new(out, command).number(id)
    }

    fn values(self, values: Values) -> Self {
        Self { values, ..self }
    }

    fn number(self, number: impl Into<u64>) -> Self {
        write!(self.out, "\t{}", number.into()).expect("a buffer grows");
        self
    }

    fn value(self, value: &[u8]) -> Self {
        self.out.put_u8(b'\t');
        escape_into(self.out, value);
        self
    }

    fn field(self, name: &str, value: &[u8]) -> Self {
        if self.values == Values::Plain && needs_escaping(value) {
            return self;
        }
        self.out.put_u8(b'\t');
        escape_into(self.out, name.as_bytes());
        self.out.put_u8(b'=');
        escape_into(self.out, value);
        self
    }

    fn optional(self, name: &str, value: Option<&[u8]>) -> Self {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    fn names(self, names: Option<Names<'_>>) -> Self {
        self.optional("user", names.map(|names| names.user.as_bytes()))
            .optional("original_user", names.and_then(|names| names.original()))
    }

    fn fields<'f>(self, fields: impl IntoIterator<Item = (&'f str, &'f str)>) -> Self {
        fields.into_iter().fold(self, |reply, (name, value)| reply.field(name, value.as_bytes()))
    }

    fn end(self) {
        self.out.put_u8(b'\n');
    }

    /// Ends a line for a master client, or takes it back.
    fn end_within_limit(self) -> Result<(), TooLong> {
        self.out.put_u8(b'\n');
        if self.out.len() - self.start > MAX_MASTER_REPLY_BYTES {
            self.out.truncate(self.start);
            return Err(TooLong);
        }
        Ok(())
    }
}

/// `VERSION`
pub fn version(out: &mut BytesMut, minor: u32) {
    Reply::new(out, "VERSION").number(MAJOR).number(minor).end();
}

/// `MECH`, with the flags by which mail servers hide a mechanism.
pub fn mech(out: &mut BytesMut, name: &str, flags: &[&str]) {
    let reply = Reply::new(out, "MECH").value(name.as_bytes());
    flags.iter().fold(reply, |reply, flag| reply.value(flag.as_bytes())).end();
}

/// `SPID`: the same on every socket, another after a restart.
pub fn spid(out: &mut BytesMut, spid: u32) {
    Reply::new(out, "SPID").number(spid).end();
}

/// `CUID`: the number of this connection.
pub fn cuid(out: &mut BytesMut, cuid: u32) {
    Reply::new(out, "CUID").number(cuid).end();
}

/// `COOKIE`
pub fn cookie(out: &mut BytesMut, cookie: &Cookie) {
    out.put_slice(b"COOKIE\t");
    cookie.append_to(out);
    out.put_u8(b'\n');
}

/// `DONE`, the end of the handshake.
pub fn done(out: &mut BytesMut) {
    Reply::new(out, "DONE").end();
}

/// Whom a reply speaks of.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The canonical name.
    pub user: &'a str,
    /// The name as it came; sent only where it differs.
    pub original: Option<&'a [u8]>,
}

impl<'a> Names<'a> {
    fn original(&self) -> Option<&'a [u8]> {
        let differs = |name: &&[u8]| *name != self.user.as_bytes();
        self.original.filter(differs).filter(|name| name.len() <= MAX_ORIGINAL_BYTES)
    }
}

/// `OK`: logged in. `user` stands first, since some read no further.
pub fn ok(out: &mut BytesMut, id: u32, names: Names<'_>, values: Values) {
    Reply::to(out, "OK", id).values(values).names(Some(names)).end();
}

/// `FAIL`: not logged in, and nothing about why.
pub fn fail(out: &mut BytesMut, id: u32, names: Option<Names<'_>>, values: Values) {
    Reply::to(out, "FAIL", id).values(values).names(names).end();
}

/// `FAIL … resp=`: not logged in, with the mechanism's last message. For clients
/// that said `final-resp-ok`.
pub fn fail_with_message(
    out: &mut BytesMut,
    id: u32,
    names: Option<Names<'_>>,
    message: &[u8],
    values: Values,
) {
    let reply = Reply::to(out, "FAIL", id).values(values).names(names);
    reply.out.put_slice(b"\tresp=");
    base64::encode_into(reply.out, message);
    reply.end();
}

/// `FAIL … code=`, with a text that the user may see.
pub fn fail_with_code(out: &mut BytesMut, id: u32, code: &str, reason: Option<&str>) {
    Reply::to(out, "FAIL", id)
        .field("code", code.as_bytes())
        .optional("reason", reason.map(str::as_bytes))
        .end();
}

/// `FAIL … reason=`, on either half of the protocol; the text may be shown to
/// the user.
pub fn fail_with_reason(out: &mut BytesMut, id: u32, reason: &str) {
    Reply::to(out, "FAIL", id).field("reason", reason.as_bytes()).end();
}

/// `CONT`: a challenge. An empty one is an empty field, not a missing one.
pub fn cont(out: &mut BytesMut, id: u32, challenge: &[u8]) {
    let reply = Reply::to(out, "CONT", id);
    reply.out.put_u8(b'\t');
    base64::encode_into(reply.out, challenge);
    reply.end();
}

/// `CANCELLED`, for clients of minor 4.
pub fn cancelled(out: &mut BytesMut, id: u32) {
    Reply::to(out, "CANCELLED", id).end();
}

/// `USER`: a user with the userdb's fields.
///
/// # Errors
/// [`TooLong`].
pub fn user<'f>(
    out: &mut BytesMut,
    id: u32,
    name: &str,
    fields: impl IntoIterator<Item = (&'f str, &'f str)>,
) -> Result<(), TooLong> {
    Reply::to(out, "USER", id).value(name.as_bytes()).fields(fields).end_within_limit()
}

/// `PASS`: the same from the passdb; here the name is a field like others.
///
/// # Errors
/// [`TooLong`].
pub fn pass<'f>(
    out: &mut BytesMut,
    id: u32,
    name: &str,
    fields: impl IntoIterator<Item = (&'f str, &'f str)>,
) -> Result<(), TooLong> {
    Reply::to(out, "PASS", id).field("user", name.as_bytes()).fields(fields).end_within_limit()
}

/// `NOTFOUND`: there is no such user. Never for a fault of ours.
pub fn not_found(out: &mut BytesMut, id: u32) {
    Reply::to(out, "NOTFOUND", id).end();
}

/// `FAIL` to a master client.
pub fn master_fail(out: &mut BytesMut, id: u32, reason: Option<&str>) {
    Reply::to(out, "FAIL", id).optional("reason", reason.map(str::as_bytes)).end();
}

/// `LIST`: one user of many.
///
/// # Errors
/// [`TooLong`].
pub fn list(out: &mut BytesMut, id: u32, name: &str) -> Result<(), TooLong> {
    Reply::to(out, "LIST", id).value(name.as_bytes()).end_within_limit()
}

/// `DONE` behind a LIST: all were sent, or it failed on the way.
pub fn list_done(out: &mut BytesMut, id: u32, complete: bool) {
    Reply::to(out, "DONE", id).value(if complete { b"" } else { b"fail" }).end();
}

/// `OK` with a number: so many entries were flushed.
pub fn count(out: &mut BytesMut, id: u32, count: u64) {
    Reply::to(out, "OK", id).number(count).end();
}

/// `OK` with named numbers; none at all means that there is no cache.
pub fn figures(out: &mut BytesMut, id: u32, figures: &[(&'static str, u64)]) {
    let mut reply = Reply::to(out, "OK", id);
    for (name, number) in figures {
        reply = reply.field(name, number.to_string().as_bytes());
    }
    reply.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: &str, append: impl FnOnce(&mut BytesMut)) {
        let mut out = BytesMut::from(&b"before\n"[..]);
        append(&mut out);
        let found = str::from_utf8(&out).unwrap().strip_prefix("before\n");
        assert_eq!(found, Some(expected));
    }

    const ANN: Names<'_> = Names { user: "ann@example.org", original: Some(b"Ann") };
    const SAME: Names<'_> = Names { user: "ann@example.org", original: Some(b"ann@example.org") };
    const TAB: Names<'_> = Names { user: "ann@example.org", original: Some(b"a\tnn") };

    #[test]
    fn handshake() {
        check("VERSION\t1\t4\n", |out| version(out, 4));
        check("MECH\tPLAIN\tplaintext\n", |out| mech(out, "PLAIN", &["plaintext"]));
        check("MECH\tEXTERNAL\n", |out| mech(out, "EXTERNAL", &[]));
        check("SPID\t77\n", |out| spid(out, 77));
        check("CUID\t4294967295\n", |out| cuid(out, u32::MAX));
        check("COOKIE\t000102030405060708090a0b0c0d0e0f\n", |out| {
            cookie(out, &Cookie::new([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]));
        });
        check("DONE\n", done);
    }

    #[test]
    fn client_replies() {
        check("OK\t1\tuser=ann@example.org\n", |out| ok(out, 1, SAME, Values::Escaped));
        check("OK\t1\tuser=ann@example.org\toriginal_user=Ann\n", |out| {
            ok(out, 1, ANN, Values::Plain);
        });
        check("OK\t1\tuser=ann@example.org\toriginal_user=a\x01tnn\n", |out| {
            ok(out, 1, TAB, Values::Escaped);
        });
        check("OK\t1\tuser=ann@example.org\n", |out| ok(out, 1, TAB, Values::Plain));
        check("FAIL\t2\n", |out| fail(out, 2, None, Values::Escaped));
        check("FAIL\t2\tuser=ann@example.org\toriginal_user=Ann\n", |out| {
            fail(out, 2, Some(ANN), Values::Escaped);
        });
        check("FAIL\t2\tuser=ann@example.org\toriginal_user=Ann\tresp=e30=\n", |out| {
            fail_with_message(out, 2, Some(ANN), b"{}", Values::Escaped);
        });
        check("FAIL\t2\tuser=ann@example.org\tresp=e30=\n", |out| {
            fail_with_message(out, 2, Some(TAB), b"{}", Values::Plain);
        });
        check("FAIL\t2\tresp=\n", |out| {
            fail_with_message(out, 2, None, b"", Values::Escaped);
        });
        check("FAIL\t2\tcode=temp_fail\n", |out| fail_with_code(out, 2, "temp_fail", None));
        check("FAIL\t2\tcode=c\treason=two words\n", |out| {
            fail_with_code(out, 2, "c", Some("two words"));
        });
        check("CONT\t3\t\n", |out| cont(out, 3, b""));
        check("CONT\t3\tVXNlcm5hbWU6\n", |out| cont(out, 3, b"Username:"));
        check("CANCELLED\t4\n", |out| cancelled(out, 4));
    }

    #[test]
    fn master_replies() {
        let fields = [("uid", "5000"), ("home", "/var/vmail/a\tb")];
        check("USER\t1\tann\tuid=5000\thome=/var/vmail/a\x01tb\n", |out| {
            user(out, 1, "ann", fields).unwrap();
        });
        check("PASS\t1\tuser=ann\tuid=5000\thome=/var/vmail/a\x01tb\n", |out| {
            pass(out, 1, "ann", fields).unwrap();
        });
        check("NOTFOUND\t1\n", |out| not_found(out, 1));
        check("FAIL\t1\n", |out| master_fail(out, 1, None));
        check("FAIL\t1\treason=x\n", |out| master_fail(out, 1, Some("x")));
        check("LIST\t1\tann@example.org\n", |out| list(out, 1, "ann@example.org").unwrap());
        check("DONE\t1\t\n", |out| list_done(out, 1, true));
        check("DONE\t1\tfail\n", |out| list_done(out, 1, false));
        check("OK\t1\t7\n", |out| count(out, 1, 7));
        check("OK\t1\n", |out| figures(out, 1, &[]));
        check("OK\t1\thits=3\tmisses=0\n", |out| figures(out, 1, &[("hits", 3), ("misses", 0)]));
    }

    #[test]
    fn no_master_reply_is_longer_than_its_reader_takes() {
        let home = "x".repeat(MAX_MASTER_REPLY_BYTES - "USER\t1\tann\thome=\n".len());
        let mut out = BytesMut::from(&b"before\n"[..]);
        user(&mut out, 1, "ann", [("home", home.as_str())]).unwrap();
        assert_eq!(out.len(), 7 + MAX_MASTER_REPLY_BYTES);
        out.truncate(7);
        let home = home + "x";
        assert_eq!(user(&mut out, 1, "ann", [("home", home.as_str())]), Err(TooLong));
        assert_eq!(&out[..], b"before\n");
    }
}
