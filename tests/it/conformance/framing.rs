//! C-1 to C-8: lines, fields, escapes, limits.

use std::process;

use crate::support::{
    b64,
    client::{Client, Reply, Target, new_cpid},
    plain,
    wire::Read,
    world::{ANN, ANN_PASSWORD, BOB, BOB_PASSWORD, World},
};

/// All five bytes that are escaped, as the wire carries them.
const ESCAPED: &str = "a\u{1}0b\u{1}1c\u{1}td\u{1}re\u{1}nf";

#[test]
fn c_01_cr_before_lf_is_stripped() {
    cr_before_lf_is_stripped(&World::new().target);
}

pub(super) fn cr_before_lf_is_stripped(target: &Target) {
    let mut wire = target.wire("login");
    let resp = plain(ANN, ANN_PASSWORD);
    let cpid = new_cpid();
    wire.send(&format!(
        "VERSION\t1\t2\r\nCPID\t{cpid}\r\nAUTH\t7\tPLAIN\tservice=imap\tresp={resp}\r"
    ));
    while wire.line() != "DONE" {}
    assert_eq!(wire.line(), format!("OK\t7\tuser={ANN}"));

    let mut master = target.wire("userdb");
    master.send(&format!("VERSION\t1\t0\r\nUSER\t1\t{ANN}\tservice=lmtp\r"));
    let reply = (master.line(), master.line(), master.line()).2;
    assert!(reply.starts_with(&format!("USER\t1\t{ANN}\t")), "{reply:?}");
}

#[test]
fn c_02_escaped_tab_makes_no_field() {
    escaped_tab_makes_no_field(&World::new().target);
}

pub(super) fn escaped_tab_makes_no_field(target: &Target) {
    let mut client = target.client("login", 2);
    // Were it unescaped first, `resp=` would be a parameter and log Ann in.
    let resp = plain(ANN, ANN_PASSWORD);
    let id = client.auth("PLAIN", &format!("session=x\u{1}tresp={resp}"));
    assert_eq!(client.reply(id).raw, format!("CONT\t{id}\t"));
    // And here it would split Ann's name from a parameter.
    let reply = target.master("userdb", 0).ask("USER", &format!("{ANN}\u{1}tx\tservice=lmtp"));
    reply.expect("NOTFOUND");
}

#[test]
fn c_03_escapes_round_trip() {
    escapes_round_trip(&World::new().target);
}

pub(super) fn escapes_round_trip(target: &Target) {
    let (reply, _) = handed_over(target, &format!("local_name={ESCAPED}"));
    assert_eq!(reply.get("local_name"), Some(ESCAPED), "{:?}", reply.raw);
    // An escape before any other byte is that byte, at the end it is nothing.
    let mut master = target.master("userdb", 3);
    for name in ["\u{1}ann@example.org", "ann\u{1}@example.org", "ann@example.org\u{1}"] {
        master.ask("USER", &format!("{name}\tprotocol=lmtp")).expect("USER");
    }
    // The session id comes in escaped, and raw in a token made from it.
    let raw = "t\tc\rl\no\u{1}e";
    let (reply, _client) = handed_over(target, "session=t\u{1}tc\u{1}rl\u{1}no\u{1}1e");
    let token = reply.get("auth_token").expect("it was asked for");
    let mut client = target.client("token-login", 2);
    let payload = format!("imap\0{}\0{ANN}\0{raw}\0{token}", process::id());
    let id = client.auth("DOVECOT-TOKEN", &format!("resp={}", b64(payload)));
    client.reply(id).expect("OK");
}

/// Logs Ann in with this parameter and gives the answer to its REQUEST.
fn handed_over(target: &Target, parameter: &str) -> (Reply, Client) {
    let mut client = target.client("login", 2);
    let id = client.auth("PLAIN", &format!("{parameter}\tresp={}", plain(ANN, ANN_PASSWORD)));
    client.reply(id).expect("OK");
    let rest = format!("\tsession_pid={}\trequest_auth_token", process::id());
    let reply = target.master("master", 1).request(&client, id, &rest).expect("USER");
    (reply, client)
}

#[test]
fn c_04_empty_fields_are_ignored() {
    empty_fields_are_ignored(&World::new().target);
}

pub(super) fn empty_fields_are_ignored(target: &Target) {
    let mut client = target.client("login", 2);
    let resp = plain(ANN, ANN_PASSWORD);
    let id = client.auth("PLAIN", &format!("\t\tsecured\t\tresp={resp}"));
    client.reply(id).expect("OK");
    let mut master = target.master("master", 1);
    let cookie = client.greeting.cookie.clone();
    master
        .ask(
            "REQUEST",
            &format!("{}\t{id}\t{cookie}\t\tsession_pid={}", client.cpid, process::id()),
        )
        .expect("USER");
    master.ask("USER", &format!("{ANN}\t\tservice=lmtp\t")).expect("USER");
    master.ask("PASS", &format!("{ANN}\t\tservice=lmtp\t")).expect("PASS");
    master.ask("LIST", &format!("\t\tuser={ANN}")).expect("LIST");
    assert!(master.wire.line().starts_with("DONE\t"));
    master.ask("CACHE-FLUSH", "\t").expect("OK");
}

