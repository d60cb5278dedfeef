//! The command line.

use std::{ffi::OsString, io::Write as _, path::PathBuf};

use clap::{Parser, Subcommand};

use crate::{
    config::{Config, Source},
    server,
};

/// The authentication server between Dovecot, Postfix or Exim and their users.
#[derive(Debug, Parser)]
#[command(name = "dovegate", version)]
struct Cli {
    /// Read the settings from FILE
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    /// Keep the state in DIR/state and the sockets in DIR/run
    #[arg(long, global = true)]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve,
}

/// Runs the command line `args`, the program's name first; returns the exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = Cli::parse_from(args);
    let Command::Serve = cli.command;
    let config = match Config::load(&Source { file: cli.config, data: cli.data }) {
        Ok(config) => config,
        Err(error) => return say(&error, 2),
    };
    match server::run(config) {
        Ok(()) => 0,
        Err(error) => say(&error, 1),
    }
}

fn say(error: &dyn std::error::Error, code: u8) -> u8 {
    let _ = writeln!(std::io::stderr(), "dovegate: {error}");
    code
}
