//! Sockets from a parent process: systemd, Dovecot's master, and the hand-over
//! from one process to the next.

use std::{
    fs::File,
    io::Read as _,
    net::TcpListener,
    os::{
        fd::OwnedFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
    time::{Duration, Instant},
};

use nix::{fcntl::OFlag, sys::signal::Signal};
use tempfile::TempDir;

use super::launch::{Launch, PATIENCE, Process, configure, high};
use crate::support::{
    client::{Client, Master, Target},
    http::get,
    world::{ANN, ANN_PASSWORD, World},
};

/// A folder with a store in which ann has a mailbox, and no server on it.
pub(super) fn prepared(settings: &str) -> (TempDir, Target) {
    let world = World::new();
    let folder = TempDir::with_prefix("dovegate-it-").unwrap();
    configure(folder.path(), &format!("login.failure_delay = \"100ms\"\n{settings}"));
    let backup = world.daemon.cli(&["export"], "");
    let import = std::process::Command::new(env!("CARGO_BIN_EXE_dovegate"))
        .arg("--data")
        .arg(folder.path())
        .arg("import")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn();
    let mut import = import.unwrap();
    std::io::Write::write_all(&mut import.stdin.take().unwrap(), backup.as_bytes()).unwrap();
    assert!(import.wait().unwrap().success());
    let target = Target { sockets: folder.path().join("handed"), patience: PATIENCE };
    std::fs::create_dir(&target.sockets).unwrap();
    (folder, target)
}

fn sockets(target: &Target, names: &[&str]) -> Vec<OwnedFd> {
    let bind = |name: &&str| high(UnixListener::bind(target.sockets.join(name)).unwrap());
    names.iter().map(bind).collect()
}

fn pair(name: &str, value: &impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

fn by_systemd(folder: &Path, sockets: &[OwnedFd], names: &str, log: &str) -> Process {
    let fds = (3..).zip(sockets.iter().map(high)).collect();
    let env = vec![pair("LISTEN_FDS", &sockets.len()), pair("LISTEN_FDNAMES", &names)];
    Launch { folder, env, fds, before: "LISTEN_PID=$$; export LISTEN_PID;", log }.start()
}

#[test]
fn sockets_of_systemd_outlive_the_server() {
    let (folder, target) = prepared("");
    let sockets = sockets(&target, &["login", "master", "auth"]);
    let names = "login/second:master/second:auth";
    let mut first = by_systemd(folder.path(), &sockets, names, "first.log");
    first.wait_for("ready");
    let mut client = target.client("login", 2);
    let id = client.ask(ANN, ANN_PASSWORD);
    client.reply(id).expect("OK");
    target.master("master", 2).request(&client, id, "").expect("USER");

    first.signal(Signal::SIGKILL);
    first.wait();
    client.wire.expect_close();
    // Connects while nobody is there, and waits in the queue.
    let waiting = target.wire("login");
    let mut second = by_systemd(folder.path(), &sockets, names, "second.log");
    second.wait_for("ready");
    Client::new(waiting, 2, 1).login(ANN, ANN_PASSWORD).expect("OK");
    second.signal(Signal::SIGTERM);
    assert!(second.wait().success());
    assert!(target.sockets.join("login").exists(), "it removed a socket that is not its own");
}

#[test]
fn socket_of_unknown_purpose_is_refused() {
    let (folder, target) = prepared("");
    let sockets = sockets(&target, &["x"]);
    let mut process = by_systemd(folder.path(), &sockets, "dovegate.socket", "log");
    assert!(!process.wait().success());
    assert!(process.log().contains("FileDescriptorName=login"), "{}", process.log());
}

#[test]
fn socket_takes_the_settings_of_its_path() {
    let (folder, target) = prepared("");
    let listener = target.sockets.join("x");
    let path = listener.display();
    let settings =
        format!("[[listener]]\ntype = \"auth\"\npath = \"{path}\"\ntemporary_failure = \"fail\"\n");
    configure(folder.path(), &settings);
    let sockets = sockets(&target, &["x"]);
    let mut process = by_systemd(folder.path(), &sockets, "anything.socket", "log");
    process.wait_for("ready");
    target.client("x", 0).login(ANN, ANN_PASSWORD).expect("OK");
}

/// Dovecot's master, as far as a child can see it.
struct Dovecot {
    sockets: Vec<OwnedFd>,
    /// `SOCKETn_SETTINGS`.
    settings: Vec<&'static str>,
    /// Number of the first socket: 7 in 2.3, 8 in 2.4.
    first_fd: i32,
    generation: i32,
}

/// A child of it.
struct Child {
    process: Process,
    status: File,
    /// Dropping it is the order to stop.
    alive: Option<OwnedFd>,
}

impl Dovecot {
    fn start(&self, folder: &Path, before: &str, log: &str) -> Child {
        let (status, status_end) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
        // The child gets the writing end, as Dovecot 2.3 and 2.4 do it.
        let (alive, alive_end) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
        let mut fds = vec![(5, high(status_end)), (6, high(alive_end))];
        fds.extend((self.first_fd..).zip(self.sockets.iter().map(high)));
        let mut env = vec![
            pair("DOVECOT_CHILD_PROCESS", &1),
            pair("GENERATION", &self.generation),
            pair("CLIENT_LIMIT", &1000),
            pair("SOCKET_COUNT", &self.sockets.len()),
        ];
        env.extend((0..).zip(&self.settings).map(|(n, s)| pair(&format!("SOCKET{n}_SETTINGS"), s)));
        let process = Launch { folder, env, fds, before, log }.start();
        Child { process, status: File::from(high(status)), alive: Some(high(alive)) }
    }
}

impl Child {
    /// Reads the status message, which has to come before anything slow.
    fn status(&mut self) -> [i32; 3] {
        let mut bytes = [0; 12];
        self.status.read_exact(&mut bytes).unwrap();
        [0, 4, 8].map(|at| i32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap()))
    }

    fn stop(&mut self) {
        self.alive = None;
    }
}

const NAMES: [&str; 5] = ["login", "auth-client", "auth-master", "auth-userdb", "auth"];

fn dovecot(target: &Target, is_2_4: bool) -> Dovecot {
    let typed = [
        "login\ttype=login",
        "auth-client\ttype=auth",
        "auth-master\ttype=master",
        "auth-userdb\ttype=userdb",
        "auth\ttype=auth",
    ];
    Dovecot {
        sockets: sockets(target, &NAMES),
        settings: if is_2_4 { typed.to_vec() } else { NAMES.to_vec() },
        first_fd: if is_2_4 { 8 } else { 7 },
        generation: 17,
    }
}

#[test]
fn dovecots_master_is_told_and_obeyed() {
    for is_2_4 in [false, true] {
        let (folder, target) = prepared("");
        let master = dovecot(&target, is_2_4);
        let mut child = master.start(folder.path(), "", "log");
        let pid = i32::try_from(child.process.pid()).unwrap();
        assert_eq!(child.status(), [pid, 17, 1000]);

        let mut client = target.client("login", 2);
        let id = client.ask(ANN, ANN_PASSWORD);
        client.reply(id).expect("OK");
        target.master("auth-master", 2).request(&client, id, "").expect("USER");
        let mut lmtp = target.master("auth-userdb", 2);
        lmtp.ask("USER", &format!("{ANN}\tservice=lmtp")).expect("USER");
        target.client("auth-client", 2).login(ANN, ANN_PASSWORD).expect("OK");
        target.client("auth", 0).login(ANN, ANN_PASSWORD).expect("OK");
        child.process.wait_for("\x01\x02");
        assert!(child.process.log().lines().all(|line| line.starts_with('\x01')));

        child.stop();
        assert!(child.process.wait().success(), "{}", child.process.log());
        assert!(target.sockets.join("login").exists(), "it removed a socket that is not its own");
    }
}

/// It would hold the sockets when we are gone, and tell Dovecot's master that we
/// are there.
#[test]
fn programs_that_we_start_get_nothing_of_it() {
    let listed = TempDir::new().unwrap();
    let file = listed.path().join("fds");
    let script = "ls -l /proc/self/fd > $0.new; mv $0.new $0";
    let command = format!("[\"/bin/sh\", \"-c\", '{script}', \"{}\", \"%u\"]", file.display());
    let (folder, target) = prepared(&format!("login.on_withdrawal = {command}"));
    let mut child = dovecot(&target, true).start(folder.path(), "", "log");
    child.process.wait_for("ready");
    let removed = std::process::Command::new(env!("CARGO_BIN_EXE_dovegate"))
        .arg("--data")
        .arg(folder.path())
        .args(["mailbox", "remove", ANN])
        .output();
    assert!(removed.unwrap().status.success());
    let deadline = Instant::now() + PATIENCE;
    while !file.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let fds = std::fs::read_to_string(&file).unwrap_or_else(|_| child.process.log());
    // Its standard error, and nothing else of ours.
    assert!(fds.contains("0 -> /dev/null") && !fds.contains("socket:"), "{fds}");
    assert_eq!(fds.matches("pipe:").count(), 1, "{fds}");
    child.stop();
    assert!(child.process.wait().success(), "{}", child.process.log());
}

#[test]
fn idle_process_goes_when_dovecot_asks_and_a_busy_one_stays() {
    let (folder, target) = prepared("");
    let master = dovecot(&target, false);
    let mut child = master.start(folder.path(), "", "log");
    child.process.wait_for("ready");
    let mut client = target.client("auth", 2);
    child.process.signal(Signal::SIGINT);
    client.login(ANN, ANN_PASSWORD).expect("OK");
    drop(client);
    let deadline = Instant::now() + PATIENCE;
    while !child.process.log().contains("stopped") && Instant::now() < deadline {
        child.process.signal(Signal::SIGINT);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(child.process.wait().success());
}

/// What `doveadm reload` does: the new process starts, and the old one is told
/// to stop.
#[test]
fn reload_of_dovecot_loses_no_login() {
    let (folder, target) = prepared("");
    let master = dovecot(&target, false);
    let mut old = master.start(folder.path(), "", "old.log");
    old.process.wait_for("ready");
    let mut before = target.client("login", 2);
    let id = before.ask(ANN, ANN_PASSWORD);
    before.reply(id).expect("OK");
    let wrong = before.ask(ANN, "wrong");

    let mut new = master.start(folder.path(), "", "new.log");
    new.status();
    old.stop();
    old.process.wait_for("stopping");
    // This one reaches the new process, and waits there for the store.
    let mut after = target.client("login", 2);
    let later = after.ask(ANN, ANN_PASSWORD);
    // This one reaches the old process, which alone knows the login.
    let mut mail = Master::new(target.wire("auth-master"), 2);
    mail.request(&before, id, "").expect("USER");
    before.reply(wrong).expect("FAIL");
    assert!(old.process.wait().success(), "{}", old.process.log());

    after.reply(later).expect("OK");
    let mut mail = Master::new(target.wire("auth-master"), 2);
    mail.request(&after, later, "").expect("USER");
    new.process.wait_for("ready");
    assert_ne!(before.greeting.spid, after.greeting.spid);
    assert!(UnixStream::connect(folder.path().join("run/admin")).is_ok());
}

#[test]
fn ten_reloads_of_dovecot_under_logins() {
    let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (folder, target) = prepared(&format!("http.internal.address = \"{http}\""));
    let master = dovecot(&target, true);
    let mut running = master.start(folder.path(), "", "0.log");
    running.process.wait_for("ready");
    for round in 1..=10 {
        let mut clients: Vec<Client> = (0..5).map(|_| target.client("login", 2)).collect();
        let asked: Vec<u32> =
            clients.iter_mut().map(|client| client.ask(ANN, ANN_PASSWORD)).collect();
        let next = master.start(folder.path(), "", &format!("{round}.log"));
        running.stop();
        for (client, id) in clients.iter_mut().zip(asked) {
            client.reply(id).expect("OK");
            target.master("auth-master", 2).request(client, id, "").expect("USER");
        }
        assert!(running.process.wait().success(), "{}", running.process.log());
        running = next;
        // The port went from process to process as the store did.
        running.process.wait_for("ready");
        assert!(!running.process.log().contains("cannot listen"), "{}", running.process.log());
        assert_eq!(get(http, "/ready").status, 200);
    }
}

#[test]
fn small_address_space_is_refused_with_the_line_to_change() {
    let (folder, target) = prepared("");
    let master = dovecot(&target, false);
    let mut child = master.start(folder.path(), "ulimit -v 262144;", "log");
    assert!(!child.process.wait().success());
    let log = child.process.log();
    assert!(log.contains("service auth { vsz_limit = 0 }"), "{log}");
}

#[test]
fn more_connections_than_dovecot_reckons_with_are_refused() {
    let (folder, target) = prepared("limits.connections = 5000");
    let master = dovecot(&target, false);
    let mut child = master.start(folder.path(), "", "log");
    assert!(!child.process.wait().success());
    let log = child.process.log();
    assert!(log.contains("service auth { client_limit = 5000 }"), "{log}");
}
