//! Starts `dovegate serve` as a parent process would that hands sockets over:
//! Dovecot's master or systemd.
#![expect(unsafe_code, reason = "descriptors at fixed numbers, as such parents hand them over")]

use std::{
    fs::{self, File},
    io::Read as _,
    os::{
        fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
        unix::process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use nix::{
    fcntl::{FcntlArg, fcntl},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// How long what must happen may take on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server started with descriptors of its parent. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

/// What to start.
pub(crate) struct Launch<'a> {
    /// Folder of `dovegate.toml`, state and sockets.
    pub(crate) folder: &'a Path,
    /// Environment, besides `PATH`.
    pub(crate) env: Vec<(String, String)>,
    /// Descriptors, and the numbers at which the child shall find them.
    pub(crate) fds: Vec<(RawFd, OwnedFd)>,
    /// What a shell shall do before it becomes the server.
    pub(crate) before: &'a str,
    /// Name of its log.
    pub(crate) log: &'a str,
}

impl Launch<'_> {
    pub(crate) fn start(self) -> Process {
        let log = self.folder.join(self.log);
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &format!("{} exec \"$0\" \"$@\"", self.before)])
            .arg(env!("CARGO_BIN_EXE_dovegate"))
            .arg("--config")
            .arg(self.folder.join("dovegate.toml"))
            .arg("--data")
            .arg(self.folder)
            .arg("serve")
            .env_clear()
            .envs(self.env)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("the log is made"));
        let fds = self.fds;
        let moves: Vec<(RawFd, RawFd)> =
            fds.iter().map(|(target, fd)| (*target, fd.as_raw_fd())).collect();
        let place = move || {
            for (target, fd) in &moves {
                // SAFETY: dup2 is async-signal-safe; `target` lies below every
                // descriptor that is still to be moved (see `high`), and what it
                // replaces is at most the pipe by which Rust learns that exec
                // failed, which then looks like success.
                if unsafe { nix::libc::dup2(*fd, *target) } < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        };
        // SAFETY: the closure calls nothing but dup2.
        unsafe { command.pre_exec(place) };
        let child = command.spawn().expect("the built binary starts");
        drop(fds);
        Process { child, log }
    }
}

/// A copy of a descriptor above every number that a parent hands over, closed
/// in children.
pub(crate) fn high(fd: impl AsFd) -> OwnedFd {
    let copy = fcntl(fd.as_fd(), FcntlArg::F_DUPFD_CLOEXEC(200)).expect("a descriptor is free");
    // SAFETY: fcntl just made it, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(copy) }
}

impl Process {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id fits");
        kill(Pid::from_raw(pid), signal).expect("our own child takes signals");
    }

    pub(crate) fn log(&self) -> String {
        let mut text = String::new();
        let mut file = File::open(&self.log).expect("the log was made");
        file.read_to_string(&mut text).expect("the log is UTF-8");
        text
    }

    /// Waits until the log holds `text`.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            let ended = self.child.try_wait().expect("it can be asked for");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "no {text:?} in the log ({ended:?}):\n{}",
                self.log()
            );
            sleep(Duration::from_millis(10));
        }
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be asked for") {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.log());
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes settings into `folder`.
pub(crate) fn configure(folder: &Path, settings: &str) {
    fs::write(folder.join("dovegate.toml"), settings).expect("settings are written");
}
