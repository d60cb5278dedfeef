//! `{SCHEME[.b64|.base64|.hex]}data`: which scheme, in which encoding, at which
//! cost.

use std::{borrow::Cow, fmt};

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{Error, argon2, bcrypt, plain, sha_crypt};

/// Base 64 with or without its padding: both are in use.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The dearest hashes that are run. Whoever can set his own hash could
/// otherwise choose how long we work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Caps {
    /// Logarithm of bcrypt's rounds.
    pub bcrypt_cost: u32,
    /// Rounds of SHA256-CRYPT and SHA512-CRYPT.
    pub sha_crypt_rounds: u32,
    /// Memory of one Argon2 run.
    pub argon2_memory_bytes: u64,
    /// Passes of Argon2 over its memory.
    pub argon2_passes: u32,
    /// Lanes of Argon2.
    pub argon2_lanes: u32,
}

impl Default for Caps {
    /// About a second of one core each, and memory that a mail host has.
    fn default() -> Self {
        Self {
            bcrypt_cost: 14,
            sha_crypt_rounds: 1_000_000,
            argon2_memory_bytes: 128 << 20,
            argon2_passes: 10,
            argon2_lanes: 8,
        }
    }
}

/// What a check costs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Work {
    /// A comparison: nothing worth a thread or a cache.
    Little,
    /// A hash made to be slow.
    Much,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Scheme {
    Plain,
    Bcrypt,
    Sha256Crypt,
    Sha512Crypt,
    Argon2,
}

/// A stored password, read and found fit to be checked.
#[derive(Clone)]
pub struct Stored<'a> {
    scheme: Scheme,
    name: &'a str,
    data: Cow<'a, [u8]>,
}

impl<'a> Stored<'a> {
    /// Reads `{SCHEME…}data`.
    pub fn parse(stored: &'a str) -> Result<Self, Error> {
        let (label, data) = stored
            .strip_prefix('{')
            .and_then(|rest| rest.split_once('}'))
            .ok_or(Error::Corrupt("no {SCHEME} before it"))?;
        let (name, encoding) = label.split_once('.').unwrap_or((label, ""));
        let scheme = Scheme::named(name).ok_or_else(|| unknown(label))?;
        Ok(Self { scheme, name, data: decode(encoding, data).ok_or_else(|| unknown(label))?? })
    }

    /// Name of the scheme as it was written, without an encoding.
    pub fn scheme_name(&self) -> &'a str {
        self.name
    }

    /// What [`Stored::matches`] will cost.
    pub fn work(&self) -> Work {
        match self.scheme {
            Scheme::Plain => Work::Little,
            Scheme::Bcrypt | Scheme::Sha256Crypt | Scheme::Sha512Crypt | Scheme::Argon2 => {
                Work::Much
            }
        }
    }

    /// Whether `password` is the stored one. Refuses a hash above `caps`
    /// without running it. Compares in constant time.
    pub fn matches(&self, password: &[u8], caps: &Caps) -> Result<bool, Error> {
        match self.scheme {
            Scheme::Plain => plain::matches(&self.data, password),
            Scheme::Bcrypt => bcrypt::matches(self.text()?, password, caps),
            Scheme::Sha256Crypt => sha_crypt::matches("5", self.text()?, password, caps),
            Scheme::Sha512Crypt => sha_crypt::matches("6", self.text()?, password, caps),
            Scheme::Argon2 => argon2::matches(self.text()?, password, caps),
        }
    }

    fn text(&self) -> Result<&str, Error> {
        std::str::from_utf8(&self.data).map_err(|_| Error::Corrupt("not text"))
    }
}

impl fmt::Debug for Stored<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stored({{{}}}…)", self.name)
    }
}

impl Scheme {
    fn named(name: &str) -> Option<Self> {
        const NAMES: [(&str, Scheme); 9] = [
            ("PLAIN", Scheme::Plain),
            ("CLEAR", Scheme::Plain),
            ("CLEARTEXT", Scheme::Plain),
            ("BLF-CRYPT", Scheme::Bcrypt),
            ("SHA256-CRYPT", Scheme::Sha256Crypt),
            ("SHA512-CRYPT", Scheme::Sha512Crypt),
            ("ARGON2", Scheme::Argon2),
            ("ARGON2I", Scheme::Argon2),
            ("ARGON2ID", Scheme::Argon2),
        ];
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, scheme)| *scheme)
    }
}

