//! What an LDAP server sends, looked at before `ldap3` reads it: that library waits
//! for as many bytes as a message says it has, reads nested values by recursion, and
//! panics on what it does not expect. Past this point there is one answer of the
//! awaited kind at a time, bounded, and of the form of RFC 4511.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Longest message, in bytes. An entry has only what was asked for; who is in a
/// thousand groups needs a tenth of it.
pub(super) const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const BOOLEAN: u8 = 0x01;
const ENUMERATED: u8 = 0x0a;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const BIND_RESPONSE: u8 = 0x61;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const SEARCH_REFERENCE: u8 = 0x73;
const EXTENDED_RESPONSE: u8 = 0x78;
const CONTROLS: u8 = 0xa0;
/// Members of an answer that may follow its text: referral, SASL's, an extension's.
const REFERRAL: u8 = 0xa3;
const SASL: u8 = 0x87;
const EXTENSION_NAME: u8 = 0x8a;
const EXTENSION_VALUE: u8 = 0x8b;

/// What was asked last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Awaited {
    Nothing,
    Bind,
    Search,
    Extended,
}

/// Why a message is none, in words.
pub(super) type Bad = &'static str;

/// What has the number 0 is no answer: the server takes its leave (RFC 4511 §4.4.1).
pub(super) const GOODBYE: Bad = "it ended the connection";

/// The next message, and no byte more.
///
/// # Errors
/// The connection failed or ended; [`io::ErrorKind::InvalidData`] for what is no
/// message.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let invalid = |bad| io::Error::new(io::ErrorKind::InvalidData, bad);
    let mut message = Vec::new();
    let whole = loop {
        if message.first().is_some_and(|tag| *tag != SEQUENCE) {
            return Err(invalid("something that is not LDAP"));
        }
        if let Some(header) = header(&message).map_err(invalid)? {
            break header.len + header.content;
        }
        message.push(stream.read_u8().await?);
    };
    if whole > MAX_MESSAGE_BYTES {
        return Err(invalid("a message of more than 1 MiB"));
    }
    let begun = message.len();
    // Grows with what comes, not with what was promised.
    stream.take((whole - begun) as u64).read_to_end(&mut message).await?;
    if message.len() < whole { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(message) }
}

/// Whether `message` is what an answer to `awaited` looks like.
pub(super) fn check(message: &[u8], awaited: Awaited) -> Result<(), Bad> {
    let mut whole = Reader(message);
    let mut members = whole.member(SEQUENCE)?;
    if members.number(INTEGER)? == 0 {
        return Err(GOODBYE);
    }
    let (operation, content) = members.any()?;
    match (awaited, operation) {
        (Awaited::Bind, BIND_RESPONSE)
        | (Awaited::Search, SEARCH_DONE)
        | (Awaited::Extended, EXTENDED_RESPONSE) => check_result(content)?,
        (Awaited::Search, SEARCH_ENTRY) => check_entry(content)?,
        (Awaited::Search, SEARCH_REFERENCE) => check_texts(content)?,
        _ => return Err("an answer that nobody waits for"),
    }
    if !members.is_empty() {
        check_controls(members.member(CONTROLS)?)?;
    }
    members.end()?;
    whole.end()
}

/// The code of an answer that [`check`] has passed.
pub(super) fn code(message: &[u8]) -> Result<u32, Bad> {
    let mut members = Reader(message).member(SEQUENCE)?;
    members.number(INTEGER)?;
    members.any()?.1.number(ENUMERATED)
}

/// Where the next page begins, by the value of the control (RFC 2696 §2); nothing at
/// the end.
pub(super) fn page_cookie(value: &[u8]) -> Result<Vec<u8>, Bad> {
    let mut members = Reader(value).member(SEQUENCE)?;
    members.member(INTEGER)?;
    let cookie = members.member(OCTETS)?;
    members.end()?;
    Ok(cookie.0.to_vec())
}

