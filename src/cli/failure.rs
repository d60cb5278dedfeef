//! Why a command did not do what it was asked to, and with which exit code.

use std::{fmt, io};

use crate::{
    api::{Problem, error::Code},
    config, store,
};

/// Exit codes, as `dovegate --help` lists them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Exit {
    /// Nothing is wrong: whoever reads our output has read enough.
    Done = 0,
    /// Refused, or not found.
    Refused = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Cannot at the moment: trying again may help (`EX_TEMPFAIL`).
    Temporary = 75,
}

/// What a person reads when a command fails: the thing and the cause, then the
/// way out.
#[derive(Debug)]
pub(super) struct Failure {
    /// How the process ends.
    pub(super) exit: Exit,
    /// The thing and the cause.
    pub(super) message: String,
    /// The way out.
    pub(super) hint: Option<String>,
}

/// What every command returns.
pub(super) type Result<T = ()> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure with this exit code.
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// The command line is wrong.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Refused or not there.
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message)
    }

    /// Adds the way out.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let exit = match problem.code {
            Code::BadRequest => Exit::Usage,
            Code::Unavailable | Code::Timeout | Code::Internal => Exit::Temporary,
            _ => Exit::Refused,
        };
        let hint = hint_for(&problem);
        Self { exit, hint, message: problem.detail }
    }
}

/// Which command leads out of a problem.
fn hint_for(problem: &Problem) -> Option<String> {
    let name = problem.name.as_deref().unwrap_or_default();
    let hint = match (problem.code, problem.what.as_deref()) {
        (Code::NotFound, Some("domain")) => format!(
            "\"dovegate domain list\" shows the domains; \"dovegate domain add {name}\" makes it."
        ),
        (Code::NotFound, Some("mailbox")) => {
            let domain = name.rsplit('@').next().unwrap_or_default();
            format!("\"dovegate mailbox list --domain {domain}\" shows the mailboxes there.")
        }
        (Code::NotFound, Some("provider")) => format!(
            "\"dovegate provider list\" shows the providers; \"dovegate provider add {name}\" makes \
             it."
        ),
        (Code::NotFound, Some("template")) => {
            "\"dovegate template list\" shows the templates.".to_owned()
        }
        (Code::NotFound, Some("app password")) => {
            "\"dovegate app-password list ADDRESS\" shows the app passwords.".to_owned()
        }
        (Code::Exists, Some(what @ ("domain" | "mailbox" | "provider" | "template"))) => {
            format!("\"dovegate {what} set\" changes it.")
        }
        (Code::Limit, _) => {
            "\"dovegate domain show\" shows the limits, \"dovegate domain set\" changes them."
                .to_owned()
        }
        _ => return None,
    };
    Some(hint)
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::new(Exit::Temporary, error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // `head` has read enough.
            return Self::new(Exit::Done, "");
        }
        Self::refused(error.to_string())
    }
}