/// A scheme's name for an error. What is too long or not printable is no name
/// but perhaps a password that an importer took for one: not repeated.
fn unknown(label: &str) -> Error {
    let name_like = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let shown = label.len() <= 32 && label.bytes().all(name_like);
    Error::UnknownScheme(if shown { label } else { "?" }.to_owned())
}

/// `None` for an encoding that we don't know.
fn decode<'a>(encoding: &str, data: &'a str) -> Option<Result<Cow<'a, [u8]>, Error>> {
    match encoding.to_ascii_lowercase().as_str() {
        "" => Some(Ok(Cow::Borrowed(data.as_bytes()))),
        "b64" | "base64" => {
            Some(BASE64.decode(data).map(Cow::Owned).map_err(|_| Error::Corrupt("not base 64")))
        }
        "hex" => Some(from_hex(data).map(Cow::Owned).ok_or(Error::Corrupt("not hexadecimal"))),
        _ => None,
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// How new passwords are hashed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NewScheme {
    /// bcrypt, written as `$2y$`, the form that Dovecot and mailcow write.
    BlfCrypt {
        /// Logarithm of the rounds, 4 to 31.
        cost: u32,
    },
    /// SHA512-CRYPT with crypt(3)'s 5,000 rounds.
    Sha512Crypt,
    /// Argon2id with 19 MiB, 2 passes, 1 lane (OWASP's first choice: mail hosts
    /// under a limit of address space have no 64 MiB for each thread).
    Argon2id,
}

impl NewScheme {
    /// The scheme of this name (case ignored), if new passwords may have it and
    /// its cost lies below `caps`.
    pub fn named(name: &str, bcrypt_cost: u32, caps: &Caps) -> Result<Self, Error> {
        let scheme = match name.to_ascii_uppercase().as_str() {
            "BLF-CRYPT" => Self::BlfCrypt { cost: bcrypt_cost },
            "SHA512-CRYPT" => Self::Sha512Crypt,
            "ARGON2ID" => Self::Argon2id,
            _ => return Err(unknown(name)),
        };
        scheme.check(caps)?;
        Ok(scheme)
    }

    fn check(self, caps: &Caps) -> Result<(), Error> {
        match self {
            Self::BlfCrypt { cost } => bcrypt::check_cost(cost, caps),
            Self::Sha512Crypt => sha_crypt::check_rounds(sha_crypt::DEFAULT_ROUNDS, caps),
            Self::Argon2id => argon2::check_new(caps),
        }
    }

    /// `{SCHEME}…` of a new password. `salt` is 16 random bytes.
    ///
    /// # Errors
    /// [`Error::Unfit`] for a password that could never log in, or that the
    /// scheme would cut short.
    pub fn hash(self, password: &[u8], salt: [u8; 16]) -> Result<String, Error> {
        if let Some(why) = super::unfit(password) {
            return Err(Error::Unfit(why));
        }
        match self {
            Self::BlfCrypt { cost } => bcrypt::hash(password, cost, salt),
            Self::Sha512Crypt => sha_crypt::hash(password, salt),
            Self::Argon2id => argon2::hash(password, salt),
        }
    }

    /// A well-formed hash that no password has, as dear as a real one: what a
    /// name that does not exist is checked against.
    pub fn decoy(self) -> String {
        match self {
            Self::BlfCrypt { cost } => {
                format!("{{BLF-CRYPT}}$2y${cost:02}${}", ".".repeat(53))
            }
            Self::Sha512Crypt => format!("{{SHA512-CRYPT}}$6$decoydecoydecoyd${}", ".".repeat(86)),
            Self::Argon2id => argon2::decoy(),
        }
    }
}

impl Default for NewScheme {
    fn default() -> Self {
        Self::BlfCrypt { cost: 10 }
    }
}