/// `LDAPResult` (RFC 4511 §4.1.9) and what some answers have behind it.
fn check_result(mut members: Reader<'_>) -> Result<(), Bad> {
    members.number(ENUMERATED)?;
    members.text()?;
    members.text()?;
    while !members.is_empty() {
        match members.any()? {
            (REFERRAL, urls) => check_texts(urls)?,
            (EXTENSION_NAME, name) => name.is_text()?,
            (SASL | EXTENSION_VALUE, _) => {}
            _ => return Err("an answer with a member that none has"),
        }
    }
    Ok(())
}

/// `SearchResultEntry` (§4.5.2).
fn check_entry(mut members: Reader<'_>) -> Result<(), Bad> {
    members.text()?;
    let mut attributes = members.member(SEQUENCE)?;
    members.end()?;
    while !attributes.is_empty() {
        let mut attribute = attributes.member(SEQUENCE)?;
        attribute.text()?;
        let mut values = attribute.member(SET)?;
        attribute.end()?;
        while !values.is_empty() {
            values.member(OCTETS)?;
        }
    }
    Ok(())
}

fn check_texts(mut texts: Reader<'_>) -> Result<(), Bad> {
    while !texts.is_empty() {
        texts.text()?;
    }
    Ok(())
}

/// `Controls` (§4.1.11).
fn check_controls(mut controls: Reader<'_>) -> Result<(), Bad> {
    while !controls.is_empty() {
        let mut control = controls.member(SEQUENCE)?;
        control.text()?;
        let (mut critical, mut value) = (false, false);
        while !control.is_empty() {
            match control.any()? {
                (BOOLEAN, Reader([_])) if !critical && !value => critical = true,
                (OCTETS, _) if !value => value = true,
                _ => return Err("a control that is none"),
            }
        }
    }
    Ok(())
}

/// Values of BER, one after another.
#[derive(Clone, Copy)]
struct Reader<'m>(&'m [u8]);

struct Header {
    tag: u8,
    /// Bytes of tag and length.
    len: usize,
    /// Bytes that follow.
    content: usize,
}

/// The head of a value; none while it is not there as a whole. Lengths are definite
/// (RFC 4511 §5.1).
fn header(bytes: &[u8]) -> Result<Option<Header>, Bad> {
    let [tag, first, more @ ..] = bytes else { return Ok(None) };
    if tag & 0x1f == 0x1f {
        return Err("a tag that LDAP does not have");
    }
    if *first < 0x80 {
        return Ok(Some(Header { tag: *tag, len: 2, content: usize::from(*first) }));
    }
    let octets = usize::from(first & 0x7f);
    if octets == 0 || octets > 4 {
        return Err("a length that LDAP does not have");
    }
    let Some(length) = more.get(..octets) else { return Ok(None) };
    let content = length.iter().fold(0, |all, octet| all << 8 | usize::from(*octet));
    Ok(Some(Header { tag: *tag, len: 2 + octets, content }))
}

impl<'m> Reader<'m> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn end(&self) -> Result<(), Bad> {
        if self.is_empty() { Ok(()) } else { Err("something behind the end") }
    }

    fn any(&mut self) -> Result<(u8, Reader<'m>), Bad> {
        let head = header(self.0)?.ok_or("a value that is cut off")?;
        let rest = &self.0[head.len..];
        if rest.len() < head.content {
            return Err("a value that is longer than what it stands in");
        }
        let (content, rest) = rest.split_at(head.content);
        self.0 = rest;
        Ok((head.tag, Reader(content)))
    }

    fn member(&mut self, expected: u8) -> Result<Reader<'m>, Bad> {
        let (tag, content) = self.any()?;
        if tag == expected { Ok(content) } else { Err("a value of another type") }
    }

    fn number(&mut self, tag: u8) -> Result<u32, Bad> {
        let octets = self.member(tag)?.0;
        match octets {
            [first, ..] if octets.len() <= 4 && *first < 0x80 => {
                Ok(octets.iter().fold(0, |all, octet| all << 8 | u32::from(*octet)))
            }
            _ => Err("a number out of range"),
        }
    }

    fn text(&mut self) -> Result<(), Bad> {
        self.member(OCTETS)?.is_text()
    }

    fn is_text(&self) -> Result<(), Bad> {
        std::str::from_utf8(self.0).map(|_| ()).map_err(|_| "a text that is not UTF-8")
    }
}

#[cfg(test)]
mod tests;
