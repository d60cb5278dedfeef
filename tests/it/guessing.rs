//! Guessing passwords, seen from the wire: who is held back, who is not, and how
//! an administrator lifts it.

use crate::support::{
    client::{Client, Reply},
    plain,
    world::{ANN, ANN_PASSWORD, BOB, BOB_PASSWORD, World},
};

/// Few guesses, so that the tests are short.
const LIMITS: &[&str] = &["abuse.account_limit = 4", "abuse.network_limit = 6"];

/// Asks for a login from this address.
fn ask_from(client: &mut Client, rip: &str, user: &str, password: &str) -> u32 {
    client.auth("PLAIN", &format!("rip={rip}\tsecured\tresp={}", plain(user, password)))
}

/// A login from this address.
fn login_from(client: &mut Client, rip: &str, user: &str, password: &str) -> Reply {
    let id = ask_from(client, rip, user, password);
    client.reply(id)
}

/// Guesses, all at once since each is answered late, and all wrong.
fn guess(client: &mut Client, guesses: impl Iterator<Item = (String, String)>) {
    let guesses: Vec<_> = guesses.collect();
    let ids: Vec<u32> = (0..)
        .zip(&guesses)
        .map(|(n, (rip, user))| ask_from(client, rip, user, &format!("guess {n}")))
        .collect();
    for id in ids {
        client.reply(id).expect("FAIL");
    }
}

/// So many different wrong passwords for Ann, each from another network.
fn guess_at_ann(client: &mut Client, guesses: usize) {
    guess(client, (0..guesses).map(|n| (format!("203.0.113.{n}"), ANN.to_owned())));
}

/// Wrong passwords for different names from one network.
fn guess_from(client: &mut Client, rip: &str) {
    guess(client, (0..8).map(|n| (rip.to_owned(), format!("user{n}@example.org"))));
}

#[test]
fn account_is_held_back_but_its_app_password_gets_in() {
    let world = World::with(LIMITS);
    let phone = world.daemon.add_app_password(ANN, &["--name", "Phone", "--service", "imap"]);
    let mut client = world.target.client("login", 2);
    assert_eq!(login_from(&mut client, "198.51.100.1", ANN, ANN_PASSWORD).word, "OK");
    guess_at_ann(&mut client, 6);
    let refused = login_from(&mut client, "198.51.100.1", ANN, ANN_PASSWORD).expect("FAIL");
    // Whoever guesses must not learn that the last one was right.
    assert_eq!(refused.fields, login_from(&mut client, "198.51.100.1", ANN, "guess 0").fields);
    world.daemon.wait_for_log("held_back", |log| log.contains("held_back"));
    for _ in 0..3 {
        assert_eq!(login_from(&mut client, "198.51.100.1", ANN, &phone).word, "OK");
    }
    assert_eq!(login_from(&mut client, "198.51.100.1", BOB, BOB_PASSWORD).word, "OK");
}

#[test]
fn administrator_sees_and_lifts_it() {
    let world = World::with(LIMITS);
    let mut client = world.target.client("login", 2);
    guess_at_ann(&mut client, 6);
    let listed = world.daemon.cli(&["held-back", "list", "--json"], "");
    assert!(listed.contains(ANN), "{listed}");
    world.daemon.cli(&["held-back", "lift", ANN], "");
    assert_eq!(login_from(&mut client, "198.51.100.1", ANN, ANN_PASSWORD).word, "OK");
    let listed = world.daemon.cli(&["held-back", "list", "--json"], "");
    assert!(!listed.contains(ANN), "{listed}");
    assert_eq!(world.daemon.try_cli(&["held-back", "lift", ANN], "").status.code(), Some(1));
}

#[test]
fn same_wrong_password_repeated_is_one_guess() {
    let world = World::with(LIMITS);
    let mut client = world.target.client("login", 2);
    // A phone with an old password, from home: it must not lock its owner out.
    let ask = |_| ask_from(&mut client, "198.51.100.1", ANN, "my old password");
    let ids: Vec<u32> = (0..40).map(ask).collect();
    for id in ids {
        client.reply(id).expect("FAIL");
    }
    assert_eq!(login_from(&mut client, "198.51.100.1", ANN, ANN_PASSWORD).word, "OK");
}

#[test]
fn network_is_held_back() {
    let world = World::with(LIMITS);
    let mut client = world.target.client("login", 2);
    guess_from(&mut client, "203.0.113.9");
    guess(
        &mut client,
        (0..8).map(|n| (format!("2001:db8:1:2::{n}"), format!("user{n}@example.org"))),
    );
    assert_eq!(login_from(&mut client, "203.0.113.9", BOB, BOB_PASSWORD).word, "FAIL");
    assert_eq!(login_from(&mut client, "203.0.113.10", BOB, BOB_PASSWORD).word, "OK");
    // One subscriber has a /64.
    assert_eq!(login_from(&mut client, "2001:db8:1:2:ffff::1", BOB, BOB_PASSWORD).word, "FAIL");
    assert_eq!(login_from(&mut client, "2001:db8:1:3::1", BOB, BOB_PASSWORD).word, "OK");
}

#[test]
fn trusted_network_has_no_counter() {
    let settings = [LIMITS, &["abuse.trusted_networks = [\"192.0.2.0/24\"]"]].concat();
    let world = World::with(&settings);
    let mut client = world.target.client("login", 2);
    guess_from(&mut client, "192.0.2.80");
    guess_from(&mut client, "127.0.0.1");
    assert_eq!(login_from(&mut client, "192.0.2.80", BOB, BOB_PASSWORD).word, "OK");
    // The setting replaces the default.
    assert_eq!(login_from(&mut client, "127.0.0.1", BOB, BOB_PASSWORD).word, "FAIL");
}

#[test]
fn requests_without_address_share_no_counter() {
    let world = World::with(LIMITS);
    let mut client = world.target.client("auth", 1);
    let ask = |n| client.ask(&format!("user{n}@example.org"), &format!("guess {n}"));
    let ids: Vec<u32> = (0..8).map(ask).collect();
    for id in ids {
        client.reply(id).expect("FAIL");
    }
    assert_eq!(client.login(BOB, BOB_PASSWORD).word, "OK");
}

#[test]
fn counters_survive_a_restart() {
    let mut world = World::with(LIMITS);
    let mut client = world.target.client("login", 2);
    guess_at_ann(&mut client, 6);
    guess_from(&mut client, "203.0.113.99");
    drop(client);
    world.daemon.restart();
    let mut client = world.target.client("login", 2);
    assert_eq!(login_from(&mut client, "198.51.100.1", ANN, ANN_PASSWORD).word, "FAIL");
    assert_eq!(login_from(&mut client, "203.0.113.99", BOB, BOB_PASSWORD).word, "FAIL");
    assert_eq!(login_from(&mut client, "198.51.100.1", BOB, BOB_PASSWORD).word, "OK");
}

#[test]
fn no_penalty_counts_from_trusted_listeners_alone() {
    let world = World::with(LIMITS);
    for (socket, spared) in [("login", true), ("auth", false)] {
        let mut client = world.target.client(socket, 2);
        let ask = |n| {
            let resp = plain(BOB, &format!("{socket} guess {n}"));
            client.auth("PLAIN", &format!("no-penalty\trip=203.0.113.{n}\tresp={resp}"))
        };
        let ids: Vec<u32> = (0..6).map(ask).collect();
        for id in ids {
            client.reply(id).expect("FAIL");
        }
        let reply = login_from(&mut client, "198.51.100.1", BOB, BOB_PASSWORD);
        assert_eq!(reply.word == "OK", spared, "{socket}");
    }
}
