//! The one place that prints: what a command shows on stdout, and what it says
//! beside it on stderr.
//!
//! Colours only on a terminal, never where `NO_COLOR` is set, and never as the
//! only sign. Widths adapt to the terminal.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use super::failure::{Failure, Result};

/// Widest line where no terminal says how wide it is.
const WIDTH_WITHOUT_TERMINAL: usize = 80;
/// Lines longer than this are hard to follow with the eye.
const WIDEST: usize = 120;

/// How to print.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    /// `--json`.
    pub(super) json: bool,
    /// `--quiet`.
    pub(super) quiet: bool,
    stdout: Medium,
    stderr: Medium,
    width: usize,
}

/// What a stream leads to.
#[derive(Clone, Copy, Debug)]
struct Medium {
    terminal: bool,
    colour: bool,
}

/// What a colour stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tone {
    /// As it is.
    Plain,
    /// A heading or the thing itself.
    Strong,
    /// Beside the point.
    Faint,
    /// Fine.
    Good,
    /// Refused or broken.
    Bad,
    /// Neither.
    Doubtful,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Doubtful => "33",
        }
    }
}

impl Output {
    /// For the terminal or pipe that we have.
    pub(super) fn new(json: bool, quiet: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let medium = |terminal| Medium { terminal, colour: wanted && terminal };
        Self {
            json,
            quiet,
            stdout: medium(io::stdout().is_terminal()),
            stderr: medium(io::stderr().is_terminal()),
            width: width(),
        }
    }

    /// For tests: no terminal, and so wide.
    #[cfg(test)]
    pub(super) fn plain(width: usize) -> Self {
        let medium = Medium { terminal: false, colour: false };
        Self { json: false, quiet: false, stdout: medium, stderr: medium, width }
    }

    /// Whether a person reads along: lines are cut to fit.
    pub(super) fn reaches_a_person(&self) -> bool {
        self.stdout.terminal
    }

    /// Columns of a line.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// `text` in the colour of `tone`, where there are colours.
    pub(super) fn paint(&self, tone: Tone, text: &str) -> String {
        paint(self.stdout.colour, tone, text)
    }

    /// Prints what the command was asked for.
    #[expect(clippy::unused_self, reason = "nothing prints without having been told how")]
    pub(super) fn show(&self, text: impl AsRef<str>) -> Result {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_ref().as_bytes())?;
        Ok(stdout.write_all(b"\n")?)
    }

    /// Prints bytes that are the answer themselves.
    #[expect(clippy::unused_self, reason = "nothing prints without having been told how")]
    pub(super) fn raw(&self, bytes: &[u8]) -> Result {
        Ok(io::stdout().lock().write_all(bytes)?)
    }

    /// Prints a value for a program.
    pub(super) fn value(&self, value: &impl Serialize) -> Result {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::refused(format!("cannot write JSON: {error}")))?;
        self.show(text)
    }

    /// Says that something was done, unless `--quiet` or `--json`.
    pub(super) fn done(&self, text: impl AsRef<str>) -> Result {
        if self.quiet || self.json { Ok(()) } else { self.show(text) }
    }

    /// Says something beside the answer.
    #[expect(clippy::print_stderr, reason = "the one place that prints")]
    pub(super) fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            eprintln!("{}", text.as_ref());
        }
    }

    /// Says why the command failed.
    #[expect(clippy::print_stderr, reason = "the one place that prints")]
    pub(super) fn failure(&self, failure: &Failure) {
        let head = paint(self.stderr.colour, Tone::Bad, "dovegate:");
        eprintln!("{head} {failure}");
    }

    /// Shows how far something is, on one line that is written over; nothing
    /// where stderr is no terminal.
    #[expect(clippy::print_stderr, reason = "the one place that prints")]
    pub(super) fn progress(&self, text: &str) {
        if self.stderr.terminal && !self.quiet {
            eprint!("\r\x1b[K{text}");
        }
    }

    /// Takes the line of [`Output::progress`] away.
    pub(super) fn progress_done(&self) {
        self.progress("");
    }
}

fn paint(colour: bool, tone: Tone, text: &str) -> String {
    if colour && tone != Tone::Plain {
        format!("\x1b[{}m{text}\x1b[0m", tone.code())
    } else {
        text.to_owned()
    }
}

fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || Some(usize::from(terminal_size::terminal_size()?.0.0));
    columns.or_else(terminal).unwrap_or(WIDTH_WITHOUT_TERMINAL).clamp(40, WIDEST)
}
