//! One's own mailbox: app passwords and logins.

use serde_json::Value;

use super::visitor;
use crate::support::{
    plain,
    visitor::{PAGES, Visitor},
    world::{ANN, ANN_PASSWORD, BOB, BOB_PASSWORD, World},
};

const CLIENT: [&str; 2] = [
    "web.client.imap = { host = \"imap.example.org\", port = 993, security = \"tls\" }",
    "web.client.smtp = { host = \"smtp.example.org\", port = 587, security = \"starttls\" }",
];

fn world() -> World {
    World::with(&[PAGES[0], PAGES[1], CLIENT[0], CLIENT[1]])
}

fn signed_in(world: &World, address: &str, password: &str) -> Visitor {
    let mut somebody = visitor(&world.daemon);
    assert_eq!(somebody.sign_in(address, password).status, 303);
    somebody
}

/// Makes one, and returns its text as the page shows it.
fn make(somebody: &mut Visitor, fields: &[(&str, &str)]) -> String {
    let made = somebody.post_from_page("/app-passwords/new", "/app-passwords", fields);
    assert_eq!((made.status, made.header("location")), (303, "/app-passwords/made"));
    let page = somebody.get("/app-passwords/made").body;
    let (_, rest) = page.split_once("id=\"secret\">").expect("the text stands there");
    rest.split('<').next().unwrap_or_default().to_owned()
}

fn log_in(world: &World, user: &str, password: &str) -> String {
    let mut client = world.target.client("auth", 2);
    let id = client.auth("PLAIN", &format!("secured\tresp={}", plain(user, password)));
    client.reply(id).word
}

