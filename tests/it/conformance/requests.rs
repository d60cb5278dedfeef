//! C-17 to C-24 and C-26: AUTH, CONT, ids.

use std::{collections::BTreeMap, thread};

use crate::support::{
    b64,
    client::{Client, Reply, Target},
    plain,
    wire::Read,
    world::{ANN, ANN_PASSWORD, BOB, BOB_PASSWORD, World},
};

/// Begins a LOGIN dialogue and answers its first challenge.
fn half_done(client: &mut Client) -> u32 {
    let id = client.auth("LOGIN", "secured");
    assert_eq!(client.reply(id).raw, format!("CONT\t{id}\t{}", b64("Username:")));
    client.wire.send(&format!("CONT\t{id}\t{}", b64(ANN)));
    assert_eq!(client.reply(id).raw, format!("CONT\t{id}\t{}", b64("Password:")));
    id
}

/// Answers the second one.
fn finish(client: &mut Client, id: u32) -> Reply {
    client.wire.send(&format!("CONT\t{id}\t{}", b64(ANN_PASSWORD)));
    client.reply(id)
}

#[test]
fn c_17_id_in_use_closes_that_connection_only() {
    id_in_use_closes_that_connection_only(&World::new().target);
}

pub(super) fn id_in_use_closes_that_connection_only(target: &Target) {
    for socket in ["login", "auth"] {
        let mut other = target.client(socket, 2);
        let waiting = half_done(&mut other);
        let mut client = target.client(socket, 2);
        let id = half_done(&mut client);
        client
            .wire
            .send(&format!("AUTH\t{id}\tPLAIN\tservice=imap\tresp={}", plain(ANN, ANN_PASSWORD)));
        let came = client.wire.expect_close();
        assert_eq!(came, [""; 0], "{socket}");
        finish(&mut other, waiting).expect("OK");
    }
}

#[test]
fn c_18_field_after_resp_voids_the_command() {
    field_after_resp_voids_the_command(&World::new().target);
}

pub(super) fn field_after_resp_voids_the_command(target: &Target) {
    for after in ["nologin", "session=abc", "resp=AAAA", "x"] {
        let mut client = target.client("login", 2);
        let id = client.auth("PLAIN", &format!("resp={}\t{after}", plain(ANN, ANN_PASSWORD)));
        match client.wire.read(target.patience) {
            Read::Line(line) => {
                let reply = Reply::parse(String::from_utf8(line).expect("UTF-8"));
                assert_eq!((reply.id, &*reply.word), (id, "FAIL"), "{after}: {:?}", reply.raw);
            }
            Read::Closed => {}
            Read::Silence => panic!("{after}: no answer"),
        }
    }
}

#[test]
fn c_19_protocol_or_service_is_required() {
    protocol_or_service_is_required(&World::new().target);
}

pub(super) fn protocol_or_service_is_required(target: &Target) {
    let resp = plain(ANN, ANN_PASSWORD);
    let mut client = target.client("login", 4);
    for (id, key) in [(1, "protocol"), (2, "service")] {
        client.wire.send(&format!("AUTH\t{id}\tPLAIN\t{key}=imap\tresp={resp}"));
        client.reply(id).expect("OK");
    }
    client.wire.send(&format!("AUTH\t3\tPLAIN\tsecured\tresp={resp}"));
    match client.wire.read(target.patience) {
        Read::Line(line) => assert!(line.starts_with(b"FAIL\t3"), "{line:?}"),
        Read::Closed => {}
        Read::Silence => panic!("no answer"),
    }
}

#[test]
fn c_20_mechanism_name_ignores_case() {
    mechanism_name_ignores_case(&World::new().target);
}

pub(super) fn mechanism_name_ignores_case(target: &Target) {
    let mut client = target.client("auth", 0);
    for name in ["PLAIN", "plain", "Plain", "pLaIn"] {
        let id = client.auth(name, &format!("resp={}", plain(ANN, ANN_PASSWORD)));
        client.reply(id).expect("OK");
    }
    let id = client.auth("login", "secured");
    client.reply(id).expect("CONT");
}

/// One user's strange mechanism must not throw out the others of a shared
/// connection.
#[test]
fn unknown_mechanism_fails_one_request() {
    let world = World::new();
    let mut client = world.target.client("login", 2);
    let waiting = half_done(&mut client);
    let id = client.auth("X-UNHEARD-OF", "resp=AAAA");
    client.reply(id).expect("FAIL");
    finish(&mut client, waiting).expect("OK");
}

#[test]
fn c_21_empty_initial_response() {
    empty_initial_response(&World::new().target);
}

pub(super) fn empty_initial_response(target: &Target) {
    let challenged = [(0, "resp="), (1, "resp="), (0, "secured"), (4, "secured")];
    for (minor, parameters) in challenged {
        let mut client = target.client("login", minor);
        let id = client.auth("PLAIN", parameters);
        assert_eq!(client.reply(id).raw, format!("CONT\t{id}\t"), "minor {minor}, {parameters}");
        client.wire.send(&format!("CONT\t{id}\t{}", plain(ANN, ANN_PASSWORD)));
        client.reply(id).expect("OK");
    }
    // An empty message is not PLAIN's form, so taken as a response it fails.
    for (minor, parameters) in [(2, "resp="), (4, "resp="), (0, "resp=="), (2, "resp==")] {
        let mut client = target.client("login", minor);
        let id = client.auth("PLAIN", parameters);
        assert_eq!(client.reply(id).word, "FAIL", "minor {minor}, {parameters}");
    }
}

