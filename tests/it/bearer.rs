//! Bearer tokens on the wire: when their mechanisms are offered, and what a
//! login by one leaves in the log.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{
    b64,
    client::{Client, Reply},
    from_b64,
    provider::INTROSPECTION,
    world::{ANN, ANN_TOKEN, BOB, DORA, World},
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

/// The line of the login that `ask` brings about.
fn logged(world: &World, ask: impl FnOnce()) -> String {
    let lines = |log: &str| log.matches(" login verdict=").count();
    let before = lines(&world.daemon.log());
    ask();
    world.daemon.wait_for_log("line of a login", |log| lines(log) > before);
    let log = world.daemon.log();
    let line = log.lines().rev().find(|line| line.contains(" login verdict="));
    line.expect("there is one now").to_owned()
}

#[test]
fn the_log_says_what_broke_a_message() {
    let world = World::with(&PROVIDER);
    let mut client = world.target.client("login", 2);
    for (mechanism, message, status, detail) in [
        ("XOAUTH2", "user=ann\x01\x01", "400", "no bearer token"),
        ("OAUTHBEARER", "n,,\x01auth=Bearer t\x01\x01", "invalid_request", "no user name"),
    ] {
        let line = logged(&world, || {
            let reply = answer(&mut client, mechanism, message).expect("FAIL");
            let said = from_b64(reply.get("resp").expect("a message"));
            let said: serde_json::Value = serde_json::from_slice(&said).expect("JSON");
            assert_eq!(said["status"], status, "{said}");
        });
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
    let line = logged(&world, || {
        let reply = answer(&mut client, "XOAUTH2", &message).expect("FAIL");
        assert_eq!(reply.get("user"), Some(ANN));
    });
    assert!(line.contains("verdict=rejected reason=no_provider user=ann@example.org "), "{line}");
    assert!(line.contains(" guess=false ") && !line.contains("abc"), "{line}");
}

/// Their lines are just below the limit of a socket's line; Postfix passes no
/// longer ones on, and login processes of Dovecot not even these.
#[test]
fn tokens_of_12_kilobytes_fit() {
    let world = World::with_providers(&[]);
    let token = "t".repeat(12_000);
    world.corp.as_ref().expect("it was asked for").know(&token, json!({}));
    for (socket, mechanism) in [("login", "XOAUTH2"), ("auth", "OAUTHBEARER")] {
        let mut client = world.target.client(socket, 2);
        let message = match mechanism {
            "XOAUTH2" => b64(xoauth2(ANN, &token)),
            _ => b64(format!("n,a={ANN},\x01host=mail.example.org\x01auth=Bearer {token}\x01\x01")),
        };
        let initial = client.auth(mechanism, &format!("secured=tls\tresp={message}"));
        let asked = client.auth(mechanism, "secured=tls");
        client.reply(asked).expect("CONT");
        client.wire.send(&format!("CONT\t{asked}\t{message}"));
        for id in [initial, asked] {
            assert_eq!(client.reply(id).expect("OK").get("user"), Some(ANN));
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

fn xoauth2(user: &str, token: &str) -> String {
    format!("user={user}\x01auth=Bearer {token}\x01\x01")
}

#[test]
fn the_log_names_the_provider_and_its_words() {
    let world = World::with_providers(&[]);
    let mut client = world.target.client("login", 4);
    let mut line = |user: &str, token: &str| {
        logged(&world, || drop(answer(&mut client, "XOAUTH2", &xoauth2(user, token))))
    };
    let taken = line("Ann@example.org", ANN_TOKEN);
    for field in ["verdict=verified reason=-", "user=ann@example.org", "mechanism=XOAUTH2"] {
        assert!(taken.contains(field), "{field}: {taken}");
    }
    assert!(taken.contains(" verifier=token cached=false stale=false "), "{taken}");
    assert!(taken.ends_with(" provider=corp detail=-"), "{taken}");
    let again = line(ANN, ANN_TOKEN);
    assert!(again.contains(" verifier=token cached=true stale=false "), "{again}");
    for (user, token, words) in [
        (ANN, "unheard-of", "verdict=rejected reason=token_inactive user=ann@example.org "),
        (BOB, ANN_TOKEN, "verdict=rejected reason=token_user user=bob@example.org "),
        (DORA, "any", "verdict=unavailable reason=provider_unreachable user=dora@example.net "),
    ] {
        let line = line(user, token);
        assert!(line.contains(words), "{line}");
        assert!(line.contains(" verifier=token cached=false "), "{line}");
        assert!(line.contains(" guess=false "), "{line}");
        let provider = if user == DORA { "gone" } else { "corp" };
        let (_, detail) = line.split_once(&format!(" provider={provider} detail=")).expect("both");
        assert!(detail.len() > 2 && detail.len() < 210, "{line}");
    }
}

#[test]
fn the_log_says_what_rides_on_an_old_answer() {
    let mut world = World::with_providers(&["provider.corp.token_cache = \"1s\""]);
    let mut corp = world.corp.take().expect("it was asked for");
    let mut client = world.target.client("auth", 2);
    answer(&mut client, "XOAUTH2", &xoauth2(ANN, ANN_TOKEN)).expect("OK");
    assert_eq!(corp.count(INTROSPECTION), 1);
    corp.stop();
    std::thread::sleep(Duration::from_millis(1100));
    let line = logged(&world, || {
        answer(&mut client, "XOAUTH2", &xoauth2(ANN, ANN_TOKEN)).expect("OK");
    });
    assert!(line.contains(" verifier=token ") && line.contains(" stale=true "), "{line}");
    assert!(line.contains(" provider=corp "), "{line}");
}

/// Postfix cuts a long AUTH line, and its user hears only that it is broken.
#[test]
fn the_log_tells_of_tokens_that_were_cut() {
    let world = World::with(&PROVIDER);
    let mut client = world.target.client("auth", 0);
    let whole = b64(xoauth2(ANN, &"t".repeat(3000)));
    let cut = &whole[..2035];
    let line = logged(&world, || {
        let id = client.auth("XOAUTH2", &format!("nologin\trip=192.0.2.1\tresp={cut}"));
        assert_eq!(client.reply(id).get("code"), Some("invalid_base64"));
    });
    assert!(line.contains("verdict=rejected reason=bad_response user=- "), "{line}");
    assert!(line.contains(" mechanism=XOAUTH2 rip=192.0.2.1 "), "{line}");
    assert!(line.contains("after 2035 characters") && line.contains("line_length_limit"), "{line}");
    assert!(!line.contains(cut) && line.contains(" guess=false "), "{line}");
}
