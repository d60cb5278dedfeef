//! A certificate for one test, by openssl(1).

use std::{path::Path, process::Command};

use super::place::Folder;

/// Makes `cert.pem` and `key.pem` in the folder.
pub fn make(folder: &Folder) {
    make_in(&folder.outside(""));
}

/// As [`make`]. The certificate is what `openssl req -x509` makes of itself: one
/// that calls itself an authority, too.
pub fn make_in(folder: &Path) {
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", "/CN=localhost", "-days", "2"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout"])
        .arg(folder.join("key.pem"))
        .arg("-out")
        .arg(folder.join("cert.pem"))
        .output()
        .expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
