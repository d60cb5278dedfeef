//! C-47 to C-51, C-53, C-54: USER, PASS, LIST, CACHE-FLUSH.

use std::{
    collections::BTreeSet,
    env,
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::unistd::Uid;
use tempfile::TempDir;

use crate::support::{
    client::{Master, Reply, Target},
    world::{ANN, ANN_PASSWORD, BOB, BOB_PASSWORD, World},
};

#[test]
fn c_47_unknown_user_is_notfound() {
    unknown_user_is_notfound(&World::new().target);
}

pub(super) fn unknown_user_is_notfound(target: &Target) {
    for (socket, minor) in [("master", 1), ("userdb", 0), ("userdb", 3)] {
        let mut master = target.master(socket, minor);
        for word in ["USER", "PASS"] {
            for name in ["nobody@example.org", "ann@example.net", "nobody", "an n@example.org"] {
                let reply = master.ask(word, &format!("{name}\tservice=lmtp"));
                assert_eq!(reply.word, "NOTFOUND", "{word} {name}: {:?}", reply.raw);
                assert!(reply.fields.is_empty(), "{:?}", reply.raw);
            }
            master.ask(word, &format!("{ANN}\tservice=lmtp")).expect(word);
        }
    }
}

/// A reply that cannot be sent is our fault, not the user's absence.
#[test]
fn oversized_reply_is_a_fault() {
    let world = World::with(&super::framing::long_fields());
    let reply = world.target.master("userdb", 3).ask("USER", &format!("{ANN}\tprotocol=lmtp"));
    assert_ne!(reply.word, "NOTFOUND", "{:?}", reply.raw);
}

#[test]
fn c_48_name_in_user_and_pass() {
    let world = World::new();
    world.daemon.add_mailbox("off@example.org", "x", &["--state", "disabled"]);
    name_in_user_and_pass(&world.target);
    let mut master = world.target.master("userdb", 3);
    master.ask("PASS", "off@example.org\tprotocol=lmtp").expect("NOTFOUND");
    master.ask("USER", "off@example.org\tprotocol=lmtp").expect("NOTFOUND");
    master.ask("USER", "off@example.org\tprotocol=doveadm").expect("USER");
}

pub(super) fn name_in_user_and_pass(target: &Target) {
    let mut master = target.master("userdb", 3);
    let user = master.ask("USER", "Ann@EXAMPLE.org\tprotocol=lmtp").expect("USER");
    assert_eq!(user.fields[0], ANN, "{:?}", user.raw);
    assert_eq!(user.get("user"), None, "{:?}", user.raw);
    let pass = master.ask("PASS", "Ann@EXAMPLE.org\tprotocol=lmtp").expect("PASS");
    assert_eq!(pass.fields[0], format!("user={ANN}"), "{:?}", pass.raw);
}

#[test]
fn c_49_uid_and_gid() {
    uid_and_gid(&World::with(&["userdb.uid = 4711", "userdb.gid = 4712"]).target);
    let world = World::new();
    let refused = world.daemon.try_cli(&["mailbox", "set", ANN, "--uid", "0"], "");
    assert!(!refused.status.success(), "uid 0 is nobody's");
    world.daemon.smuggle(ANN, "uid", &0.into());
    let reply = world.target.master("userdb", 3).ask("USER", &format!("{ANN}\tprotocol=lmtp"));
    assert_eq!((&*reply.word, reply.get("uid")), ("FAIL", None), "{:?}", reply.raw);
}

pub(super) fn uid_and_gid(target: &Target) {
    for word in ["USER", "PASS"] {
        let reply =
            target.master("userdb", 1).ask(word, &format!("{ANN}\tservice=lmtp")).expect(word);
        let (uid, gid) = if word == "USER" { ("uid", "gid") } else { ("userdb_uid", "userdb_gid") };
        if word == "USER" || reply.get(uid).is_some() {
            assert_eq!(
                (reply.get(uid), reply.get(gid)),
                (Some("4711"), Some("4712")),
                "{:?}",
                reply.raw
            );
        }
    }
}

#[test]
fn c_50_list() {
    let world = World::new();
    for n in 0..20 {
        world.daemon.add_mailbox(&format!("list{n}@example.org"), "x", &[]);
    }
    list(&world.target);
    second_listing_fails(&world.target, 22);
}

/// Reads one listing to its `DONE`.
fn listing(master: &mut Master, id: u32) -> (Vec<String>, Reply) {
    let mut names = Vec::new();
    loop {
        let reply = Reply::parse(master.wire.line());
        assert_eq!(reply.id, id, "{:?}", reply.raw);
        match &*reply.word {
            "LIST" => names.push(reply.fields.join("\t")),
            "DONE" => return (names, reply),
            _ => panic!("{:?}", reply.raw),
        }
    }
}

pub(super) fn list(target: &Target) {
    let mut master = target.master("userdb", 3);
    for (mask, expected) in [
        ("\tuser=ann@*\tprotocol=doveadm", vec![ANN]),
        ("\tuser=???@EXAMPLE.org", vec![ANN, BOB]),
        ("user=bob@example.org", vec![BOB]),
        ("user=*@example.net", vec![]),
    ] {
        let id = master.send("LIST", mask);
        let (mut names, done) = listing(&mut master, id);
        names.sort();
        assert_eq!(names, expected, "{mask:?}");
        assert_eq!(done.get("fail"), None, "{:?}", done.raw);
    }
    let id = master.send("LIST", "");
    let (names, _) = listing(&mut master, id);
    let names: BTreeSet<_> = names.into_iter().collect();
    assert!(names.contains(ANN) && names.contains(BOB), "{names:?}");
    master.wire.expect_silence(Duration::from_millis(200));
}

/// Two in one write: the second one comes while the first runs. (A proxy could
/// pull them apart.)
fn second_listing_fails(target: &Target, everybody: usize) {
    let mut master = target.master("userdb", 3);
    master.wire.send("LIST\t1\t\nLIST\t2\t");
    let (mut listed, mut done) = ([0; 3], Vec::new());
    while done.len() < 2 {
        let reply = Reply::parse(master.wire.line());
        match &*reply.word {
            "LIST" => listed[reply.id as usize] += 1,
            "DONE" => done.push((reply.id, reply.fields.contains(&"fail".to_owned()))),
            _ => panic!("{:?}", reply.raw),
        }
    }
    done.sort_unstable();
    assert_eq!(done, [(1, false), (2, true)]);
    assert_eq!(listed[1], everybody);
    master.wire.expect_silence(Duration::from_millis(200));
}

/// Tells the helper below which socket to speak to, and under which uid it runs.
const FOREIGN: &str = "DOVEGATE_FOREIGN_PEER";

#[test]
fn c_51_foreign_uid_on_a_userdb_socket() {
    if !Uid::current().is_root() {
        skip("C-51 needs root to speak under another uid");
        return;
    }
    let folder = TempDir::new().expect("a temporary folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("it is ours");
    let path = |name: &str| folder.path().join(name);
    // The rule hangs on mode 0666 alone.
    let modes = [("restricted", "0666"), ("all", "0777"), ("others", "0606")];
    let listeners = modes.map(|(name, mode)| {
        let path = path(name);
        format!("{{ type = \"userdb\", path = \"{}\", mode = \"{mode}\" }}", path.display())
    });
    let listeners = format!("listener = [{}]", listeners.join(", "));
    let world = World::with(&["userdb.uid = 4711", &listeners]);
    world.daemon.cli(&["mailbox", "set", BOB, "--uid", "4712"], "");
    for (name, _) in modes {
        as_foreign_peer(&path(name));
    }
}

/// Runs [`foreign_peer`] under uid 4711.
fn as_foreign_peer(socket: &Path) {
    let output = Command::new("/proc/self/exe")
        .args(["--exact", "conformance::looking_up::foreign_peer", "--ignored", "--nocapture"])
        .env(FOREIGN, socket)
        .current_dir("/")
        .gid(4711)
        .uid(4711)
        .output()
        .expect("this program starts once more");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{}: {text}", socket.display());
}

#[test]
#[ignore = "the other process of c_51, started by it"]
fn foreign_peer() {
    let socket = PathBuf::from(env::var_os(FOREIGN).expect("c_51 starts this"));
    let restricted = socket.ends_with("restricted");
    let sockets = socket.parent().expect("a socket lies in a folder").to_owned();
    let target = Target { sockets, patience: Duration::from_secs(30) };
    let name = socket.file_name().and_then(|name| name.to_str()).expect("c_51 named it");
    let mut master = target.master(name, 3);
    master.ask("USER", &format!("{ANN}\tprotocol=lmtp")).expect("USER");
    let others = master.ask("USER", &format!("{BOB}\tprotocol=lmtp"));
    let pass = master.ask("PASS", &format!("{ANN}\tprotocol=lmtp"));
    let id = master.send("LIST", "");
    let (names, done) = listing(&mut master, id);
    if restricted {
        assert_eq!((&*others.word, &*pass.word), ("FAIL", "FAIL"));
        assert!(names.is_empty() && done.fields.contains(&"fail".to_owned()), "{names:?} {done:?}");
    } else {
        assert_eq!((&*others.word, &*pass.word), ("USER", "PASS"));
        assert_eq!(names.len(), 2);
    }
}

#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
}

#[test]
fn c_53_cache_flush_counts() {
    cache_flush_counts(&World::new().target);
}

/// What `CACHE-FLUSH` with these masks counts.
fn flush(master: &mut Master, masks: &str) -> u32 {
    let reply = master.ask("CACHE-FLUSH", masks).expect("OK");
    assert_eq!(reply.fields.len(), 1, "{:?}", reply.raw);
    reply.fields[0].parse().expect("a number")
}

pub(super) fn cache_flush_counts(target: &Target) {
    let mut client = target.client("auth", 2);
    let mut master = target.master("master", 2);
    flush(&mut master, "");
    assert_eq!(flush(&mut master, ""), 0, "nobody has logged in since");
    client.login(ANN, ANN_PASSWORD).expect("OK");
    client.login(BOB, BOB_PASSWORD).expect("OK");
    assert_eq!(flush(&mut master, "nobody@example.org"), 0);
    assert_eq!(flush(&mut master, ANN), 1);
    assert_eq!(flush(&mut master, ANN), 0);
    assert_eq!(flush(&mut master, "*@example.org\tx@example.org"), 1, "Bob is left");
    assert_eq!(flush(&mut master, ""), 0);
}

/// Figures of the caches since the last reset.
#[test]
fn cache_status_shows_figures() {
    let world = World::new();
    let mut client = world.target.client("auth", 2);
    let mut master = world.target.master("master", 2);
    let mut status = |reset: &str| {
        let reply = master.ask("CACHE-STATUS", reset).expect("OK");
        let figure = |name: &str| {
            let value = reply.fields.iter().find_map(|field| field.strip_prefix(name));
            let value = value.and_then(|value| value.strip_prefix('='));
            value.unwrap_or_else(|| panic!("{name} in {:?}", reply.raw)).parse::<u64>().unwrap()
        };
        let sizes = [figure("pos_size"), figure("neg_size"), figure("used_size")];
        assert_eq!(sizes[0] + sizes[1], sizes[2], "{:?}", reply.raw);
        assert!(sizes[2] < figure("max_size"), "{:?}", reply.raw);
        assert_eq!(sizes[0] > 0, figure("pos_entries") > 0, "{:?}", reply.raw);
        ["hits", "misses", "pos_entries", "neg_entries"].map(figure)
    };
    assert_eq!(status(""), [0, 0, 0, 0]);
    for _ in 0..3 {
        client.login(ANN, ANN_PASSWORD).expect("OK");
    }
    client.login(ANN, "wrong").expect("FAIL");
    assert_eq!(status("reset"), [2, 2, 1, 1], "what was counted until then");
    client.login(ANN, ANN_PASSWORD).expect("OK");
    assert_eq!(status(""), [1, 0, 1, 1]);
}

#[test]
fn c_54_userdb_fields_stay_out_of_ok() {
    userdb_fields_stay_out_of_ok(&World::with(&["userdb.fields.favourite = \"tea\""]).target);
}

pub(super) fn userdb_fields_stay_out_of_ok(target: &Target) {
    for socket in ["login", "auth"] {
        let mut client = target.client(socket, 4);
        let reply = client.login(ANN, ANN_PASSWORD).expect("OK");
        for field in ["favourite", "userdb_favourite", "uid", "userdb_uid", "home", "userdb_home"] {
            assert_eq!(reply.get(field), None, "{:?}", reply.raw);
        }
    }
    let reply = target.master("userdb", 3).ask("USER", &format!("{ANN}\tprotocol=lmtp"));
    assert_eq!(reply.get("favourite"), Some("tea"), "{:?}", reply.raw);
    assert_eq!(reply.get("userdb_favourite"), None, "{:?}", reply.raw);
}
