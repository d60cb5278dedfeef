//! DES-CRYPT: two characters of salt and eleven of digest, as Unix had it in
//! 1979, and its extension by `BSDi` (`_`, rounds, salt): DES (FIPS 46-3) of zeros,
//! run over and over, in which the salt exchanges bits of the expansion.
//!
//! Written for brevity: a bit at a time. It takes what an old machine took, and
//! reads eight bytes of a password with seven bits each.

use subtle::ConstantTimeEq as _;

use super::{Error, digits};

const CORRUPT: Error = Error::Corrupt("not of DES-crypt's form");
const RUNS: u32 = 25;
/// Most runs of an extended hash; more would take longer than a login may.
const MAX_RUNS: u32 = 20_000;
const DIGEST_DIGITS: usize = 11;

pub(super) fn matches(hash: &str, password: &[u8]) -> Result<bool, Error> {
    let hash = hash.as_bytes();
    let (prefix, digest) =
        hash.len().checked_sub(DIGEST_DIGITS).map(|at| hash.split_at(at)).ok_or(CORRUPT)?;
    let (runs, salt) = match prefix {
        [b'_', settings @ ..] if settings.len() == 8 => {
            (digits::number(&settings[..4]), digits::number(&settings[4..]))
        }
        salt if salt.len() == 2 => (Some(RUNS), digits::number(salt)),
        _ => return Err(CORRUPT),
    };
    let (Some(runs), Some(salt), Some(digest)) = (runs, salt, number(digest)) else {
        return Err(CORRUPT);
    };
    if runs == 0 {
        return Err(CORRUPT);
    }
    if runs > MAX_RUNS {
        let (found, cap) = (runs.into(), MAX_RUNS.into());
        return Err(Error::CostAboveCap { what: "DES runs", found, cap });
    }
    if password.contains(&0) {
        return Ok(false);
    }
    let key = if prefix.len() == 2 { first_eight(password) } else { folded(password) };
    let found = run(&subkeys(key), salt, runs);
    Ok(found.to_be_bytes().ct_eq(&digest.to_be_bytes()).into())
}

/// 64 bits as eleven digits, the highest first, and two zeros at the end.
fn number(digest: &[u8]) -> Option<u64> {
    let sum = digest
        .iter()
        .try_fold(0_u128, |sum, digit| Some(sum << 6 | u128::from(digits::value(*digit)?)))?;
    (sum.trailing_zeros() >= 2).then(|| u64::try_from(sum >> 2).ok()).flatten()
}

/// DES reads the upper seven bits of each byte of a key, a password has the lower.
fn first_eight(password: &[u8]) -> u64 {
    (0..8).fold(0, |key, at| key << 8 | u64::from(password.get(at).copied().unwrap_or(0) << 1))
}

/// The whole password: each eight bytes are mixed into what came out before,
/// encrypted by itself.
fn folded(password: &[u8]) -> u64 {
    let (first, rest) = password.split_at(password.len().min(8));
    rest.chunks(8).fold(first_eight(first), |key, chunk| {
        permute(encrypt(&subkeys(key), 0, initial(key)), &FINAL, 64) ^ first_eight(chunk)
    })
}

fn run(keys: &[u64; 16], salt: u32, runs: u32) -> u64 {
    // Final and initial permutation undo each other between two runs.
    let halves = (0..runs).fold(0, |halves, _| encrypt(keys, salt, halves));
    permute(halves, &FINAL, 64)
}

fn initial(block: u64) -> u64 {
    permute(block, &INITIAL, 64)
}

/// The sixteen rounds, between the permutations.
fn encrypt(keys: &[u64; 16], salt: u32, halves: u64) -> u64 {
    let (left, right) =
        keys.iter().fold((halves >> 32, halves & 0xffff_ffff), |(left, right), key| {
            (right, left ^ mixed(right, *key, salt))
        });
    right << 32 | left
}

fn mixed(half: u64, key: u64, salt: u32) -> u64 {
    let expanded = permute(half, &EXPANSION, 32);
    // Bit n of the salt exchanges bit n of both halves, counted from the left.
    let swapped = u64::from(salt.reverse_bits() >> 8);
    let differing = (expanded >> 24 ^ expanded) & swapped;
    let input = expanded ^ differing ^ differing << 24 ^ key;
    let output = SUBSTITUTION.iter().enumerate().fold(0, |output, (at, table)| {
        let six = (input >> (42 - 6 * at) & 0x3f) as usize;
        let (row, column) = (six >> 4 & 0b10 | six & 1, six >> 1 & 0xf);
        output << 4 | table[row] >> (60 - 4 * column) & 0xf
    });
    permute(output, &PERMUTATION, 32)
}

