//! C-42 to C-46 and C-52: the master greeting, REQUEST, auth tokens.

use std::{process, time::Duration};

use crate::support::{
    b64,
    client::{Client, Target},
    plain,
    wire::Read,
    world::{ANN, ANN_PASSWORD, World},
};

/// `session_pid=` of this process, which is the peer.
fn own_pid() -> String {
    format!("\tsession_pid={}", process::id())
}

/// A login connection with Ann logged in, and the id.
fn logged_in(target: &Target, parameters: &str) -> (Client, u32) {
    let mut client = target.client("login", 2);
    let id = client.auth("PLAIN", &format!("{parameters}resp={}", plain(ANN, ANN_PASSWORD)));
    client.reply(id).expect("OK");
    (client, id)
}

#[test]
fn c_42_master_greeting() {
    master_greeting(&World::new().target);
}

pub(super) fn master_greeting(target: &Target) {
    for socket in ["master", "userdb"] {
        let mut wire = target.wire(socket);
        let (version, spid) = (wire.line(), wire.line());
        assert!(version.starts_with("VERSION\t1\t"), "{version:?}");
        assert!(spid.starts_with("SPID\t"), "{spid:?}");
        wire.expect_silence(Duration::from_millis(300));
        wire.send(&format!("VERSION\t1\t2\nUSER\t1\t{ANN}\tservice=lmtp"));
        assert!(wire.line().starts_with("USER\t1\t"), "nothing more is said");
    }
}

#[test]
fn c_43_request_must_fit() {
    request_must_fit(&World::new().target);
}

pub(super) fn request_must_fit(target: &Target) {
    let (mut client, id) = logged_in(target, "");
    let cookie = client.greeting.cookie.clone();
    let last = if cookie.ends_with('0') { '1' } else { '0' };
    let wrong = format!("{}{last}", &cookie[..31]);
    let unfinished = client.auth("LOGIN", "secured");
    client.reply(unfinished).expect("CONT");
    let failed = client.ask(ANN, "wrong");
    client.reply(failed).expect("FAIL");
    let (cpid, zero) = (client.cpid, "0".repeat(32));

    let mut master = target.master("master", 1);
    let cases = [
        ("wrong cookie", cpid, id, &wrong),
        ("zero cookie", cpid, id, &zero),
        ("wrong CPID", cpid + 500_000, id, &cookie),
        ("unknown id", cpid, 4711, &cookie),
        ("unfinished", cpid, unfinished, &cookie),
        ("failed", cpid, failed, &cookie),
    ];
    for (what, cpid, id, cookie) in cases {
        let reply = master.ask("REQUEST", &format!("{cpid}\t{id}\t{cookie}{}", own_pid()));
        assert_eq!(reply.word, "FAIL", "{what}: {:?}", reply.raw);
    }
    // None of them has spent the good one.
    let reply = master.request(&client, id, &own_pid()).expect("USER");
    assert_eq!(reply.fields[0], ANN);

    for cookie in ["", "0", &cookie[..31], &format!("{cookie}0"), &"x".repeat(32)] {
        let mut master = target.master("master", 1);
        master.send("REQUEST", &format!("{cpid}\t{id}\t{cookie}"));
        let came = master.wire.expect_close();
        assert_eq!(came, [""; 0], "cookie {cookie:?}");
    }
}

#[test]
fn c_44_request_works_once() {
    request_works_once(&World::new().target);
}

pub(super) fn request_works_once(target: &Target) {
    let (client, id) = logged_in(target, "");
    let mut master = target.master("master", 1);
    let reply = master.request(&client, id, &own_pid()).expect("USER");
    assert_eq!(reply.fields[0], ANN, "{:?}", reply.raw);
    master.request(&client, id, &own_pid()).expect("FAIL");
    // One that fails after the cookie was right spends it, too.
    let (client, id) = logged_in(target, "");
    master.request(&client, id, "\tsession_pid=1").expect("FAIL");
    master.request(&client, id, &own_pid()).expect("FAIL");
    // A login process may be gone before the mail process asks.
    let (client, id) = logged_in(target, "");
    let (cpid, cookie) = (client.cpid, client.greeting.cookie.clone());
    drop(client);
    master.ask("REQUEST", &format!("{cpid}\t{id}\t{cookie}{}", own_pid())).expect("USER");
}

