//! Bearer tokens on the wire: when their mechanisms are offered, and what a
//! login by one leaves in the log.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{
    b64,
    client::{Client, Reply},
    world::{ANN, World},
};

const USUAL: [&str; 2] = ["PLAIN", "LOGIN"];
const WITH_TOKENS: [&str; 4] = ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"];

/// A provider that is never asked.
const PROVIDER: [&str; 2] = [
    "provider.corp.kind = \"oidc\"",
    "provider.corp.introspection_url = \"http://127.0.0.1:1/userinfo\"",
];

fn mechanisms(world: &World, socket: &str) -> Vec<String> {
    let greeting = world.target.client(socket, 2).greeting;
    greeting.mechanisms().into_iter().map(str::to_owned).collect()
}

fn reload(world: &World, settings: &[&str]) {
    let seen = world.daemon.log().matches("reloaded").count();
    world.daemon.configure(settings);
    world.daemon.signal(Signal::SIGHUP);
    world.daemon.wait_for_log("reloaded", |log| log.matches("reloaded").count() > seen);
}

#[test]
fn offered_while_there_is_a_provider() {
    let world = World::new();
    for socket in ["login", "auth"] {
        assert_eq!(mechanisms(&world, socket), USUAL);
    }
    let mut early = world.target.client("login", 2);
    let id = early.auth("XOAUTH2", "");
    assert_eq!(early.reply(id).get("reason"), Some("authentication mechanism not supported"));
    reload(&world, &PROVIDER);
    for socket in ["login", "auth"] {
        assert_eq!(mechanisms(&world, socket), WITH_TOKENS);
        let lines = world.target.client(socket, 2).greeting.lines;
        for mechanism in ["XOAUTH2", "OAUTHBEARER"] {
            assert!(lines.contains(&format!("MECH\t{mechanism}\tplaintext")), "{lines:?}");
        }
    }
    assert_eq!(mechanisms(&world, "token"), ["DOVECOT-TOKEN"]);
    let mut without = PROVIDER.to_vec();
    without.push("login.mechanisms = [\"PLAIN\", \"OAUTHBEARER\"]");
    reload(&world, &without);
    assert_eq!(mechanisms(&world, "auth"), ["PLAIN", "OAUTHBEARER"]);
    reload(&world, &[]);
    assert_eq!(mechanisms(&world, "auth"), USUAL);
}

fn answer(client: &mut Client, mechanism: &str, message: &str) -> Reply {
    let id = client.auth(mechanism, &format!("final-resp-ok\tresp={}", b64(message)));
    client.reply(id)
}

/// The last line of a login in the log.
fn logged(world: &World) -> String {
    let log = world.daemon.log();
    let line = log.lines().rev().find(|line| line.contains(" login verdict="));
    line.unwrap_or_else(|| panic!("no login in {log}")).to_owned()
}

#[test]
fn the_log_says_what_broke_a_message() {
    let world = World::with(&PROVIDER);
    let mut client = world.target.client("login", 2);
    for (mechanism, message, status, detail) in [
        ("XOAUTH2", "user=ann\x01\x01", "400", "no bearer token"),
        ("OAUTHBEARER", "n,,\x01auth=Bearer t\x01\x01", "invalid_request", "no user name"),
    ] {
        let reply = answer(&mut client, mechanism, message).expect("FAIL");
        let said = crate::support::from_b64(reply.get("resp").expect("a message"));
        let said: serde_json::Value = serde_json::from_slice(&said).expect("JSON");
        assert_eq!(said["status"], status, "{said}");
        let line = logged(&world);
        let start = format!(
            "verdict=rejected reason=bad_response user=- service=imap mechanism={mechanism} "
        );
        assert!(line.contains(&start), "{line}");
        assert!(line.ends_with(&format!(" provider=- detail=\"{detail}\"")), "{line}");
        assert!(line.contains(" guess=false "), "{line}");
    }
}

#[test]
fn a_domain_without_a_provider_takes_no_token() {
    let world = World::with(&PROVIDER);
    let mut client = world.target.client("login", 2);
    let message = format!("user={ANN}\x01auth=Bearer abc\x01\x01");
    let reply = answer(&mut client, "XOAUTH2", &message).expect("FAIL");
    assert_eq!(reply.get("user"), Some(ANN));
    let line = logged(&world);
    assert!(line.contains("verdict=rejected reason=no_provider user=ann@example.org "), "{line}");
    assert!(line.contains(" guess=false ") && !line.contains("abc"), "{line}");
}

/// Their lines are just below the limit of a socket's line; Postfix passes no
/// longer ones on, and login processes of Dovecot not even these.
#[test]
fn tokens_of_12_kilobytes_fit() {
    let world = World::with(&PROVIDER);
    for (socket, mechanism) in [("login", "XOAUTH2"), ("auth", "OAUTHBEARER")] {
        let mut client = world.target.client(socket, 2);
        let token = "t".repeat(12_000);
        let message = match mechanism {
            "XOAUTH2" => format!("user={ANN}\x01auth=Bearer {token}\x01\x01"),
            _ => format!(
                "n,a={ANN},\x01host=mail.example.org\x01port=993\x01auth=Bearer {token}\x01\x01"
            ),
        };
        let initial = client.auth(mechanism, &format!("secured=tls\tresp={}", b64(&message)));
        let asked = client.auth(mechanism, "secured=tls");
        client.reply(asked).expect("CONT");
        client.wire.send(&format!("CONT\t{asked}\t{}", b64(&message)));
        for id in [initial, asked] {
            let challenge = client.reply(id).expect("CONT");
            assert!(!challenge.fields[0].is_empty());
            client.wire.send(&format!("CONT\t{id}\t"));
            assert_eq!(client.reply(id).expect("FAIL").get("user"), Some(ANN));
            assert!(logged(&world).contains(" reason=no_provider "), "{}", logged(&world));
        }
    }
}

#[test]
fn a_challenge_nobody_answers_holds_no_stop_up() {
    let mut settings = PROVIDER.to_vec();
    settings.push("login.drain_limit = \"1s\"");
    let mut world = World::with(&settings);
    let mut client = world.target.client("login", 2);
    let message = b64(format!("user={ANN}\x01auth=Bearer abc\x01\x01"));
    let id = client.auth("XOAUTH2", &format!("resp={message}"));
    client.reply(id).expect("CONT");
    let before = Instant::now();
    world.daemon.restart();
    assert!(before.elapsed() < Duration::from_secs(10));
    client.wire.expect_close();
}
