//! `dovegate config`.

use clap::Subcommand;

use super::{Failure, Output, Result};
use crate::config::{Config, DEFAULT_FILE, EXAMPLE, Source};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Read the settings and name everything that is wrong with them, by file and line
    Check,
    /// Show the settings in force, defaults filled in
    Show,
    /// Print a settings file that lists and explains every key
    #[command(after_help = "Example:\n  dovegate config example > /etc/dovegate/dovegate.toml")]
    Example,
}

pub(super) fn run(command: &Command, source: &Source, output: &Output) -> Result {
    match command {
        Command::Example => output.raw(EXAMPLE.as_bytes()),
        Command::Show => show(&Config::load(source)?, output),
        Command::Check => {
            Config::load(source)?;
            output.done(format!("{}: no problems.", named(source)))
        }
    }
}

fn show(config: &Config, output: &Output) -> Result {
    let text = config.show();
    if !output.json {
        return output.raw(text.as_bytes());
    }
    let value: serde_json::Value = toml::from_str(&text)
        .map_err(|error| Failure::refused(format!("the settings cannot be shown: {error}")))?;
    output.value(&value)
}

fn named(source: &Source) -> String {
    match (&source.file, &source.data) {
        (Some(file), _) => file.display().to_string(),
        (None, Some(data)) => format!("--data {}", data.display()),
        (None, None) => DEFAULT_FILE.to_owned(),
    }
}