#[test]
fn c_45_session_pid_is_the_peer() {
    session_pid_is_the_peer(&World::new().target);
    let unchecked = World::with(&["login.check_session_pid = false"]);
    let (client, id) = logged_in(&unchecked.target, "");
    let mut master = unchecked.target.master("master", 1);
    master.request(&client, id, "\tsession_pid=1").expect("USER");
}

pub(super) fn session_pid_is_the_peer(target: &Target) {
    let (client, id) = logged_in(target, "");
    target.master("master", 1).request(&client, id, "\tsession_pid=1").expect("FAIL");
    let (client, id) = logged_in(target, "");
    target.master("master", 1).request(&client, id, &own_pid()).expect("USER");
}

#[test]
fn c_46_auth_token() {
    auth_token(&World::new().target);
}

pub(super) fn auth_token(target: &Target) {
    let mut master = target.master("master", 3);
    for (rest, wanted) in [
        (format!("{}\trequest_auth_token", own_pid()), true),
        (own_pid(), false),
        ("\trequest_auth_token".to_owned(), false),
    ] {
        let (client, id) = logged_in(target, "session=s1\t");
        let reply = master.request(&client, id, &rest).expect("USER");
        assert_eq!(reply.get("auth_token").is_some(), wanted, "{rest:?}: {:?}", reply.raw);
    }
    let (client, id) = logged_in(target, "session=s1\t");
    let reply = master.request(&client, id, &format!("{}\trequest_auth_token", own_pid()));
    let token = reply.get("auth_token").expect("as above");
    let pid = process::id().to_string();
    let good = ["imap", &pid, ANN, "s1", token];
    let other_token = token.replace(&token[..1], if token.starts_with('0') { "1" } else { "0" });
    let changes = ["pop3", "1", "bob@example.org", "s2", &other_token];
    for socket in ["token-login", "token"] {
        let mut client = target.client(socket, 2);
        assert_eq!(client.greeting.mechanisms(), ["DOVECOT-TOKEN"], "{socket}");
        let mut ask = |parts: [&str; 5]| {
            let id = client.auth("DOVECOT-TOKEN", &format!("resp={}", b64(parts.join("\0"))));
            client.reply(id)
        };
        let reply = ask(good).expect("OK");
        assert_eq!(reply.get("user"), Some(ANN), "{:?}", reply.raw);
        for (n, change) in changes.iter().enumerate() {
            let mut parts = good;
            parts[n] = change;
            assert_eq!(ask(parts).word, "FAIL", "{socket}: part {n} changed to {change}");
        }
    }
}

#[test]
fn c_52_commands_out_of_place() {
    commands_out_of_place(&World::new().target);
}

pub(super) fn commands_out_of_place(target: &Target) {
    let (client, id) = logged_in(target, "");
    let request = format!("REQUEST\t1\t{}\t{id}\t{}", client.cpid, client.greeting.cookie);
    let cases = [
        ("userdb", &*request),
        ("userdb", "CACHE-FLUSH\t1"),
        ("userdb", "CPID\t4711"),
        ("master", "CPID\t4711"),
        ("master", "CANCEL\t1"),
        ("userdb", "NONSENSE\t1"),
    ];
    for (socket, line) in cases {
        let mut master = target.master(socket, 1);
        master.wire.send(line);
        assert_eq!(master.wire.expect_close(), [""; 0], "{socket}: {line:?}");
    }
    // The same REQUEST in its place, unspent.
    let mut master = target.master("master", 1);
    master.wire.send(&request);
    let Read::Line(line) = master.wire.read(target.patience) else { panic!("no reply") };
    assert!(line.starts_with(b"USER\t1\t"), "{line:?}");
}