#[test]
fn c_05_empty_line_closes() {
    empty_line_closes(&World::new().target);
}

pub(super) fn empty_line_closes(target: &Target) {
    for socket in ["login", "auth", "token-login", "token"] {
        for empty in ["\n", "\r\n"] {
            let mut client = target.client(socket, 2);
            client.wire.send_raw(empty.as_bytes());
            client.wire.expect_close();
        }
    }
    for socket in ["master", "userdb"] {
        let mut master = target.master(socket, 1);
        master.wire.send("");
        master.wire.expect_close();
    }
}

#[test]
fn c_06_endless_line_closes_that_connection_only() {
    endless_line_closes_that_connection_only(&World::new().target);
}

pub(super) fn endless_line_closes_that_connection_only(target: &Target) {
    let mut other = target.client("login", 2);
    let waiting = other.auth("LOGIN", "secured");
    other.reply(waiting).expect("CONT");

    let mut client = target.client("login", 2);
    // 16383 bytes and LF are a line still.
    let head = "AUTH\t9\tPLAIN\tservice=imap\tsession=";
    let tail = format!("\tresp={}\n", plain(ANN, ANN_PASSWORD));
    let filler = "x".repeat(16384 - head.len() - tail.len());
    client.wire.send_raw(format!("{head}{filler}{tail}").as_bytes());
    client.reply(9).expect("OK");
    client.wire.send_raw("x".repeat(16385).as_bytes());
    client.wire.expect_close();

    let mut master = target.master("userdb", 1);
    let filler = "x".repeat(1000 - ANN.len());
    master.ask("USER", &format!("{ANN}\tservice=lmtp\tsession={}", &filler[..900])).expect("USER");
    master.wire.send_raw("x".repeat(1025).as_bytes());
    master.wire.expect_close();

    other.wire.send(&format!("CONT\t{waiting}\t{}", b64(ANN)));
    other.reply(waiting).expect("CONT");
    other.wire.send(&format!("CONT\t{waiting}\t{}", b64(ANN_PASSWORD)));
    other.reply(waiting).expect("OK");
}

#[test]
fn c_07_master_replies_stay_below_8192() {
    master_replies_stay_below_8192(&World::with(&long_fields()).target);
}

/// Settings that make Ann's userdb reply too long in sum.
pub(super) fn long_fields() -> [&'static str; 4] {
    const FIELD: [&str; 4] =
        ["userdb.fields.f1", "userdb.fields.f2", "userdb.fields.f3", "userdb.fields.f4"];
    FIELD.map(|key| &*format!("{key} = \"{}\"", "%u.".repeat(200)).leak())
}

pub(super) fn master_replies_stay_below_8192(target: &Target) {
    for word in ["USER", "PASS"] {
        let mut master = target.master("userdb", 3);
        master.send(word, &format!("{ANN}\tprotocol=lmtp"));
        let line = master.wire.line();
        assert!(line.len() < 8192, "{word}: a reply of {} bytes", line.len());
        master.send(word, &format!("{BOB}\tprotocol=lmtp"));
        assert!(matches!(master.wire.read(target.patience), Read::Line(_)), "it goes on");
    }
}

#[test]
fn c_08_minor_0_needs_no_unescaping() {
    minor_0_needs_no_unescaping(&World::new().target);
}

pub(super) fn minor_0_needs_no_unescaping(target: &Target) {
    let mut client = target.client("auth", 0);
    let names =
        ["ANN@example.org", ANN, "a\tnn@example.org", "a\u{1}nn@example.org", "nobody@example.org"];
    for name in names {
        let reply = client.login(name, ANN_PASSWORD);
        assert!(!reply.raw.contains('\u{1}'), "{:?}", reply.raw);
        if reply.word == "OK" {
            let place = reply.fields.iter().position(|field| field.starts_with("user="));
            assert!(place.is_some_and(|place| place < 14), "{:?}", reply.raw);
            assert!(reply.fields.len() <= 14, "{:?}", reply.raw);
        }
    }
    assert_eq!(client.login(BOB, BOB_PASSWORD).word, "OK");
}

/// A handshake whose pieces arrive one byte at a time is the same handshake.
#[test]
fn lines_may_arrive_in_pieces() {
    let world = World::new();
    let mut wire = world.target.wire("auth");
    let resp = plain(ANN, ANN_PASSWORD);
    let text = format!("VERSION\t1\t2\nCPID\t1\nAUTH\t1\tPLAIN\tservice=smtp\tresp={resp}\n");
    for byte in text.as_bytes() {
        wire.send_raw(&[*byte]);
    }
    while wire.line() != "DONE" {}
    assert_eq!(wire.line(), format!("OK\t1\tuser={ANN}"));
    drop(Client::new(world.target.wire("auth"), 2, 1));
}
