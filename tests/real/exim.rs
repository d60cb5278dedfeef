//! Real Exim before Dovegate, with the files of `contrib/exim`.
//!
//! Needs Debian's `exim4-daemon-heavy` (the light one cannot ask an auth
//! server), which `contrib/test-setup` unpacks into the cache folder. Every test
//! runs an Exim of its own.

use std::{
    env, fs,
    net::TcpStream,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::support::{
    certificate,
    dovegate::{Daemon, Dovegate, Socket},
    mailboxes::{self, ANN, AppPasswords, ODD, PASSWORD},
    place::{Folder, System, cache, free_ports},
    process::Server,
    provider::FakeProvider,
    skip,
    smtp::{Smtp, send},
    smtp_recordings::{self, Exchange},
    tokens::{self, BAD, GOOD, oauthbearer},
    wait_for,
};

/// Whom Exim serves as, and Dovegate, too: a user of every Debian.
const USER: &str = "mail";

/// An Exim with its Dovegate. Fields are dropped in this order.
struct Site {
    _exim: Server,
    daemon: Daemon,
    dovegate: Dovegate,
    app: AppPasswords,
    /// Passwords in clear text, so that a test can speak by hand.
    plain: u16,
    /// As `contrib/exim` has it: passwords only over TLS.
    tls: u16,
    folder: Folder,
}

#[test]
fn logs_people_in() {
    let Some(site) = Site::start() else { return };
    let client = Smtp::connect(site.plain);
    assert!(client.extensions.contains("AUTH PLAIN LOGIN"), "{}", client.extensions);
    drop(client);
    mailboxes::log_in_by_every_way(site.plain, 435, &site.app);
}

#[test]
fn logs_people_in_over_tls_only() {
    let Some(site) = Site::start() else { return };
    let client = Smtp::connect(site.tls);
    assert!(client.extensions.contains("STARTTLS"), "{}", client.extensions);
    assert!(!client.extensions.contains("AUTH"), "{}", client.extensions);
    drop(client);
    let message = site.folder.write("message", "Subject: test\r\n\r\nHello.\r\n");
    let url = format!("smtp://127.0.0.1:{}", site.tls);
    for mechanism in ["AUTH=PLAIN", "AUTH=LOGIN"] {
        let accepted = |password: &str| {
            let login = format!("Ann@Example.org:{password}");
            send(&url, &message, &["--login-options", mechanism, "--user", &login])
        };
        assert!(accepted(PASSWORD), "{mechanism}");
        assert!(accepted(&site.app.sending), "{mechanism}");
        assert!(!accepted("wrong"), "{mechanism}");
    }
    assert!(!send(&url, &message, &[]), "nobody is accepted without a login");
}

#[test]
fn takes_bearer_tokens() {
    let Some(site) = Site::start() else { return };
    let _corp = site.with_provider(ANN);
    let extensions = Smtp::connect(site.plain).extensions;
    assert!(extensions.contains("AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER"), "{extensions}");
    for (mechanism, message) in
        [("XOAUTH2", tokens::xoauth2 as fn(&str, &str) -> String), ("OAUTHBEARER", oauthbearer)]
    {
        let mut client = Smtp::connect(site.plain);
        let refused = client.command(&format!("AUTH {mechanism} {}", message(ANN, BAD)));
        assert_eq!(refused.code, 334, "{}", refused.text);
        assert_eq!(client.command("AQ==").code, 535);
        let other = client.command(&format!("AUTH {mechanism} {}", message(ODD, GOOD)));
        assert_eq!(other.code, 334, "{}", other.text);
        assert_eq!(client.command("").code, 535);
        let taken =
            client.command(&format!("AUTH {mechanism} {}", message("Ann@Example.org", GOOD)));
        assert_eq!(taken.code, 235, "{}", taken.text);
    }
}

#[test]
fn goes_on_after_an_aborted_dialogue() {
    let Some(site) = Site::start() else { return };
    let mut client = Smtp::connect(site.plain);
    client.challenged("AUTH LOGIN", "Username:");
    assert_eq!(client.command("*").code, 501);
    client.challenged("AUTH PLAIN", "");
    assert_eq!(client.command("*").code, 501);
    assert_eq!(client.plain(ANN, "wrong"), 535);
    assert_eq!(client.plain(ANN, PASSWORD), 235);
}

#[test]
fn recovers_by_itself_when_dovegate_restarts() {
    let Some(mut site) = Site::start() else { return };
    let mut client = Smtp::connect(site.plain);
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        site.daemon.end(signal, &site.folder);
        assert_eq!(client.plain(ANN, PASSWORD), 435, "after {signal}");
        site.daemon.run(&site.dovegate, &site.folder);
        assert_eq!(client.plain(ANN, "wrong"), 535, "back after {signal}");
    }
    assert_eq!(client.plain(ODD, PASSWORD), 435);
    assert_eq!(client.plain(ANN, PASSWORD), 235);
}

#[test]
#[ignore = "writes proto-fixtures/"]
fn record() {
    let exchanges = [smtp_recordings::EXCHANGES, &[smtp_recordings::BROKEN_BASE64]].concat();
    write(&Site::start().expect("a recording needs the program"), &exchanges);
}

#[test]
#[ignore = "writes proto-fixtures/"]
fn record_tokens() {
    let site = Site::start().expect("a recording needs the program");
    let _corp = site.with_provider(smtp_recordings::BEA);
    write(&site, smtp_recordings::TOKENS);
}

