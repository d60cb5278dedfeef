//! C-9 to C-16: greeting, versions, CPID, cookies.

use std::collections::BTreeSet;

use crate::support::{
    client::{Client, Greeting, Target, new_cpid},
    plain,
    wire::Read,
    world::{ANN, ANN_PASSWORD, World},
};

const CLIENT_SOCKETS: [&str; 4] = ["login", "auth", "token-login", "token"];
const MASTER_SOCKETS: [&str; 2] = ["master", "userdb"];

#[test]
fn c_09_version_comes_first() {
    version_comes_first(&World::new().target);
}

pub(super) fn version_comes_first(target: &Target) {
    for socket in CLIENT_SOCKETS.into_iter().chain(MASTER_SOCKETS) {
        let line = target.wire(socket).line();
        let minor =
            line.strip_prefix("VERSION\t1\t").unwrap_or_else(|| panic!("{socket}: {line:?}"));
        minor.parse::<u32>().unwrap_or_else(|_| panic!("{socket}: {line:?}"));
    }
}

#[test]
fn c_10_greeting_has_its_order() {
    greeting_has_its_order(&World::new().target);
}

pub(super) fn greeting_has_its_order(target: &Target) {
    for socket in CLIENT_SOCKETS {
        let lines = target.client(socket, 2).greeting.lines;
        let words: Vec<&str> =
            lines.iter().map(|line| line.split('\t').next().unwrap_or("")).collect();
        let mechanisms = words.iter().filter(|word| **word == "MECH").count();
        assert!(mechanisms > 0, "{socket}: {lines:?}");
        let mut expected = vec!["VERSION"];
        expected.extend(vec!["MECH"; mechanisms]);
        expected.extend(["SPID", "CUID", "COOKIE", "DONE"]);
        assert_eq!(words, expected, "{socket}");
        // Without the flag a mail server would offer it in clear text.
        for line in &lines {
            let plain = line.starts_with("MECH\tPLAIN") || line.starts_with("MECH\tLOGIN");
            assert!(!plain || line.ends_with("\tplaintext"), "{socket}: {line:?}");
        }
    }
}

#[test]
fn c_11_silent_client_gets_the_whole_greeting() {
    silent_client_gets_the_whole_greeting(&World::new().target);
}

pub(super) fn silent_client_gets_the_whole_greeting(target: &Target) {
    for socket in ["auth", "login"] {
        let mut wire = target.wire(socket);
        Greeting::read(&mut wire);
        let (cpid, resp) = (new_cpid(), plain(ANN, ANN_PASSWORD));
        wire.send(&format!(
            "VERSION\t1\t0\nCPID\t{cpid}\nAUTH\t1\tPLAIN\tservice=smtp\tresp={resp}"
        ));
        assert_eq!(wire.line(), format!("OK\t1\tuser={ANN}"), "{socket}");
    }
}

#[test]
fn c_12_minor_2_sees_no_channel_binding() {
    minor_2_sees_no_channel_binding(&World::new().target);
}

pub(super) fn minor_2_sees_no_channel_binding(target: &Target) {
    for socket in ["auth", "login"] {
        let greeting = target.client(socket, 2).greeting;
        let binding = |line: &&String| line.split('\t').any(|field| field == "channel-binding");
        assert_eq!(greeting.lines.iter().find(binding), None, "{socket}");
    }
}

#[test]
fn c_13_bad_handshake_closes() {
    bad_handshake_closes(&World::new().target);
}

