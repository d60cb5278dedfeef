//! Reference hashes of other programs, and everything that is no hash.

use proptest::prelude::*;

use super::*;

const MADE_ELSEWHERE: &str = include_str!("vectors/made-elsewhere.tsv");

fn check(stored: &str, password: &[u8], expected: &Result<bool, Error>) {
    let found = Stored::parse(stored).and_then(|stored| stored.matches(password, &Caps::default()));
    assert_eq!(&found, expected, "{stored}");
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = (0..text.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// C-55.
#[test]
fn hashes_of_other_programs_verify() {
    let lines = MADE_ELSEWHERE.lines().filter(|line| !line.starts_with('#'));
    let mut seen = 0;
    for line in lines.filter(|line| !line.is_empty()) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [_, password, stored] = columns[..] else { panic!("{line}") };
        let password = unhex(password);
        check(stored, &password, &Ok(true));
        // One bit of a byte that bcrypt reads; with `$2x$`, the first may be
        // one that a later byte wiped out.
        let mut other = password.clone();
        let place = if stored.contains("$2x$") { other.len().min(72) - 1 } else { 0 };
        other[place] ^= 1;
        check(stored, &other, &Ok(false));
        check(stored, b"", &Ok(false));
        seen += 1;
    }
    assert!(seen > 60, "{seen}");
}

/// C-55: a changed digest is another password's.
#[test]
fn a_changed_digest_does_not_verify() {
    for stored in [
        "{BLF-CRYPT}$2y$04$abcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlT.",
        "{SHA256-CRYPT}$5$saltsalt$IeaomH1t0t79ShF5t59ZywXLL/dm2jA/3vpoR6EMo75",
        "{SHA512-CRYPT}$6$rounds=1000$saltsalt$qQWBrsgA00L1zt0NV83o5Uy3u2ESn9flfn/e0RE60Qd3XQ98aH6gvroXwANv1Mme759YpleQlaVoQ6O/meimK1",
        "{PLAIN}wonderlanD",
    ] {
        check(stored, b"wonderland", &Ok(false));
    }
}

#[test]
fn bcrypt_reads_72_bytes_and_nothing_behind_a_nul() {
    let long = "0123456789".repeat(8);
    let scheme = NewScheme::BlfCrypt { cost: 4 };
    let stored = scheme.hash(&long.as_bytes()[..72], [1; 16]).unwrap();
    check(&stored, long.as_bytes(), &Ok(true));
    check(&stored, &long.as_bytes()[..71], &Ok(false));
    assert!(matches!(scheme.hash(&long.as_bytes()[..73], [1; 16]), Err(Error::Unfit(_))));
    let stored = scheme.hash(b"wonder", [1; 16]).unwrap();
    check(&stored, b"wonder\0land", &Ok(false));
    check(
        "{SHA512-CRYPT}$6$saltsalt$pqxtaP8VN9",
        b"a",
        &Err(Error::Corrupt("not of SHA-crypt's form")),
    );
}

/// C-57.
#[test]
fn what_is_no_hash_is_an_error_and_no_mismatch() {
    let unknown = |label: &str| Err(Error::UnknownScheme(label.to_owned()));
    for (stored, expected) in [
        ("{NTLM}0cb6948805f797bf2a82807973b89537", unknown("NTLM")),
        ("{CRYPT}$2y$04$x", unknown("CRYPT")),
        ("{}x", unknown("")),
        ("{PLAIN.rot13}jbaqreynaq", unknown("PLAIN.rot13")),
        ("{my secret password}", unknown("?")),
        ("wonderland", Err(Error::Corrupt("no {SCHEME} before it"))),
        ("{PLAIN", Err(Error::Corrupt("no {SCHEME} before it"))),
        ("", Err(Error::Corrupt("no {SCHEME} before it"))),
        ("{PLAIN}", Err(Error::Corrupt("empty"))),
        ("{PLAIN.hex}7", Err(Error::Corrupt("not hexadecimal"))),
        ("{PLAIN.hex}7x", Err(Error::Corrupt("not hexadecimal"))),
        ("{PLAIN.hex}é", Err(Error::Corrupt("not hexadecimal"))),
        ("{PLAIN.b64}?", Err(Error::Corrupt("not base 64"))),
    ] {
        check(stored, b"wonderland", &expected);
    }
    for stored in [
        "{BLF-CRYPT}",
        "{BLF-CRYPT}$2y$04$short",
        "{BLF-CRYPT}$2z$04$abcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlTu",
        "{BLF-CRYPT}$2y$03$abcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlTu",
        "{BLF-CRYPT}$2y$xx$abcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlTu",
        "{BLF-CRYPT}$2y$é4$abcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlT",
        "{BLF-CRYPT.b64}/////w==",
        "{SHA512-CRYPT}$5$saltsalt$IeaomH1t0t79ShF5t59ZywXLL/dm2jA/3vpoR6EMo74",
        "{SHA256-CRYPT}$5$saltsalt$IeaomH1t0t79ShF5t59ZywXLL/dm2jA/3vpoR6EMo7",
        "{SHA256-CRYPT}$5$saltsalt$IeaomH1t0t79ShF5t59ZywXLL/dm2jA/3vpoR6EMo7!",
        "{SHA256-CRYPT}$5$saltsaltsaltsaltsalt$IeaomH1t0t79ShF5t59ZywXLL/dm2jA/3vpoR6EMo74",
        "{SHA256-CRYPT}$5$rounds=999$saltsalt$IeaomH1t0t79ShF5t59ZywXLL/dm2jA/3vpoR6EMo74",
        "{SHA256-CRYPT}$5$rounds=x$saltsalt$IeaomH1t0t79ShF5t59ZywXLL/dm2jA/3vpoR6EMo74",
        "{ARGON2ID}$argon2d$v=19$m=64,t=1,p=1$c29tZXNhbHQ$c29tZWRpZ2VzdHNvbWU",
        "{ARGON2ID}$argon2id$v=20$m=64,t=1,p=1$c29tZXNhbHQ$c29tZWRpZ2VzdHNvbWU",
        "{ARGON2ID}$argon2id$v=19$m=64,t=0,p=1$c29tZXNhbHQ$c29tZWRpZ2VzdHNvbWU",
        "{ARGON2ID}$argon2id$v=19$m=64,t=1,p=0$c29tZXNhbHQ$c29tZWRpZ2VzdHNvbWU",
        "{ARGON2ID}$argon2id$v=19$m=1,t=1,p=1$c29tZXNhbHQ$c29tZWRpZ2VzdHNvbWU",
        "{ARGON2ID}$argon2id$v=19$m=64,t=1,p=1$c2FsdA$c29tZWRpZ2VzdHNvbWU",
        "{ARGON2ID}$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$c29tZQ",
        "{ARGON2ID}$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ",
        "{ARGON2ID}$argon2id",
    ] {
        let stored = Stored::parse(stored).unwrap();
        let found = stored.matches(b"wonderland", &Caps::default());
        assert!(matches!(found, Err(Error::Corrupt(_))), "{found:?}");
    }
}

/// C-58: each of these would run for minutes, or ask for terabytes.
#[test]
fn a_hash_above_its_cap_is_not_run() {
    let digits = "A".repeat(86);
    for stored in [
        "{BLF-CRYPT}$2y$31$abcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlTu".to_owned(),
        format!("{{SHA512-CRYPT}}$6$rounds=999999999$saltsalt${digits}"),
        "{ARGON2ID}$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$c29tZWRpZ2VzdHNvbWU".to_owned(),
        "{ARGON2ID}$argon2id$v=19$m=131072,t=4294967295,p=1$c29tZXNhbHQ$c29tZWRpZ2VzdHNvbWU"
            .to_owned(),
        "{ARGON2I}$argon2i$v=19$m=131072,t=1,p=9$c29tZXNhbHQ$c29tZWRpZ2VzdHNvbWU".to_owned(),
    ] {
        let stored = Stored::parse(&stored).unwrap();
        let found = stored.matches(b"wonderland", &Caps::default());
        assert!(matches!(found, Err(Error::CostAboveCap { .. })), "{found:?}");
    }
    let caps = Caps { bcrypt_cost: 4, ..Caps::default() };
    assert!(matches!(NewScheme::named("BLF-CRYPT", 5, &caps), Err(Error::CostAboveCap { .. })));
    assert_eq!(NewScheme::named("blf-crypt", 4, &caps), Ok(NewScheme::BlfCrypt { cost: 4 }));
    assert!(matches!(NewScheme::named("PLAIN", 4, &caps), Err(Error::UnknownScheme(_))));
}

#[test]
fn new_hashes_and_decoys() {
    for (scheme, prefix) in [
        (NewScheme::BlfCrypt { cost: 4 }, "{BLF-CRYPT}$2y$04$"),
        (NewScheme::Sha512Crypt, "{SHA512-CRYPT}$6$"),
        (NewScheme::Argon2id, "{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$"),
    ] {
        let stored = scheme.hash("wünderland".as_bytes(), [42; 16]).unwrap();
        assert!(stored.starts_with(prefix), "{stored}");
        check(&stored, "wünderland".as_bytes(), &Ok(true));
        check(&stored, b"wonderland", &Ok(false));
        assert_ne!(scheme.hash("wünderland".as_bytes(), [43; 16]).unwrap(), stored);
        check(&scheme.decoy(), b"wonderland", &Ok(false));
        assert_eq!(Stored::parse(&scheme.decoy()).unwrap().work(), Work::Much);
        for unfit in [&b""[..], b"a\0b", b"a\tb", b"a\rb", b"a\nb", b"a\x01b", &[b'a'; 513]] {
            assert!(matches!(scheme.hash(unfit, [0; 16]), Err(Error::Unfit(_))), "{unfit:?}");
        }
    }
}

#[test]
fn errors_and_debug_show_no_password() {
    for stored in ["{PLAIN}wonderland", "{wonder land}x", "{BLF-CRYPT}wonderland", "wonderland"] {
        let parsed = Stored::parse(stored);
        let mut shown = format!("{parsed:?}");
        if let Err(error) =
            parsed.and_then(|stored| stored.matches(b"wonderland", &Caps::default()))
        {
            shown = format!("{shown} {error} {error:?}");
        }
        assert!(!shown.contains("wonder"), "{shown}");
    }
}

proptest! {
    /// Hashes come from outside: whatever they are, nothing panics, and what
    /// is dear is not run (which would time this test out).
    #[test]
    fn no_hash_panics(scheme in "(PLAIN|BLF-CRYPT|SHA256-CRYPT|SHA512-CRYPT|ARGON2ID|.{0,8})(\\.(hex|b64|.{0,3}))?", data in "\\PC{0,80}|\\$(2y|5|6|argon2id)\\$(04|v=19)?\\$?[$=,a-z0-9./]{0,80}", password in any::<Vec<u8>>()) {
        let caps = Caps { bcrypt_cost: 4, sha_crypt_rounds: 5000, argon2_memory_bytes: 1 << 20, argon2_passes: 2, argon2_lanes: 2 };
        let stored = format!("{{{scheme}}}{data}");
        let _ = Stored::parse(&stored).and_then(|stored| stored.matches(&password, &caps));
    }
}
