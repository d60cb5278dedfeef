//! Postfix's look-ups, `socketmap_table(5)`: one request, one reply, each of them
//! a netstring. What a map answers is not known here.
//!
//! ```text
//! netstring = length ":" *OCTET ","        ; as many octets as length says
//! length    = "0" / (%x31-39 *4DIGIT)      ; MAX_REQUEST_BYTES at most
//! request   = map SP key
//! map       = 1*(any octet but SP)
//! key       = *OCTET
//! reply     = ("OK" / "NOTFOUND" / "TEMP" / "PERM") SP text
//! ```

use bytes::{Buf as _, BytesMut};
use nom::{
    IResult, Parser as _,
    bytes::{complete, streaming},
    combinator::{map_opt, rest},
    multi::length_data,
    sequence::{separated_pair, terminated},
};

use super::Error;

/// Longest request, without what makes it a netstring. Postfix asks about any
/// address that fits into a command, which may have 12288 bytes
/// (`contrib/postfix/master.cf`), and quoting can make it twice as long: it
/// shall hear that there is no such mailbox.
pub const MAX_REQUEST_BYTES: usize = 32 << 10;

/// The maps that there are, under the names of Postfix's parameters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Map {
    /// Domains that mail is taken for.
    Domains,
    /// Addresses that mail is taken for.
    Mailboxes,
    /// Who may send as an address.
    Senders,
}

impl Map {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Domains, Self::Mailboxes, Self::Senders];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Domains => "virtual_mailbox_domains",
            Self::Mailboxes => "virtual_mailbox_maps",
            Self::Senders => "smtpd_sender_login_maps",
        }
    }

    /// The map of that name.
    pub fn find(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|map| map.name().as_bytes() == name)
    }
}

/// What is asked.
#[derive(Debug, Eq, PartialEq)]
pub struct Request<'a> {
    /// Where to look; [`Map::find`] says whether there is one of that name.
    pub map: &'a [u8],
    /// What to look for.
    pub key: &'a [u8],
}

/// What is answered. Postfix makes a temporary failure (4xx) of the last two.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// It is there, and this belongs to it.
    Found(String),
    /// It is not there, for certain.
    NotFound,
    /// We cannot tell now.
    Temporary(&'static str),
    /// Asked like this, we shall never tell.
    Permanent(&'static str),
}

impl Reply {
    /// Writes it as a netstring.
    pub fn write(&self, out: &mut BytesMut) {
        let (word, text) = match self {
            Self::Found(text) => ("OK", text.as_str()),
            Self::NotFound => ("NOTFOUND", ""),
            Self::Temporary(reason) => ("TEMP", *reason),
            Self::Permanent(reason) => ("PERM", *reason),
        };
        let length = word.len() + 1 + text.len();
        out.extend_from_slice(format!("{length}:{word} {text},").as_bytes());
    }
}

/// Takes the content of the next netstring out of `buffer`; `None` while it is
/// not complete.
///
/// # Errors
/// [`Error::Line`] as soon as it cannot become one any more: the buffer need
/// never hold more than [`MAX_REQUEST_BYTES`] and one read. Nobody can tell
/// where the next one would begin.
pub fn next(buffer: &mut BytesMut) -> Result<Option<BytesMut>, Error> {
    let (bytes, content_bytes) = match netstring(buffer) {
        Ok((rest, content)) => (buffer.len() - rest.len(), content.len()),
        Err(nom::Err::Incomplete(_)) => return Ok(None),
        Err(_) => return Err(Error::Line("no netstring of at most 32768 bytes")),
    };
    let mut content = buffer.split_to(bytes);
    content.advance(bytes - content_bytes - 1);
    content.truncate(content_bytes);
    Ok(Some(content))
}

/// Reads the content of a netstring; `None` if it is no request.
pub fn parse(content: &[u8]) -> Option<Request<'_>> {
    let (_, (map, key)) = request(content).ok()?;
    Some(Request { map, key })
}

/// `netstring = length ":" *OCTET ","`
fn netstring(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let head = terminated(length, streaming::tag(":"));
    terminated(length_data(head), streaming::tag(",")).parse(input)
}

/// `length = "0" / (%x31-39 *4DIGIT)`
fn length(input: &[u8]) -> IResult<&[u8], usize> {
    let digits = streaming::take_while_m_n(1, 5, |byte: u8| byte.is_ascii_digit());
    map_opt(digits, |digits: &[u8]| {
        let number: usize = str::from_utf8(digits).ok()?.parse().ok()?;
        let is_plain = digits == b"0" || !digits.starts_with(b"0");
        (is_plain && number <= MAX_REQUEST_BYTES).then_some(number)
    })
    .parse(input)
}

