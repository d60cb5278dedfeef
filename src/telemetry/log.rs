//! Log set-up: one event, one line, `message key=value …`.
//!
//! A value that holds anything but plain printable characters is quoted and
//! escaped, so that nothing a client sends can begin a line or a field of its
//! own. Secrets cannot get here: `secret::Secret` formats as nothing.

use std::{
    fmt::{self, Write as _},
    io::Write as _,
    os::unix::net::UnixDatagram,
};

use serde::{Deserialize, Serialize};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    layer::{Context, SubscriberExt as _},
};

use crate::clock::Timestamp;

/// Where the log goes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Dovecot's log when started by Dovecot's master, the journal when
    /// started by systemd, else standard error.
    Auto,
    /// Standard error, each line with its time.
    Stderr,
    /// systemd's journal.
    Journald,
    /// Standard error in the form that Dovecot's log process reads. Without it
    /// every line would appear there as an error.
    Dovecot,
}

/// The least important events that are logged.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// What somebody must look at.
    Error,
    /// What somebody should look at.
    Warn,
    /// And one line for each login.
    Info,
    /// And each connection.
    Debug,
    /// And each line, without its secrets.
    Trace,
}

/// Log set-up.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Where it goes.
    pub target: Target,
    /// How much of it.
    pub level: Level,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no journal.
    #[error("the journal cannot be reached at {JOURNAL}: {0} (log.target = \"stderr\" needs none)")]
    Journal(#[source] std::io::Error),
    /// The process has a log already.
    #[error("the log is set up twice")]
    Twice,
}

const JOURNAL: &str = "/run/systemd/journal/socket";

/// Sets the log of this process up; once.
pub fn init(settings: Settings, under_dovecot: bool) -> Result<(), Error> {
    let sink = Sink::open(settings.target, under_dovecot)?;
    // Libraries speak up only when something is wrong with them.
    let filter = Targets::new()
        .with_default(LevelFilter::WARN.min(settings.level.into()))
        .with_target("dovegate", LevelFilter::from(settings.level));
    let subscriber = Registry::default().with(Lines { sink }.with_filter(filter));
    tracing::subscriber::set_global_default(subscriber).map_err(|_| Error::Twice)
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

enum Sink {
    Stderr,
    /// Standard error, read by journald: it takes the priority from `<6>`.
    JournalStream,
    Journald(UnixDatagram),
    Dovecot,
}

impl Sink {
    fn open(target: Target, under_dovecot: bool) -> Result<Self, Error> {
        match target {
            Target::Stderr => Ok(Self::Stderr),
            Target::Dovecot => Ok(Self::Dovecot),
            Target::Auto if under_dovecot => Ok(Self::Dovecot),
            Target::Auto if !stderr_is_journal() => Ok(Self::Stderr),
            Target::Auto => Ok(Self::JournalStream),
            Target::Journald if stderr_is_journal() => Ok(Self::JournalStream),
            Target::Journald => {
                let socket = UnixDatagram::unbound().map_err(Error::Journal)?;
                socket.connect(JOURNAL).map_err(Error::Journal)?;
                socket.set_nonblocking(true).map_err(Error::Journal)?;
                Ok(Self::Journald(socket))
            }
        }
    }

    /// Writes one line. A log that cannot be written stops nobody's login.
    fn write(&self, level: tracing::Level, line: &str) {
        let _ = match self {
            Self::Stderr => to_stderr(format!("{} {level} {line}\n", Timestamp::now())),
            Self::JournalStream => to_stderr(format!("<{}>{line}\n", priority(level))),
            Self::Dovecot => to_stderr(dovecot_line(level, line)),
            Self::Journald(socket) => socket
                .send(
                    format!(
                        "SYSLOG_IDENTIFIER=dovegate\nPRIORITY={}\nMESSAGE={line}\n",
                        priority(level)
                    )
                    .as_bytes(),
                )
                .map(drop),
        };
    }
}

fn to_stderr(line: impl AsRef<[u8]>) -> std::io::Result<()> {
    std::io::stderr().lock().write_all(line.as_ref())
}

/// Whether systemd connected our standard error to the journal
/// (systemd.exec(5), `JOURNAL_STREAM`).
fn stderr_is_journal() -> bool {
    let stat = nix::sys::stat::fstat(std::io::stderr());
    match (std::env::var("JOURNAL_STREAM"), stat) {
        (Ok(named), Ok(stat)) => named == format!("{}:{}", stat.st_dev, stat.st_ino),
        _ => false,
    }
}

/// Priorities of syslog(3).
fn priority(level: tracing::Level) -> u8 {
    match level {
        tracing::Level::ERROR => 3,
        tracing::Level::WARN => 4,
        tracing::Level::INFO => 6,
        _ => 7,
    }
}

/// What a pipe takes in one piece (`PIPE_BUF`), so that lines of several
/// processes don't mix.
const DOVECOT_LINE_BYTES: usize = 4000;

/// `quirk_dovecot_log`: a child of Dovecot's master writes 0x01, a byte for the
/// level (debug is 1), its process id, a space and the text; seen with 2.3.19.1.
fn dovecot_line(level: tracing::Level, line: &str) -> String {
    let kind = match level {
        tracing::Level::ERROR => '\x04',
        tracing::Level::WARN => '\x03',
        tracing::Level::INFO => '\x02',
        _ => '\x01',
    };
    let end = (0..=DOVECOT_LINE_BYTES).rev().find(|end| line.is_char_boundary(*end));
    let line = if line.len() > DOVECOT_LINE_BYTES { &line[..end.unwrap_or(0)] } else { line };
    format!("\x01{kind}{} {line}\n", std::process::id())
}

/// Our layer: events to lines.
struct Lines {
    sink: Sink,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.sink.write(*event.metadata().level(), &line.finish());
    }
}