pub(super) fn bad_handshake_closes(target: &Target) {
    let auth = format!("AUTH\t1\tPLAIN\tservice=imap\tresp={}", plain(ANN, ANN_PASSWORD));
    let bad = [
        "VERSION\t2\t0".to_owned(),
        "VERSION\t0\t2".to_owned(),
        "VERSION\t1".to_owned(),
        "VERSION\t1\tx".to_owned(),
        "CPID\t4711".to_owned(),
        "VERSION\t1\t2\nCPID\t0".to_owned(),
        "VERSION\t1\t2\nCPID\tx".to_owned(),
        "VERSION\t1\t2\nCPID\t4712\nCPID\t4713".to_owned(),
        format!("VERSION\t1\t2\n{auth}"),
        auth,
    ];
    for socket in ["login", "auth"] {
        for lines in &bad {
            let mut wire = target.wire(socket);
            wire.send(lines);
            let came = wire.expect_close();
            assert!(
                !came.iter().any(|line| line.starts_with("OK\t")),
                "{socket}: {lines:?} logged in"
            );
        }
    }
    for socket in MASTER_SOCKETS {
        for lines in ["VERSION\t2\t0", "USER\t1\tann@example.org\tservice=lmtp"] {
            let mut wire = target.wire(socket);
            wire.send(lines);
            let came = wire.expect_close();
            assert!(
                !came.iter().any(|line| line.starts_with("USER\t")),
                "{socket}: {lines:?} answered"
            );
        }
    }
}

#[test]
fn c_14_live_cpid_is_refused() {
    live_cpid_is_refused(&World::new().target);
}

pub(super) fn live_cpid_is_refused(target: &Target) {
    let mut first = target.client("login", 2);
    let mut second = target.wire("login");
    second.send(&format!("VERSION\t1\t2\nCPID\t{}", first.cpid));
    second.expect_close();
    assert_eq!(first.login(ANN, ANN_PASSWORD).word, "OK", "the first one lives on");

    let cpid = first.cpid;
    drop(first);
    let mut third = Client::new(target.wire("login"), 2, cpid);
    assert_eq!(third.login(ANN, ANN_PASSWORD).word, "OK");

    // Chroots and TCP make CPIDs collide where nothing is looked up by them.
    let mut one = Client::new(target.wire("auth"), 0, cpid);
    let mut other = Client::new(target.wire("auth"), 0, cpid);
    assert_eq!(one.login(ANN, ANN_PASSWORD).word, "OK");
    assert_eq!(other.login(ANN, ANN_PASSWORD).word, "OK");
}

#[test]
fn c_15_cookie_and_cuid_are_per_connection() {
    cookie_and_cuid_are_per_connection(&World::new().target);
}

pub(super) fn cookie_and_cuid_are_per_connection(target: &Target) {
    let clients: Vec<Client> =
        CLIENT_SOCKETS.iter().cycle().take(12).map(|socket| target.client(socket, 2)).collect();
    for Client { greeting, .. } in &clients {
        let hex = greeting.cookie.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        assert!(hex && greeting.cookie.len() == 32, "{:?}", greeting.cookie);
        assert!(greeting.cuid.parse::<u32>().is_ok(), "{:?}", greeting.cuid);
    }
    let cookies: BTreeSet<&str> = clients.iter().map(|client| &*client.greeting.cookie).collect();
    let cuids: BTreeSet<&str> = clients.iter().map(|client| &*client.greeting.cuid).collect();
    assert_eq!((cookies.len(), cuids.len()), (12, 12));
}

#[test]
fn c_16_spid_is_one_and_changes_with_restart() {
    let mut world = World::new();
    let before = spid_is_one(&world.target);
    world.daemon.restart();
    assert_ne!(spid_is_one(&world.target), before);
}

pub(super) fn spid_is_one(target: &Target) -> String {
    let mut spids = BTreeSet::new();
    for socket in CLIENT_SOCKETS {
        spids.insert(target.client(socket, 2).greeting.spid);
    }
    for socket in MASTER_SOCKETS {
        let line = &target.master(socket, 2).greeting[1];
        spids.insert(line.strip_prefix("SPID\t").expect("the second line").to_owned());
    }
    assert_eq!(spids.len(), 1, "{spids:?}");
    let spid = spids.pop_first().expect("one");
    assert!(spid.parse::<i32>().is_ok_and(|spid| spid > 0), "{spid:?} is no process id");
    spid
}

/// Nothing is said twice: the greeting is over with `DONE`.
#[test]
fn nothing_follows_done() {
    let world = World::new();
    let mut client = world.target.client("login", 4);
    assert_eq!(client.wire.read(std::time::Duration::from_millis(300)), Read::Silence);
}