/// `request = map SP key`
fn request(input: &[u8]) -> IResult<&[u8], (&[u8], &[u8])> {
    let map = complete::take_till1(|byte| byte == b' ');
    separated_pair(map, complete::tag(" "), rest).parse(input)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes out, and how many bytes are left.
    fn check(input: &[u8], expected: &[&[u8]], broken: bool, left: usize) {
        let mut buffer = BytesMut::from(input);
        let mut found = Vec::new();
        let broke = loop {
            match next(&mut buffer) {
                Ok(Some(content)) => found.push(content),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        let shown = input[..input.len().min(40)].escape_ascii();
        assert_eq!(
            (found, broke),
            (expected.iter().map(|c| (*c).into()).collect(), broken),
            "{shown}"
        );
        assert_eq!(buffer.len(), left, "{shown}");
    }

    #[test]
    fn netstrings() {
        check(b"", &[], false, 0);
        check(b"0:,", &[b""], false, 0);
        check(b"3:a b,", &[b"a b"], false, 0);
        check(b"3:a b,4:\0,:\n,1", &[b"a b", b"\0,:\n"], false, 1);
        for beginning in [&b"3"[..], b"3:", b"3:a", b"3:a b", b"32768:a"] {
            check(beginning, &[], false, beginning.len());
        }
        // Lies about the length, and what is no length.
        for lie in [
            &b"2:a b,"[..],
            b"4:a b,3:c d,",
            b"03:a b,",
            b"00:,",
            b":,",
            b" 3:a b,",
            b"+3:a b,",
            b"-1:",
            b"3 :a b,",
            b"3;a b,",
            b"x",
            b"\n",
            b"32769:",
            b"99999:",
            b"999999",
            b"100000:",
            b"18446744073709551617:",
        ] {
            check(lie, &[], true, lie.len());
        }
    }

    #[test]
    fn the_longest_request_is_taken() {
        let longest = vec![b'x'; MAX_REQUEST_BYTES];
        let netstring = [b"32768:", &longest[..], b","].concat();
        check(&netstring, &[&longest], false, 0);
    }

    #[test]
    fn requests() {
        let check = |content: &'static [u8], expected: Option<(&[u8], &[u8])>| {
            let found = parse(content).map(|request| (request.map, request.key));
            assert_eq!(found, expected, "{}", content.escape_ascii());
        };
        check(b"map key", Some((b"map", b"key")));
        check(b"map  a key, with spaces ", Some((b"map", b" a key, with spaces ")));
        check(b"map \0\xff", Some((b"map", b"\0\xff")));
        check(b"map ", Some((b"map", b"")));
        for broken in [&b"map"[..], b"", b" ", b" key"] {
            check(broken, None);
        }
    }

    #[test]
    fn maps_have_names() {
        for map in Map::ALL {
            assert_eq!(Map::find(map.name().as_bytes()), Some(map));
        }
        for unknown in [&b""[..], b"virtual_alias_maps", b"Virtual_mailbox_maps"] {
            assert_eq!(Map::find(unknown), None);
        }
    }

    #[test]
    fn replies() {
        let check = |reply: Reply, expected: &str| {
            let mut out = BytesMut::new();
            reply.write(&mut out);
            assert_eq!(str::from_utf8(&out).unwrap(), expected);
        };
        check(Reply::Found("ann@example.org".to_owned()), "18:OK ann@example.org,");
        check(Reply::NotFound, "9:NOTFOUND ,");
        check(Reply::Temporary("later"), "10:TEMP later,");
        check(Reply::Permanent("never"), "10:PERM never,");
    }

    proptest! {
        /// However the bytes are cut into reads, the same contents come out.
        #[test]
        fn reads_do_not_matter(contents: Vec<Vec<u8>>, cut in 0_usize..200) {
            let mut input = Vec::new();
            for content in &contents {
                input.extend_from_slice(format!("{}:", content.len()).as_bytes());
                input.extend_from_slice(content);
                input.push(b',');
            }
            let cut = cut.min(input.len());
            let mut buffer = BytesMut::from(&input[..cut]);
            let mut found = Vec::new();
            while let Some(content) = next(&mut buffer).unwrap() { found.push(content.to_vec()); }
            buffer.extend_from_slice(&input[cut..]);
            while let Some(content) = next(&mut buffer).unwrap() { found.push(content.to_vec()); }
            prop_assert_eq!(found, contents);
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn anything_can_be_read(input: Vec<u8>) {
            let _ = next(&mut BytesMut::from(&input[..]));
            let _ = parse(&input);
        }
    }
}
