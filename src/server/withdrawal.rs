//! `on_withdrawal`: a command that ends the open sessions of a mailbox that nobody
//! may use any more.
//!
//! It is a foreign program, run for addresses that others choose, so everything
//! about it is bounded: two at a time, each in a process group of its own, which
//! is killed when its time is over, and when it has ended: what it left behind as
//! well. It gets no shell, no standard input, no descriptor of ours and no
//! environment but the path. It has the server's rights, not root's.

use std::{
    io,
    os::fd::OwnedFd,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use nix::{
    sys::{
        signal::{Signal, killpg},
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::Pid,
};
use tokio::{
    io::AsyncReadExt as _,
    net::unix::pipe,
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Error, hub::Hub, settings::OnWithdrawal};
use crate::verify::{Withdrawal, Withdrawals};

/// Commands that run at a time.
const AT_A_TIME: usize = 2;
/// How much of what one says is kept for the log, in bytes.
const MAX_OUTPUT_BYTES: usize = 4096;
/// How long nobody listens after each part of the rest.
const BETWEEN_PARTS: Duration = Duration::from_millis(5);
/// How long its last words may take once it has ended.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// Where programs are looked for, if we were started without a path.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Stands for the address.
const ADDRESS: &str = "%u";

/// Runs the command for whoever waits, until `stop`; then those that run may end.
pub(super) async fn attend(
    hub: Arc<Hub>,
    withdrawals: Arc<Withdrawals>,
    stop: CancellationToken,
) -> Result<(), Error> {
    let mut running = FuturesUnordered::new();
    loop {
        let has_place = running.len() < AT_A_TIME;
        tokio::select! {
            next = withdrawals.next(), if has_place => {
                let settings = hub.settings.load_full();
                if let Some(command) = settings.on_withdrawal.clone() {
                    running.push(carry_out(command, next));
                }
            }
            Some(well) = running.next(), if !running.is_empty() => withdrawals.count(well),
            () = stop.cancelled() => break,
        }
    }
    let left = withdrawals.figures().waiting;
    if left > 0 {
        tracing::warn!(left, "withdrawals are not followed up: open sessions go on");
    }
    while let Some(well) = running.next().await {
        withdrawals.count(well);
    }
    Ok(())
}

/// Whether the command ended well. What came of it is in the log.
async fn carry_out(command: OnWithdrawal, withdrawal: Withdrawal) -> bool {
    let Withdrawal { address, why } = withdrawal;
    let (user, why) = (address.as_str(), why.name());
    let Some(arguments) = arguments(&command.arguments, user) else {
        tracing::error!(
            user,
            why,
            "on_withdrawal is not run: the address begins with a dash and would be an option; \
             put -- before %u"
        );
        return false;
    };
    let started = Instant::now();
    let ended = run(&command, arguments).await;
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    match ended {
        Ok(Ended { status: Some(status), .. }) if status.success() => {
            tracing::info!(user, why, elapsed_ms, "on_withdrawal done");
            true
        }
        Ok(Ended { status, output }) => {
            let how = match status {
                Some(status) => status.to_string(),
                None => format!("killed after {} s", command.limit.as_secs_f32()),
            };
            tracing::error!(user, why, elapsed_ms, how, output, "on_withdrawal failed");
            false
        }
        Err(error) => {
            let program = command.program.display();
            tracing::error!(user, why, %program, %error, "on_withdrawal cannot be run");
            false
        }
    }
}

/// The arguments for this address. None where it would be taken for an option.
fn arguments(written: &[String], address: &str) -> Option<Vec<String>> {
    let mut options_are_over = false;
    let mut arguments = Vec::with_capacity(written.len());
    for argument in written {
        let is_option = address.starts_with('-') && argument.starts_with(ADDRESS);
        if is_option && !options_are_over {
            return None;
        }
        options_are_over |= argument == "--";
        arguments.push(argument.replace(ADDRESS, address));
    }
    Some(arguments)
}

/// How a command ended.
struct Ended {
    /// None if it was killed, since its time was over.
    status: Option<ExitStatus>,
    /// The beginning of what it said.
    output: String,
}

/// A command that runs. Dropped, it is killed.
struct Running {
    child: Child,
    group: Pid,
}

impl Running {
    fn kill(&self) {
        // It may have ended: then there is nobody left to kill.
        let _ = killpg(self.group, Signal::SIGKILL);
    }

    /// Whether it has ended. Its number stays its own: it is not waited for yet.
    fn has_ended(&self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        !matches!(waitid(Id::Pid(self.group), flags), Ok(WaitStatus::StillAlive))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
            // Not to be waited for: we are ending ourselves, and not all of them die.
            let _ = self.child.try_wait();
        }
    }
}

async fn run(command: &OnWithdrawal, arguments: Vec<String>) -> io::Result<Ended> {
    // Before it starts, so that its end is not overlooked.
    let mut children = signal(SignalKind::child())?;
    let (mut running, output) = start(command, arguments).await?;
    let mut said = Vec::new();
    let give_up = Instant::now() + command.limit;
    let mut in_time = true;
    {
        let listening = listen(output, &mut said);
        tokio::pin!(listening);
        let mut is_silent = false;
        while !running.has_ended() {
            tokio::select! {
                () = &mut listening, if !is_silent => is_silent = true,
                _ = children.recv() => {}
                () = sleep_until(give_up), if in_time => {
                    in_time = false;
                    running.kill();
                }
            }
        }
        // What it left behind, before its number can become another's.
        running.kill();
        if !is_silent {
            let _ = timeout(LAST_WORDS, listening).await;
        }
    }
    let status = running.child.wait()?;
    let output = String::from_utf8_lossy(&said).trim_end().to_owned();
    Ok(Ended { status: in_time.then_some(status), output })
}

/// Starts it beside the logins: a program may lie on a slow disk.
async fn start(
    command: &OnWithdrawal,
    arguments: Vec<String>,
) -> io::Result<(Running, pipe::Receiver)> {
    let program = command.program.clone();
    let start = move || -> io::Result<(Running, OwnedFd)> {
        let (output, input) = io::pipe()?;
        let mut child = Command::new(program);
        child
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| PATH.into()))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(input.try_clone()?)
            .stderr(input);
        std::os::unix::process::CommandExt::process_group(&mut child, 0);
        let child = child.spawn()?;
        let group = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        Ok((Running { child, group }, OwnedFd::from(output)))
    };
    let started = tokio::task::spawn_blocking(start).await.map_err(io::Error::other)?;
    let (running, output) = started?;
    Ok((running, pipe::Receiver::from_owned_fd(output)?))
}

/// Keeps the beginning of what it says, and hears the rest out: who writes into a
/// full pipe would wait. But slowly, so that a flood takes no login's time.
async fn listen(mut output: pipe::Receiver, said: &mut Vec<u8>) {
    let mut part = vec![0; MAX_OUTPUT_BYTES];
    while let Ok(read @ 1..) = output.read(&mut part).await {
        let room = MAX_OUTPUT_BYTES - said.len();
        said.extend_from_slice(&part[..read.min(room)]);
        if said.len() == MAX_OUTPUT_BYTES {
            sleep(BETWEEN_PARTS).await;
        }
    }
}

#[cfg(test)]
mod tests;
