//! What Dovecot's and docker-mailserver's files say of mailboxes, line by line: a
//! line is taken over, or refused with a reason, and nothing is left out unless
//! somebody asked for it by name ([`LeftOut`]).
//!
//! Lines are those of a file that anybody may have written: bounded in length, in
//! UTF-8, and numbered, whatever stands in them.

pub mod docker_mailserver;
mod dovecot_fields;
pub mod passwd_file;

use std::io::{self, BufRead};

pub use self::dovecot_fields::LeftOut;

/// Longest line. Dovecot's own limit for an answer of a userdb is an eighth of it.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

/// The lines of a file.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    /// Number of the line that was read last, from 1.
    pub number: u64,
    /// Bytes read so far.
    pub bytes: u64,
}

impl<R: BufRead> Lines<R> {
    /// The lines of `reader`.
    pub fn new(reader: R) -> Self {
        Self { reader, number: 0, bytes: 0 }
    }

    /// The next line without its end, or why it is none; `None` behind the last.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<Result<String, &'static str>>> {
        let Some(line) = self.next_bytes()? else { return Ok(None) };
        self.number += 1;
        Ok(Some(line.and_then(|mut line| {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            if self.number == 1 && line.starts_with(b"\xef\xbb\xbf") {
                line.drain(..3);
            }
            String::from_utf8(line).map_err(|_| "is not UTF-8")
        })))
    }

    /// Keeps no more of a line than may be kept, but reads to its end.
    fn next_bytes(&mut self) -> io::Result<Option<Result<Vec<u8>, &'static str>>> {
        let (mut line, mut found, mut too_long) = (Vec::new(), false, false);
        loop {
            let piece = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                piece => piece?,
            };
            if piece.is_empty() {
                break;
            }
            found = true;
            let end = piece.iter().position(|byte| *byte == b'\n');
            let text = &piece[..end.unwrap_or(piece.len())];
            too_long |= line.len() + text.len() > MAX_LINE_BYTES;
            if !too_long {
                line.extend_from_slice(text);
            }
            let read = end.map_or(piece.len(), |end| end + 1);
            self.reader.consume(read);
            self.bytes += read as u64;
            if end.is_some() {
                break;
            }
        }
        let line = if too_long { Err("is longer than 64 KiB") } else { Ok(line) };
        Ok(found.then_some(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<Result<String, &'static str>> {
        // Small pieces, so that lines span them.
        let mut lines = Lines::new(io::BufReader::with_capacity(7, text));
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            found.push(line);
        }
        assert_eq!((lines.number, lines.bytes), (found.len() as u64, text.len() as u64));
        found
    }

    #[test]
    fn ends_and_encodings() {
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"one"), [ok("one")]);
        assert_eq!(lines(b"one\r\n\ntwo\n"), [ok("one"), ok(""), ok("two")]);
        assert_eq!(lines(b"\xef\xbb\xbfone\n\xef\xbb\xbf\n"), [ok("one"), ok("\u{feff}")]);
        assert_eq!(lines(b"a\xff\nb\0"), [Err("is not UTF-8"), ok("b\0")]);
    }

    #[test]
    fn a_long_line_is_none_and_the_next_one_is() {
        let mut text = vec![b'x'; MAX_LINE_BYTES];
        text.push(b'\n');
        text.extend(vec![b'y'; 3 * MAX_LINE_BYTES]);
        text.extend(b"\nend");
        let found = lines(&text);
        assert_eq!(found[0].as_ref().map(String::len), Ok(MAX_LINE_BYTES));
        assert_eq!(found[1..], [Err("is longer than 64 KiB"), Ok("end".to_owned())]);
    }
}
