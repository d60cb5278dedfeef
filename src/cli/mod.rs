//! The command line: what `dovegate --help` shows, and what each command does.
//!
//! Every command is a request to `/api/v1` (see [`client`]); the few that need
//! no state (`config`, `password`) and `serve` are not.

mod admin;
mod app_password;
mod auth_source;
mod cache;
mod client;
mod config;
mod directory;
mod domain;
mod explain;
mod failure;
mod held_back;
mod import;
mod login_log;
mod mailbox;
mod out_file;
mod output;
mod ownership;
mod password;
mod probe_report;
mod provider;
mod secret_input;
mod status;
mod sync;
mod sync_log;
mod table;
mod template;
mod text;
mod transfer;
mod values;

use std::{ffi::OsString, path::PathBuf};

use clap::{Parser, Subcommand, error::ErrorKind};

use self::{
    client::{Client, Missing},
    failure::{Exit, Failure, Result},
    output::Output,
};
use crate::{
    config::{Config, Source},
    server,
};

const EXAMPLES: &str = "\
Examples:
  dovegate --data ./try serve
  dovegate domain add example.org --max-mailboxes 100 --default-quota 5G
  dovegate mailbox add ann@example.org --password-stdin < secret
  dovegate app-password create ann@example.org --name Phone --service imap,smtp
  dovegate provider test corp
  dovegate sync run corp --dry-run
  dovegate explain ann@example.org --service imap --rip 192.0.2.1

Settings:
  /etc/dovegate/dovegate.toml, or the file of --config. \"dovegate config example\" prints one
  that lists and explains every key. With --data no file is needed.

Every command but serve, config and password asks the running server through its admin socket,
which root, the server's own user and [admin] users may use. Where no server runs, the command
works on the state itself.

Exit status:
  0   done
  1   refused, or not found
  2   the command line, a value or the configuration is wrong
  75  not possible at the moment; trying again may help";

/// Heading of the options that every command takes.
const EVERYWHERE: &str = "Options of every command";

/// The authentication server between Dovecot, Postfix or Exim and their users.
#[derive(Debug, Parser)]
#[command(
    name = "dovegate",
    version,
    after_help = EXAMPLES,
    propagate_version = true,
    max_term_width = 100,
    arg_required_else_help = true
)]
struct Cli {
    /// Read the settings from FILE [default: /etc/dovegate/dovegate.toml]
    #[arg(
        long,
        short,
        global = true,
        help_heading = EVERYWHERE,
        env = "DOVEGATE_CONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    config: Option<PathBuf>,

    /// Keep the state in DIR/state and the sockets in DIR/run; needs no settings file
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        env = "DOVEGATE_DATA",
        hide_env_values = true,
        value_name = "DIR"
    )]
    data: Option<PathBuf>,

    /// Answer in JSON, for programs; times are RFC 3339
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,

    /// Say nothing beyond what was asked for
    #[arg(long, short, global = true, help_heading = EVERYWHERE)]
    quiet: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    #[command(long_about = "Run the server in the foreground.\n\n\
        Started by Dovecot's master process (service auth { executable = … }), it takes over the \
        sockets that it inherits; started by systemd, those of its socket units; else it binds the \
        listeners of its settings. SIGHUP reads the settings again, SIGTERM lets running requests \
        end and stops. One line \"ready\" in the log says that it serves.")]
    Serve,
    /// Show how the running server is
    #[command(long_about = "Show how the running server is: version, sockets with their \
        connections, logins since its start, caches, size of the state, who is held back.\n\n\
        Exit status 1 where no server runs.")]
    Status,
    /// Check, show or print settings
    #[command(subcommand)]
    Config(config::Command),
    /// Domains and their limits
    #[command(subcommand)]
    Domain(domain::Command),
    /// Identity providers, whose bearer tokens log in
    #[command(subcommand)]
    Provider(provider::Command),
    /// Directories: people in a file or at an LDAP server
    #[command(subcommand)]
    Directory(directory::Command),
    /// Templates: what a new mailbox gets
    #[command(subcommand)]
    Template(template::Command),
    /// Mailboxes: who may log in
    #[command(subcommand)]
    Mailbox(mailbox::Command),
    /// App passwords: one for each device
    #[command(subcommand)]
    AppPassword(app_password::Command),
    /// Mailboxes that follow a provider's people
    #[command(subcommand)]
    Sync(sync::Command),
    /// Say step by step why a login is accepted or refused
    Explain(explain::Explain),
    /// Ways in for administrators: tokens for programs, links for browsers
    #[command(subcommand)]
    Admin(admin::Command),
    /// Show who logged in, and who could not
    LoginLog(login_log::LoginLog),
    /// Passwords and tokens verified a while ago
    #[command(subcommand)]
    Cache(cache::Command),
    /// Accounts and networks that guessed
    #[command(subcommand)]
    HeldBack(held_back::Command),
    /// Make and check password hashes
    #[command(subcommand)]
    Password(password::Command),
    /// Write everything as JSON lines
    Export(transfer::Export),
    /// Take over what "export" or "backup" wrote, or mailboxes of another mail system
    Import(import::Import),
    /// Write a copy of everything into a file
    Backup(transfer::Backup),
}

