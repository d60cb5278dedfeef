//! The server in adversity and under orders: overload, cancelling, signals,
//! sockets in the way.

mod handed_over;
mod launch;

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        net::{UnixDatagram, UnixListener, UnixStream},
    },
    path::Path,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use self::launch::{Launch, PATIENCE, Process};
use crate::support::{
    client::{Client, Master, Target},
    plain,
    world::{ANN, ANN_PASSWORD, BOB, BOB_PASSWORD, World},
};

/// How long a request that must come to nothing is watched.
const A_WHILE: Duration = Duration::from_millis(800);

fn right_login(target: &Target, socket: &str) {
    let reply = target.client(socket, 2).login(ANN, ANN_PASSWORD);
    assert_eq!(reply.expect("OK").get("user"), Some(ANN));
}

#[test]
fn oversized_line_closes() {
    let world = World::new();
    let mut neighbour = world.target.client("auth", 2);
    for (socket, limit) in [("auth", 16384), ("login", 16384), ("master", 1024), ("userdb", 1024)] {
        let mut wire = world.target.wire(socket);
        wire.send("VERSION\t1\t2");
        wire.send_raw(&vec![b'x'; limit]);
        wire.expect_close();
    }
    neighbour.login(ANN, ANN_PASSWORD).expect("OK");
}

#[test]
fn cancel_while_verifying() {
    let world = World::with(&["login.failure_delay = \"500ms\""]);
    let mut client = world.target.client("login", 2);
    let id = client.ask(ANN, "wrong");
    client.wire.send(&format!("CANCEL\t{id}"));
    // The id is free again at once, and the late verdict meets nobody.
    let resp = plain(BOB, BOB_PASSWORD);
    client.wire.send(&format!("AUTH\t{id}\tPLAIN\tservice=imap\tresp={resp}"));
    assert_eq!(client.reply(id).expect("OK").get("user"), Some(BOB));
    client.expect_silence(A_WHILE);
}

#[test]
fn two_ids_answered_out_of_order() {
    let world = World::with(&["login.failure_delay = \"500ms\""]);
    let mut client = world.target.client("auth", 2);
    let wrong = client.ask(ANN, "wrong");
    let right = client.ask(ANN, ANN_PASSWORD);
    let (first, second) = (client.any_reply(), client.any_reply());
    assert_eq!((first.expect("OK").id, second.expect("FAIL").id), (right, wrong));
}

#[test]
fn client_that_leaves_takes_its_work_with_it() {
    let world = World::with(&["login.failure_delay = \"3s\"", "login.drain_limit = \"30s\""]);
    let mut client = world.target.client("auth", 2);
    client.ask(ANN, "wrong");
    world.daemon.wait_for_log("the login", |log| log.contains("wrong_password"));
    drop(client);
    let before = Instant::now();
    let mut world = world;
    world.daemon.restart();
    assert!(before.elapsed() < Duration::from_secs(2), "it waited for a client that was gone");
}

#[test]
fn above_the_limit_the_reserve_greets_and_fails_temporarily() {
    let world = World::with(&["limits.connections = 2", "limits.reserve = 2"]);
    let first = world.target.client("auth", 2);
    let mut second = world.target.client("auth", 2);

    let mut third = world.target.client("auth", 2);
    let reply = third.login(ANN, ANN_PASSWORD).expect("FAIL");
    assert_eq!(reply.get("code"), Some("temp_fail"));
    let mut postfix = world.target.client("auth", 0);
    postfix.ask(ANN, ANN_PASSWORD);
    assert_eq!(postfix.wire.expect_close(), Vec::<String>::new());

    second.login(ANN, ANN_PASSWORD).expect("OK");
    drop(first);
    let deadline = Instant::now() + Duration::from_secs(20);
    while third.login(ANN, ANN_PASSWORD).word != "OK" {
        assert!(Instant::now() < deadline, "the third never moved up");
    }
}

#[test]
fn what_is_beyond_the_reserve_waits_its_turn() {
    let world = World::with(&["limits.connections = 1", "limits.reserve = 1"]);
    let first = world.target.client("auth", 2);
    let reserve = world.target.client("auth", 2);
    let mut waiting = world.target.wire("auth");
    waiting.expect_silence(A_WHILE);
    drop((first, reserve));
    let mut served = Client::new(waiting, 2, 7);
    served.login(ANN, ANN_PASSWORD).expect("OK");
}

/// A server without a parent that hands anything over.
fn start(folder: &Path, log: &str) -> Process {
    let launch = Launch { folder, env: Vec::new(), fds: Vec::new(), before: "", log };
    let mut process = launch.start();
    process.wait_for("ready");
    process
}

