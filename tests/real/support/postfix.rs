//! A private Postfix: own configuration, queue and ports, made of the very
//! files of `contrib/postfix`. The machine's own is left alone.

use std::{
    fmt::Write as _,
    fs,
    net::TcpStream,
    os::unix::{fs::symlink, process::CommandExt},
    path::Path,
    process::Command,
    time::Duration,
};

use super::{
    certificate,
    dovecot::Rig,
    dovegate::{Daemon, Dovegate},
    mailboxes::{self, AppPasswords},
    place::{Folder, System, free_ports},
    process::Server,
    skip, wait_for,
};

/// How `smtpd` reaches Dovegate.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// By a socket in its queue folder.
    Unix {
        /// Whether that folder is its root folder, too.
        chroot: bool,
    },
    /// Over TCP.
    Inet,
}

/// A Postfix with its Dovegate. Fields are dropped in this order.
#[derive(Debug)]
pub struct Site {
    _postfix: Server,
    /// The running Dovegate.
    pub daemon: Daemon,
    /// Its command line.
    pub dovegate: Dovegate,
    /// Ann's.
    pub app: AppPasswords,
    /// Where they listen.
    pub ports: Ports,
    /// Where all of it lies.
    pub folder: Folder,
}

/// Ports on 127.0.0.1.
#[derive(Debug)]
pub struct Ports {
    /// As in `contrib/postfix/master.cf`.
    pub submission: u16,
    /// As in `contrib/postfix/master.cf`.
    pub submissions: u16,
    /// SASL without TLS, so that a test can speak by hand.
    pub plain: u16,
    /// As the world's port 25: nobody logs in.
    pub incoming: u16,
    /// Dovegate's, for [`Way::Inet`].
    pub auth: u16,
    /// And what Postfix looks up.
    pub socketmap: u16,
}

impl Site {
    /// Starts both; `None`, with a line that says so, where they cannot run.
    /// `settings` are replacements in Dovegate's settings.
    pub fn start(way: Way, settings: &[(&str, &str)]) -> Option<Self> {
        let system = System::here();
        if !system.has("/usr/lib/postfix/sbin/master") {
            skip("Postfix is not installed");
            return None;
        }
        if !nix::unistd::geteuid().is_root() {
            skip("only root can run a Postfix");
            return None;
        }
        let folder = system.folder();
        let ports = Ports::free();
        configure(&folder, way, &ports);
        let dovegate = Dovegate::prepare(&folder, "mail", &listener(&folder, way, &ports));
        let file = folder.outside("dovegate.toml");
        let mut written = fs::read_to_string(&file).unwrap();
        for (default, wanted) in settings {
            assert!(written.contains(default), "{default} in {written}");
            written = written.replace(default, wanted);
        }
        fs::write(&file, written).unwrap();
        let daemon = Daemon::start(&dovegate, &folder);
        let app = mailboxes::make(&dovegate, &folder);
        let postfix = start_master(&folder, ports.plain);
        Some(Self { _postfix: postfix, daemon, dovegate, app, ports, folder })
    }
}

impl Ports {
    fn free() -> Self {
        let [submission, submissions, plain, incoming, auth, socketmap] = free_ports();
        Self { submission, submissions, plain, incoming, auth, socketmap }
    }
}

fn listener(folder: &Folder, way: Way, ports: &Ports) -> String {
    let contrib = include_str!("../../../contrib/postfix/dovegate.toml");
    match way {
        Way::Unix { .. } => contrib.replace("/var/spool/postfix", &folder.inside("queue")),
        Way::Inet => [("auth", ports.auth), ("socketmap", ports.socketmap)]
            .map(|(kind, port)| {
                format!("[[listener]]\ntype = \"{kind}\"\naddress = \"127.0.0.1:{port}\"\n")
            })
            .concat(),
    }
}