fn ids(world: &World, address: &str) -> Vec<String> {
    let list = world.daemon.cli(&["app-password", "list", address, "--json"], "");
    let list: Vec<Value> = serde_json::from_str(&list).unwrap();
    list.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn made_used_seen_and_revoked() {
    let world = world();
    let mut ann = signed_in(&world, ANN, ANN_PASSWORD);
    assert!(ann.get("/").body.contains("No app passwords yet"));
    let fields = [("name", "Ann's <phone>"), ("service", "imap"), ("service", "smtp")];
    let text = make(&mut ann, &fields);
    let page = ann.get("/app-passwords/made");
    assert!(page.body.contains("<svg") && page.body.contains("imap.example.org"), "{}", page.body);
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(!page.body.contains("<phone>"), "a name is text");

    let profile = ann.get("/app-passwords/made/dovegate.mobileconfig");
    assert_eq!(profile.header("content-type"), "application/x-apple-aspen-config");
    assert!(profile.body.contains(&format!("<string>{text}</string>")), "{}", profile.body);
    assert!(profile.body.contains("<integer>587</integer>"), "{}", profile.body);

    assert_eq!(log_in(&world, ANN, &text), "OK");
    let saved = ann.post_from_page("/app-passwords/made", "/app-passwords/made", &[]);
    assert_eq!(saved.header("location"), "/");
    assert_eq!(ann.get("/app-passwords/made").status, 303, "it is shown no more");
    assert_eq!(ann.get("/app-passwords/made/dovegate.mobileconfig").status, 404);
    let home = ann.get("/").body;
    assert!(!home.contains(&text) && home.contains("Ann&#39;s &#60;phone&#62;"), "{home}");
    assert!(home.contains("just now") && home.contains("signed in"), "{home}");

    let id = ids(&world, ANN).remove(0);
    let (page, revoke) =
        (format!("/app-passwords/one/{id}"), format!("/app-passwords/one/{id}/revoke"));
    assert!(ann.get(&page).body.contains("127.0.0.1") || ann.get(&page).body.contains("IMAP"));
    assert_eq!(ann.get(&revoke).status, 405, "looking at an address changes nothing");
    assert_eq!(ann.post_from_page(&page, &revoke, &[]).header("location"), "/");
    assert!(ann.get("/").body.contains("is revoked"));
    assert_eq!(log_in(&world, ANN, &text), "FAIL");
}

#[test]
fn all_are_revoked_at_once() {
    let world = world();
    let mut ann = signed_in(&world, ANN, ANN_PASSWORD);
    let texts =
        ["Phone", "Laptop"].map(|name| make(&mut ann, &[("name", name), ("service", "imap")]));
    let page = ann.get("/app-passwords/all").body;
    assert!(page.contains("Phone") && page.contains("Revoke all 2 app passwords"), "{page}");
    ann.post_from_page("/app-passwords/all", "/app-passwords/all/revoke", &[]);
    assert!(ids(&world, ANN).is_empty());
    for text in texts {
        assert_eq!(log_in(&world, ANN, &text), "FAIL");
    }
}

#[test]
fn what_is_wrong_is_said_and_what_was_typed_stays() {
    let world = world();
    let mut ann = signed_in(&world, ANN, ANN_PASSWORD);
    let fields =
        [("name", "Phone"), ("networks", "192.0.2.0/24, nowhere"), ("expires", "2001-01-01")];
    let answer = ann.post_from_page("/app-passwords/new", "/app-passwords", &fields);
    assert_eq!(answer.status, 422);
    for text in [
        "role=\"alert\"",
        "href=\"#service\"",
        "id=\"networks-fault\"",
        "id=\"expires-fault\"",
        "value=\"Phone\"",
        "192.0.2.0/24, nowhere",
    ] {
        assert!(answer.body.contains(text), "{text}\n{}", answer.body);
    }
    assert!(ids(&world, ANN).is_empty());
}

#[test]
fn another_persons_are_not_there() {
    let world = world();
    let mut bob = signed_in(&world, BOB, BOB_PASSWORD);
    make(&mut bob, &[("name", "Bob's phone"), ("service", "imap")]);
    let id = ids(&world, BOB).remove(0);
    let mut ann = signed_in(&world, ANN, ANN_PASSWORD);
    let missing = ann.get("/app-passwords/one/ZZZZ");
    let foreign = ann.get(&format!("/app-passwords/one/{id}"));
    assert_eq!((missing.status, foreign.status), (404, 404));
    assert_eq!(missing.body, foreign.body);
    let revoke = format!("/app-passwords/one/{id}/revoke");
    assert_eq!(ann.post_from_page("/", &revoke, &[]).status, 404);
    assert_eq!(ids(&world, BOB), [id]);
    assert_eq!(ann.get("/app-passwords/made").status, 303, "nor what he has just made");
}

#[test]
fn a_form_from_elsewhere_does_nothing() {
    let world = world();
    let mut ann = signed_in(&world, ANN, ANN_PASSWORD);
    let fields = [("name", "Theirs"), ("service", "imap")];
    let with = |csrf: &'static str| [fields[0], fields[1], ("csrf", csrf)];
    assert_eq!(ann.post("/app-passwords", &fields).status, 403, "without the form's secret");
    assert_eq!(ann.post("/app-passwords", &with("made up")).status, 403);
    let csrf = crate::support::visitor::csrf(&ann.get("/app-passwords/new").body);
    let right = [fields[0], fields[1], ("csrf", csrf.as_str())];
    for origin in [None, Some("null"), Some("https://example.com")] {
        assert_eq!(ann.post_from(origin, "/app-passwords", &right).status, 403, "{origin:?}");
    }
    let mut bob = signed_in(&world, BOB, BOB_PASSWORD);
    assert_eq!(bob.post("/app-passwords", &right).status, 403, "another session's secret");
    assert!(ids(&world, ANN).is_empty() && ids(&world, BOB).is_empty());
}

#[test]
fn whoever_is_switched_off_is_signed_out() {
    let world = world();
    let mut ann = signed_in(&world, ANN, ANN_PASSWORD);
    world.daemon.cli(&["mailbox", "set", ANN, "--state", "disabled"], "");
    let answer = ann.get("/");
    assert_eq!((answer.status, answer.header("location")), (303, "/sign-in"));
    world.daemon.cli(&["mailbox", "set", ANN, "--state", "active"], "");
    assert_eq!(ann.get("/").header("location"), "/sign-in?next=%2F", "for good");
}

#[test]
fn logins_stand_there_with_what_became_of_them() {
    let world = world();
    log_in(&world, ANN, "wrong");
    let mut ann = signed_in(&world, ANN, ANN_PASSWORD);
    let page = ann.get("/logins").body;
    assert!(page.contains("wrong password") && page.contains("signed in"), "{page}");
    assert!(!signed_in(&world, BOB, BOB_PASSWORD).get("/logins").body.contains("wrong password"));
}

#[test]
fn a_password_is_changed_by_whoever_knows_it() {
    let world = world();
    let mut ann = signed_in(&world, ANN, ANN_PASSWORD);
    let mut elsewhere = signed_in(&world, ANN, ANN_PASSWORD);
    let mut change = |current: &str, password: &str, again: &str| {
        let fields = [("current", current), ("password", password), ("again", again)];
        ann.post_from_page("/password", "/password", &fields)
    };
    let differs = change(ANN_PASSWORD, "through the mirror", "through the miror");
    assert_eq!(differs.status, 422);
    assert!(differs.body.contains("id=\"again-fault\""), "{}", differs.body);
    let wrong = change("a guess", "through the mirror", "through the mirror");
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("id=\"current-fault\""), "{}", wrong.body);
    assert!(!wrong.body.contains("through the mirror"), "no password comes back");
    assert_eq!(elsewhere.get("/").status, 200);
    let done = change(ANN_PASSWORD, "through the mirror", "through the mirror");
    assert_eq!((done.status, done.header("location")), (303, "/sign-in"), "{}", done.body);
    assert_eq!(elsewhere.get("/").status, 303, "whoever had signed in by the old one is out");
    assert_eq!(visitor(&world.daemon).sign_in(ANN, ANN_PASSWORD).status, 422);
    signed_in(&world, ANN, "through the mirror");
}

#[test]
fn a_password_that_is_changed_elsewhere_ends_its_sessions() {
    let world = world();
    let mut ann = signed_in(&world, ANN, ANN_PASSWORD);
    let arguments = ["mailbox", "password", ANN, "--password-stdin"];
    world.daemon.cli(&arguments, "through the mirror\n");
    assert_eq!(ann.get("/").header("location"), "/sign-in");
}
