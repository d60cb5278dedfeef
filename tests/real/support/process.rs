//! A server that a test started: stopped by its own process id, its log kept
//! for the case that the test fails.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

/// A running server.
#[derive(Debug)]
pub struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
    /// Whether it leads a process group of its own.
    leads: bool,
}

impl Server {
    /// Starts it, its output appended to `log`.
    pub fn start(name: &'static str, mut command: Command, log: &Path) -> Self {
        let output = File::options().create(true).append(true).open(log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self { name, child, log: log.to_owned(), leads: false }
    }

    /// One that leaves its workers behind when it ends: they are ended with its
    /// process group.
    pub fn start_with_workers(name: &'static str, mut command: Command, log: &Path) -> Self {
        command.process_group(0);
        let mut server = Self::start(name, command, log);
        server.leads = true;
        server
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().expect("process ids are small"))
    }

    /// Waits for its end, at most so long.
    pub fn ends_within(&mut self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while self.runs() {
            if Instant::now() > end {
                return false;
            }
            thread::sleep(Duration::from_millis(10));
        }
        true
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.runs() {
            self.signal(Signal::SIGTERM);
            if !self.ends_within(Duration::from_secs(10)) {
                self.signal(Signal::SIGKILL);
                self.ends_within(Duration::from_secs(5));
            }
        }
        if self.leads {
            // An error says that there are none.
            let _ = killpg(self.pid(), Signal::SIGKILL);
        }
        if thread::panicking() {
            show(self.name, &self.log);
        }
    }
}

/// Prints the end of a log.
pub fn show(name: &str, log: &Path) {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    eprintln!("--- {name}: {}", log.display());
    for line in lines.iter().skip(lines.len().saturating_sub(60)) {
        eprintln!("    {line}");
    }
}
