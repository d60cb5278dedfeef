//! [`Daemon`]: the built `dovegate serve` as a child, in a temporary folder.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::{sys::signal, unistd::Pid};
use serde_json::Value;
use tempfile::TempDir;

/// How long a start or a stop may take before the test gives up. Long, since it
/// only decides how late a failure shows.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a daemon's settings are in tests unless a test says otherwise: rejections
/// need not be waited for, and hashes cost little.
const SETTINGS: &[&str] = &["login.failure_delay = \"100ms\"", "passwords.bcrypt_cost = 4"];

/// A running server. Killed, by its own process id, when dropped.
pub(crate) struct Daemon {
    folder: TempDir,
    child: Option<Child>,
    reader: Option<JoinHandle<()>>,
    log: Arc<Log>,
}

/// What the daemon has written to stderr so far, over all of its starts.
#[derive(Default)]
struct Log {
    /// And whether the last one has ended.
    text: Mutex<(String, bool)>,
    grown: Condvar,
}

impl Log {
    /// Takes over what the process says, to its end.
    fn read(&self, stderr: ChildStderr) {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut text = self.text.lock().expect("no holder panics");
            text.0.push_str(&line);
            text.0.push('\n');
            self.grown.notify_all();
        }
        self.text.lock().expect("no holder panics").1 = true;
        self.grown.notify_all();
    }
}