/// Runs the command line `args`, the program's name first; returns the exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let output = Output::new(cli.json, cli.quiet);
    match cli.run(&output) {
        Ok(()) => 0,
        Err(failure) => {
            if !failure.message.is_empty() {
                output.failure(&failure);
            }
            failure.exit as u8
        }
    }
}

/// Help and version are answers, everything else is a mistake.
fn usage(error: &clap::Error) -> u8 {
    let printed = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion if printed.is_ok() => 0,
        _ => Exit::Usage as u8,
    }
}

impl Cli {
    fn source(&self) -> Source {
        Source { file: self.config.clone(), data: self.data.clone() }
    }

    fn run(self, output: &Output) -> Result {
        let source = self.source();
        match self.command {
            Command::Serve => serve(&source),
            Command::Config(command) => config::run(&command, &source, output),
            Command::Password(command) => password::run(&command, &source, output),
            command => tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?
                .block_on(command.ask(&settings(&source)?, output)),
        }
    }
}

/// A running server has checked its providers. Whoever asks it need not be able
/// to read the files that they name.
fn settings(source: &Source) -> Result<Config> {
    Config::load(source).or_else(|error| {
        let others = Config::load_without_providers(source).ok();
        let asks = others.filter(|config| matches!(Client::server(config), Ok(Some(_))));
        asks.ok_or_else(|| error.into())
    })
}

fn serve(source: &Source) -> Result {
    server::run(Config::load(source)?)
        .map_err(|error| Failure::new(exit_of(&error), error.to_string()))
}

/// Whether somebody has to change something before the next start.
fn exit_of(error: &server::Error) -> Exit {
    match error {
        server::Error::Store(_)
        | server::Error::Verify(_)
        | server::Error::Random
        | server::Error::Runtime(_) => Exit::Temporary,
        server::Error::NoListener
        | server::Error::InheritedName { .. }
        | server::Error::InheritedTcp { .. }
        | server::Error::OpenFiles { .. }
        | server::Error::ClientLimit { .. }
        | server::Error::AddressSpace { .. } => Exit::Usage,
        _ => Exit::Refused,
    }
}

impl Command {
    async fn ask(self, config: &Config, output: &Output) -> Result {
        match self {
            Self::Status => status::run(config, output).await,
            Self::Domain(command) => domain::run(command, config, output).await,
            Self::Provider(command) => provider::run(command, config, output).await,
            Self::Directory(command) => directory::run(command, config, output).await,
            Self::Template(command) => template::run(command, config, output).await,
            Self::Mailbox(command) => mailbox::run(command, config, output).await,
            Self::AppPassword(command) => app_password::run(command, config, output).await,
            Self::Sync(command) => sync::run(command, config, output).await,
            Self::Explain(explain) => explain.run(config, output).await,
            Self::Admin(command) => admin::run(command, config, output).await,
            Self::LoginLog(login_log) => login_log.run(config, output).await,
            Self::Cache(command) => cache::run(command, config, output).await,
            Self::HeldBack(command) => held_back::run(command, config, output).await,
            Self::Export(export) => export.run(config, output).await,
            Self::Import(import) => import.run(config, output).await,
            Self::Backup(backup) => backup.run(config, output).await,
            Self::Serve | Self::Config(_) | Self::Password(_) => {
                unreachable!("run() took these: they ask nobody")
            }
        }
    }
}

/// Opens the way to the state, does `work` there and lets go of it, whatever
/// came of the work.
async fn with_client<T>(
    config: &Config,
    missing: Missing,
    work: impl AsyncFnOnce(&Client) -> Result<T>,
) -> Result<T> {
    let client = Client::open(config, missing).await?;
    let result = work(&client).await;
    let closed = client.close().await;
    let value = result?;
    closed.map(|()| value)
}
