//! How new passwords are hashed.

use super::{Caps, Error, argon2, bcrypt, prepared, scheme::unknown, scram, sha_crypt, yescrypt};

/// A scheme for new passwords: those that are slow to guess.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NewScheme {
    /// bcrypt, written as `$2y$`, the form that Dovecot and mailcow write.
    BlfCrypt {
        /// Logarithm of the rounds, 4 to 31.
        cost: u32,
    },
    /// SHA512-CRYPT with crypt(3)'s 5,000 rounds.
    Sha512Crypt,
    /// SHA256-CRYPT with crypt(3)'s 5,000 rounds.
    Sha256Crypt,
    /// Argon2id with 19 MiB, 2 passes, 1 lane (OWASP's first choice: mail hosts
    /// under a limit of address space have no 64 MiB for each thread).
    Argon2id,
    /// yescrypt in crypt(3)'s form, as Debian's passwd writes it: 16 MiB.
    Yescrypt,
    /// Keys of SCRAM-SHA-256, which Dovecot can use for that dialogue, too.
    ScramSha256,
}

impl NewScheme {
    /// Names of the schemes, as a user may give them.
    pub const NAMES: [&str; 6] =
        ["BLF-CRYPT", "ARGON2ID", "SHA512-CRYPT", "SHA256-CRYPT", "CRYPT", "SCRAM-SHA-256"];

    /// The scheme of this name (case ignored), if new passwords may have it and
    /// its cost lies below `caps`.
    pub fn named(name: &str, bcrypt_cost: u32, caps: &Caps) -> Result<Self, Error> {
        let scheme = match name.to_ascii_uppercase().as_str() {
            "BLF-CRYPT" => Self::BlfCrypt { cost: bcrypt_cost },
            "ARGON2ID" => Self::Argon2id,
            "SHA512-CRYPT" => Self::Sha512Crypt,
            "SHA256-CRYPT" => Self::Sha256Crypt,
            "CRYPT" => Self::Yescrypt,
            "SCRAM-SHA-256" => Self::ScramSha256,
            _ => return Err(unknown(name)),
        };
        scheme.check(caps)?;
        Ok(scheme)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::BlfCrypt { .. } => "BLF-CRYPT",
            Self::Argon2id => "ARGON2ID",
            Self::Sha512Crypt => "SHA512-CRYPT",
            Self::Sha256Crypt => "SHA256-CRYPT",
            Self::Yescrypt => "CRYPT",
            Self::ScramSha256 => "SCRAM-SHA-256",
        }
    }

    fn check(self, caps: &Caps) -> Result<(), Error> {
        match self {
            Self::BlfCrypt { cost } => bcrypt::check_cost(cost, caps),
            Self::Sha512Crypt | Self::Sha256Crypt => {
                sha_crypt::check_rounds(sha_crypt::DEFAULT_ROUNDS, caps)
            }
            Self::Argon2id => argon2::check_new(caps),
            Self::Yescrypt => yescrypt::check_new(caps),
            Self::ScramSha256 => scram::check_new(caps),
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
            Self::Sha512Crypt => sha_crypt::hash_512(password, salt),
            Self::Sha256Crypt => sha_crypt::hash_256(password, salt),
            Self::Argon2id => argon2::hash(password, salt),
            Self::Yescrypt => yescrypt::hash(password, salt),
            // Clients of that dialogue prepare the password (RFC 5802 §2.2).
            Self::ScramSha256 => match prepared::other_form(password) {
                Some(prepared) => Ok(scram::hash(&prepared, salt)),
                None => Ok(scram::hash(password, salt)),
            },
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
            Self::Sha256Crypt => format!("{{SHA256-CRYPT}}$5$decoydecoydecoyd${}", ".".repeat(43)),
            Self::Argon2id => argon2::decoy(),
            Self::Yescrypt => yescrypt::decoy(),
            Self::ScramSha256 => scram::decoy(),
        }
    }
}

impl Default for NewScheme {
    fn default() -> Self {
        Self::BlfCrypt { cost: 10 }
    }
}
