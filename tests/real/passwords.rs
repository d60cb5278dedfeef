//! Stored passwords against those who made the schemes, both ways: what they
//! hash verifies here, and what is hashed here verifies there.
//!
//! Needs `doveadm` of Dovecot 2.3 and of 2.4 (in the Debian 13 folder), and
//! `perl`, whose `crypt` is the system's crypt(3).

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::support::{place::System, skip};

const ADDRESS: &str = "ann@example.org";
const PASSWORDS: [&str; 2] = ["wonderland", "pässwörd £"];
/// Whatever both releases know and Dovegate takes.
const SCHEMES: [&str; 28] = [
    "PLAIN",
    "CLEAR",
    "CLEARTEXT",
    "CRYPT",
    "BLF-CRYPT",
    "SHA256-CRYPT",
    "SHA512-CRYPT",
    "DES-CRYPT",
    "MD5-CRYPT",
    "ARGON2I",
    "ARGON2ID",
    "PBKDF2",
    "SCRAM-SHA-1",
    "SCRAM-SHA-256",
    "SHA",
    "SHA1",
    "SHA256",
    "SHA512",
    "SSHA",
    "SSHA256",
    "SSHA512",
    "SMD5",
    "MD5",
    "PLAIN-MD5",
    "LDAP-MD5",
    "PLAIN-MD4",
    "CRAM-MD5",
    "DIGEST-MD5",
];
/// Salts of crypt(3), one of each method.
const SALTS: [&str; 9] = [
    "$y$j9T$abcdefgh$",
    "$7$BU..../..../saltSALTsaltSALT$",
    "$2b$04$abcdefghijklmnopqrstuu",
    "$6$rounds=1000$saltsalt$",
    "$5$saltsalt$",
    "$sha1$1000$saltsalt$",
    "$1$saltsalt$",
    "_J9..salt",
    "ab",
];
const NEW_SCHEMES: [&str; 6] =
    ["BLF-CRYPT", "ARGON2ID", "SHA512-CRYPT", "SHA256-CRYPT", "CRYPT", "SCRAM-SHA-256"];

/// The built binary, with weak schemes allowed.
struct Dovegate(TempDir);

impl Dovegate {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = "[passwords]\nallow_weak_schemes = true\nbcrypt_cost = 4\n";
        fs::write(folder.path().join("dovegate.toml"), settings).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn run(&self, arguments: &[&str], password: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dovegate"));
        command.arg("--config").arg(self.0.path().join("dovegate.toml"));
        command.arg("--data").arg(self.0.path()).arg("password").args(arguments);
        command.arg("--password-file").arg(self.write("password", password));
        command.output().unwrap()
    }

    /// Whether it says that the password fits.
    fn verifies(&self, hash: &str, password: &str) -> bool {
        let file = self.write("hash", hash);
        let file = file.to_str().expect("a path of our own");
        let output = self.run(&["verify", "--user", ADDRESS, "--hash-file", file], password);
        match output.status.code() {
            Some(0) => true,
            Some(1) => false,
            _ => panic!("{hash}: {}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    fn hash(&self, scheme: &str, password: &str) -> String {
        text(&self.run(&["hash", "--scheme", scheme], password))
    }
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("hashes are text").trim_end().to_owned()
}

fn doveadm(system: &System, arguments: &[&str]) -> Output {
    system.command("/usr/bin/doveadm").arg("pw").args(arguments).output().unwrap()
}

fn both_ways_with(system: &System) {
    let dovegate = Dovegate::new();
    for scheme in SCHEMES {
        for (suffix, password) in [("", PASSWORDS[0]), ("", PASSWORDS[1]), (".b64", PASSWORDS[0])] {
            let scheme = format!("{scheme}{suffix}");
            let made = doveadm(system, &["-s", &scheme, "-u", ADDRESS, "-p", password]);
            let hash = text(&made);
            assert!(dovegate.verifies(&hash, password), "{hash}");
        }
        let hash =
            text(&doveadm(system, &["-s", &format!("{scheme}.hex"), "-u", ADDRESS, "-p", "abc"]));
        assert!(dovegate.verifies(&hash, "abc"), "{hash}");
        assert!(!dovegate.verifies(&hash, "abd"), "{hash}");
    }
    for scheme in NEW_SCHEMES {
        for password in PASSWORDS {
            let hash = dovegate.hash(scheme, password);
            let output = doveadm(system, &["-t", &hash, "-p", password]);
            assert!(text(&output).ends_with("(verified)"), "{hash}");
            assert!(!doveadm(system, &["-t", &hash, "-p", "wrong"]).status.success(), "{hash}");
        }
    }
}

#[test]
fn doveadm_of_2_3_and_dovegate_agree() {
    let system = System::here();
    if !system.has("/usr/bin/doveadm") {
        return skip("Dovecot 2.3 is not installed");
    }
    both_ways_with(&system);
}

#[test]
fn doveadm_of_2_4_and_dovegate_agree() {
    let system = System::trixie();
    if !system.has("/usr/bin/doveadm") {
        return skip("there is no Debian 13 folder with Dovecot 2.4");
    }
    if !nix::unistd::geteuid().is_root() {
        return skip("only root can go into the Debian 13 folder");
    }
    both_ways_with(&system);
}

/// `crypt(password, salt)`.
fn crypt(password: &str, salt: &str) -> Option<String> {
    let program = "print crypt($ARGV[0], $ARGV[1]) // '*0'";
    let output = Command::new("perl").args(["-e", program, "--", password, salt]).output().unwrap();
    Some(text(&output)).filter(|hash| !hash.is_empty() && !hash.starts_with('*'))
}

#[test]
fn crypt_3_and_dovegate_agree() {
    if !System::here().has("/usr/bin/perl") {
        return skip("perl is not installed");
    }
    let dovegate = Dovegate::new();
    for salt in SALTS {
        for password in PASSWORDS {
            let hash = crypt(password, salt).expect(salt);
            assert!(dovegate.verifies(&format!("{{CRYPT}}{hash}"), password), "{hash}");
            let wrong = format!("x{password}");
            assert!(!dovegate.verifies(&format!("{{CRYPT}}{hash}"), &wrong), "{hash}");
        }
    }
    for scheme in NEW_SCHEMES {
        let hash = dovegate.hash(scheme, PASSWORDS[1]);
        let bare = &hash[hash.find('}').expect("a scheme in braces") + 1..];
        // Two of them are none of crypt(3)'s methods.
        if !matches!(scheme, "ARGON2ID" | "SCRAM-SHA-256") {
            assert_eq!(crypt(PASSWORDS[1], bare).as_deref(), Some(bare));
        }
    }
}
