//! Settings: `dovegate.toml` as written becomes [`Config`] as meant, once, with
//! every problem named by file, line, key, reason and way out.
//!
//! Each room defines the settings it needs and is given its own, never the
//! whole.

mod file;
mod meant;

use std::path::{Path, PathBuf};

use self::file::File;
use crate::{
    mailbox::userdb,
    server::settings::{Origin, Rooms, Settings},
    telemetry,
    verify::Settings as VerifySettings,
    web::Settings as WebSettings,
};

/// The example file, which lists every key with its default.
pub const EXAMPLE: &str = include_str!("../../contrib/dovegate.toml");

/// Where the settings are when the command line names no place.
pub const DEFAULT_FILE: &str = "/etc/dovegate/dovegate.toml";

/// Where settings come from. Kept, so that SIGHUP reads the same place again.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// `--config`.
    pub file: Option<PathBuf>,
    /// `--data`: state and sockets in this folder. It needs no file, and wins
    /// over the file's `state_dir` and `run_dir`.
    pub data: Option<PathBuf>,
}

/// All settings, checked.
#[derive(Debug)]
pub struct Config {
    /// Where they came from.
    pub source: Source,
    /// Log set-up.
    pub log: telemetry::Settings,
    /// Sockets, limits, rights.
    pub server: Settings,
    /// What decides about logins.
    pub verify: VerifySettings,
    /// What is handed out about users.
    pub userdb: userdb::Settings,
    /// The pages.
    pub web: WebSettings,
    /// As written, defaults filled in: for `config show`.
    written: File,
}

impl Config {
    /// Reads and checks the settings.
    pub fn load(source: &Source) -> Result<Self, Error> {
        Self::read(source, |_| {})
    }

    /// The settings as somebody needs them who only asks a running server: without
    /// identity providers and directories, whose secrets need not be his to read, and without the
    /// command that only the server runs.
    pub fn load_without_providers(source: &Source) -> Result<Self, Error> {
        Self::read(source, |written| {
            written.provider.clear();
            written.directory.clear();
            written.login.on_withdrawal.clear();
        })
    }

    fn read(source: &Source, change: impl FnOnce(&mut File)) -> Result<Self, Error> {
        match (&source.file, &source.data) {
            (None, Some(_)) => Self::from_text("", Path::new("--data"), source.clone(), change),
            (file, _) => {
                let path = file.clone().unwrap_or_else(|| DEFAULT_FILE.into());
                match std::fs::read_to_string(&path) {
                    Ok(text) => Self::from_text(&text, &path, source.clone(), change),
                    Err(error) => Err(Error::Unreadable { path, error }),
                }
            }
        }
    }

    fn from_text(
        text: &str,
        path: &Path,
        source: Source,
        change: impl FnOnce(&mut File),
    ) -> Result<Self, Error> {
        let mut written: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| line_at(text, span.start));
            let problem = Problem { line, key: String::new(), reason: error.message().to_owned() };
            Error::Wrong { path: path.to_owned(), problems: Problems(vec![problem]) }
        })?;
        change(&mut written);
        if let Some(data) = &source.data {
            meant::settle_in(&mut written, data);
        }
        meant::mean(written, source, text)
            .map_err(|problems| Error::Wrong { path: path.to_owned(), problems })
    }

    /// The settings in force as a file, defaults filled in. Secrets never
    /// stand in it.
    pub fn show(&self) -> String {
        toml::to_string(&self.written).expect("settings were read from this format")
    }

    /// Folder of the store.
    pub fn store_dir(&self) -> PathBuf {
        self.server.store_dir()
    }

    /// Where a running server answers administrators.
    pub fn admin_socket(&self) -> &Path {
        self.server.admin_socket()
    }
}

impl Origin for Config {
    fn log(&self) -> telemetry::Settings {
        self.log
    }

    fn rooms(&self) -> Rooms {
        Rooms {
            server: self.server.clone(),
            verify: self.verify.clone(),
            userdb: self.userdb.clone(),
            web: self.web.clone(),
        }
    }

    fn read_again(&self) -> Result<Rooms, String> {
        Self::load(&self.source).map(|config| config.rooms()).map_err(|error| error.to_string())
    }
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error(
        "{path} cannot be read: {error} (--config names another file, --data DIR needs none)",
        path = path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// The file says something that cannot be meant.
    #[error("{}", problems.under(path))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong with it.
        problems: Problems,
    },
}

/// Everything that is wrong with a file.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

/// One thing that is wrong.
#[derive(Debug)]
struct Problem {
    line: Option<usize>,
    /// Dotted path of the key; empty where the reason names it.
    key: String,
    reason: String,
}

impl Problems {
    fn under(&self, path: &Path) -> String {
        let lines: Vec<String> = self.0.iter().map(|problem| problem.under(path)).collect();
        lines.join("\n")
    }
}

impl Problem {
    /// `FILE:LINE: KEY: REASON`, without what is not known.
    fn under(&self, path: &Path) -> String {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        let key = if self.key.is_empty() { String::new() } else { format!("{}: ", self.key) };
        let reason = self.reason.trim_end().replace('\n', ", ");
        format!("{}{line}: {key}{reason}", path.display())
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests;