fn write(site: &Site, exchanges: &[Exchange]) {
    let path = site.folder.outside("exim-auth");
    let socket = Socket { path, owner: site.folder.system.user(USER), mode: 0o660 };
    let program = "Exim 4.96 (Debian 12)";
    let Site { dovegate, folder, plain, .. } = site;
    smtp_recordings::record("exim-4.96", program, *plain, &socket, dovegate, folder, exchanges);
}

impl Site {
    /// Starts both; `None`, with a line that says so, where they cannot run.
    fn start() -> Option<Self> {
        let system = System::here();
        let binary = unpacked("exim4-daemon-heavy/usr/sbin/exim4".to_owned())?;
        let wrapper = unpacked(format!(
            "libnss-wrapper/usr/lib/{}-linux-gnu/libnss_wrapper.so",
            env::consts::ARCH
        ))?;
        if !nix::unistd::geteuid().is_root() {
            skip("only root can start an Exim that serves as a user of its own");
            return None;
        }
        let folder = system.folder();
        let [plain, tls] = free_ports();
        let socket = folder.inside("exim-auth");
        let listener = include_str!("../../contrib/exim/dovegate.toml")
            .replace("/run/dovegate/exim-auth", &socket)
            .replace("Debian-exim", USER);
        let dovegate = Dovegate::prepare(&folder, USER, &listener);
        let daemon = Daemon::start(&dovegate, &folder);
        let app = mailboxes::make(&dovegate, &folder);
        configure(&folder, &socket, plain);
        let exim = start_exim(&folder, &binary, &wrapper, [plain, tls]);
        Some(Self { _exim: exim, daemon, dovegate, app, plain, tls, folder })
    }
}

impl Site {
    /// With a provider that knows a token of `user`.
    fn with_provider(&self, user: &str) -> FakeProvider {
        let corp = tokens::provider_for(user);
        tokens::add(&corp, &self.dovegate, &self.folder);
        corp
    }
}

fn unpacked(path: String) -> Option<PathBuf> {
    let path = cache().join(path);
    if !path.exists() {
        skip(&format!("there is no {}", path.display()));
        return None;
    }
    Some(path)
}

/// The files of `contrib/exim`, and around them what makes it private. One port
/// offers passwords without TLS.
fn configure(folder: &Folder, socket: &str, plain: u16) {
    let ids = folder.system.user(USER);
    let spool = folder.make("spool", 0o755, ids);
    let here = folder.inside("") + "/";
    certificate::make(folder);
    chown(folder.outside("key.pem"), Some(ids.0), Some(ids.1)).unwrap();
    let macros =
        include_str!("../../contrib/exim/main.conf").replace("/run/dovegate/exim-auth", socket);
    let condition = "${if def:tls_in_cipher}";
    let authenticators = with_tokens(include_str!("../../contrib/exim/authenticators.conf"));
    assert!(authenticators.contains(condition));
    let authenticators = authenticators.replace(
        condition,
        &format!("${{if or{{{{def:tls_in_cipher}}{{eq{{$received_port}}{{{plain}}}}}}}}}"),
    );
    folder.write(
        "exim.conf",
        &format!(
            "{macros}
primary_hostname = mail.example.org
spool_directory = {spool}
log_file_path = {spool}/%slog
pid_file_path = {spool}/exim.pid
keep_environment = LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts = *
tls_certificate = {here}cert.pem
tls_privatekey = {here}key.pem
acl_smtp_rcpt = only_ann
acl_smtp_data = all
queue_only
begin acl
all:
  accept
# By the name that Dovegate gave Exim.
only_ann:
  accept condition = ${{if eq{{$authenticated_id}}{{{ANN}}}}}
  deny
begin routers
nobody:
  driver = redirect
  data = :blackhole:
begin authenticators
{authenticators}"
        ),
    );
}

/// Takes the marks away from the authenticators for bearer tokens.
fn with_tokens(authenticators: &str) -> String {
    let marked = |line: &&str| line.starts_with("#dovegate_") || line.starts_with("#  ");
    let lines = authenticators.lines().map(|line| match Some(line).filter(marked) {
        Some(line) => line.replacen('#', "", 1),
        None => line.to_owned(),
    });
    lines.map(|line| line + "\n").collect()
}

/// Exim's user is fixed when Exim is built. The wrapper shows it that name with
/// the ids of [`USER`], so that this machine needs no further user.
fn start_exim(folder: &Folder, binary: &Path, wrapper: &Path, ports: [u16; 2]) -> Server {
    let (uid, gid) = folder.system.user(USER);
    let with = |file: &str, line: String| fs::read_to_string(file).unwrap() + &line;
    let users = with("/etc/passwd", format!("Debian-exim:x:{uid}:{gid}::/:/bin/false\n"));
    let groups = with("/etc/group", format!("Debian-exim:x:{gid}:\n"));
    let [plain, tls] = ports;
    let mut command = Command::new(binary);
    command
        .args(["-C", &folder.inside("exim.conf"), "-bdf"])
        .args(["-oX", &format!("127.0.0.1.{plain} : 127.0.0.1.{tls}")])
        .env("LD_PRELOAD", wrapper)
        .env("NSS_WRAPPER_PASSWD", folder.write("passwd", &users))
        .env("NSS_WRAPPER_GROUP", folder.write("group", &groups));
    let server = Server::start("exim", command, &folder.outside("exim.log"));
    wait_for("Exim", Duration::from_secs(30), || TcpStream::connect(("127.0.0.1", tls)).ok());
    server
}
