//! A certificate for one test, by openssl(1).

use std::process::Command;

use super::place::Folder;

/// Makes `cert.pem` and `key.pem` in the folder.
pub fn make(folder: &Folder) {
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", "/CN=localhost", "-days", "2", "-keyout"])
        .arg(folder.outside("key.pem"))
        .arg("-out")
        .arg(folder.outside("cert.pem"))
        .output()
        .expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
