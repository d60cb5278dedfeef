//! ARGON2I, ARGON2ID and ARGON2: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`. The
//! algorithm is the string's, whatever the prefix says; `argon2d` is not for
//! passwords and unknown to Dovecot.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{
    Engine as _,
    engine::{GeneralPurpose, general_purpose::NO_PAD},
};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{Caps, Error};

const BASE64: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, NO_PAD);
const CORRUPT: Error = Error::Corrupt("not of Argon2's form");
/// Longest salt and digest that are read: many times what anybody writes.
const MAX_FIELD_BYTES: usize = 128;

struct Hash {
    algorithm: Algorithm,
    version: Version,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

pub(super) fn matches(hash: &str, password: &[u8], caps: &Caps) -> Result<bool, Error> {
    let hash = Hash::parse(hash).ok_or(CORRUPT)?;
    check(hash.memory_kib, hash.passes, hash.lanes, caps)?;
    let params = hash.params()?;
    if password.contains(&0) {
        return Ok(false);
    }
    let digest = hash.run(params, password)?;
    Ok(digest.ct_eq(&hash.digest).into())
}

fn check(memory_kib: u32, passes: u32, lanes: u32, caps: &Caps) -> Result<(), Error> {
    let limits = [
        ("Argon2 memory in bytes", u64::from(memory_kib) * 1024, caps.argon2_memory_bytes),
        ("Argon2 passes", u64::from(passes), u64::from(caps.argon2_passes)),
        ("Argon2 lanes", u64::from(lanes), u64::from(caps.argon2_lanes)),
    ];
    match limits.into_iter().find(|(_, found, cap)| found > cap) {
        Some((what, found, cap)) => Err(Error::CostAboveCap { what, found, cap }),
        None => Ok(()),
    }
}

pub(super) fn check_new(caps: &Caps) -> Result<(), Error> {
    check(Params::DEFAULT_M_COST, Params::DEFAULT_T_COST, Params::DEFAULT_P_COST, caps)
}

impl Hash {
    fn parse(hash: &str) -> Option<Self> {
        let mut fields = hash.strip_prefix('$')?.split('$');
        let algorithm = match fields.next()? {
            "argon2i" => Algorithm::Argon2i,
            "argon2id" => Algorithm::Argon2id,
            _ => return None,
        };
        let mut field = fields.next()?;
        // Hashes of Argon2 1.0 name no version.
        let version = match field.strip_prefix("v=") {
            None => Version::V0x10,
            Some(version) => {
                field = fields.next()?;
                version.parse::<u32>().ok()?.try_into().ok()?
            }
        };
        let (memory_kib, passes, lanes) = costs(field)?;
        let salt = BASE64.decode(fields.next()?).ok()?;
        let digest = BASE64.decode(fields.next()?).ok()?;
        let sizes = (8..=MAX_FIELD_BYTES).contains(&salt.len())
            && (12..=MAX_FIELD_BYTES).contains(&digest.len());
        (sizes && fields.next().is_none()).then_some(Self {
            algorithm,
            version,
            memory_kib,
            passes,
            lanes,
            salt,
            digest,
        })
    }

    fn params(&self) -> Result<Params, Error> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(self.digest.len()))
            .map_err(|_| CORRUPT)
    }

    fn run(&self, params: Params, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut digest = Zeroizing::new(vec![0; self.digest.len()]);
        match Argon2::new(self.algorithm, self.version, params).hash_password_into(
            password,
            &self.salt,
            &mut digest,
        ) {
            Ok(()) => Ok(digest),
            Err(argon2::Error::OutOfMemory) => Err(Error::OutOfMemory),
            Err(_) => Err(CORRUPT),
        }
    }

    fn text(&self) -> String {
        format!(
            "{{ARGON2ID}}$argon2id$v=19$m={},t={},p={}${}${}",
            self.memory_kib,
            self.passes,
            self.lanes,
            BASE64.encode(&self.salt),
            BASE64.encode(&self.digest)
        )
    }
}

/// `m=…,t=…,p=…`
fn costs(field: &str) -> Option<(u32, u32, u32)> {
    let mut costs = field.split(',');
    let mut next = |key| costs.next()?.strip_prefix(key)?.parse().ok();
    let found = (next("m=")?, next("t=")?, next("p=")?);
    costs.next().is_none().then_some(found)
}

fn new(salt: [u8; 16]) -> Hash {
    Hash {
        algorithm: Algorithm::Argon2id,
        version: Version::V0x13,
        memory_kib: Params::DEFAULT_M_COST,
        passes: Params::DEFAULT_T_COST,
        lanes: Params::DEFAULT_P_COST,
        salt: salt.to_vec(),
        digest: vec![0; Params::DEFAULT_OUTPUT_LEN],
    }
}

pub(super) fn hash(password: &[u8], salt: [u8; 16]) -> Result<String, Error> {
    let mut hash = new(salt);
    hash.digest = hash.run(hash.params()?, password)?.to_vec();
    Ok(hash.text())
}

pub(super) fn decoy() -> String {
    new(*b"decoydecoydecoyd").text()
}
