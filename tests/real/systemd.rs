//! The units of `contrib/systemd`, read by systemd's own checker.
//!
//! Needs `systemd-analyze`. What the socket units do is shown in
//! `dovecot23.rs`, where a test hands over listening sockets as systemd does.

use std::{fs, path::Path, process::Command};

use crate::support::{place::System, skip};

#[test]
fn units_are_right_and_the_service_is_confined() {
    let system = System::here();
    if !system.has("/usr/bin/systemd-analyze") {
        return skip("systemd-analyze is not installed");
    }
    let folder = system.folder();
    let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/systemd");
    let mut units = Vec::new();
    for entry in fs::read_dir(contrib).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with(".service") || name.ends_with(".socket") {
            let text = fs::read_to_string(entry.path()).unwrap();
            // The checker wants to find the program.
            let text = text.replace("/usr/local/sbin/dovegate", "/bin/true");
            units.push(folder.write(&name, &text));
        }
    }
    let verify = Command::new("systemd-analyze").arg("verify").args(&units).output().unwrap();
    let said = String::from_utf8_lossy(&verify.stderr).into_owned();
    let about_us = said.lines().any(|line| line.contains("dovegate"));
    assert!(verify.status.success() && !about_us, "{said}");

    // Exposure from 0 to 10, times ten. What remains of it is the network and
    // the uids of other users, both of which the service is there for.
    let security = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=15"])
        .arg(folder.inside("dovegate.service"))
        .output()
        .unwrap();
    assert!(security.status.success(), "{}", String::from_utf8_lossy(&security.stdout));
}
