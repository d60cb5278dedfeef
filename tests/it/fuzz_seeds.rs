//! The fuzz targets' checks over their committed seeds: what a fuzzer once found,
//! and one example of everything else, at every ordinary run.

#[path = "../../fuzz/checks.rs"]
mod checks;

use std::{fs, panic, path::Path};

fn replay(target: &str, check: fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut count = 0;
    for seed in fs::read_dir(seeds).expect("a folder for each target") {
        let path = seed.expect("readable").path();
        let data = fs::read(&path).expect("readable");
        let held = panic::catch_unwind(|| check(&data));
        assert!(held.is_ok(), "{} breaks a check", path.display());
        count += 1;
    }
    assert!(count > 0, "no seeds for {target}");
}

#[test]
fn client_line() {
    replay("client_line", checks::client_line);
}

#[test]
fn master_line() {
    replay("master_line", checks::master_line);
}

#[test]
fn sasl() {
    replay("sasl", checks::sasl);
}

#[test]
fn socketmap() {
    replay("socketmap", checks::socketmap);
}

#[test]
fn session() {
    replay("session", checks::session);
}
