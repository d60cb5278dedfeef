//! Signing in with a password.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::visitor;
use crate::support::{
    daemon::Daemon,
    visitor::PAGES,
    world::{ANN, ANN_PASSWORD, World},
};

const SESSION: &str = "__Host-dovegate";

fn world() -> World {
    World::with(&PAGES)
}

/// What the login log says of her, latest first: service and outcome.
fn outcomes(daemon: &Daemon) -> Vec<(String, String)> {
    let text = daemon.cli(&["login-log", ANN, "--json"], "");
    let rows: Vec<Value> = serde_json::from_str(&text).expect("a list");
    let word = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    rows.iter().map(|row| (word(row, "protocol"), word(row, "outcome"))).collect()
}

#[test]
fn a_local_password_signs_in_and_out() {
    let world = world();
    let mut ann = visitor(&world.daemon);
    let sent = ann.get("/");
    assert_eq!((sent.status, sent.header("location")), (303, "/sign-in?next=%2F"));
    // There is no provider to choose, so both fields are there at once.
    let page = ann.get("/sign-in?next=%2F").body;
    assert!(page.contains("name=\"password\"") && page.contains("name=\"address\""), "{page}");

    let signed = ann.sign_in(" Ann@Example.ORG ", ANN_PASSWORD);
    assert_eq!((signed.status, signed.header("location")), (303, "/"), "{}", signed.body);
    let cookie = signed.header("set-cookie");
    for attribute in ["__Host-dovegate=", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let home = ann.get("/");
    assert_eq!(home.status, 200);
    assert!(home.body.contains(ANN), "{}", home.body);
    assert_eq!(outcomes(&world.daemon), [("web".to_owned(), "ok".to_owned())]);
    world.daemon.wait_for_log("its line", |log| {
        log.lines().any(|line| {
            line.contains("login verdict=verified")
                && line.contains("service=web mechanism=FORM rip=127.0.0.1 ")
        })
    });

    let kept = ann.cookies.clone();
    let out = ann.post_from_page("/", "/sign-out", &[]);
    assert_eq!((out.status, out.header("location")), (303, "/sign-in"));
    assert!(!ann.cookies.contains_key(SESSION));
    ann.cookies = kept;
    assert_eq!(ann.get("/").status, 303, "it is over, whoever kept its cookie");
}

/// Whoever has stolen a password loses with it what he began by it.
#[test]
fn another_password_ends_what_the_old_one_began() {
    let world = world();
    let mut ann = visitor(&world.daemon);
    ann.sign_in(ANN, ANN_PASSWORD);
    assert_eq!(ann.get("/").status, 200);
    world.daemon.cli(&["mailbox", "set", ANN, "--display-name", "Ann"], "");
    assert_eq!(ann.get("/").status, 200, "another name ends nothing");
    world.daemon.cli(&["mailbox", "password", ANN, "--password-stdin"], "another looking glass\n");
    let over = ann.get("/");
    assert_eq!((over.status, over.header("location")), (303, "/sign-in"), "{}", over.body);
    assert!(!ann.cookies.contains_key(SESSION));
}

#[test]
fn a_trusted_proxy_says_who_signs_in() {
    let world = world();
    let mut ann = visitor(&world.daemon);
    ann.headers.push("X-Forwarded-For: 198.51.100.1, 203.0.113.9".to_owned());
    ann.sign_in(ANN, ANN_PASSWORD);
    world.daemon.wait_for_log("her own address", |log| log.contains("FORM rip=203.0.113.9 "));
}

#[test]
fn what_is_refused_is_refused_in_the_same_words() {
    let world = World::with(&[PAGES[0], PAGES[1], "login.failure_delay = \"700ms\""]);
    let said = |address: &str, password: &str| {
        let mut somebody = visitor(&world.daemon);
        let begun = Instant::now();
        let answer = somebody.sign_in(address, password);
        assert!(begun.elapsed() >= Duration::from_millis(700), "{address} {password}");
        assert_eq!(answer.status, 422);
        assert_eq!(answer.header("set-cookie"), "");
        assert!(!answer.body.contains(password), "{}", answer.body);
        answer.body.replace(address, "ADDRESS")
    };
    world.daemon.cli(&["mailbox", "set", "bob@example.org", "--state", "disabled"], "");
    let wrong = said(ANN, "no such password");
    assert!(wrong.contains("role=\"alert\"") && wrong.contains("id=\"password-fault\""), "{wrong}");
    assert_eq!(said("nobody@example.org", "no such password"), wrong);
    assert_eq!(said("ann@elsewhere.example", "no such password"), wrong);
    assert_eq!(said("bob@example.org", "looking glass"), wrong);
    assert_eq!(outcomes(&world.daemon), [("web".to_owned(), "wrong_password".to_owned())]);
}

#[test]
fn no_app_password_opens_the_pages() {
    let world = world();
    let made = world.daemon.cli(&["app-password", "create", ANN, "--name", "Phone", "--json"], "");
    let made: Value = serde_json::from_str(&made).unwrap();
    let answer = visitor(&world.daemon).sign_in(ANN, made["password"].as_str().unwrap());
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("That is an app password"), "{}", answer.body);
    let refused = ("web".to_owned(), "app_password_service".to_owned());
    assert_eq!(outcomes(&world.daemon), [refused]);
}

#[test]
fn nobody_is_signed_in_by_another_site() {
    let world = world();
    let fields = [("address", ANN), ("password", ANN_PASSWORD)];
    for origin in [None, Some("null"), Some("https://example.com"), Some("http://auth.example.org")]
    {
        let answer = visitor(&world.daemon).post_from(origin, "/sign-in", &fields);
        assert_eq!((answer.status, answer.header("set-cookie")), (403, ""), "{origin:?}");
    }
    assert_eq!(outcomes(&world.daemon), []);
}

#[test]
fn the_id_of_before_is_never_the_id_of_after() {
    let world = world();
    let mut ann = visitor(&world.daemon);
    ann.cookies.insert(SESSION.to_owned(), "planted".to_owned());
    ann.sign_in(ANN, ANN_PASSWORD);
    let first = ann.cookies[SESSION].clone();
    assert_ne!(first, "planted");
    ann.sign_in(ANN, ANN_PASSWORD);
    assert_ne!(ann.cookies[SESSION], first);
    ann.cookies.insert(SESSION.to_owned(), first);
    assert_eq!(ann.get("/").status, 303, "the one of before is over");
}

#[test]
fn one_is_sent_on_only_to_our_own_pages() {
    let world = world();
    for (next, location) in
        [("/admin?x=y", "/admin?x=y"), ("https://example.com/", "/"), ("//example.com", "/")]
    {
        let fields = [("address", ANN), ("password", ANN_PASSWORD), ("next", next)];
        let answer = visitor(&world.daemon).post("/sign-in", &fields);
        assert_eq!((answer.status, answer.header("location")), (303, location), "{next}");
    }
}

#[test]
fn guesses_are_held_back_like_those_of_mail_programs() {
    let world = World::with(&[PAGES[0], PAGES[1], "abuse.account_limit = 5"]);
    for number in 0..5 {
        assert_eq!(visitor(&world.daemon).sign_in(ANN, &format!("guess {number}")).status, 422);
    }
    assert_eq!(visitor(&world.daemon).sign_in(ANN, ANN_PASSWORD).status, 422, "held back");
    assert_eq!(outcomes(&world.daemon)[0].1, "held_back");
}
