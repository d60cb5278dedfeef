//! SCRAM-SHA-1 and SCRAM-SHA-256 keys: `rounds,salt,StoredKey,ServerKey` (RFC
//! 5802 §3). Made for another dialogue, they check a password in clear as well.

use ::pbkdf2::pbkdf2_hmac;
use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{Caps, Error, encoding::BASE64, pbkdf2};

const CORRUPT: Error = Error::Corrupt("not of SCRAM's form");
/// Rounds of a new key: Dovecot's default, and what RFC 7677 §4 asks for at least.
const NEW_ROUNDS: u32 = 4096;

/// Which hash the keys are made with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Function {
    Sha1,
    Sha256,
}

/// `StoredKey` and `ServerKey`.
type Keys = [Vec<u8>; 2];

impl Function {
    fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    fn keys(self, password: &[u8], salt: &[u8], rounds: u32) -> Keys {
        let mut salted = Zeroizing::new(vec![0; self.bytes()]);
        match self {
            Self::Sha1 => {
                pbkdf2_hmac::<Sha1>(password, salt, rounds, &mut salted);
                let client = hmac::<Hmac<Sha1>>(&salted, b"Client Key");
                [
                    Sha1::digest(&*client).to_vec(),
                    hmac::<Hmac<Sha1>>(&salted, b"Server Key").to_vec(),
                ]
            }
            Self::Sha256 => {
                pbkdf2_hmac::<Sha256>(password, salt, rounds, &mut salted);
                let client = hmac::<Hmac<Sha256>>(&salted, b"Client Key");
                let server = hmac::<Hmac<Sha256>>(&salted, b"Server Key");
                [Sha256::digest(&*client).to_vec(), server.to_vec()]
            }
        }
    }
}

fn hmac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Zeroizing<Vec<u8>> {
    let keyed = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    Zeroizing::new(keyed.chain_update(data).finalize().into_bytes().to_vec())
}

pub(super) fn matches(
    function: Function,
    stored: &str,
    password: &[u8],
    caps: &Caps,
) -> Result<bool, Error> {
    let mut fields = stored.split(',');
    let mut next = || fields.next().ok_or(CORRUPT);
    let rounds = pbkdf2::rounds(next()?).ok_or(CORRUPT)?;
    let mut next = || BASE64.decode(next()?).map_err(|_| CORRUPT);
    let (salt, keys) = (next()?, [next()?, next()?]);
    let form = !salt.is_empty() && keys.iter().all(|key| key.len() == function.bytes());
    if !form || fields.next().is_some() {
        return Err(CORRUPT);
    }
    pbkdf2::check_rounds(rounds.into(), caps)?;
    if password.contains(&0) {
        return Ok(false);
    }
    Ok(function.keys(password, &salt, rounds).concat().ct_eq(&keys.concat()).into())
}

pub(super) fn check_new(caps: &Caps) -> Result<(), Error> {
    pbkdf2::check_rounds(NEW_ROUNDS.into(), caps)
}

/// New keys, with SHA-256.
pub(super) fn hash(password: &[u8], salt: [u8; 16]) -> String {
    text(salt, &Function::Sha256.keys(password, &salt, NEW_ROUNDS))
}

pub(super) fn decoy() -> String {
    text(*b"decoydecoydecoyd", &[vec![0; 32], vec![0; 32]])
}

fn text(salt: [u8; 16], [stored, server]: &Keys) -> String {
    let [salt, stored, server] = [&salt[..], stored, server].map(|bytes| BASE64.encode(bytes));
    format!("{{SCRAM-SHA-256}}{NEW_ROUNDS},{salt},{stored},{server}")
}
