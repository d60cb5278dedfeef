//! yescrypt (`$y$`, what Debian and Fedora write into shadow files) and crypt(3)'s
//! scrypt (`$7$`), which is the same machine in its classic mode.

use ::yescrypt::{Mode, Params};
use subtle::ConstantTimeEq as _;

use super::{Caps, Error, digits};

const CORRUPT: Error = Error::Corrupt("not of yescrypt's form");
const DIGEST_DIGITS: usize = 43;
/// What Debian's passwd writes: 16 MiB.
const NEW_PARAMS: &[u8] = b"j9T";

struct Hash {
    mode: Mode,
    rows: u64,
    block: u32,
    lanes: u32,
    further_passes: u32,
    salt: Vec<u8>,
}

pub(super) fn matches(hash: &str, password: &[u8], caps: &Caps) -> Result<bool, Error> {
    let (settings, digest) = hash.rsplit_once('$').ok_or(CORRUPT)?;
    let form =
        digest.len() == DIGEST_DIGITS && digest.bytes().all(|digit| digits::value(digit).is_some());
    let hash = if form { Hash::parse(settings) } else { None };
    let hash = hash.ok_or(CORRUPT)?;
    hash.check(caps)?;
    if password.contains(&0) {
        return Ok(false);
    }
    Ok(digits::encode(&hash.run(password)?).ct_eq(digest.as_bytes()).into())
}

impl Hash {
    /// Everything before the digest.
    fn parse(settings: &str) -> Option<Self> {
        if let Some(rest) = settings.strip_prefix("$7$") {
            return Self::parse_scrypt(rest);
        }
        let (params, salt) = settings.strip_prefix("$y$")?.split_once('$')?;
        let salt = digits::decode(salt.as_bytes()).filter(|salt| salt.len() <= 64)?;
        Self::parse_params(params.as_bytes(), salt)
    }

    /// One digit for the logarithm of the rows, five each for block and lanes.
    /// The salt counts as the text that it is.
    fn parse_scrypt(rest: &str) -> Option<Self> {
        let (params, salt) = rest.as_bytes().split_at_checked(11)?;
        Some(Self {
            mode: Mode::Classic,
            rows: 1_u64.checked_shl(digits::number(&params[..1])?)?,
            block: digits::number(&params[1..6])?,
            lanes: digits::number(&params[6..])?,
            further_passes: 0,
            salt: salt.to_vec(),
        })
    }

    fn parse_params(mut params: &[u8], salt: Vec<u8>) -> Option<Self> {
        let mode = Mode::try_from(take(&mut params, 0)?).ok()?;
        let rows = 1_u64.checked_shl(take(&mut params, 1)?)?;
        let block = take(&mut params, 1)?;
        let optional = if params.is_empty() { 0 } else { take(&mut params, 1)? };
        let lanes = if optional & 1 == 0 { 1 } else { take(&mut params, 2)? };
        let further_passes = if optional & 2 == 0 { 0 } else { take(&mut params, 1)? };
        // Upgrades in place and a ROM: nobody writes them.
        (optional <= 3 && params.is_empty()).then_some(Self {
            mode,
            rows,
            block,
            lanes,
            further_passes,
            salt,
        })
    }

    /// Memory times lanes times passes: lanes and passes cost time in the
    /// same measure, so one bound holds for all.
    fn check(&self, caps: &Caps) -> Result<(), Error> {
        let cap = caps.yescrypt_memory_bytes;
        let factors =
            [u64::from(self.block), self.lanes.into(), u64::from(self.further_passes) + 1];
        let found = factors.into_iter().fold(self.rows.saturating_mul(128), u64::saturating_mul);
        if found > cap {
            return Err(Error::CostAboveCap { what: "yescrypt memory in bytes", found, cap });
        }
        // What the crate would divide by, or take for another form.
        let form = self.rows >= 2 && self.block >= 1 && self.lanes >= 1;
        if form { Ok(()) } else { Err(CORRUPT) }
    }

    fn run(&self, password: &[u8]) -> Result<[u8; 32], Error> {
        // The crate would end the process where there is no memory. Others may
        // take it in between, but not often.
        let bytes = self.rows * 128 * u64::from(self.block);
        let bytes = usize::try_from(bytes).map_err(|_| Error::OutOfMemory)?;
        Vec::<u8>::new().try_reserve_exact(bytes).map_err(|_| Error::OutOfMemory)?;
        let Self { mode, rows, block, lanes, further_passes, .. } = *self;
        let params = Params::new_with_all_params(mode, rows, block, lanes, further_passes, 0);
        let mut digest = [0; 32];
        params
            .and_then(|params| ::yescrypt::yescrypt(password, &self.salt, &params, &mut digest))
            .map_err(|_| CORRUPT)?;
        Ok(digest)
    }
}

/// A number of one to six digits, whose first says how many follow; the smallest
/// one is `least`.
fn take(text: &mut &[u8], least: u32) -> Option<u32> {
    let (first, mut rest) = text.split_first()?;
    let first = u64::from(digits::value(*first)?);
    let (mut start, mut end, mut value, mut further) = (0, 47, u64::from(least), 0);
    while first > end {
        value += (end + 1 - start) << (6 * further);
        start = end + 1;
        end = start + (62 - end) / 2;
        further += 1;
        if further > 5 {
            return None;
        }
    }
    value += (first - start) << (6 * further);
    for place in (0..further).rev() {
        let (digit, tail) = rest.split_first()?;
        value += u64::from(digits::value(*digit)?) << (6 * place);
        rest = tail;
    }
    *text = rest;
    u32::try_from(value).ok()
}

fn new(salt: &[u8]) -> Hash {
    Hash::parse_params(NEW_PARAMS, salt.to_vec()).expect("our own parameters")
}

pub(super) fn check_new(caps: &Caps) -> Result<(), Error> {
    new(b"").check(caps)
}

pub(super) fn hash(password: &[u8], salt: [u8; 16]) -> Result<String, Error> {
    Ok(text(&salt, &new(&salt).run(password)?))
}

pub(super) fn decoy() -> String {
    text(b"decoydecoydecoyd", &[0; 32])
}

fn text(salt: &[u8], digest: &[u8]) -> String {
    let [params, salt, digest] =
        [NEW_PARAMS.to_vec(), digits::encode(salt), digits::encode(digest)]
            .map(|part| part.into_iter().map(char::from).collect::<String>());
    format!("{{CRYPT}}$y${params}${salt}${digest}")
}
