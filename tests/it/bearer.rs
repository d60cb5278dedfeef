//! Bearer tokens on the wire: when their mechanisms are offered, and what a
//! login by one leaves in the log.

use nix::sys::signal::Signal;

use crate::support::{
    b64,
    client::{Client, Reply},
    world::World,
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
