//! A private Dovegate: its settings, its command line, and the process when it
//! runs as a daemon of its own.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    os::{
        fd::RawFd,
        unix::{
            fs::{PermissionsExt, chown},
            net::UnixListener,
        },
    },
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use nix::{
    fcntl::{FcntlArg, fcntl},
    sys::signal::Signal,
};

use super::{
    place::Folder,
    process::{Server, show},
    wait_for,
};

/// How long a start, a command or a stop may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Binary and settings in a test's folder; the process is someone else's.
#[derive(Debug)]
pub struct Dovegate {
    binary: String,
    config: String,
    admin: String,
}

/// What `app-password create` printed.
#[derive(Debug)]
pub struct AppPassword {
    /// Its id within the mailbox.
    pub id: String,
    /// Its text, shown once.
    pub text: String,
}

impl Dovegate {
    /// Writes the settings. The process will run as `user`, and `listeners` is
    /// added at the end as it stands.
    pub fn prepare(folder: &Folder, user: &str, listeners: &str) -> Self {
        let mail = folder.make("mail", 0o755, (5000, 5000));
        Self::prepare_with(folder, user, &mail, "", listeners)
    }

    /// As [`Dovegate::prepare`], with a place for the mail and further settings
    /// of `[login]`.
    pub fn prepare_with(
        folder: &Folder,
        user: &str,
        mail: &str,
        login: &str,
        listeners: &str,
    ) -> Self {
        let ids = folder.system.user(user);
        let state = folder.make("state", 0o700, ids);
        let run = folder.make("run", 0o755, ids);
        let config = folder.write(
            "dovegate.toml",
            &format!(
                r#"state_dir = "{state}"
run_dir = "{run}"
user = "{user}"
group = "{user}"
[login]
failure_delay = "300ms"
{login}
[passwords]
bcrypt_cost = 4
[userdb]
uid = 5000
gid = 5000
home = "{mail}/%d/%n"
mail = "maildir:~/Maildir"
{listeners}"#
            ),
        );
        let binary = folder.install(Path::new(env!("CARGO_BIN_EXE_dovegate")));
        Self { binary, config, admin: format!("{run}/admin") }
    }

    /// The command line that serves, as Dovecot's `executable` takes it.
    pub fn serve_line(&self) -> String {
        format!("{} --config {} serve", self.binary, self.config)
    }

    /// Waits until the admin socket answers.
    pub fn wait_ready(&self, folder: &Folder) {
        wait_for(&format!("an answer at {}", self.admin), PATIENCE, || {
            self.run(folder, &["status"], "").status.success().then_some(())
        });
    }

    /// Runs a command with `input` on its stdin.
    pub fn run(&self, folder: &Folder, arguments: &[&str], input: &str) -> Output {
        let mut child = folder
            .system
            .command(&self.binary)
            .args(["--config", &self.config])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads no input may be gone already.
        let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Runs a command that must succeed; its output.
    pub fn must(&self, folder: &Folder, arguments: &[&str], input: &str) -> String {
        let output = self.run(folder, arguments, input);
        assert!(
            output.status.success(),
            "dovegate {arguments:?}: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("our own output is UTF-8")
    }

    /// `app-password create`.
    pub fn app_password(&self, folder: &Folder, user: &str, options: &[&str]) -> AppPassword {
        let mut arguments = vec!["app-password", "create", user, "--name", "Phone", "--json"];
        arguments.extend(options);
        let printed: serde_json::Value =
            serde_json::from_str(&self.must(folder, &arguments, "")).expect("--json prints JSON");
        let text = |key: &str| printed[key].as_str().expect("it is shown").to_owned();
        AppPassword { id: text("id"), text: text("password") }
    }
}

/// Dovegate as a daemon of its own. The test stands in for systemd: it holds
/// the listening sockets, so that they outlive the process.
#[derive(Debug)]
pub struct Daemon {
    sockets: Vec<(&'static str, UnixListener)>,
    server: Option<Server>,
}

/// One socket to be made: path (as the test sees it), owner, mode.
#[derive(Debug)]
pub struct Socket {
    /// Outside path.
    pub path: std::path::PathBuf,
    /// uid and gid.
    pub owner: (u32, u32),
    /// Access rights.
    pub mode: u32,
}

impl Daemon {
    /// Dovegate makes its own sockets.
    pub fn start(dovegate: &Dovegate, folder: &Folder) -> Self {
        let mut daemon = Self { sockets: Vec::new(), server: None };
        daemon.run(dovegate, folder);
        daemon
    }

    /// Dovegate takes over the sockets given, with the names that a socket unit
    /// would give them.
    pub fn activate(
        dovegate: &Dovegate,
        folder: &Folder,
        sockets: &[(&'static str, Socket)],
    ) -> Self {
        let listen = |(name, socket): &(&'static str, Socket)| {
            let listener = UnixListener::bind(&socket.path).unwrap();
            chown(&socket.path, Some(socket.owner.0), Some(socket.owner.1)).unwrap();
            fs::set_permissions(&socket.path, fs::Permissions::from_mode(socket.mode)).unwrap();
            (*name, listener)
        };
        let sockets = sockets.iter().map(listen).collect();
        let mut daemon = Self { sockets, server: None };
        daemon.run(dovegate, folder);
        daemon
    }

    /// Starts the process again after [`Daemon::end`].
    pub fn run(&mut self, dovegate: &Dovegate, folder: &Folder) {
        let mut command = folder.system.command(&dovegate.binary);
        command.args(["--config", &dovegate.config, "serve"]);
        // Descriptors from 100 on are nobody's; bash moves them to 3, 4, … which
        // is where sd_listen_fds(3) expects them. The copies live in this
        // process only as long as the start takes.
        let copies: Vec<RawFd> =
            self.sockets.iter().map(|(_, listener)| duplicate(listener)).collect();
        if !copies.is_empty() {
            let names: Vec<&str> = self.sockets.iter().map(|(name, _)| *name).collect();
            command = activated(&command, &copies, &names.join(":"));
        }
        self.server = Some(Server::start("dovegate", command, &folder.outside("dovegate.log")));
        for copy in copies {
            nix::unistd::close(copy).expect("it was opened above");
        }
        dovegate.wait_ready(folder);
    }

    /// Has it read its settings again.
    pub fn reload(&self) {
        self.server.as_ref().expect("it runs").signal(Signal::SIGHUP);
    }

    /// Ends the process with a signal and waits for it.
    pub fn end(&mut self, signal: Signal, folder: &Folder) {
        let mut server = self.server.take().expect("it runs");
        server.signal(signal);
        if !server.ends_within(PATIENCE) {
            show("dovegate", &folder.outside("dovegate.log"));
            panic!("dovegate does not end by {signal}");
        }
    }
}

fn duplicate(listener: &UnixListener) -> RawFd {
    fcntl(listener, FcntlArg::F_DUPFD(100)).unwrap()
}

fn activated(inner: &Command, copies: &[RawFd], names: &str) -> Command {
    let mut script = String::new();
    for (copy, place) in copies.iter().zip(3..) {
        let _ = write!(script, "exec {place}<&{copy} {copy}<&-; ");
    }
    let _ = write!(
        script,
        "export LISTEN_FDS={} LISTEN_FDNAMES={names} LISTEN_PID=$$; exec \"$@\"",
        copies.len()
    );
    let mut command = Command::new("bash");
    command.args(["-c", &script, "activate"]).arg(inner.get_program()).args(inner.get_args());
    command
}
