//! C-29 to C-40: OK, FAIL, delays, what PLAIN accepts.

use std::time::{Duration, Instant};

use crate::support::{
    b64,
    client::Target,
    plain,
    world::{ANN, ANN_PASSWORD, World},
};

#[test]
fn c_29_ok_names_the_user_first() {
    ok_names_the_user_first(&World::new().target);
}

pub(super) fn ok_names_the_user_first(target: &Target) {
    for socket in ["login", "auth"] {
        let mut client = target.client(socket, 2);
        let reply = client.login(ANN, ANN_PASSWORD).expect("OK");
        assert_eq!(reply.fields[0], format!("user={ANN}"), "{:?}", reply.raw);
        assert_eq!(reply.get("original_user"), None, "{:?}", reply.raw);
        let reply = client.login("Ann@Example.ORG", ANN_PASSWORD).expect("OK");
        assert_eq!(reply.fields[0], format!("user={ANN}"), "{:?}", reply.raw);
        assert_eq!(reply.get("original_user"), Some("Ann@Example.ORG"), "{:?}", reply.raw);
    }
}

#[test]
fn c_30_failures_look_the_same() {
    let world = World::new();
    world.daemon.add_mailbox("off@example.org", "x", &["--state", "disabled"]);
    failures_look_the_same(&world.target);
}

pub(super) fn failures_look_the_same(target: &Target) {
    for (socket, minor) in [("login", 4), ("login", 2), ("auth", 0)] {
        let mut client = target.client(socket, minor);
        let mut seen = Vec::new();
        for name in [ANN, "nobody@example.org", "off@example.org", "nobody@example.net"] {
            let reply = client.login(name, "wrong").expect("FAIL");
            for field in ["nologin", "proxy", "host", "pass", "port", "destuser"] {
                assert_eq!(reply.get(field), None, "{:?}", reply.raw);
            }
            let fields: Vec<String> =
                reply.fields.iter().map(|field| field.replace(name, "NAME")).collect();
            seen.push(fields);
        }
        assert!(seen.iter().all(|fields| *fields == seen[0]), "{socket}: {seen:?}");
    }
}

#[test]
fn c_31_failure_delay() {
    failure_delay(&World::with(&["login.failure_delay = \"2s\""]).target);
}

pub(super) fn failure_delay(target: &Target) {
    let mut client = target.client("login", 2);
    let start = Instant::now();
    let delayed: Vec<u32> = [
        (ANN, "wrong"),
        ("nobody@example.org", "wrong"),
        ("nobody@example.net", "wrong"),
        ("\t", ""),
    ]
    .iter()
    .map(|(user, password)| client.ask(user, password))
    .collect();
    // Asked last, answered first: an error of protocol tells nothing.
    let at_once = client.auth("PLAIN", "resp=!");
    assert_eq!(client.any_reply().expect("FAIL").id, at_once);
    assert_eq!(client.login(ANN, ANN_PASSWORD).word, "OK");
    for id in delayed {
        client.reply(id).expect("FAIL");
        let took = start.elapsed();
        assert!(took >= Duration::from_secs(2), "{id} came after {took:?}");
    }
    // No hash is run for these, so nothing but chance can change their order.
    let asked: Vec<u32> =
        (0..40).map(|n| client.ask(&format!("nobody{n}@example.net"), "wrong")).collect();
    let answered: Vec<u32> = asked.iter().map(|_| client.any_reply().expect("FAIL").id).collect();
    assert_ne!(answered, asked, "a batch is answered in the order of its questions");
}

#[test]
fn c_32_highest_penalty_stays_below_ten_seconds() {
    highest_penalty_stays_below_ten_seconds(&World::with(&["login.failure_delay = \"4s\""]).target);
}

