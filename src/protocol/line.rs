//! Framing: lines end at LF, one CR before it is dropped, and every socket has
//! its longest line.

use std::{fmt, ops::Deref};

use bytes::BytesMut;
use zeroize::Zeroize as _;

use super::Error;

/// Longest line from a client (login process, SMTP server), with its end. The
/// limit of Dovecot's own server.
pub const MAX_CLIENT_BYTES: usize = 16384;
/// Longest line from a mail process on a master or userdb socket, with its end.
pub const MAX_MASTER_BYTES: usize = 1024;

/// One line without its end. May hold a password: never shown, wiped when
/// dropped.
pub struct Line(BytesMut);

impl Deref for Line {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.as_mut().zeroize();
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({} bytes)", self.len())
    }
}

/// Cuts lines from a buffer that fills up as bytes arrive.
#[derive(Debug)]
pub struct Framer {
    max: usize,
    /// Bytes at the buffer's beginning that are known to hold no LF.
    searched: usize,
}

impl Framer {
    /// For lines of at most `max` bytes, their end included.
    pub fn new(max: usize) -> Self {
        Self { max, searched: 0 }
    }

    /// Takes the next line out of `buffer`; `None` while it is not complete.
    ///
    /// # Errors
    /// [`Error::TooLong`] as soon as the limit is reached: the buffer need never
    /// hold more than `max` bytes plus one read.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Line>, Error> {
        let reach = buffer.len().min(self.max);
        let unsearched = &buffer[self.searched.min(reach)..reach];
        let Some(at) = unsearched.iter().position(|&byte| byte == b'\n') else {
            self.searched = reach;
            let full = reach == self.max;
            return if full { Err(Error::TooLong { max: self.max }) } else { Ok(None) };
        };
        let mut line = buffer.split_to(self.searched + at + 1);
        self.searched = 0;
        line.truncate(line.len() - 1);
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        Ok(Some(Line(line)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(max: usize, input: &[u8]) -> (Vec<Vec<u8>>, Option<Error>, usize) {
        let mut buffer = BytesMut::from(input);
        let mut framer = Framer::new(max);
        let mut lines = Vec::new();
        loop {
            match framer.next(&mut buffer) {
                Ok(Some(line)) => lines.push(line.to_vec()),
                Ok(None) => return (lines, None, buffer.len()),
                Err(error) => return (lines, Some(error), buffer.len()),
            }
        }
    }

    #[test]
    fn one_cr_is_dropped() {
        let check = |input: &[u8], expected: &[&[u8]], rest: usize| {
            let (lines, error, left) = lines(64, input);
            assert_eq!(
                (lines, error, left),
                (expected.iter().map(|l| l.to_vec()).collect(), None, rest)
            );
        };
        check(b"", &[], 0);
        check(b"CPID\t1", &[], 6);
        check(b"CPID\t1\n", &[b"CPID\t1"], 0);
        check(b"CPID\t1\r\nx", &[b"CPID\t1"], 1);
        check(b"a\r\r\nb\rc\n", &[b"a\r", b"b\rc"], 0);
        check(b"\n\r\n", &[b"", b""], 0);
    }

    #[test]
    fn the_limit_includes_the_line_end() {
        let too_long = Some(Error::TooLong { max: 8 });
        assert_eq!(lines(8, b"1234567\n"), (vec![b"1234567".to_vec()], None, 0));
        assert_eq!(lines(8, b"12345678\n"), (vec![], too_long, 9));
        assert_eq!(lines(8, b"1234567"), (vec![], None, 7));
        assert_eq!(lines(8, b"12345678"), (vec![], too_long, 8));
    }

    #[test]
    fn a_line_is_not_shown() {
        let mut buffer = BytesMut::from(&b"AUTH\t1\tPLAIN\tresp=c2VjcmV0\n"[..]);
        let line = Framer::new(64).next(&mut buffer).unwrap().unwrap();
        assert_eq!(format!("{line:?}"), "Line(26 bytes)");
    }

    proptest! {
        /// However the bytes are cut into reads, the same lines come out.
        #[test]
        fn reads_do_not_matter(input in "[a\r\n]{0,60}", cut in 0_usize..60) {
            let input = input.as_bytes();
            let cut = cut.min(input.len());
            let mut framer = Framer::new(1024);
            let mut buffer = BytesMut::from(&input[..cut]);
            let mut found = Vec::new();
            while let Some(line) = framer.next(&mut buffer).unwrap() { found.push(line.to_vec()); }
            buffer.extend_from_slice(&input[cut..]);
            while let Some(line) = framer.next(&mut buffer).unwrap() { found.push(line.to_vec()); }
            prop_assert_eq!(found, lines(1024, input).0);
        }
    }
}
