//! Whatever arrives on a socket, the daemon lives on and other connections
//! notice nothing.

use std::{
    cell::RefCell, io::Read as _, io::Write as _, os::unix::net::UnixStream, time::Duration,
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::support::{
    client::Reply,
    plain,
    world::{ANN, ANN_PASSWORD, World},
};

const SOCKETS: [&str; 8] =
    ["login", "auth", "master", "userdb", "token-login", "token", "socketmap", "admin"];

/// Bytes that get far enough in to break something: words and fields of the
/// protocol, and noise.
fn nasty() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just("VERSION\t1\t2\n".to_owned()),
        Just("CPID\t4242\n".to_owned()),
        Just(format!("AUTH\t1\tPLAIN\tservice=imap\tresp={}\n", plain(ANN, "wrong"))),
        Just("AUTH\t2\tLOGIN\tprotocol=imap\n".to_owned()),
        Just("CONT\t2\t".to_owned()),
        Just("CANCEL\t2\n".to_owned()),
        Just("USER\t1\tann@example.org\tservice=lmtp\n".to_owned()),
        Just("REQUEST\t1\t4242\t1\t00112233445566778899aabbccddeeff\n".to_owned()),
        Just("LIST\t3\t\n".to_owned()),
        Just("CACHE-FLUSH\t4\n".to_owned()),
        Just("36:virtual_mailbox_maps ann@example.org,".to_owned()),
        Just("32768:virtual_mailbox_maps ".to_owned()),
        Just("GET /api/v1/mailboxes HTTP/1.1\r\nHost: x\r\n".to_owned()),
        "[A-Z]{1,12}\t[0-9]{1,12}(\t[a-z]{1,8}=[ -~]{0,20}){0,4}\n",
    ];
    let piece = prop_oneof![
        word.prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..64),
        Just(b"\t".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\x01".to_vec()),
        Just(b"\r\n\r\n".to_vec()),
        Just(vec![b'x'; 20_000]),
    ];
    prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
}

#[test]
fn any_bytes_on_any_socket_disturb_nobody() {
    let world = RefCell::new(World::new());
    let target = world.borrow().target.clone();
    let good = RefCell::new((target.client("login", 4), target.master("master", 3)));
    let mut runner =
        TestRunner::new(Config { cases: 96, failure_persistence: None, ..Config::default() });
    let strategy = (prop::sample::select(&SOCKETS[..]), nasty(), any::<bool>());
    let outcome = runner.run(&strategy, |(socket, bytes, greeted)| {
        let mut hostile = UnixStream::connect(target.sockets.join(socket)).expect("it listens");
        hostile.set_write_timeout(Some(Duration::from_secs(5))).expect("above zero");
        if greeted {
            let _ = hostile.write_all(b"VERSION\t1\t4\nCPID\t4242\n");
        }
        let _ = hostile.write_all(&bytes);
        // A dialogue in the midst of it, and a look-up.
        let (client, master) = &mut *good.borrow_mut();
        prop_assert_eq!(client.login(ANN, ANN_PASSWORD).word, "OK");
        master.ask("USER", &format!("{ANN}\tprotocol=lmtp")).expect("USER");
        drop(hostile);
        prop_assert!(world.borrow_mut().daemon.is_running());
        Ok(())
    });
    let log = world.borrow().daemon.log();
    assert!(!log.contains("panicked"), "{log}");
    if let Err(problem) = outcome {
        panic!("{problem}");
    }
}

/// Names, services and session ids are other people's words.
#[test]
fn log_can_be_neither_forged_nor_flooded() {
    let world = World::new();
    let mut client = world.target.client("login", 2);
    let forged = "x\u{1}n2026-01-01T00:00:00Z INFO login verdict=verified user=eve\u{1}r\u{1}n";
    let endless = "y".repeat(12_000);
    for (service, session) in [(forged, forged), (&*endless, &*endless)] {
        let id = client.new_id();
        let resp = plain("eve\n2026-01-01T00:00:00Z INFO login verdict=verified", "wrong");
        let line = format!("AUTH\t{id}\tPLAIN\tservice={service}\tresp={resp}");
        client.wire.send(&line);
        client.reply(id).expect("FAIL");
        let id = client.auth("PLAIN", &format!("session={session}\tresp={resp}"));
        client.reply(id).expect("FAIL");
    }
    let all = |log: &str| log.matches("login verdict=rejected").count() == 4;
    world.daemon.wait_for_log("line for each login", all);
    let log = world.daemon.log();
    assert!(!log.lines().any(|line| line.starts_with("2026-01-01")), "{log}");
    assert!(log.lines().all(|line| line.len() < 1000), "{log}");
}

/// A client that reads nothing costs nobody else anything.
#[test]
fn client_that_never_reads_is_left_alone() {
    let world = World::new();
    let mut deaf = UnixStream::connect(world.target.sockets.join("auth")).expect("it listens");
    deaf.set_write_timeout(Some(Duration::from_millis(500))).expect("above zero");
    let lines = format!("{}\n", "CONT\t1\tAAAA").repeat(1000);
    let _ = deaf.write_all(b"VERSION\t1\t2\nCPID\t1\n");
    // Stops when its replies are no longer taken; were they kept in memory
    // instead, this would go on for 64 MiB.
    let stuck = (0..5000).any(|_| deaf.write_all(lines.as_bytes()).is_err());
    assert!(stuck, "replies that nobody reads are kept without bound");
    let mut client = world.target.client("auth", 2);
    assert_eq!(client.login(ANN, ANN_PASSWORD).word, "OK");
    // It was stopped, not thrown out: once it reads, it is served again.
    let mut some = [0; 4096];
    deaf.set_read_timeout(Some(world.target.patience)).expect("above zero");
    assert!(deaf.read(&mut some).expect("it is still connected") > 0);
}

#[test]
fn five_thousand_connections_at_once() {
    const CONNECTIONS: u32 = 5000;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    // The daemon inherits it.
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("up to the hard limit");
    assert!(hard > u64::from(CONNECTIONS) * 2, "the hard limit of open files is {hard}");
    let world = World::new();
    let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| world.target.client("login", 2)).collect();
    let ids: Vec<u32> = clients.iter_mut().map(|client| client.ask(ANN, ANN_PASSWORD)).collect();
    for (client, id) in clients.iter_mut().zip(ids) {
        let reply: Reply = client.reply(id);
        assert_eq!(reply.raw, format!("OK\t{id}\tuser={ANN}"));
    }
    // And nothing more: what comes now is the answer to this.
    for client in &mut clients {
        client.wire.send("CONT\t4711\tAAAA");
    }
    for client in &mut clients {
        assert_eq!(client.any_reply().id, 4711);
    }
}