#[test]
fn c_22_bad_base64_fails_one_request() {
    bad_base64_fails_one_request(&World::new().target);
}

pub(super) fn bad_base64_fails_one_request(target: &Target) {
    let mut client = target.client("login", 2);
    let waiting = half_done(&mut client);
    for bad in ["!!!!", "AGFubg", "AGFu bg==", "AGFubg==AGFubg=="] {
        let id = client.auth("PLAIN", &format!("resp={bad}"));
        let reply = client.reply(id).expect("FAIL");
        assert_eq!(reply.get("code"), Some("invalid_base64"), "{bad}: {:?}", reply.raw);
        assert!(reply.get("reason").is_some(), "{:?}", reply.raw);
        let id = half_done(&mut client);
        client.wire.send(&format!("CONT\t{id}\t{bad}"));
        let reply = client.reply(id).expect("FAIL");
        assert_eq!(reply.get("code"), Some("invalid_base64"), "{bad}: {:?}", reply.raw);
    }
    finish(&mut client, waiting).expect("OK");
}

#[test]
fn c_23_stray_continuation_fails() {
    stray_continuation_fails(&World::with(&["login.failure_delay = \"1500ms\""]).target);
}

pub(super) fn stray_continuation_fails(target: &Target) {
    let mut client = target.client("login", 4);
    client.wire.send("CONT\t4711\tAAAA");
    let reply = client.reply(4711).expect("FAIL");
    assert!(reply.get("reason").is_some_and(|reason| !reason.is_empty()), "{:?}", reply.raw);
    // A wrong password: the verdict waits for its time, no challenge is out.
    let id = client.ask(ANN, "wrong");
    client.wire.send(&format!("CONT\t{id}\tAAAA"));
    let reply = client.reply(id).expect("FAIL");
    assert!(reply.get("reason").is_some_and(|reason| !reason.is_empty()), "{:?}", reply.raw);
    // It has ended: neither a verdict follows nor is the id taken.
    client.expect_silence(std::time::Duration::from_secs(2));
    client
        .wire
        .send(&format!("AUTH\t{id}\tPLAIN\tservice=imap\tresp={}", plain(ANN, ANN_PASSWORD)));
    client.reply(id).expect("OK");
}

#[test]
fn c_24_unused_parameters_change_nothing() {
    unused_parameters_change_nothing(&World::new().target);
}

pub(super) fn unused_parameters_change_nothing(target: &Target) {
    let mut client = target.client("auth", 2);
    let unused = "nologin\ttransport=TLS\ttls_cipher=X\ttls_cipher_bits=0\ttls_pfs=none\ttls_protocol=SSLv2\tx\ty=z";
    let resp = plain(ANN, ANN_PASSWORD);
    let id = client.auth("PLAIN", &format!("{unused}\tresp={resp}"));
    assert_eq!(client.reply(id).raw, format!("OK\t{id}\tuser={ANN}"));
    let id = client.auth("PLAIN", &format!("{unused}\tresp={}", plain(ANN, "wrong")));
    client.reply(id).expect("FAIL");
}

#[test]
fn c_26_thousand_interleaved_requests() {
    thousand_interleaved_requests(&World::new().target);
}

/// What one of the thousand does.
#[derive(Clone, Copy)]
enum Kind {
    Ann,
    Bob,
    Unknown,
    BadBase64,
    Dialogue,
}

pub(super) fn thousand_interleaved_requests(target: &Target) {
    const KINDS: [Kind; 5] = [Kind::Ann, Kind::Bob, Kind::Unknown, Kind::BadBase64, Kind::Dialogue];
    let mut client = target.client("login", 2);
    let mut writer = client.wire.second_writer();
    let of = |id: u32| KINDS[id as usize % KINDS.len()];
    let writing = thread::spawn(move || {
        for id in 1..=1000 {
            let (mechanism, resp) = match of(id) {
                Kind::Ann => ("PLAIN", plain(ANN, ANN_PASSWORD)),
                Kind::Bob => ("PLAIN", plain(BOB, BOB_PASSWORD)),
                Kind::Unknown => ("PLAIN", plain("nobody@example.org", "wrong")),
                Kind::BadBase64 => ("PLAIN", "?".to_owned()),
                Kind::Dialogue => ("LOGIN", b64(ANN)),
            };
            writer.send(&format!("AUTH\t{id}\t{mechanism}\tservice=imap\tresp={resp}"));
        }
    });
    let mut finals = BTreeMap::new();
    while finals.len() < 1000 {
        let reply = client.any_reply();
        if reply.word == "CONT" {
            assert!(matches!(of(reply.id), Kind::Dialogue), "{:?}", reply.raw);
            client.wire.send(&format!("CONT\t{}\t{}", reply.id, b64(ANN_PASSWORD)));
            continue;
        }
        let raw = reply.raw.clone();
        let twice = finals.insert(reply.id, reply);
        assert_eq!(twice, None, "answered twice: {raw:?}");
    }
    writing.join().expect("the writer ends");
    client.expect_silence(std::time::Duration::from_millis(500));
    for (id, reply) in finals {
        let raw = &reply.raw;
        match of(id) {
            Kind::Ann | Kind::Dialogue => assert_eq!(*raw, format!("OK\t{id}\tuser={ANN}")),
            Kind::Bob => assert_eq!(*raw, format!("OK\t{id}\tuser={BOB}")),
            Kind::Unknown => assert!(reply.word == "FAIL", "{raw:?}"),
            Kind::BadBase64 => assert_eq!(reply.get("code"), Some("invalid_base64"), "{raw:?}"),
        }
    }
}
