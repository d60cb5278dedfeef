//! A private Dovecot: own folder, own ports, its auth service replaced by the
//! very files of `contrib/dovecot`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;

use super::{
    certificate,
    dovegate::{Daemon, Dovegate, Socket},
    place::{Folder, System, free_ports},
    process::{Server, show},
    recorder::Recorder,
    skip, wait_for,
};

/// Which Dovecot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// Debian 12's, on this machine.
    V23,
    /// Debian 13's, in its own root folder.
    V24,
}

/// How Dovegate stands in for Dovecot's auth process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// Started by Dovecot's master.
    UnderMaster,
    /// A daemon with sockets of its own.
    OwnDaemon,
    /// A daemon whose listening sockets outlive it.
    Activated,
    /// A daemon behind a recorder.
    Recorded,
}

/// Settings beside those that every test has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extra<'a> {
    /// Keys of `[login]`. `/etc/dovecot/` and `/etc/dovegate/` are the test's folder,
    /// here and in the next.
    pub login: &'a str,
    /// Tables at the end of `dovegate.toml`.
    pub tables: &'a str,
    /// Settings at the end of `dovecot.conf`.
    pub dovecot: &'a str,
}

/// The ports of one instance, on 127.0.0.1.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// IMAP in the clear (a local client counts as secured).
    pub imap: u16,
    /// IMAP over TLS.
    pub imaps: u16,
    /// POP3 over TLS.
    pub pop3s: u16,
    /// `ManageSieve` with STARTTLS.
    pub sieve: u16,
    /// Submission with STARTTLS.
    pub submission: u16,
    /// LMTP.
    pub lmtp: u16,
}

impl Ports {
    fn free() -> Self {
        let [imap, imaps, pop3s, sieve, submission, lmtp] = free_ports();
        Self { imap, imaps, pop3s, sieve, submission, lmtp }
    }
}

/// Who runs Dovegate.
#[derive(Debug)]
pub enum StandIn {
    /// Dovecot's master.
    DovecotsChild,
    /// The test.
    Daemon(Daemon),
    /// The test, with a recorder before it.
    Recorded(#[allow(dead_code, reason = "it ends when it is dropped")] Daemon, Recorder),
}

/// Where the mail lies in a recording: a path that may stand in a fixture.
pub const RECORDED_MAIL: &str = "/tmp/dovegate-recorded";

/// Dovecot and Dovegate, together, for one test.
#[derive(Debug)]
pub struct Rig {
    // In the order in which they must end.
    dovecot: Server,
    /// Who runs Dovegate.
    pub stand_in: StandIn,
    /// Its command line.
    pub dovegate: Dovegate,
    /// The instance's folder.
    pub folder: Folder,
    /// Where Dovecot listens.
    pub ports: Ports,
    /// Which Dovecot it is.
    pub version: Version,
    config: String,
}

impl Rig {
    /// Starts both, or says why it cannot and gives `None`.
    pub fn start(version: Version, way: Way) -> Option<Self> {
        Self::start_with(version, way, Extra::default())
    }

    /// As [`Rig::start`], with further settings.
    pub fn start_with(version: Version, way: Way, extra: Extra<'_>) -> Option<Self> {
        let system = match version {
            Version::V23 => System::here(),
            Version::V24 => System::trixie(),
        };
        if let Some(why) = missing(&system, version) {
            skip(&why);
            return None;
        }
        Some(Self::start_in(system.folder(), version, way, extra))
    }

    fn start_in(folder: Folder, version: Version, way: Way, extra: Extra<'_>) -> Self {
        certificate::make(&folder);
        let base = folder.make("base", 0o755, (0, 0));
        folder.make("dovecot-state", 0o755, (0, 0));
        let ports = Ports::free();
        let here = folder.inside("") + "/";
        let private =
            |text: &str| text.replace("/etc/dovecot/", &here).replace("/etc/dovegate/", &here);
        let (login, tables) = (private(extra.login), private(extra.tables));
        let settings = Extra { login: &login, tables: &tables, ..extra };
        let (dovegate, stand_in) = prepare(&folder, &base, way, settings);
        let config = write_config(&folder, version, way, &dovegate, ports, extra.dovecot);
        let mut command = folder.system.command("/usr/sbin/dovecot");
        command.args(["-F", "-c", &config]);
        let dovecot = Server::start("dovecot", command, &folder.outside("dovecot.log"));
        let mut rig = Self { dovecot, stand_in, dovegate, folder, ports, version, config };
        rig.wait_listening();
        rig
    }

    fn wait_listening(&mut self) {
        self.dovegate.wait_ready(&self.folder);
        for port in [self.ports.imap, self.ports.lmtp, self.ports.submission] {
            wait_for("Dovecot to listen", Duration::from_secs(20), || {
                assert!(self.dovecot.runs(), "Dovecot ended");
                std::net::TcpStream::connect(("127.0.0.1", port)).ok()
            });
        }
    }

