//! `{SCHEME[.b64|.base64|.hex]}data`: which scheme, in which encoding, at which
//! cost.

use std::{borrow::Cow, fmt};

use super::{
    Error, argon2, bcrypt, cram_md5, des_crypt,
    digest::{self, Function},
    encoding::{self, Form},
    md5_crypt, pbkdf2, plain, prepared, scram, sha_crypt, yescrypt,
};

/// What is checked at all: the dearest hashes that are run (whoever can set his
/// own hash could otherwise choose how long we work), and whether weak ones are.
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
    /// Rounds of PBKDF2, PBKDF2-SHA512, SCRAM keys and `$sha1$`.
    pub pbkdf2_rounds: u32,
    /// Memory of one yescrypt or scrypt run, times its lanes and passes.
    pub yescrypt_memory_bytes: u64,
    /// Whether the schemes on MD4, MD5 and DES are checked.
    pub weak_schemes: bool,
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
            pbkdf2_rounds: 1_000_000,
            yescrypt_memory_bytes: 128 << 20,
            weak_schemes: false,
        }
    }
}

/// What a check costs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Work {
    /// A comparison: nothing worth a thread or a cache.
    Little,
    /// A hash made to be slow, at least in its day.
    Much,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Scheme {
    Plain,
    PlainTrunc,
    Bcrypt,
    Sha256Crypt,
    Sha512Crypt,
    Argon2,
    Yescrypt,
    Pbkdf2,
    Pbkdf2Sha512,
    Sha1Crypt,
    Scram(scram::Function),
    Digest(Function),
    Salted(Function),
    CramMd5,
    DigestMd5,
    Md5Crypt,
    DesCrypt,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Named {
    Scheme(Scheme),
    /// Whatever crypt(3) knows, by the beginning of the data.
    Crypt,
    /// MD5-CRYPT where the data looks like it, else the digest.
    Md5,
}

/// A stored password, read and found fit to be checked.
#[derive(Clone)]
pub struct Stored<'a> {
    scheme: Scheme,
    name: &'a str,
    data: Cow<'a, [u8]>,
    user: Option<&'a str>,
}

impl<'a> Stored<'a> {
    /// Reads `{SCHEME…}data`.
    pub fn parse(stored: &'a str) -> Result<Self, Error> {
        let (label, data) = stored
            .strip_prefix('{')
            .and_then(|rest| rest.split_once('}'))
            .ok_or(Error::Corrupt("no {SCHEME} before it"))?;
        let (name, encoding) = match label.split_once('.') {
            Some((name, encoding)) => (name, Some(encoding)),
            None => (label, None),
        };
        let named = Named::by(name).ok_or_else(|| unknown(label))?;
        let form = named.form(encoding.is_none(), data);
        let data = encoding::decode(form, encoding, data).ok_or_else(|| unknown(label))??;
        let scheme = named.scheme(&data)?;
        Ok(Self { scheme, name, data, user: None })
    }

    /// The same of this user: DIGEST-MD5 holds the name, too. It is the canonical
    /// address, so that it does not matter how the name is typed at a login.
    #[must_use]
    pub fn of(self, user: &'a str) -> Self {
        Self { user: Some(user), ..self }
    }