impl Daemon {
    /// Starts one with `settings`, dotted lines of `dovegate.toml` that replace the
    /// harness's own of the same key.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let folder = TempDir::with_prefix("dovegate-it-").expect("a temporary folder");
        let mut daemon = Self { folder, child: None, reader: None, log: Arc::default() };
        daemon.configure(settings);
        daemon.serve();
        daemon
    }

    /// Writes `dovegate.toml` anew; a running daemon does not look at it.
    pub(crate) fn configure(&self, settings: &[&str]) {
        let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
        let given: Vec<String> = settings.iter().map(|line| key(line)).collect();
        let ours = SETTINGS.iter().filter(|line| !given.contains(&key(line)));
        let text: Vec<&str> = ours.chain(settings).copied().collect();
        fs::write(self.folder.path().join("dovegate.toml"), text.join("\n") + "\n")
            .expect("the configuration is written");
    }

    /// Starts the process and waits until it says that it is ready.
    fn serve(&mut self) {
        let starts = self.log().matches("ready").count();
        let mut child = self
            .command(&["serve"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the built binary starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        self.log.text.lock().expect("no holder panics").1 = false;
        let log = Arc::clone(&self.log);
        self.reader = Some(thread::spawn(move || log.read(stderr)));
        self.child = Some(child);
        self.wait_for_log("the word ready", |text| text.matches("ready").count() > starts);
    }

    /// Stops it as an administrator would, and starts it again on the same state.
    pub(crate) fn restart(&mut self) {
        self.restart_after(|_| {});
    }

    /// [`Self::restart`] that does something with its folder in between.
    pub(crate) fn restart_after(&mut self, between: impl FnOnce(&Path)) {
        self.signal(signal::Signal::SIGTERM);
        let status = self.child.take().map(|mut child| child.wait());
        let status = status.expect("it ran").expect("it can be waited for");
        let reader = self.reader.take().expect("it ran");
        reader.join().expect("the reader ends with the process");
        assert!(status.success(), "stopped with {status}; its log:\n{}", self.log());
        between(self.folder.path());
        self.serve();
    }

    /// Kills it, and starts it again on what is left.
    pub(crate) fn kill_and_restart(&mut self) {
        self.signal(signal::Signal::SIGKILL);
        let status = self.child.take().map(|mut child| child.wait());
        status.expect("it ran").expect("it can be waited for");
        let reader = self.reader.take().expect("it ran");
        reader.join().expect("the reader ends with the process");
        self.serve();
    }

    /// [`Self::restart`] with other settings.
    pub(crate) fn restart_with(&mut self, settings: &[&str]) {
        self.configure(settings);
        self.restart();
    }

    /// Sends a signal to this process alone.
    pub(crate) fn signal(&self, signal: signal::Signal) {
        let child = self.child.as_ref().expect("it runs");
        let pid = i32::try_from(child.id()).expect("a process id fits");
        signal::kill(Pid::from_raw(pid), signal).expect("our own child takes signals");
    }

    /// Whether the process is still there.
    pub(crate) fn is_running(&mut self) -> bool {
        let child = self.child.as_mut().expect("it was started");
        child.try_wait().expect("it can be asked for").is_none()
    }

    /// The folder of its sockets.
    pub(crate) fn sockets(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// A folder for further files of the test, gone with the daemon.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Everything logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.text.lock().expect("no holder panics").0.clone()
    }

    /// Waits until the log satisfies `wanted`, described by `what`.
    pub(crate) fn wait_for_log(&self, what: &str, wanted: impl Fn(&str) -> bool) {
        let text = self.log.text.lock().expect("no holder panics");
        let missing = |(text, ended): &mut (String, bool)| !wanted(text) && !*ended;
        let result = self.log.grown.wait_timeout_while(text, PATIENCE, missing);
        let found = wanted(&result.expect("no holder panics").0.0);
        assert!(found, "no {what} in the log:\n{}", self.log());
    }

    /// Runs a command on this daemon's folder and gives what came of it.
    pub(crate) fn try_cli(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the built binary starts");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        // A command that reads nothing may be gone before this arrives.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().expect("it can be waited for")
    }

    /// Runs a command that must succeed, and gives what it printed.
    pub(crate) fn cli(&self, arguments: &[&str], input: &str) -> String {
        let output = self.try_cli(arguments, input);
        assert!(
            output.status.success(),
            "dovegate {arguments:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("output is UTF-8")
    }

    /// Makes a mailbox with this password; `options` as for `mailbox add`.
    pub(crate) fn add_mailbox(&self, address: &str, password: &str, options: &[&str]) {
        let arguments = [&["mailbox", "add", address, "--password-stdin"], options].concat();
        self.cli(&arguments, &format!("{password}\n"));
    }

    /// Makes an app password and gives it as it was shown.
    pub(crate) fn add_app_password(&self, address: &str, options: &[&str]) -> String {
        let arguments = [&["app-password", "create", address, "--json"], options].concat();
        let printed = self.cli(&arguments, "");
        let value: Value = serde_json::from_str(&printed).expect("--json is JSON");
        value["password"].as_str().expect("it is shown once").to_owned()
    }

    /// Gives a mailbox a value that the command line refuses: by export and import.
    pub(crate) fn smuggle(&self, address: &str, field: &str, value: &Value) {
        let export = self.cli(&["export"], "");
        let mut found = false;
        let lines = export.lines().map(|line| {
            let mut record = serde_json::from_str(line).expect("JSON lines");
            found |= replace(&mut record, address, field, value);
            record.to_string()
        });
        let text = lines.collect::<Vec<_>>().join("\n") + "\n";
        assert!(found, "no {field} of {address} in the export:\n{export}");
        self.cli(&["mailbox", "remove", address], "");
        self.cli(&["import"], &text);
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dovegate"));
        command
            .arg("--config")
            .arg(self.folder.path().join("dovegate.toml"))
            .arg("--data")
            .arg(self.folder.path())
            .args(arguments)
            .env_remove("NOTIFY_SOCKET");
        command
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            // The harness shows it with the failed test and nowhere else.
            print_log(&self.log());
        }
    }
}

/// Replaces a field of the mailbox with this address, wherever it lies.
fn replace(record: &mut Value, address: &str, field: &str, value: &Value) -> bool {
    let Some(fields) = record.as_object_mut() else { return false };
    if fields.get("address").is_some_and(|found| found == address) && fields.contains_key(field) {
        fields[field] = value.clone();
        return true;
    }
    fields.values_mut().any(|inner| replace(inner, address, field, value))
}

#[expect(clippy::print_stderr, reason = "captured, and shown beside the failure it explains")]
fn print_log(log: &str) {
    eprintln!("--- log of dovegate\n{log}---");
}