    /// Ends Dovegate, which runs as a daemon of its own, with a signal.
    pub fn end_dovegate(&mut self, signal: Signal) {
        let StandIn::Daemon(daemon) = &mut self.stand_in else { panic!("the test runs no daemon") };
        daemon.end(signal, &self.folder);
    }

    /// Starts it again.
    pub fn run_dovegate(&mut self) {
        let StandIn::Daemon(daemon) = &mut self.stand_in else { panic!("the test runs no daemon") };
        daemon.run(&self.dovegate, &self.folder);
    }

    /// Dovegate's command line, which must succeed.
    pub fn dovegate(&self, arguments: &[&str]) -> String {
        self.dovegate.must(&self.folder, arguments, "")
    }

    /// Makes a mailbox.
    pub fn mailbox(&self, address: &str, password: &str, options: &[&str]) {
        let mut arguments = vec!["mailbox", "add", address, "--password-stdin"];
        arguments.extend(options);
        self.dovegate.must(&self.folder, &arguments, &format!("{password}\n"));
    }

    /// Runs `doveadm`.
    pub fn doveadm(&self, arguments: &[&str]) -> Reply {
        let output = self.doveadm_command(arguments).output().unwrap();
        Reply::from(&output)
    }

    fn doveadm_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.folder.system.command("/usr/bin/doveadm");
        command.args(["-c", &self.config]).args(arguments);
        command
    }

    /// A socket below Dovecot's base folder, as the test sees it.
    pub fn socket(&self, name: &str) -> PathBuf {
        self.folder.outside("base").join(name)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if thread::panicking() {
            show("dovecot and what it runs", &self.folder.outside("dovecot.log"));
        }
    }
}

/// What a command said.
#[derive(Debug)]
pub struct Reply {
    /// Exit code.
    pub code: i32,
    /// stdout and stderr.
    pub text: String,
}

impl From<&Output> for Reply {
    fn from(output: &Output) -> Self {
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        Self {
            code: output.status.code().expect("it ended by itself"),
            text: String::from_utf8_lossy(&text).into_owned(),
        }
    }
}

fn missing(system: &System, version: Version) -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("a private Dovecot needs root".to_owned());
    }
    let wanted = match version {
        Version::V23 => "2.3.",
        Version::V24 => "2.4.",
    };
    let programs = ["imap", "pop3", "lmtp", "managesieve", "submission"];
    if programs.iter().any(|program| !system.has(&format!("/usr/lib/dovecot/{program}"))) {
        return Some(format!("Dovecot {wanted} is not installed with all its protocols"));
    }
    let output = system.command("/usr/sbin/dovecot").arg("--version").output().ok()?;
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    (!found.starts_with(wanted)).then(|| format!("Dovecot {wanted} is needed, here is {found}"))
}

/// Dovegate's settings, and its process where Dovecot does not start it.
fn prepare(folder: &Folder, base: &str, way: Way, extra: Extra<'_>) -> (Dovegate, StandIn) {
    let mail = folder.make("mail", 0o755, (5000, 5000));
    let settings = |listeners: &str| {
        let tables = format!("{listeners}\n{}", extra.tables);
        Dovegate::prepare_with(folder, "dovecot", &mail, extra.login, &tables)
    };
    if way == Way::UnderMaster {
        return (settings(""), StandIn::DovecotsChild);
    }
    // What own-daemon.conf tells the administrator to make.
    let dovenull = folder.system.user("dovenull");
    for name in ["base/login", "base/login/ext"] {
        folder.make(name, 0o750, (0, dovenull.1));
    }
    let listeners = contrib("own-daemon.toml");
    if way == Way::Recorded {
        return recorded(folder, &listeners, extra.tables);
    }
    // A socket that is handed over goes by its path, or else by its name: into a
    // root folder it comes with a path that means nothing there.
    let by_name = way == Way::Activated && !folder.system.is_this_machine();
    let listeners = if by_name { String::new() } else { listeners.replace("/run/dovecot", base) };
    let dovegate = settings(&listeners);
    let daemon = match way {
        Way::OwnDaemon => Daemon::start(&dovegate, folder),
        _ => Daemon::activate(&dovegate, folder, &sockets(folder)),
    };
    (dovegate, StandIn::Daemon(daemon))
}