    /// Name of the scheme as it was written, without an encoding.
    pub fn scheme_name(&self) -> &'a str {
        self.name
    }

    /// Whether logins can use it under `caps`: its form and its cost, found out
    /// without running it. A weak one is a matter of [`Stored::is_weak`].
    pub fn check(&self, caps: &Caps) -> Result<(), Error> {
        // No password has this byte, so no slow hash is run for it.
        self.matches_as_typed(b"\0", caps).map(drop)
    }

    /// What [`Stored::matches`] will cost.
    pub fn work(&self) -> Work {
        match self.scheme {
            Scheme::Plain
            | Scheme::PlainTrunc
            | Scheme::Digest(_)
            | Scheme::Salted(_)
            | Scheme::CramMd5
            | Scheme::DigestMd5 => Work::Little,
            _ => Work::Much,
        }
    }

    /// Whether it is built on MD4, MD5 or DES.
    pub fn is_weak(&self) -> bool {
        match self.scheme {
            Scheme::Digest(function) | Scheme::Salted(function) => {
                matches!(function, Function::Md4 | Function::Md5)
            }
            Scheme::CramMd5 | Scheme::DigestMd5 | Scheme::Md5Crypt | Scheme::DesCrypt => true,
            _ => false,
        }
    }

    /// Whether the right `password` should be hashed anew: this hash is quick to
    /// guess. Not where the scheme reads less than all of it, since then what was
    /// typed need not be what the user takes for the password.
    pub fn is_outdated_for(&self, password: &[u8]) -> bool {
        let read_whole = match self.scheme {
            Scheme::PlainTrunc => false,
            Scheme::DesCrypt if !self.data.starts_with(b"_") => {
                password.len() <= 8 && password.is_ascii()
            }
            Scheme::DesCrypt => password.is_ascii(),
            _ => true,
        };
        // Of several forms of a password the new hash would know one alone.
        let read_whole = read_whole && prepared::other_form(password).is_none();
        read_whole && (self.work() == Work::Little || self.is_weak())
    }

    /// Whether `password` is the stored one, as it was typed or else as SASL
    /// clients prepare it. Refuses what `caps` does not allow without running it.
    /// Compares in constant time.
    pub fn matches(&self, password: &[u8], caps: &Caps) -> Result<bool, Error> {
        if self.is_weak() && !caps.weak_schemes {
            return Err(Error::SwitchedOff(self.shown_name()));
        }
        if self.matches_as_typed(password, caps)? {
            return Ok(true);
        }
        match prepared::other_form(password) {
            Some(prepared) => self.matches_as_typed(&prepared, caps),
            None => Ok(false),
        }
    }

    fn matches_as_typed(&self, password: &[u8], caps: &Caps) -> Result<bool, Error> {
        match self.scheme {
            Scheme::Plain => plain::matches(&self.data, password),
            Scheme::PlainTrunc => plain::matches_start(&self.data, password),
            Scheme::Bcrypt => bcrypt::matches(self.text()?, password, caps),
            Scheme::Sha256Crypt => sha_crypt::matches("5", self.text()?, password, caps),
            Scheme::Sha512Crypt => sha_crypt::matches("6", self.text()?, password, caps),
            Scheme::Argon2 => argon2::matches(self.text()?, password, caps),
            Scheme::Yescrypt => yescrypt::matches(self.text()?, password, caps),
            Scheme::Pbkdf2 => pbkdf2::matches_sha1(self.text()?, password, caps),
            Scheme::Pbkdf2Sha512 => pbkdf2::matches_sha512(self.text()?, password, caps),
            Scheme::Sha1Crypt => pbkdf2::matches_sha1_crypt(self.text()?, password, caps),
            Scheme::Scram(function) => scram::matches(function, self.text()?, password, caps),
            Scheme::Digest(function) => Ok(digest::matches(function, &self.data, password)),
            Scheme::Salted(function) => digest::matches_salted(function, &self.data, password),
            Scheme::CramMd5 => Ok(cram_md5::matches(&self.data, password)),
            Scheme::DigestMd5 => digest::matches_digest_md5(&self.data, self.user, password),
            Scheme::Md5Crypt => md5_crypt::matches(self.text()?, password),
            Scheme::DesCrypt => des_crypt::matches(self.text()?, password),
        }
    }

    fn text(&self) -> Result<&str, Error> {
        std::str::from_utf8(&self.data).map_err(|_| Error::Corrupt("not text"))
    }

    /// For `CRYPT`, what is behind it as well.
    fn shown_name(&self) -> String {
        let name = self.name.to_ascii_uppercase();
        match self.scheme {
            Scheme::Md5Crypt if name != "MD5-CRYPT" => format!("{name} (MD5-CRYPT)"),
            Scheme::DesCrypt if name != "DES-CRYPT" => format!("{name} (DES-CRYPT)"),
            _ => name,
        }
    }
}

impl fmt::Debug for Stored<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stored({{{}}}…)", self.name)
    }
}