/// Gathers the fields of an event.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn push(&mut self, name: &str, value: &str) {
        if name == "message" {
            escape_into(&mut self.message, value);
            return;
        }
        let _ = write!(self.fields, " {name}=");
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'=');
        if !value.is_empty() && value.bytes().all(plain) {
            self.fields.push_str(value);
        } else {
            self.fields.push('"');
            escape_into(&mut self.fields, value);
            self.fields.push('"');
        }
    }

    fn finish(mut self) -> String {
        self.message.push_str(&self.fields);
        self.message
    }
}

fn escape_into(line: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            plain if !plain.is_control() => line.push(plain),
            control => line.extend(control.escape_default()),
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field.name(), &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(fields: &[(&str, &str)]) -> String {
        let mut line = Line::default();
        for (name, value) in fields {
            line.push(name, value);
        }
        line.finish()
    }

    #[test]
    fn values_stay_in_their_field() {
        for (value, expected) in [
            ("ann@example.org", "ann@example.org"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("x verdict=verified", "\"x verdict=verified\""),
            ("a=b", "\"a=b\""),
            ("a\nlogin verdict=verified", "\"a\\nlogin verdict=verified\""),
            ("a\"b\\", "\"a\\\"b\\\\\""),
            ("\u{85}\u{0}", "\"\\u{85}\\u{0}\""),
            ("bücher", "\"bücher\""),
        ] {
            assert_eq!(line(&[("user", value)]), format!(" user={expected}"));
        }
    }

    #[test]
    fn the_message_comes_first() {
        assert_eq!(line(&[("a", "1"), ("message", "log\nin"), ("b", "2")]), "log\\nin a=1 b=2");
    }

    #[test]
    fn dovecot_reads_level_and_process() {
        let pid = std::process::id();
        assert_eq!(dovecot_line(tracing::Level::INFO, "x"), format!("\x01\x02{pid} x\n"));
        let long = dovecot_line(tracing::Level::ERROR, &"ü".repeat(4000));
        assert!(long.len() < 4096 && long.ends_with("ü\n"));
    }
}
