//! The parts that lines are made of.

use std::borrow::Cow;

use nom::{
    IResult, Parser as _,
    branch::alt,
    bytes::complete::{tag, take_till},
    character::complete::u32 as decimal,
    combinator::{eof, map, peek},
    sequence::{preceded, terminated},
};

use super::escape::unescape;

/// `field = *(any byte but TAB)`
pub(super) fn field(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_till(|byte| byte == b'\t').parse(input)
}

/// `next-field = TAB field`
pub(super) fn next_field(input: &[u8]) -> IResult<&[u8], &[u8]> {
    preceded(tag("\t"), field).parse(input)
}

/// `next-text = TAB field`, unescaped
pub(super) fn next_text(input: &[u8]) -> IResult<&[u8], Cow<'_, [u8]>> {
    map(next_field, unescape).parse(input)
}

/// `next-number = TAB 1*DIGIT`, a whole field, below 2^32
pub(super) fn next_number(input: &[u8]) -> IResult<&[u8], u32> {
    preceded(tag("\t"), terminated(decimal, peek(alt((tag("\t"), eof))))).parse(input)
}

/// One optional parameter: `name` or `name=value`.
#[derive(Debug)]
pub(super) struct Parameter<'a> {
    pub(super) name: &'a [u8],
    /// Behind the first `=`, still escaped; empty without one.
    raw: &'a [u8],
}

impl<'a> Parameter<'a> {
    /// The value as it stands on the wire, where nothing can be escaped.
    pub(super) fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The value.
    pub(super) fn value(&self) -> Cow<'a, [u8]> {
        unescape(self.raw)
    }
}

/// `parameters = *(TAB [name ["=" value]])`, without the empty ones: Dovecot's
/// own LIST has two TABs in a row.
pub(super) fn parameters(input: &[u8]) -> impl Iterator<Item = Parameter<'_>> {
    input.split(|&byte| byte == b'\t').filter(|field| !field.is_empty()).map(parameter)
}

/// `parameter = name ["=" value]`, split at the first `=`
fn parameter(field: &[u8]) -> Parameter<'_> {
    match field.iter().position(|&byte| byte == b'=') {
        Some(at) => Parameter { name: &field[..at], raw: &field[at + 1..] },
        None => Parameter { name: field, raw: b"" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_whole_fields_of_32_bits() {
        let check = |input: &[u8], expected: Option<(u32, usize)>| {
            let found = next_number(input).ok().map(|(rest, number)| (number, rest.len()));
            assert_eq!(found, expected, "{input:?}");
        };
        check(b"\t0", Some((0, 0)));
        check(b"\t4294967295\tx", Some((4_294_967_295, 2)));
        check(b"\t007", Some((7, 0)));
        for bad in
            [&b""[..], b"\t", b"1", b"\t4294967296", b"\t-1", b"\t+1", b"\t1x", b"\t 1", b"\t1\x01"]
        {
            check(bad, None);
        }
    }

    #[test]
    fn parameters_split_at_the_first_equals_sign() {
        let found: Vec<_> = parameters(b"\t\tsecured\trip=::1\tx=a=b\x01tc\t=v\t")
            .map(|parameter| (parameter.name.to_vec(), parameter.value().into_owned()))
            .collect();
        let expected: Vec<(Vec<u8>, Vec<u8>)> =
            [(&b"secured"[..], &b""[..]), (b"rip", b"::1"), (b"x", b"a=b\tc"), (b"", b"v")]
                .map(|(name, value)| (name.to_vec(), value.to_vec()))
                .into();
        assert_eq!(found, expected);
    }
}