/// Dovegate listens aside; the recorder listens where Dovecot looks.
fn recorded(folder: &Folder, listeners: &str, tables: &str) -> (Dovegate, StandIn) {
    let behind = folder.make("behind", 0o755, (0, 0));
    folder.make("behind/login/ext", 0o755, (0, 0));
    let mail = folder.system.make(RECORDED_MAIL, (5000, 5000));
    // The relay is the peer now, so the process id of REQUEST is not its own.
    let dovegate = Dovegate::prepare_with(
        folder,
        "dovecot",
        &mail,
        "check_session_pid = false",
        &(listeners.replace("/run/dovecot", &behind) + tables),
    );
    let daemon = Daemon::start(&dovegate, folder);
    let recorder = Recorder::default();
    for (kind, socket) in sockets(folder) {
        let name = socket.path.strip_prefix(folder.outside("base")).expect("it lies there");
        recorder.relay(kind, &socket, folder.outside("behind").join(name));
    }
    (dovegate, StandIn::Recorded(daemon, recorder))
}

/// The sockets of own-daemon.toml, with their types.
fn sockets(folder: &Folder) -> [(&'static str, Socket); 5] {
    let dovecot = folder.system.user("dovecot");
    let dovenull = folder.system.user("dovenull");
    let socket =
        |name: &str, owner, mode| Socket { path: folder.outside("base").join(name), owner, mode };
    [
        ("login", socket("login/ext/login", (0, dovenull.1), 0o660)),
        ("master", socket("auth-master", (0, 0), 0o600)),
        ("userdb", socket("auth-userdb", dovecot, 0o666)),
        ("auth", socket("auth-client", dovecot, 0o600)),
        ("login", socket("auth-login", dovecot, 0o600)),
    ]
}

fn contrib(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/dovecot").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Takes the marks away from the listeners for Postfix, and puts them into the
/// test's folder. There need not be a Postfix.
fn with_postfix_socket(folder: &Folder, text: &str) -> String {
    let private = folder.make("private", 0o755, (0, 0));
    let marked = |line: &&str| {
        line.starts_with("  #unix_listener") || line.starts_with("  #  ") || *line == "  #}"
    };
    let lines = text.lines().map(|line| match Some(line).filter(marked) {
        Some(line) => line.replacen('#', "", 1),
        None => line.to_owned(),
    });
    let text: Vec<String> = lines.collect();
    let user = if folder.system.has("/usr/sbin/postfix") { "= postfix" } else { "= dovecot" };
    text.join("\n").replace("/var/spool/postfix/private", &private).replace("= postfix", user)
}

/// The private configuration: it includes the file for administrators as it
/// stands, and then sets what is particular to a test.
fn write_config(
    folder: &Folder,
    version: Version,
    way: Way,
    dovegate: &Dovegate,
    ports: Ports,
    further: &str,
) -> String {
    let number = match version {
        Version::V23 => "2.3",
        Version::V24 => "2.4",
    };
    let file = match way {
        Way::UnderMaster => "under-master.conf",
        Way::OwnDaemon | Way::Activated | Way::Recorded => "own-daemon.conf",
    };
    let text = contrib(&format!("{number}/{file}"));
    let included = folder.write(file, &with_postfix_socket(folder, &text));
    let at = |name: &str| folder.inside(name);
    let head = match version {
        Version::V23 => format!(
            "ssl_cert = <{}\nssl_key = <{}\nmail_location = maildir:~/Maildir\n\
             mail_plugins = quota\nplugin {{\n  quota = count:mailbox\n  quota_vsizes = yes\n}}\n",
            at("cert.pem"),
            at("key.pem")
        ),
        Version::V24 => format!(
            "dovecot_config_version = 2.4.1\ndovecot_storage_version = 2.4.1\n\
             service submission-login {{\n  inet_listener submissions {{\n    port = 0\n  }}\n}}\n\
             ssl_server_cert_file = {}\nssl_server_key_file = {}\n\
             mail_driver = maildir\nmail_path = ~/Maildir\n\
             mail_plugins {{\n  quota = yes\n}}\nquota mailbox {{\n  driver = count\n}}\n",
            at("cert.pem"),
            at("key.pem")
        ),
    };
    let own = match way {
        Way::UnderMaster => format!(
            "service auth {{\n  executable = {}\n  user = dovecot\n}}\n",
            dovegate.serve_line()
        ),
        Way::OwnDaemon | Way::Activated | Way::Recorded => String::new(),
    };
    let Ports { imap, imaps, pop3s, sieve, submission, lmtp } = ports;
    let text = format!(
        r"{head}base_dir = {base}
state_dir = {state}
log_path = {log}
protocols = imap pop3 lmtp sieve submission
listen = 127.0.0.1
ssl = yes
submission_relay_host = 127.0.0.1
submission_relay_port = 1
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = 0
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service managesieve-login {{
  inet_listener sieve {{
    port = {sieve}
  }}
}}
service submission-login {{
  inet_listener submission {{
    port = {submission}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
!include {included}
{own}{further}",
        base = at("base"),
        state = at("dovecot-state"),
        log = at("dovecot.log"),
    );
    folder.write("dovecot.conf", &text)
}