/// The files of `contrib/postfix`, and around them what makes it private.
fn configure(folder: &Folder, way: Way, ports: &Ports) {
    let config = folder.make("etc", 0o755, (0, 0));
    let queue = folder.make("queue", 0o755, (0, 0));
    let data = folder.make("data", 0o755, folder.system.user("postfix"));
    let here = folder.inside("") + "/";
    certificate::make(folder);
    let mut main = format!(
        "compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = /etc/postfix
maillog_file = {here}mail.log
maillog_file_prefixes = {here}
myhostname = mail.example.org
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
recipient_delimiter = +
alias_maps =
alias_database =
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 1000
smtpd_tls_cert_file = {here}cert.pem
smtpd_tls_key_file = {here}key.pem
default_transport = discard
"
    );
    let ours = include_str!("../../../contrib/postfix/main.cf");
    if let Way::Inet = way {
        let socketmap = format!("= socketmap:inet:127.0.0.1:{}:", ports.socketmap);
        main.push_str(&ours.replace("= socketmap:unix:private/socketmap:", &socketmap));
        writeln!(main, "smtpd_sasl_path = inet:127.0.0.1:{}", ports.auth).unwrap();
    } else {
        main.push_str(ours);
    }
    fs::write(Path::new(&config).join("main.cf"), main).unwrap();

    let mut master = include_str!("../../../contrib/postfix/master.cf")
        .replace("\nsubmission inet", &format!("\n127.0.0.1:{} inet", ports.submission))
        .replace("\nsubmissions inet", &format!("\n127.0.0.1:{} inet", ports.submissions));
    write!(
        master,
        "127.0.0.1:{} inet n - y - - smtpd
  -o smtpd_tls_auth_only=no
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o smtpd_sender_restrictions=reject_sender_login_mismatch
127.0.0.1:{} inet n - y - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - y - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
retry unix - - n - - error
error unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
",
        ports.plain, ports.incoming
    )
    .unwrap();
    if let Way::Unix { chroot: false } = way {
        let chroots =
            [" - y - - smtpd", "-       y       -       -       smtpd", "- y - - trivial-rewrite"];
        for line in chroots {
            assert!(master.contains(line));
            master = master.replace(line, &line.replace('y', "n"));
        }
    }
    fs::write(Path::new(&config).join("master.cf"), master).unwrap();
    // Makes the queue's folders, among them "private".
    let check = Command::new("postfix").args(["-c", &config, "check"]).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}

fn start_master(folder: &Folder, port: u16) -> Server {
    let mut command = Command::new("/usr/lib/postfix/sbin/master");
    // When it ends, master sends the signal on to its whole process group.
    command.args(["-d", "-c", &folder.inside("etc")]).process_group(0);
    let server = Server::start("postfix", command, &folder.outside("mail.log"));
    wait_for("Postfix", Duration::from_secs(30), || TcpStream::connect(("127.0.0.1", port)).ok());
    server
}

/// A Postfix that takes mail from outside and of logged-in people, and delivers
/// it to a Dovecot. It asks that Dovecot's Dovegate.
#[derive(Debug)]
pub struct Relay {
    _postfix: Server,
    ports: Ports,
    /// Where it lies.
    pub folder: Folder,
}

impl Relay {
    /// Starts it; `None`, with a line that says so, where it cannot run.
    pub fn start(rig: &Rig) -> Option<Self> {
        let system = System::here();
        if !system.has("/usr/lib/postfix/sbin/master") {
            skip("Postfix is not installed");
            return None;
        }
        let folder = system.folder();
        let ports = Ports::free();
        configure(&folder, Way::Unix { chroot: false }, &ports);
        let append = |name: &str, text: &str| {
            let path = folder.outside("etc").join(name);
            let before = fs::read_to_string(&path).unwrap();
            fs::write(path, before + text).unwrap();
        };
        // The sockets lie in Dovecot's folder instead of the queue's.
        for name in ["auth", "socketmap"] {
            let there = rig.folder.outside("private").join(name);
            symlink(there, folder.outside("queue/private").join(name)).unwrap();
        }
        let transport = format!("virtual_transport = lmtp:inet:127.0.0.1:{}\n", rig.ports.lmtp);
        append("main.cf", &transport);
        append("master.cf", "lmtp unix - - n - - lmtp\npickup unix n - n 60 1 pickup\n");
        let postfix = start_master(&folder, ports.plain);
        Some(Self { _postfix: postfix, ports, folder })
    }

    /// Its port for submission over TLS from the first byte.
    pub fn submissions(&self) -> u16 {
        self.ports.submissions
    }

    /// Its port for logins without TLS.
    pub fn plain(&self) -> u16 {
        self.ports.plain
    }

    /// Its port for the world.
    pub fn incoming(&self) -> u16 {
        self.ports.incoming
    }

    /// Has it try again what it has put off.
    pub fn flush(&self) {
        let config = self.folder.inside("etc");
        let flushed = Command::new("postqueue").args(["-c", &config, "-f"]).output().unwrap();
        assert!(flushed.status.success(), "{}", String::from_utf8_lossy(&flushed.stderr));
    }

    /// Its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.outside("mail.log")).unwrap_or_default()
    }
}
