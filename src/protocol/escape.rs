//! Tab-escaping: five bytes that cannot stand in a field, written as 0x01 and a
//! letter. A line is split at its TABs first, each field is unescaped after.

use std::borrow::Cow;

use bytes::{BufMut as _, BytesMut};

const ESCAPE: u8 = 0x01;

/// The letter that stands behind 0x01 for `byte`, if it needs one.
fn letter(byte: u8) -> Option<u8> {
    match byte {
        0x00 => Some(b'0'),
        ESCAPE => Some(b'1'),
        b'\t' => Some(b't'),
        b'\r' => Some(b'r'),
        b'\n' => Some(b'n'),
        _ => None,
    }
}

/// The byte that 0x01 and `letter` stand for. Any other letter is itself.
fn byte(letter: u8) -> u8 {
    match letter {
        b'0' => 0x00,
        b'1' => ESCAPE,
        b't' => b'\t',
        b'r' => b'\r',
        b'n' => b'\n',
        other => other,
    }
}

/// Whether `value` has a byte that must be escaped.
pub fn needs_escaping(value: &[u8]) -> bool {
    value.iter().any(|&byte| letter(byte).is_some())
}

/// Appends `value`, escaped.
pub fn escape_into(out: &mut BytesMut, value: &[u8]) {
    if !needs_escaping(value) {
        out.put_slice(value);
        return;
    }
    for &byte in value {
        match letter(byte) {
            Some(letter) => out.put_slice(&[ESCAPE, letter]),
            None => out.put_u8(byte),
        }
    }
}

/// Undoes the escaping of one field; borrows where nothing is escaped. A 0x01
/// at the very end stands for nothing.
pub fn unescape(field: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = field.iter().position(|&byte| byte == ESCAPE) else {
        return Cow::Borrowed(field);
    };
    let (plain, mut rest) = field.split_at(first);
    let mut value = plain.to_vec();
    while let Some((&head, tail)) = rest.split_first() {
        rest = tail;
        if head != ESCAPE {
            value.push(head);
        } else if let Some((&letter, tail)) = rest.split_first() {
            value.push(byte(letter));
            rest = tail;
        }
    }
    Cow::Owned(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(value: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::new();
        escape_into(&mut out, value);
        out.to_vec()
    }

    #[test]
    fn five_bytes_are_escaped() {
        for (value, field) in [
            (&b""[..], &b""[..]),
            (b"ann@example.org", b"ann@example.org"),
            (b"a\tb", b"a\x01tb"),
            (b"\x00\x01\t\r\n", b"\x010\x011\x01t\x01r\x01n"),
            (b"\xff\x02", b"\xff\x02"),
        ] {
            assert_eq!(escaped(value), field);
            assert_eq!(&*unescape(field), value);
        }
    }

    #[test]
    fn unknown_escapes_are_the_letter_and_a_lone_one_is_dropped() {
        for (field, value) in [
            (&b"\x01x"[..], &b"x"[..]),
            (b"ab\x01", b"ab"),
            (b"\x01", b""),
            (b"\x01\x01", b"\x01"),
            (b"\x011t", b"\x01t"),
        ] {
            assert_eq!(&*unescape(field), value, "{field:?}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(value: Vec<u8>) {
            let field = escaped(&value);
            prop_assert!(!field.iter().any(|byte| b"\0\t\r\n".contains(byte)));
            prop_assert_eq!(&*unescape(&field), &value[..]);
        }

        #[test]
        fn unescape_takes_anything(field: Vec<u8>) {
            prop_assert!(unescape(&field).len() <= field.len());
        }
    }
}
