//! Postfix's look-ups over their socket: whoever asks, and however badly.

use std::{
    fs,
    io::{ErrorKind, Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::Path,
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::support::world::{ANN, ANN_PASSWORD, World};

const PATIENCE: Duration = Duration::from_secs(60);

/// One connection.
struct Postfix(UnixStream);

impl Postfix {
    fn connect(world: &World) -> Self {
        let stream = UnixStream::connect(socket(world)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("above zero");
        stream.set_write_timeout(Some(PATIENCE)).expect("above zero");
        Self(stream)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("it is connected");
    }

    /// The content of the next netstring; `None` at the end.
    fn reply(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while head.last() != Some(&b':') {
            let mut byte = [0];
            match self.0.read(&mut byte) {
                Ok(0) => return None,
                Ok(_) => head.push(byte[0]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no reply: {error}"),
            }
        }
        let length: usize = str::from_utf8(&head[..head.len() - 1]).unwrap().parse().unwrap();
        let mut content = vec![0; length + 1];
        self.0.read_exact(&mut content).expect("a whole netstring");
        assert_eq!(content.pop(), Some(b','));
        Some(String::from_utf8(content).unwrap())
    }

    fn ask(&mut self, request: &str) -> String {
        self.send(&netstring(request.as_bytes()));
        self.reply().expect("a reply")
    }
}

fn socket(world: &World) -> std::path::PathBuf {
    world.daemon.sockets().join("socketmap")
}

fn netstring(content: &[u8]) -> Vec<u8> {
    [format!("{}:", content.len()).as_bytes(), content, b","].concat()
}

#[test]
fn postfix_learns_who_is_here() {
    let world = World::new();
    let mut postfix = Postfix::connect(&world);
    for (request, expected) in [
        ("virtual_mailbox_domains example.org", "OK example.org"),
        ("virtual_mailbox_domains example.net", "NOTFOUND "),
        ("virtual_mailbox_maps Ann+shop@Example.org", "OK ann@example.org"),
        ("virtual_mailbox_maps nobody@example.org", "NOTFOUND "),
        ("smtpd_sender_login_maps ann@example.org", "OK ann@example.org"),
    ] {
        assert_eq!(postfix.ask(request), expected, "{request}");
    }
    world.daemon.cli(&["mailbox", "set", ANN, "--state", "disabled"], "");
    assert_eq!(postfix.ask("virtual_mailbox_maps ann@example.org"), "NOTFOUND ");
    world.daemon.cli(&["domain", "set", "example.org", "--active", "false"], "");
    assert_eq!(postfix.ask("virtual_mailbox_domains example.org"), "NOTFOUND ");
    let status = world.daemon.cli(&["status"], "");
    assert!(status.lines().any(|line| line.contains("socketmap")), "{status}");
}

/// Strangers on the machine need not know who has a mailbox.
#[test]
fn socket_is_not_open_to_everybody() {
    let world = World::new();
    let mode = fs::metadata(socket(&world)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
}

#[test]
fn unknown_map_is_a_mistake_that_is_named_once() {
    let world = World::new();
    let mut postfix = Postfix::connect(&world);
    let named = "there are virtual_mailbox_domains, virtual_mailbox_maps and \
                 smtpd_sender_login_maps";
    for map in ["virtual_alias_maps", "x\ny", &"z".repeat(5000)] {
        assert_eq!(postfix.ask(&format!("{map} {ANN}")), format!("PERM {named}"));
    }
    assert_eq!(
        postfix.ask("virtual_mailbox_maps"),
        "PERM expected the name of a map, a space and a key"
    );
    // It goes on.
    assert_eq!(postfix.ask("virtual_mailbox_domains example.org"), "OK example.org");
    // Whatever was logged of it stands before this.
    world.daemon.cli(&["domain", "add", "example.net"], "");
    world.daemon.wait_for_log("the domain", |log| log.contains("subject=example.net"));
    let log = world.daemon.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(named)).collect();
    assert!(matches!(lines[..], [line] if line.contains("map=virtual_alias_maps ")), "{log}");
}

#[test]
fn requests_in_one_piece_are_answered_in_order() {
    let world = World::new();
    let mut postfix = Postfix::connect(&world);
    let requests = [
        "virtual_mailbox_domains example.org",
        "virtual_mailbox_maps nobody@example.org",
        "unknown x",
        "smtpd_sender_login_maps ann@example.org",
    ];
    let all: Vec<u8> = requests.iter().flat_map(|text| netstring(text.as_bytes())).collect();
    postfix.send(&all.repeat(500));
    for _ in 0..500 {
        assert_eq!(postfix.reply().unwrap(), "OK example.org");
        assert_eq!(postfix.reply().unwrap(), "NOTFOUND ");
        assert!(postfix.reply().unwrap().starts_with("PERM "));
        assert_eq!(postfix.reply().unwrap(), "OK ann@example.org");
    }
    // And in many.
    for byte in netstring(requests[0].as_bytes()) {
        postfix.send(&[byte]);
    }
    assert_eq!(postfix.reply().unwrap(), "OK example.org");
}

#[test]
fn what_is_no_netstring_ends_the_connection_and_no_other() {
    let world = World::new();
    let mut neighbour = Postfix::connect(&world);
    let hundred_kilobytes = vec![b'x'; 100_000];
    for nonsense in [
        &b"AUTH\t1\tPLAIN\n"[..],
        b"3:virtual_mailbox_domains example.org,",
        b"99:virtual_mailbox_domains example.org,35:virtual_mailbox_domains example.org,....\
          35:virtual_mailbox_domains example.org,....",
        b"035:virtual_mailbox_domains example.org,",
        b"-1:",
        b"99999999999999999999:",
        &netstring(&hundred_kilobytes),
        &hundred_kilobytes,
        &[0; 64],
    ] {
        let mut hostile = Postfix::connect(&world);
        let _ = hostile.0.write_all(nonsense);
        assert_eq!(hostile.reply(), None, "{}", nonsense[..40.min(nonsense.len())].escape_ascii());
        assert_eq!(neighbour.ask("virtual_mailbox_domains example.org"), "OK example.org");
    }
    // What is a netstring, and longer than any address, is an answer.
    let long = format!("virtual_mailbox_maps {}@example.org", "x".repeat(30_000));
    assert_eq!(neighbour.ask(&long), "NOTFOUND ");
}

/// A client that sends without reading is stopped by its own full socket.
#[test]
fn client_that_never_reads_is_left_alone() {
    let world = World::new();
    let mut deaf = Postfix::connect(&world);
    deaf.0.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let requests = netstring(b"virtual_mailbox_maps nobody@example.org").repeat(1000);
    let stuck = (0..2000).any(|_| deaf.0.write_all(&requests).is_err());
    assert!(stuck, "replies that nobody reads are kept without bound");
    let mut postfix = Postfix::connect(&world);
    assert_eq!(postfix.ask("virtual_mailbox_domains example.org"), "OK example.org");
    assert_eq!(deaf.reply().as_deref(), Some("NOTFOUND "));
}

#[test]
fn a_thousand_idle_connections_disturb_nobody() {
    let world = World::new();
    let idle: Vec<Postfix> = (0..1000).map(|_| Postfix::connect(&world)).collect();
    let mut half = Postfix::connect(&world);
    half.send(b"35:virtual_mailbox_dom");
    let mut postfix = Postfix::connect(&world);
    assert_eq!(postfix.ask("virtual_mailbox_domains example.org"), "OK example.org");
    assert_eq!(world.target.client("login", 2).login(ANN, ANN_PASSWORD).word, "OK");
    half.send(b"ains example.org,");
    assert_eq!(half.reply().as_deref(), Some("OK example.org"));
    drop(idle);
}

/// New settings count at once, on connections that were there before.
#[test]
fn reload_keeps_the_connection() {
    let world = World::new();
    let mut postfix = Postfix::connect(&world);
    let request = "virtual_mailbox_maps ann+x@example.org";
    assert_eq!(postfix.ask(request), "OK ann@example.org");
    let reload = |settings: &[&str]| {
        let reloads = world.daemon.log().matches("reloaded").count();
        world.daemon.configure(settings);
        world.daemon.signal(Signal::SIGHUP);
        world.daemon.wait_for_log("reload", |log| log.matches("reloaded").count() > reloads);
    };
    reload(&["names.recipient_delimiter = \"-\""]);
    assert_eq!(postfix.ask(request), "NOTFOUND ");
    let path = socket(&world);
    let listener =
        |name: &Path| format!("[[listener]]\ntype = \"socketmap\"\npath = \"{}\"", name.display());
    reload(&[&listener(&path.with_file_name("other"))]);
    assert_eq!(postfix.ask(request), "OK ann@example.org");
    assert!(UnixStream::connect(&path).is_err() && !path.exists());
}

#[test]
fn stop_ends_idle_connections() {
    let world = World::new();
    let mut postfix = Postfix::connect(&world);
    assert_eq!(postfix.ask("virtual_mailbox_domains example.org"), "OK example.org");
    world.daemon.signal(Signal::SIGTERM);
    assert_eq!(postfix.reply(), None);
    world.daemon.wait_for_log("the end", |log| log.contains("INFO stopped"));
}

#[test]
fn a_port_on_loopback_answers() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let listener = format!("[[listener]]\ntype = \"socketmap\"\naddress = \"{address}\"");
    let world = World::new();
    world.daemon.configure(&[&listener]);
    world.daemon.signal(Signal::SIGHUP);
    world.daemon.wait_for_log("reload", |log| log.contains("reloaded"));
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&netstring(b"virtual_mailbox_domains example.org")).unwrap();
    let mut reply = [0; 18];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"14:OK example.org,");
}