pub(super) fn highest_penalty_stays_below_ten_seconds(target: &Target) {
    let guess = |client: &mut crate::support::client::Client, password: &str| {
        let resp = plain(ANN, password);
        client.auth("PLAIN", &format!("nologin\trip=192.0.2.7\tsecured\tresp={resp}"))
    };
    let mut guesser = target.client("auth", 0);
    let ids: Vec<u32> = (0..50).map(|n| guess(&mut guesser, &format!("guess {n}"))).collect();
    for id in ids {
        guesser.reply(id).expect("FAIL");
    }
    for password in ["one more", ANN_PASSWORD] {
        let mut client = target.client("auth", 0);
        let start = Instant::now();
        let id = guess(&mut client, password);
        client.reply(id).expect("FAIL");
        let took = start.elapsed();
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

#[test]
fn c_36_surplus_fields_in_cont() {
    surplus_fields_in_cont(&World::new().target);
}

pub(super) fn surplus_fields_in_cont(target: &Target) {
    let cases = [
        ("login", 2, "x"),
        ("login", 2, "channel_binding=AAAA"),
        ("auth", 0, "channel_binding=AAAA"),
        ("login", 4, "channel_binding=AAAA\tchannel_binding=AAAA"),
        ("login", 4, "channel_binding=AAAA\tchannel_binding=BBBB"),
    ];
    for (socket, minor, surplus) in cases {
        let mut client = target.client(socket, minor);
        let id = client.auth("PLAIN", "secured");
        client.reply(id).expect("CONT");
        client.wire.send(&format!("CONT\t{id}\t{}\t{surplus}", plain(ANN, ANN_PASSWORD)));
        assert_eq!(client.reply(id).word, "FAIL", "{socket} {minor} {surplus:?}");
        assert_eq!(client.login(ANN, ANN_PASSWORD).word, "OK", "the connection goes on");
    }
}

#[test]
fn c_38_plain_grammar_and_authzid() {
    plain_grammar_and_authzid(&World::new().target);
}

pub(super) fn plain_grammar_and_authzid(target: &Target) {
    let good = [format!("\0{ANN}\0{ANN_PASSWORD}"), format!("{ANN}\0{ANN}\0{ANN_PASSWORD}")];
    let bad = [
        format!("{ANN}\0{ANN_PASSWORD}"),
        format!("\0{ANN}\0{ANN_PASSWORD}\0"),
        format!("\0\0{ANN}\0{ANN_PASSWORD}"),
        format!("bob@example.org\0{ANN}\0{ANN_PASSWORD}"),
        format!("{ANN}\0bob@example.org\0{ANN_PASSWORD}"),
        format!("\0{ANN}\0"),
        ANN.to_owned(),
    ];
    let mut client = target.client("login", 2);
    for message in good {
        let id = client.auth("PLAIN", &format!("resp={}", b64(&message)));
        assert_eq!(client.reply(id).raw, format!("OK\t{id}\tuser={ANN}"), "{message:?}");
    }
    for message in bad {
        let id = client.auth("PLAIN", &format!("resp={}", b64(&message)));
        assert_eq!(client.reply(id).word, "FAIL", "{message:?}");
    }
}

#[test]
fn c_39_control_bytes_in_a_password() {
    let world = World::new();
    control_bytes_in_a_password(&world.target);
    refused_unasked(&world, 5);
}

pub(super) fn control_bytes_in_a_password(target: &Target) {
    let mut client = target.client("login", 2);
    for password in ["\u{1}wonderland", "wonder\tland", "wonderland\r", "wonderland\n", "\r\n"] {
        assert_eq!(client.login(ANN, password).word, "FAIL", "{password:?}");
    }
}

#[test]
fn c_40_names() {
    let world = World::with(&["names.default_domain = \"example.org\""]);
    names(&world.target);
    refused_unasked(&world, BAD_NAMES.len() + 2);
}

/// So many logins were refused for their form, before anything was looked up.
fn refused_unasked(world: &World, expected: usize) {
    let log = world.daemon.log();
    let reasons = ["reason=bad_password", "reason=bad_name", "reason=bad_response"];
    let refused: usize = reasons.iter().map(|reason| log.matches(reason).count()).sum();
    assert_eq!(refused, expected, "{log}");
}

const BAD_NAMES: [&str; 8] = [
    "",
    "@example.org",
    "an n@example.org",
    "ann@example.org@example.org",
    "ann\r@example.org",
    "ann%@example.org",
    "ann/../x@example.org",
    "ann*",
];

pub(super) fn names(target: &Target) {
    let mut client = target.client("login", 2);
    for name in BAD_NAMES {
        assert_eq!(client.login(name, ANN_PASSWORD).word, "FAIL", "{name:?}");
    }
    let long = format!("{}@example.org", "a".repeat(1013));
    assert_eq!(client.login(&long, ANN_PASSWORD).word, "FAIL");
    let id = client.auth("LOGIN", "secured");
    client.reply(id).expect("CONT");
    client.wire.send(&format!("CONT\t{id}\t{}", b64("ann\0@example.org")));
    assert_eq!(client.reply(id).word, "FAIL", "NUL in a name");
    for name in ["ann", "ANN", "Ann@EX.example.org".replace("EX.", "").as_str(), ANN] {
        let reply = client.login(name, ANN_PASSWORD).expect("OK");
        assert_eq!(reply.get("user"), Some(ANN), "{name:?}");
    }
}