/// Started as root, it binds its sockets and becomes somebody without rights.
#[test]
fn root_is_dropped() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let (folder, _) = handed_over::prepared("user = \"nobody\"");
    fs::remove_dir_all(folder.path().join("state")).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let process = start(folder.path(), "log");
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    for (field, id) in [("Uid:", nobody.uid.as_raw()), ("Gid:", nobody.gid.as_raw())] {
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        let ids: Vec<&str> = line.split_whitespace().skip(1).collect();
        assert_eq!(ids, vec![id.to_string(); 4], "{line}");
    }
    let capabilities = status.lines().find(|line| line.starts_with("CapEff:")).unwrap();
    assert!(capabilities.ends_with("0000000000000000"), "{capabilities}");
    let state = fs::metadata(folder.path().join("state")).unwrap();
    assert_eq!((state.uid(), state.mode() & 0o777), (nobody.uid.as_raw(), 0o700));
    // It still works, on a store of its own.
    let target = Target { sockets: folder.path().join("run"), patience: PATIENCE };
    target.client("auth", 2).login(ANN, ANN_PASSWORD).expect("FAIL");
}

/// What systemd hears of a service with `Type=notify`.
#[test]
fn systemd_hears_of_start_reload_and_stop() {
    let (folder, _) = handed_over::prepared("");
    let path = folder.path().join("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = || {
        let mut bytes = [0; 512];
        let length = systemd.recv(&mut bytes).expect("a message for systemd");
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    let env = vec![("NOTIFY_SOCKET".to_owned(), path.display().to_string())];
    let launch = Launch { folder: folder.path(), env, fds: Vec::new(), before: "", log: "log" };
    let mut process = launch.start();
    assert_eq!(heard().trim(), "READY=1");
    // It serves by then.
    let target = Target { sockets: folder.path().join("run"), patience: PATIENCE };
    target.client("auth", 2).login(ANN, ANN_PASSWORD);
    process.signal(Signal::SIGHUP);
    let reloading = heard();
    assert!(reloading.contains("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(heard().trim(), "READY=1");
    process.signal(Signal::SIGTERM);
    assert_eq!(heard().trim(), "STOPPING=1");
    process.wait_for("stopped");
}

#[test]
fn several_threads_serve_as_one_does() {
    let world = World::with(&["limits.worker_threads = 2"]);
    let mut clients: Vec<Client> = (0..20).map(|_| world.target.client("login", 2)).collect();
    for _ in 0..5 {
        let ask = |client: &mut Client| client.ask(ANN, ANN_PASSWORD);
        let ids: Vec<u32> = clients.iter_mut().map(ask).collect();
        for (client, id) in clients.iter_mut().zip(ids) {
            client.reply(id).expect("OK");
            world.target.master("master", 2).request(client, id, "").expect("USER");
        }
    }
}

#[test]
fn stale_sockets_are_taken_over() {
    let (folder, _) = handed_over::prepared("");
    let mut killed = start(folder.path(), "first.log");
    killed.signal(Signal::SIGKILL);
    killed.wait();
    let target = Target { sockets: folder.path().join("run"), patience: PATIENCE };
    assert!(target.sockets.join("login").exists());
    let _second = start(folder.path(), "second.log");
    right_login(&target, "login");
}

#[test]
fn second_server_is_refused_with_a_clear_error() {
    let world = World::new();
    let output = world.daemon.try_cli(&["serve"], "");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(error.contains("run/login") && error.contains("another process answers"), "{error}");

    // The same with sockets elsewhere: the store's folder is the same.
    let elsewhere = world.daemon.folder().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(world.daemon.folder().join("state"), elsewhere.join("state"))
        .unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_dovegate"))
        .arg("--data")
        .arg(&elsewhere)
        .arg("serve")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(error.contains("in use by another process"), "{error}");
    right_login(&world.target, "login");
}

#[test]
fn file_in_the_way_is_left_alone() {
    let world = World::new();
    let precious = world.daemon.folder().join("precious");
    fs::write(&precious, "kept").unwrap();
    let settings = format!("[[listener]]\ntype = \"auth\"\npath = \"{}\"\n", precious.display());
    let file = world.daemon.folder().join("other.toml");
    fs::write(&file, settings).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_dovegate"))
        .args(["--config".as_ref(), file.as_os_str(), "--data".as_ref()])
        .arg(world.daemon.folder().join("other"))
        .arg("serve")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("not a socket"));
    assert_eq!(fs::read(&precious).unwrap(), b"kept");
}

fn listeners(world: &World, names: &[(&str, &str)]) -> Vec<String> {
    let run = world.daemon.sockets();
    let one = |(kind, name): &(&str, &str)| {
        let path = run.join(name);
        format!("[[listener]]\ntype = \"{kind}\"\npath = \"{}\"\nmode = \"0600\"", path.display())
    };
    names.iter().map(one).collect()
}

fn reload(world: &World, settings: &[&str], listeners: &[String], said: &str) {
    let seen = world.daemon.log().matches(said).count();
    let listeners: Vec<&str> = listeners.iter().map(String::as_str).collect();
    world.daemon.configure(&[settings, &listeners].concat());
    world.daemon.signal(Signal::SIGHUP);
    world.daemon.wait_for_log(said, |log| log.matches(said).count() > seen);
}

#[test]
fn reload_keeps_connections_and_changes_listeners() {
    let world = World::new();
    let mut old = world.target.client("login", 2);
    let mut mail = world.target.master("master", 2);

    let wanted = listeners(&world, &[("login", "login"), ("auth", "second"), ("master", "master")]);
    reload(&world, &["login.mechanisms = [\"PLAIN\"]"], &wanted, "reloaded");
    let id = old.ask(ANN, ANN_PASSWORD);
    old.reply(id).expect("OK");
    mail.request(&old, id, "").expect("USER");
    right_login(&world.target, "second");
    assert_eq!(world.target.client("login", 2).greeting.mechanisms(), ["PLAIN"]);
    let gone = world.daemon.sockets().join("auth");
    assert!(UnixStream::connect(&gone).is_err() && !gone.exists());
}

#[test]
fn reload_with_wrong_settings_changes_nothing() {
    let world = World::new();
    let mut old = world.target.client("auth", 2);
    reload(&world, &["login.failure_delay = \"9s\""], &[], "settings not taken over");
    assert!(
        world.daemon.log().contains("login.failure_delay: at most 4s"),
        "{}",
        world.daemon.log()
    );
    old.login(ANN, ANN_PASSWORD).expect("OK");
    right_login(&world.target, "auth");
}

#[test]
fn reload_takes_over_what_users_are_told() {
    let world = World::new();
    reload(&world, &["userdb.uid = 7777"], &[], "reloaded");
    let mut lmtp = world.target.master("userdb", 2);
    let reply = lmtp.ask("USER", &format!("{ANN}\tservice=lmtp")).expect("USER");
    assert_eq!(reply.get("uid"), Some("7777"));
}

#[test]
fn sigterm_finishes_what_is_pending() {
    let world = World::with(&["login.failure_delay = \"1s\""]);
    let mut idle = world.target.client("auth", 2);
    let mut busy = world.target.client("auth", 2);
    let wrong = busy.ask(ANN, "wrong");
    let mut login = world.target.client("login", 2);
    let kept = login.ask(BOB, BOB_PASSWORD);
    login.reply(kept).expect("OK");
    world.daemon.wait_for_log("both logins", |log| log.matches(" login verdict=").count() == 2);

    world.daemon.signal(Signal::SIGTERM);
    idle.wire.expect_close();
    assert!(UnixStream::connect(world.daemon.sockets().join("auth")).is_err());
    // Whoever is logged in already still gets in.
    let mut mail = Master::new(world.target.wire("master"), 2);
    mail.request(&login, kept, "").expect("USER");
    busy.reply(wrong).expect("FAIL");
    busy.wire.expect_close();
    world.daemon.wait_for_log("the end", |log| log.contains("INFO stopped"));
}

#[test]
fn sigterm_waits_no_longer_than_the_limit() {
    let mut world = World::with(&["login.drain_limit = \"1s\""]);
    let mut client = world.target.client("login", 2);
    // A login that nobody claims, and a dialogue that nobody goes on with.
    client.login(ANN, ANN_PASSWORD).expect("OK");
    client.auth("LOGIN", "");
    let before = Instant::now();
    world.daemon.restart();
    assert!(before.elapsed() < Duration::from_secs(10));
    right_login(&world.target, "login");
}

#[test]
fn nothing_is_listened_on_twice() {
    let world = World::new();
    // A socket of somebody else is neither removed nor served.
    let foreign = world.daemon.sockets().join("foreign");
    let _listening = UnixListener::bind(&foreign).unwrap();
    let wanted = listeners(&world, &[("auth", "auth"), ("auth", "foreign"), ("login", "login")]);
    reload(&world, &[], &wanted, "reloaded");
    assert!(world.daemon.log().contains("listener left as it was"), "{}", world.daemon.log());
    right_login(&world.target, "auth");
}
