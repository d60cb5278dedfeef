//! How the bytes of a stored password are written: as they are, in base 64, or
//! hexadecimal.

use std::borrow::Cow;

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::Error;

/// Base 64 with or without its padding: both are in use. Written with it.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a scheme's data is where no suffix says how it is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// Text, as it stands there.
    Text,
    /// Bytes in base 64.
    Salted,
    /// A digest of so many bytes: hexadecimal where the length says so, else
    /// base 64.
    Digest(usize),
}

/// The data of a scheme; `None` for an encoding that we don't know.
pub(super) fn decode<'a>(
    form: Form,
    encoding: Option<&str>,
    data: &'a str,
) -> Option<Result<Cow<'a, [u8]>, Error>> {
    let Some(encoding) = encoding else {
        return Some(match form {
            Form::Text => Ok(Cow::Borrowed(data.as_bytes())),
            Form::Salted => from_base64(data).map(Cow::Owned),
            Form::Digest(bytes) => guessed(data, bytes).map(Cow::Owned),
        });
    };
    let decoded = match encoding.to_ascii_lowercase().as_str() {
        "b64" | "base64" => from_base64(data),
        "hex" => hexadecimal(data),
        _ => return None,
    };
    Some(decoded.and_then(|bytes| fitting(form, bytes)).map(Cow::Owned))
}

/// A digest in the encoding that its length shows.
fn guessed(data: &str, bytes: usize) -> Result<Vec<u8>, Error> {
    let as_hex = if data.len() == 2 * bytes { from_hex(data) } else { None };
    match as_hex {
        Some(decoded) => Ok(decoded),
        None => fitting(Form::Digest(bytes), from_base64(data)?),
    }
}

fn fitting(form: Form, decoded: Vec<u8>) -> Result<Vec<u8>, Error> {
    match form {
        Form::Digest(bytes) if bytes != decoded.len() => {
            Err(Error::Corrupt("a digest of another length"))
        }
        _ => Ok(decoded),
    }
}

fn from_base64(data: &str) -> Result<Vec<u8>, Error> {
    BASE64.decode(data).map_err(|_| Error::Corrupt("not base 64"))
}

fn hexadecimal(data: &str) -> Result<Vec<u8>, Error> {
    from_hex(data).ok_or(Error::Corrupt("not hexadecimal"))
}

pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}
