//! Reference hashes of other programs, and everything that is no hash.

use proptest::prelude::*;

use super::*;

const MADE_ELSEWHERE: &str = include_str!("vectors/made-elsewhere.tsv");

const WEAK_TOO: Caps = Caps {
    bcrypt_cost: 14,
    sha_crypt_rounds: 1_000_000,
    argon2_memory_bytes: 128 << 20,
    argon2_passes: 10,
    argon2_lanes: 8,
    pbkdf2_rounds: 1_000_000,
    yescrypt_memory_bytes: 128 << 20,
    weak_schemes: true,
};

fn check(stored: &str, password: &[u8], expected: &Result<bool, Error>) {
    let found = Stored::parse(stored)
        .and_then(|stored| stored.of("ann@example.org").matches(password, &WEAK_TOO));
    assert_eq!(&found, expected, "{stored}");
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = (0..text.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Each password and what was stored of it.
fn vectors() -> impl Iterator<Item = (Vec<u8>, &'static str)> {
    let lines = MADE_ELSEWHERE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [_, password, stored] = columns[..] else { panic!("{line}") };
        (unhex(password), stored)
    })
}

/// C-55.
#[test]
fn hashes_of_other_programs_verify() {
    let mut seen = 0;
    for (password, stored) in vectors() {
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
    assert!(seen > 200, "{seen}");
}

/// What is found fit without a run is what a run can use, and the other way
/// round: for every hash that we know, whole and with one byte spoilt.
#[test]
fn fitness_needs_no_run() {
    let found = |stored: &str, run: bool| {
        let stored = Stored::parse(stored)?.of("ann@example.org");
        if run { stored.matches(b"x", &WEAK_TOO).map(drop) } else { stored.check(&WEAK_TOO) }
    };
    for (place, (_, stored)) in vectors().enumerate() {
        assert_eq!(found(stored, false), Ok(()), "{stored}");
        let at = stored.find('}').unwrap() + 1;
        let at = at + place * 7 % (stored.len() - at - 1);
        for byte in ["$", "!", "0"] {
            let mut spoilt = stored.to_owned();
            if spoilt.is_char_boundary(at) && spoilt.is_char_boundary(at + 1) {
                spoilt.replace_range(at..=at, byte);
                let cheap = found(&spoilt, false);
                if cheap.is_err() || place % 8 == 0 {
                    assert_eq!(cheap, found(&spoilt, true), "{spoilt}");
                }
            }
        }
    }
}

/// C-55: the digest of "wonderland" in all three encodings, with and without the
/// suffix that says which.
#[test]
fn encodings_agree() {
    let base64 = |bytes: &[u8]| base64::Engine::encode(&encoding::BASE64, bytes);
    for (scheme, hex) in [
        ("PLAIN-MD5", "4cecaff2b30bbe75ce7322109164cfb5"),
        ("ldap-md5", "4cecaff2b30bbe75ce7322109164cfb5"),
        ("MD5", "4cecaff2b30bbe75ce7322109164cfb5"),
        ("PLAIN-MD4", "a0c8ccb420d2cf268e12fe02d4a774d1"),
        ("DIGEST-MD5", "5ecbd210bd143b651e8b9de07427b991"),
        ("HMAC-MD5", "721a2df79bd8bf7cff39c4914f8c49b8979ad5122813c64e75f91b8a6a09b88a"),
        ("SHA", "b6263bb14858294c08e4bdfceba90363e10d72b4"),
        ("Sha256", "a71a7c7011f53a1bab3642ec2ce12593f05230ace8de1e3e7645f69efac1443d"),
    ] {
        let in_base64 = base64(&unhex(hex));
        let upper = hex.to_uppercase();
        for stored in [
            format!("{{{scheme}}}{hex}"),
            format!("{{{scheme}}}{upper}"),
            format!("{{{scheme}}}{in_base64}"),
            format!("{{{scheme}}}{}", in_base64.trim_end_matches('=')),
            format!("{{{scheme}.hex}}{hex}"),
            format!("{{{scheme}.HEX}}{upper}"),
            format!("{{{scheme}.b64}}{in_base64}"),
            format!("{{{scheme}.base64}}{in_base64}"),
        ] {
            check(&stored, b"wonderland", &Ok(true));
            check(&stored, b"Wonderland", &Ok(false));
        }
        let cut = &hex[2..];
        for stored in [
            format!("{{{scheme}}}{cut}"),
            format!("{{{scheme}.hex}}{cut}"),
            format!("{{{scheme}.b64}}{hex}{hex}"),
            format!("{{{scheme}.hex}}{in_base64}"),
            format!("{{{scheme}}}"),
            format!("{{{scheme}}}{}", "?".repeat(hex.len())),
        ] {
            assert!(matches!(Stored::parse(&stored), Err(Error::Corrupt(_))), "{stored}");
        }
    }
    check("{SSHA.hex}ccbbb48a9a8186e0a772d6a8810872ec1064e7abc6ef51f7", b"wonderland", &Ok(true));
}

/// C-56.
#[test]
fn a_weak_scheme_is_switched_off_by_its_name() {
    for (stored, name) in [
        ("{MD5-CRYPT}$1$saltsalt$rMIqYVCXYNdPxX2s/bKpR0", "MD5-CRYPT"),
        ("{CRYPT}$1$saltsalt$rMIqYVCXYNdPxX2s/bKpR0", "CRYPT (MD5-CRYPT)"),
        ("{md5}$1$saltsalt$rMIqYVCXYNdPxX2s/bKpR0", "MD5 (MD5-CRYPT)"),
        ("{MD5}4cecaff2b30bbe75ce7322109164cfb5", "MD5"),
        ("{CRYPT}abbIw0V4oaGvc", "CRYPT (DES-CRYPT)"),
        ("{DES-CRYPT.b64}YWJiSXcwVjRvYUd2Yw==", "DES-CRYPT"),
        ("{CRYPT}_J9..salty0ScEzE10vs", "CRYPT (DES-CRYPT)"),
        ("{PLAIN-MD5}4cecaff2b30bbe75ce7322109164cfb5", "PLAIN-MD5"),
        ("{LDAP-MD5}TOyv8rMLvnXOcyIQkWTPtQ==", "LDAP-MD5"),
        ("{PLAIN-MD4}a0c8ccb420d2cf268e12fe02d4a774d1", "PLAIN-MD4"),
        ("{SMD5}Hds375X6Zeulr7zQp1eW0lqCm78=", "SMD5"),
        ("{CRAM-MD5}721a2df79bd8bf7cff39c4914f8c49b8979ad5122813c64e75f91b8a6a09b88a", "CRAM-MD5"),
        ("{DIGEST-MD5}5ecbd210bd143b651e8b9de07427b991", "DIGEST-MD5"),
    ] {
        check(stored, b"wonderland", &Ok(true));
        for password in [&b"wonderland"[..], b"wrong"] {
            let found = Stored::parse(stored).unwrap().matches(password, &Caps::default());
            let error = found.expect_err(stored);
            assert_eq!(error, Error::SwitchedOff(name.to_owned()));
            assert!(error.to_string().contains(name), "{error}");
            assert!(error.to_string().contains("allow_weak_schemes"), "{error}");
        }
    }
    let off = Caps::default();
    for stored in ["{SHA}tiY7sUhYKUwI5L3866kDY+ENcrQ=", "{PLAIN}wonderland"] {
        assert_eq!(Stored::parse(stored).unwrap().matches(b"wonderland", &off), Ok(true));
    }
}

#[test]
fn a_truncated_password() {
    for (stored, fitting, unfitting) in [
        ("5-wonde", &["wonde", "wonder", "wonderland"][..], &["wond", "Wonderland", ""][..]),
        ("9-wonder", &["wonder"], &["wonderland", "wonde", ""]),
        ("3-wonder", &["wonder"], &["won", "wonderland"]),
        ("2--a", &["-a", "-ab"], &["a"]),
    ] {
        for password in fitting {
            check(&format!("{{PLAIN-TRUNC}}{stored}"), password.as_bytes(), &Ok(true));
        }
        for password in unfitting {
            check(&format!("{{PLAIN-TRUNC}}{stored}"), password.as_bytes(), &Ok(false));
        }
    }
}

#[test]
fn digest_md5_is_of_its_user() {
    let stored = Stored::parse("{DIGEST-MD5}5ecbd210bd143b651e8b9de07427b991").unwrap();
    assert_eq!(stored.matches(b"wonderland", &WEAK_TOO), Err(Error::NoUser));
    for (user, expected) in [("ann@example.org", true), ("bob@example.org", false), ("ann", false)]
    {
        assert_eq!(stored.clone().of(user).matches(b"wonderland", &WEAK_TOO), Ok(expected));
    }
}

#[test]
fn crypt_stops_at_a_nul() {
    for stored in [
        "{CRYPT}abiQ6Ep3EYTHc",
        "{CRYPT}$1$saltsalt$4px9i58NU2Z2/vZOUlGjq.",
        "{CRYPT}$sha1$1000$saltsalt$95oaWXY80PkhZFKS3UQOKxg8PeoY",
        "{CRYPT}$7$8/..../....abcdefgh$.zzuuG1db1bqx2VieKxcZtZyVObDILfmXMulRhRIgF.",
    ] {
        check(stored, b"x", &Ok(true));
        check(stored, b"x\0", &Ok(false));
        check(stored, b"x\0y", &Ok(false));
    }
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
        ("{CRYPT}$gy$j9T$abcdefgh$wMCiWD7kTff", unknown("CRYPT $gy$")),
        ("{CRYPT}$md5,rounds=5$x$$y", unknown("CRYPT")),
        ("{CRYPT}$", unknown("CRYPT $$")),
        ("{PLAIN.}x", unknown("PLAIN.")),
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
}

/// C-57.
#[test]
fn a_damaged_hash_is_an_error_and_no_mismatch() {
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
        "{CRYPT}",
        "{CRYPT}*",
        "{CRYPT}$2y$04$x",
        "{CRYPT}$2$",
        "{CRYPT}abbIw0V4oaGv",
        "{CRYPT}abbIw0V4oaGvcc",
        "{CRYPT}abbIw0V4oaGvd",
        "{CRYPT}abbIw0V4oaGv!",
        "{CRYPT}_....salty0ScEzE10vs",
        "{CRYPT}_J9..salty0ScEzE10v",
        "{CRYPT.hex}ff61626249773056346f614776",
        "{DES-CRYPT}",
        "{MD5-CRYPT}$1$saltsalt$rMIqYVCXYNdPxX2s/bKpR",
        "{MD5-CRYPT}$1$saltsalt$rMIqYVCXYNdPxX2s/bKpR!",
        "{MD5-CRYPT}$1$saltsaltsalt$rMIqYVCXYNdPxX2s/bKpR0",
        "{MD5-CRYPT}$1$",
        "{CRYPT}$sha1$1000$saltsalt$95oaWXY80PkhZFKS3UQOKxg8Peo",
        "{CRYPT}$sha1$0$saltsalt$95oaWXY80PkhZFKS3UQOKxg8PeoY",
        "{CRYPT}$sha1$+5$saltsalt$95oaWXY80PkhZFKS3UQOKxg8PeoY",
        "{CRYPT}$sha1$5$$95oaWXY80PkhZFKS3UQOKxg8PeoY",
        "{PBKDF2}$1$salt$5000$3d055028a12173f5a6654a642d760a700623f9",
        "{PBKDF2}$1$salt$0$3d055028a12173f5a6654a642d760a700623f90d",
        "{PBKDF2}$1$salt$-1$3d055028a12173f5a6654a642d760a700623f90d",
        "{PBKDF2}$2$salt$1$3d055028a12173f5a6654a642d760a700623f90d",
        "{PBKDF2}$1$salt$1$3d055028a12173f5a6654a642d760a700623f90d$",
        "{PBKDF2}$1$salt$1",
        "{PBKDF2-SHA512}5$c2FsdHNhbHQ=$NDtVjkvkANwX",
        "{PBKDF2-SHA512}0$c2FsdHNhbHQ=$NDtVjkvkANwXuh7fFWBm7DofiXnrIC7/bA6cky2xhXo=",
        "{PBKDF2-SHA512}5$?$NDtVjkvkANwXuh7fFWBm7DofiXnrIC7/bA6cky2xhXo=",
        "{PBKDF2-SHA512}5",
        "{SCRAM-SHA-1}4096,bNVAYqoJTn0F9mUKjU5Lnw==,BFRrxpjENjAeWjpI9uDR3BN+TSA=",
        "{SCRAM-SHA-1}4096,,BFRrxpjENjAeWjpI9uDR3BN+TSA=,vA9UQZ97wqhKoBvwx8e4sppGKsc=",
        "{SCRAM-SHA-1}x,bNVA,BFRrxpjENjAeWjpI9uDR3BN+TSA=,vA9UQZ97wqhKoBvwx8e4sppGKsc=",
        "{SCRAM-SHA-256}9,bNVA,BFRrxpjENjAeWjpI9uDR3BN+TSA=,vA9UQZ97wqhKoBvwx8e4sppGKsc=",
        "{SCRAM-SHA-1}9,bNVA,BFRrxpjENjAeWjpI9uDR3BN+TSA=,vA9UQZ97wqhKoBvwx8e4sppGKsc=,",
        "{SSHA}tiY7sUhYKUwI5L3866kDY+ENcrQ=",
        "{SSHA}",
        "{SMD5}Hds375X6",
        "{PLAIN-TRUNC}wonderland",
        "{PLAIN-TRUNC}0-",
        "{PLAIN-TRUNC}-wonderland",
        "{PLAIN-TRUNC}99999-wonderland",
        "{PLAIN-TRUNC}+3-won",
        "{CRYPT}$y$j9T$abcdefgh$6gk1spFcm6qy3GQvHWlSu00GPPskWGjtzEYLloK6Cy",
        "{CRYPT}$y$j9T$abcdefgh$6gk1spFcm6qy3GQvHWlSu00GPPskWGjtzEYLloK6Cy!",
        "{CRYPT}$y$j9T$abc!efgh$6gk1spFcm6qy3GQvHWlSu00GPPskWGjtzEYLloK6Cy4",
        "{CRYPT}$y$j9T6gk1spFcm6qy3GQvHWlSu00GPPskWGjtzEYLloK6Cy4",
        "{CRYPT}$y$k9T$abcdefgh$6gk1spFcm6qy3GQvHWlSu00GPPskWGjtzEYLloK6Cy4",
        "{CRYPT}$y$j9T!$abcdefgh$6gk1spFcm6qy3GQvHWlSu00GPPskWGjtzEYLloK6Cy4",
        "{CRYPT}$y$zzzzzzzzz$abcdefgh$6gk1spFcm6qy3GQvHWlSu00GPPskWGjtzEYLloK6Cy4",
        "{CRYPT}$y$$$6gk1spFcm6qy3GQvHWlSu00GPPskWGjtzEYLloK6Cy4",
        "{CRYPT}$7$8/....$6gk1spFcm6qy3GQvHWlSu00GPPskWGjtzEYLloK6Cy4",
        "{CRYPT}$7$8..........abcd$6gk1spFcm6qy3GQvHWlSu00GPPskWGjtzEYLloK6Cy4",
        "{CRYPT}$7$./..../....abcd$6gk1spFcm6qy3GQvHWlSu00GPPskWGjtzEYLloK6Cy4",
    ] {
        let found = Stored::parse(stored)
            .and_then(|stored| stored.of("ann").matches(b"wonderland", &WEAK_TOO));
        assert!(matches!(found, Err(Error::Corrupt(_))), "{stored}: {found:?}");
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
        format!("{{PBKDF2}}$1$salt$4294967295${}", "a".repeat(40)),
        format!("{{PBKDF2-SHA512}}1000001$c2FsdA==${digits}"),
        format!("{{PBKDF2-SHA512}}300000$c2FsdA==${}", "A".repeat(342)),
        format!("{{SCRAM-SHA-256}}4294967295,c2FsdA==,{0},{0}", "A".repeat(43)),
        format!("{{CRYPT}}$sha1$4294967295$salt${}", "A".repeat(28)),
        format!("{{CRYPT}}_zzzzsalt{}", ".".repeat(11)),
        format!("{{CRYPT}}$y$jFT$abcdefgh${}", "A".repeat(43)),
        format!("{{CRYPT}}$7$zzzzzzzzzzzabcdefgh${}", "A".repeat(43)),
        // Little memory, but a thousand lanes, or passes.
        format!("{{CRYPT}}$y$j9T.j$abcdefgh${}", "A".repeat(43)),
        format!("{{CRYPT}}$y$j9T/j$abcdefgh${}", "A".repeat(43)),
        format!("{{CRYPT}}$7$G6..../....abcdefgh${}", "A".repeat(43)),
        format!("{{CRYPT}}$7$8/....zzzz.abcdefgh${}", "A".repeat(43)),
    ] {
        let parsed = Stored::parse(&stored).unwrap();
        let found = parsed.matches(b"wonderland", &WEAK_TOO);
        assert!(matches!(found, Err(Error::CostAboveCap { .. })), "{stored}: {found:?}");
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
        (NewScheme::Sha256Crypt, "{SHA256-CRYPT}$5$"),
        (NewScheme::Argon2id, "{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$"),
        (NewScheme::Yescrypt, "{CRYPT}$y$j9T$"),
        (NewScheme::ScramSha256, "{SCRAM-SHA-256}4096,"),
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

/// A stored password is tried as typed, then as SASL clients prepare it.
#[test]
fn a_password_in_another_form() {
    let (composed, decomposed) = ("K\u{f6}nig", "Ko\u{308}nig");
    for (stored, typed, expected) in [
        (composed, decomposed, true),
        (composed, composed, true),
        (decomposed, decomposed, true),
        // What was stored cannot be prepared, so this is another password.
        (decomposed, composed, false),
        ("Konig", decomposed, false),
    ] {
        check(&format!("{{PLAIN}}{stored}"), typed.as_bytes(), &Ok(expected));
        let hash = NewScheme::BlfCrypt { cost: 4 }.hash(stored.as_bytes(), [1; 16]).unwrap();
        check(&hash, typed.as_bytes(), &Ok(expected));
    }
    // Keys of SCRAM are made of the prepared form, so either is right.
    let keys = NewScheme::ScramSha256.hash(decomposed.as_bytes(), [1; 16]).unwrap();
    for typed in [composed, decomposed] {
        check(&keys, typed.as_bytes(), &Ok(true));
    }
    let of_composed = NewScheme::ScramSha256.hash(composed.as_bytes(), [1; 16]).unwrap();
    assert_eq!(keys, of_composed);
    let plain = Stored::parse("{PLAIN}K\u{f6}nig").unwrap();
    assert!(plain.is_outdated_for(composed.as_bytes()));
    assert!(!plain.is_outdated_for(decomposed.as_bytes()), "the new hash would refuse the other");
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

/// What runs in no time.
const LITTLE: Caps = Caps {
    bcrypt_cost: 4,
    sha_crypt_rounds: 5000,
    argon2_memory_bytes: 1 << 20,
    argon2_passes: 2,
    argon2_lanes: 2,
    pbkdf2_rounds: 1000,
    yescrypt_memory_bytes: 1 << 20,
    weak_schemes: true,
};

proptest! {
    /// Hashes come from outside: whatever they are, nothing panics, and what
    /// is dear is not run (which would time this test out).
    #[test]
    fn no_hash_panics(scheme in "(PLAIN|PLAIN-TRUNC|BLF-CRYPT|SHA256-CRYPT|SHA512-CRYPT|ARGON2ID|CRYPT|MD5|SSHA|PBKDF2|PBKDF2-SHA512|SCRAM-SHA-1|HMAC-MD5|DIGEST-MD5|.{0,8})(\\.(hex|b64|.{0,3}))?", data in "\\PC{0,80}|[0-9]{1,3}[-,$][A-Za-z0-9=]{0,8}[,$][A-Za-z0-9,$=]{0,80}|\\$(1|2y|5|6|7|y|sha1|argon2id)\\$(04|v=19|j75|8/..../....)?\\$?[$=,a-z0-9./]{0,80}", password in any::<Vec<u8>>()) {
        let stored = format!("{{{scheme}}}{data}");
        let _ = Stored::parse(&stored).and_then(|stored| stored.of("ann").matches(&password, &LITTLE));
    }

    /// The same with a hash that was one, and has one byte changed: nothing panics either.
    #[test]
    fn no_damaged_hash_panics(line in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in 0x20_u8..0x7f) {
        let stored = line.get(&vectors().collect::<Vec<_>>()).1;
        let mut damaged = stored.as_bytes().to_vec();
        *at.get_mut(&mut damaged) = byte;
        let damaged = String::from_utf8(damaged).unwrap();
        let _ = Stored::parse(&damaged).and_then(|stored| stored.of("ann").matches(b"x", &LITTLE));
    }

    /// crypt(3)'s digits: there and back.
    #[test]
    fn digits_go_both_ways(bytes in any::<Vec<u8>>()) {
        prop_assert_eq!(digits::decode(&digits::encode(&bytes)), Some(bytes));
    }
}
