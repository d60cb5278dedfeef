//! One-time addresses for administrators.

use super::visitor;
use crate::support::{
    visitor::{ORIGIN, PAGES},
    world::World,
};

/// A path that nobody has used.
fn made(world: &World) -> String {
    let url = world.daemon.cli(&["admin", "link", "--quiet"], "");
    url.trim().strip_prefix(ORIGIN).expect("an address of the pages").to_owned()
}

#[test]
fn a_link_opens_the_pages_for_administrators_once() {
    let world = World::with(&PAGES);
    let path = made(&world);
    let mut root = visitor(&world.daemon);
    assert_eq!(root.get("/admin").status, 303, "not signed in");
    // Whoever looks at it, a scanner of mail perhaps, uses nothing up.
    for _ in 0..3 {
        let page = root.get(&path);
        assert!(page.status == 200 && page.body.contains("method=\"post\""), "{}", page.body);
        assert!(root.cookies.is_empty());
    }
    let other_site = root.post_from(Some("https://example.com"), &path, &[]);
    assert_eq!((other_site.status, root.cookies.len()), (403, 0));
    let signed = root.post(&path, &[]);
    assert_eq!((signed.status, signed.header("location")), (303, "/admin"), "{}", signed.body);
    assert!(signed.header("set-cookie").contains("HttpOnly"));
    assert_eq!(root.get("/admin").status, 200);
    let mut late = visitor(&world.daemon);
    let again = late.post(&path, &[]);
    assert_eq!((again.status, late.cookies.len()), (410, 0));
    assert!(late.get("/admin").status == 303);
    world.daemon.wait_for_log("both", |log| {
        log.contains("signed in by a one-time address") && log.contains("address was refused")
    });
    assert!(!world.daemon.log().contains(path.rsplit('/').next().unwrap()), "a secret in the log");
}

#[test]
fn signing_in_by_a_link_begins_a_session_of_its_own() {
    let world = World::with(&PAGES);
    let mut root = visitor(&world.daemon);
    root.cookies.insert("__Host-dovegate".to_owned(), "planted".to_owned());
    let signed = root.post(&made(&world), &[]);
    assert_eq!(signed.status, 303);
    assert_ne!(root.cookies["__Host-dovegate"], "planted");
    let first = root.cookies.clone();
    root.post(&made(&world), &[]);
    root.cookies = first;
    assert_eq!(root.get("/admin").status, 303, "the one before has ended");
}

#[test]
fn without_pages_there_is_no_link() {
    let world = World::with(&["http.address = \"127.0.0.1:0\""]);
    let output = world.daemon.try_cli(&["admin", "link"], "");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("public_url"), "{said}");
}
