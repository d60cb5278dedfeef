//! App passwords as people see them: 24 characters of Crockford's base 32.
//!
//! ```text
//! 7K2M-QX4T-9FHC-3WZB-D6RP-N8JY
//! └id┘ └──── secret, 95 bits ──┘└ check
//! ```
//!
//! The check character finds every wrong character and every exchange of two
//! neighbours, and keeps nearly all ordinary passwords (31 of 32, of those that
//! happen to be 24 such characters) from being taken for an app password.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroize;

use crate::{
    mailbox::{AppPasswordId, MailboxId, app_password::CROCKFORD},
    secret::Secret,
};

const CHARACTERS: usize = 24;
const ID_CHARACTERS: usize = 4;
const SECRET_CHARACTERS: usize = 19;
/// What goes before mailbox and secret, so that the digest is of no use elsewhere.
const LABEL: &[u8] = b"dovegate app password 1\0";

/// An app password in clear. Wiped when dropped.
#[derive(Clone)]
pub struct AppPasswordText {
    /// Values of the 24 characters, 0 to 31.
    digits: [u8; CHARACTERS],
}

impl AppPasswordText {
    /// A new one. The secret is made of the lower five bits of each of
    /// `random`'s bytes.
    pub fn generate(id: AppPasswordId, random: &[u8; SECRET_CHARACTERS]) -> Self {
        let mut digits = [0; CHARACTERS];
        for (place, digit) in digits[..ID_CHARACTERS].iter_mut().enumerate() {
            *digit = (id.bits() >> (5 * (ID_CHARACTERS - 1 - place)) & 0x1f) as u8;
        }
        for (digit, random) in digits[ID_CHARACTERS..].iter_mut().zip(random) {
            *digit = random & 0x1f;
        }
        digits[CHARACTERS - 1] = check_digit(&digits[..CHARACTERS - 1]);
        Self { digits }
    }

    /// Reads what somebody typed: case, dashes and spaces are ignored, `O` is
    /// zero, `I` and `L` are one. `None` unless it has the form of an app
    /// password with the right check character.
    pub fn parse(typed: &[u8]) -> Option<Self> {
        let mut text = Self { digits: [0; CHARACTERS] };
        let mut read = 0;
        for byte in typed.iter().filter(|byte| !matches!(byte, b'-' | b' ')) {
            *text.digits.get_mut(read)? = value(*byte)?;
            read += 1;
        }
        let (check, rest) = text.digits.split_last().expect("there are 24 digits");
        (read == CHARACTERS && *check == check_digit(rest)).then_some(text)
    }

    /// Which of the mailbox's app passwords it says it is.
    pub fn id(&self) -> AppPasswordId {
        let digits = self.digits[..ID_CHARACTERS].iter();
        AppPasswordId::from_bits(digits.fold(0, |bits, digit| bits << 5 | u32::from(*digit)))
    }

    /// What the store keeps of it, for this mailbox.
    pub fn digest(&self, mailbox: MailboxId) -> [u8; 32] {
        let secret = &self.digits[ID_CHARACTERS..CHARACTERS - 1];
        Sha256::new()
            .chain_update(LABEL)
            .chain_update(mailbox.0.to_be_bytes())
            .chain_update(secret)
            .finalize()
            .into()
    }

    /// Whether it is the one of this mailbox that `digest` was kept of.
    pub fn matches(&self, mailbox: MailboxId, digest: &[u8; 32]) -> bool {
        self.digest(mailbox).ct_eq(digest).into()
    }

    /// As it is shown once: upper case, in groups of four.
    pub fn text(&self) -> Secret {
        let mut text = Vec::with_capacity(CHARACTERS + 5);
        for group in self.digits.chunks(4) {
            if !text.is_empty() {
                text.push(b'-');
            }
            text.extend(group.iter().map(|digit| CROCKFORD[usize::from(*digit)]));
        }
        Secret::new(text)
    }
}

impl Drop for AppPasswordText {
    fn drop(&mut self) {
        self.digits.zeroize();
    }
}

impl std::fmt::Debug for AppPasswordText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AppPasswordText({}-…)", self.id())
    }
}

fn value(byte: u8) -> Option<u8> {
    let upper = match byte.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    };
    let place = CROCKFORD.iter().position(|known| *known == upper)?;
    u8::try_from(place).ok()
}

/// The digits as a polynomial over GF(32), taken at a primitive element: as its
/// powers differ, so do the results when one digit changes or two change places.
fn check_digit(digits: &[u8]) -> u8 {
    digits.iter().fold(0, |sum, digit| {
        let doubled = (sum ^ digit) << 1;
        if doubled & 0x20 == 0 { doubled } else { doubled ^ 0b10_0101 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM: [u8; SECRET_CHARACTERS] =
        [255, 1, 34, 67, 100, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18];

    fn new() -> (AppPasswordText, String) {
        let text = AppPasswordText::generate(AppPasswordId::from_bits(0x3_2847), &RANDOM);
        let shown = String::from_utf8(text.text().expose().to_vec()).unwrap();
        (text, shown)
    }

    #[test]
    fn is_shown_in_groups_of_four_and_read_back() {
        let (text, shown) = new();
        assert_eq!(shown.len(), 29);
        assert!(shown.starts_with(&format!("{}-", text.id())));
        let mailbox = MailboxId(7);
        let digest = text.digest(mailbox);
        let typed = [
            shown.clone(),
            shown.to_lowercase(),
            shown.replace('-', ""),
            shown.replace('-', " "),
            format!(" {shown} "),
            shown.replace('0', "O").replace('1', "l"),
            shown.replace('0', "o").replace('1', "I"),
        ];
        for typed in typed {
            let read = AppPasswordText::parse(typed.as_bytes()).expect(&typed);
            assert_eq!(read.id(), text.id());
            assert!(read.matches(mailbox, &digest), "{typed}");
        }
    }

    #[test]
    fn every_wrong_character_and_every_exchange_is_noticed() {
        let (text, shown) = new();
        let shown = shown.replace('-', "");
        for place in 0..CHARACTERS {
            for other in *CROCKFORD {
                let mut typed = shown.clone().into_bytes();
                let same = typed[place] == other;
                typed[place] = other;
                assert_eq!(AppPasswordText::parse(&typed).is_some(), same, "{place}");
            }
            let mut typed = shown.clone().into_bytes();
            if place > 0 && typed[place - 1] != typed[place] {
                typed.swap(place - 1, place);
                assert!(AppPasswordText::parse(&typed).is_none(), "{place}");
            }
        }
        drop(text);
    }

    #[test]
    fn other_forms_are_none() {
        let (_, shown) = new();
        let u = shown.replacen(|byte: char| byte.is_ascii_alphanumeric(), "U", 1);
        for typed in ["", "wonderland", &shown[..28], &format!("{shown}0"), &u, "é-é"] {
            assert!(AppPasswordText::parse(typed.as_bytes()).is_none(), "{typed}");
        }
    }

    #[test]
    fn belongs_to_its_mailbox() {
        let (text, _) = new();
        let digest = text.digest(MailboxId(7));
        assert!(!text.matches(MailboxId(8), &digest));
        let other = AppPasswordText::generate(text.id(), &[9; SECRET_CHARACTERS]);
        assert!(!other.matches(MailboxId(7), &digest));
    }

    #[test]
    fn debug_shows_the_id_alone() {
        let (text, shown) = new();
        let debug = format!("{text:?}");
        assert!(!debug.contains(&shown[5..9]), "{debug}");
    }
}