fn subkeys(key: u64) -> [u64; 16] {
    let halves = permute(key, &CHOICE_1, 64);
    let rotated = |half: u64, by: u32| (half << by | half >> (28 - by)) & 0xfff_ffff;
    let (mut left, mut right) = (halves >> 28, halves & 0xfff_ffff);
    ROTATIONS.map(|by| {
        (left, right) = (rotated(left, by), rotated(right, by));
        permute(left << 28 | right, &CHOICE_2, 56)
    })
}

/// The bits that `table` names, counted from 1 on the left of a value of `width`.
fn permute(value: u64, table: &[u8], width: u8) -> u64 {
    table.iter().fold(0, |bits, from| bits << 1 | value >> (width - from) & 1)
}

const ROTATIONS: [u32; 16] = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1];

const INITIAL: [u8; 64] = [
    58, 50, 42, 34, 26, 18, 10, 2, 60, 52, 44, 36, 28, 20, 12, 4, 62, 54, 46, 38, 30, 22, 14, 6,
    64, 56, 48, 40, 32, 24, 16, 8, 57, 49, 41, 33, 25, 17, 9, 1, 59, 51, 43, 35, 27, 19, 11, 3, 61,
    53, 45, 37, 29, 21, 13, 5, 63, 55, 47, 39, 31, 23, 15, 7,
];

const FINAL: [u8; 64] = [
    40, 8, 48, 16, 56, 24, 64, 32, 39, 7, 47, 15, 55, 23, 63, 31, 38, 6, 46, 14, 54, 22, 62, 30,
    37, 5, 45, 13, 53, 21, 61, 29, 36, 4, 44, 12, 52, 20, 60, 28, 35, 3, 43, 11, 51, 19, 59, 27,
    34, 2, 42, 10, 50, 18, 58, 26, 33, 1, 41, 9, 49, 17, 57, 25,
];

const EXPANSION: [u8; 48] = [
    32, 1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 9, 8, 9, 10, 11, 12, 13, 12, 13, 14, 15, 16, 17, 16, 17, 18,
    19, 20, 21, 20, 21, 22, 23, 24, 25, 24, 25, 26, 27, 28, 29, 28, 29, 30, 31, 32, 1,
];

const PERMUTATION: [u8; 32] = [
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19,
    13, 30, 6, 22, 11, 4, 25,
];

const CHOICE_1: [u8; 56] = [
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60,
    52, 44, 36, 63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29,
    21, 13, 5, 28, 20, 12, 4,
];

const CHOICE_2: [u8; 48] = [
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2, 41, 52,
    31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
];

/// The eight boxes: four rows of sixteen values, a digit each.
#[allow(clippy::unreadable_literal, reason = "a digit is a value")]
const SUBSTITUTION: [[u64; 4]; 8] = [
    [0xe4d12fb83a6c5907, 0x0f74e2d1a6cb9538, 0x41e8d62bfc973a50, 0xfc8249175b3ea06d],
    [0xf18e6b34972dc05a, 0x3d47f28ec01a69b5, 0x0e7ba4d158c6932f, 0xd8a13f42b67c05e9],
    [0xa09e63f51dc7b428, 0xd709346a285ecbf1, 0xd6498f30b12c5ae7, 0x1ad069874fe3b52c],
    [0x7de3069a1285bc4f, 0xd8b56f03472c1ae9, 0xa690cb7df13e5284, 0x3f06a1d8945bc72e],
    [0x2c417ab6853fd0e9, 0xeb2c47d150fa3986, 0x421bad78f9c5630e, 0xb8c71e2d6f09a453],
    [0xc1af92680d34e75b, 0xaf427c9561de0b38, 0x9ef528c3704a1db6, 0x432c95fabe17608d],
    [0x4b2ef08d3c975a61, 0xd0b7491ae35c2f86, 0x14bdc37eaf680592, 0x6bd814a7950fe23c],
    [0xd2846fb1a93e50c7, 0x1fd8a374c56b0e92, 0x7b419ce206adf358, 0x21e74a8dfc90356b],
];
