//! C-25, C-27, C-28: how long a request and its id live.

use std::{process, time::Duration};

use crate::support::{
    client::{Client, Target},
    plain,
    world::{ANN, ANN_PASSWORD, World},
};

/// Longer than the failure delay of C-25, so that a late verdict shows.
const WHILE: Duration = Duration::from_millis(1300);

#[test]
fn c_25_cancel_by_minor() {
    cancel_by_minor(&World::with(&["login.failure_delay = \"1s\""]).target);
}

pub(super) fn cancel_by_minor(target: &Target) {
    // What holds is the lower of both minors, and `auth` announces 2.
    for (socket, minor, answered) in
        [("login", 4, true), ("login", 3, false), ("login", 0, false), ("auth", 4, false)]
    {
        let mut client = target.client(socket, minor);
        let unknown = 4711;
        let dialogue = client.auth("LOGIN", "secured");
        client.reply(dialogue).expect("CONT");
        let rejected = client.ask(ANN, "wrong");
        for id in [unknown, dialogue, rejected] {
            client.wire.send(&format!("CANCEL\t{id}"));
            if answered {
                assert_eq!(client.reply(id).raw, format!("CANCELLED\t{id}"), "{socket} {minor}");
            }
        }
        client.expect_silence(WHILE);
        assert_eq!(client.login(ANN, ANN_PASSWORD).word, "OK", "{socket} {minor}");
        client.expect_silence(Duration::from_millis(100));
    }
}

#[test]
fn c_27_idle_request_vanishes() {
    idle_request_vanishes(&World::with(&["login.request_timeout = \"1s\""]).target);
}

pub(super) fn idle_request_vanishes(target: &Target) {
    for socket in ["login", "auth"] {
        let mut client = target.client(socket, 2);
        let id = client.auth("LOGIN", "secured");
        client.reply(id).expect("CONT");
        client.expect_silence(Duration::from_secs(3));
        reuse(&mut client, id);
    }
}

/// A login under an id that must be free.
fn reuse(client: &mut Client, id: u32) {
    client
        .wire
        .send(&format!("AUTH\t{id}\tPLAIN\tservice=imap\tresp={}", plain(ANN, ANN_PASSWORD)));
    client.reply(id).expect("OK");
}

#[test]
fn c_28_id_after_ok() {
    id_after_ok(&World::new().target);
}

pub(super) fn id_after_ok(target: &Target) {
    let mut client = target.client("auth", 2);
    for _ in 0..3 {
        reuse(&mut client, 5);
    }

    let mut client = target.client("login", 2);
    reuse(&mut client, 5);
    client.wire.send(&format!("AUTH\t5\tPLAIN\tservice=imap\tresp={}", plain(ANN, ANN_PASSWORD)));
    assert_eq!(client.wire.expect_close(), [""; 0], "the id was taken");

    let mut client = target.client("login", 2);
    reuse(&mut client, 5);
    client.wire.send("CANCEL\t5");
    reuse(&mut client, 5);
    let rest = format!("\tsession_pid={}", process::id());
    target.master("master", 1).request(&client, 5, &rest).expect("USER");
    reuse(&mut client, 5);
}