impl Named {
    fn by(name: &str) -> Option<Self> {
        const NAMES: [(&str, Named); 32] = [
            ("PLAIN", Named::Scheme(Scheme::Plain)),
            ("CLEAR", Named::Scheme(Scheme::Plain)),
            ("CLEARTEXT", Named::Scheme(Scheme::Plain)),
            ("PLAIN-TRUNC", Named::Scheme(Scheme::PlainTrunc)),
            ("CRYPT", Named::Crypt),
            ("BLF-CRYPT", Named::Scheme(Scheme::Bcrypt)),
            ("SHA256-CRYPT", Named::Scheme(Scheme::Sha256Crypt)),
            ("SHA512-CRYPT", Named::Scheme(Scheme::Sha512Crypt)),
            ("MD5-CRYPT", Named::Scheme(Scheme::Md5Crypt)),
            ("DES-CRYPT", Named::Scheme(Scheme::DesCrypt)),
            ("ARGON2", Named::Scheme(Scheme::Argon2)),
            ("ARGON2I", Named::Scheme(Scheme::Argon2)),
            ("ARGON2ID", Named::Scheme(Scheme::Argon2)),
            ("PBKDF2", Named::Scheme(Scheme::Pbkdf2)),
            ("PBKDF2-SHA512", Named::Scheme(Scheme::Pbkdf2Sha512)),
            ("SCRAM-SHA-1", Named::Scheme(Scheme::Scram(scram::Function::Sha1))),
            ("SCRAM-SHA-256", Named::Scheme(Scheme::Scram(scram::Function::Sha256))),
            ("SHA", Named::Scheme(Scheme::Digest(Function::Sha1))),
            ("SHA1", Named::Scheme(Scheme::Digest(Function::Sha1))),
            ("SHA256", Named::Scheme(Scheme::Digest(Function::Sha256))),
            ("SHA512", Named::Scheme(Scheme::Digest(Function::Sha512))),
            ("SSHA", Named::Scheme(Scheme::Salted(Function::Sha1))),
            ("SSHA256", Named::Scheme(Scheme::Salted(Function::Sha256))),
            ("SSHA512", Named::Scheme(Scheme::Salted(Function::Sha512))),
            ("SMD5", Named::Scheme(Scheme::Salted(Function::Md5))),
            ("MD5", Named::Md5),
            ("PLAIN-MD5", Named::Scheme(Scheme::Digest(Function::Md5))),
            ("LDAP-MD5", Named::Scheme(Scheme::Digest(Function::Md5))),
            ("PLAIN-MD4", Named::Scheme(Scheme::Digest(Function::Md4))),
            ("CRAM-MD5", Named::Scheme(Scheme::CramMd5)),
            ("HMAC-MD5", Named::Scheme(Scheme::CramMd5)),
            ("DIGEST-MD5", Named::Scheme(Scheme::DigestMd5)),
        ];
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, named)| *named)
    }

    /// What the data is, where `guess` is set without a suffix that says it.
    fn form(self, guess: bool, data: &str) -> Form {
        match self {
            Self::Scheme(Scheme::Digest(function)) => Form::Digest(function.bytes()),
            Self::Scheme(Scheme::CramMd5) => Form::Digest(cram_md5::BYTES),
            Self::Scheme(Scheme::DigestMd5) => Form::Digest(Function::Md5.bytes()),
            Self::Scheme(Scheme::Salted(_)) => Form::Salted,
            Self::Md5 if guess && !data.starts_with("$1$") => Form::Digest(Function::Md5.bytes()),
            _ => Form::Text,
        }
    }

    fn scheme(self, data: &[u8]) -> Result<Scheme, Error> {
        match self {
            Self::Scheme(scheme) => Ok(scheme),
            Self::Md5 if data.starts_with(b"$1$") => Ok(Scheme::Md5Crypt),
            Self::Md5 if data.len() == Function::Md5.bytes() => Ok(Scheme::Digest(Function::Md5)),
            Self::Md5 => Err(Error::Corrupt("a digest of another length")),
            Self::Crypt => of_crypt(data),
        }
    }
}

/// crypt(3)'s methods, and Argon2, which PHP's verifier (mailcow's) reads there.
fn of_crypt(data: &[u8]) -> Result<Scheme, Error> {
    const METHODS: [(&[u8], Scheme); 9] = [
        (b"$2", Scheme::Bcrypt),
        (b"$5$", Scheme::Sha256Crypt),
        (b"$6$", Scheme::Sha512Crypt),
        (b"$y$", Scheme::Yescrypt),
        (b"$7$", Scheme::Yescrypt),
        (b"$1$", Scheme::Md5Crypt),
        (b"$sha1$", Scheme::Sha1Crypt),
        (b"$argon2i", Scheme::Argon2),
        (b"_", Scheme::DesCrypt),
    ];
    if let Some((_, scheme)) = METHODS.iter().find(|(start, _)| data.starts_with(start)) {
        return Ok(*scheme);
    }
    let id = data.strip_prefix(b"$").and_then(|rest| rest.split(|byte| *byte == b'$').next());
    match id.map(|id| str::from_utf8(id).unwrap_or("?")) {
        None => Ok(Scheme::DesCrypt),
        Some(id) if id.len() <= 8 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Err(Error::UnknownScheme(format!("CRYPT ${id}$")))
        }
        Some(_) => Err(Error::UnknownScheme("CRYPT".to_owned())),
    }
}

/// A scheme's name for an error. What is too long or not printable is no name
/// but perhaps a password that an importer took for one: not repeated.
pub(super) fn unknown(label: &str) -> Error {
    let name_like = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let shown = label.len() <= 32 && label.bytes().all(name_like);
    Error::UnknownScheme(if shown { label } else { "?" }.to_owned())
}
