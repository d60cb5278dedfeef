//! `dovegate password`: hashes without a mailbox. It asks nobody.

use std::path::Path;

use clap::{Subcommand, builder::PossibleValuesParser};
use serde_json::json;

use super::{
    Exit, Failure, Output, Result,
    secret_input::{self, HashArgs, PasswordArgs},
};
use crate::{
    config::{Config, DEFAULT_FILE, Source},
    password::{self, NewScheme, Stored},
    verify,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Hash a password as a new one would be
    #[command(after_help = "Examples:\n  dovegate password hash\n  \
        dovegate password hash --scheme ARGON2ID --password-stdin < secret")]
    Hash {
        /// Scheme [default: as configured, else BLF-CRYPT]; CRYPT writes yescrypt
        #[arg(long, value_name = "SCHEME", ignore_case = true,
            value_parser = PossibleValuesParser::new(NewScheme::NAMES))]
        scheme: Option<String>,
        /// Logarithm of bcrypt's rounds [default: as configured, else 10]
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(4..=31))]
        cost: Option<u32>,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Say whether a password fits a hash; exit status 1 if not
    #[command(after_help = "Examples:\n  dovegate password verify --hash-file hash\n  \
        dovegate password verify --hash-stdin --password-file secret < hash")]
    Verify {
        /// Whose it is: a DIGEST-MD5 hash holds the user's name, too
        #[arg(long, value_name = "ADDRESS")]
        user: Option<String>,
        #[command(flatten)]
        hash: HashArgs,
        #[command(flatten)]
        password: PasswordArgs,
    },
}

pub(super) fn run(command: &Command, source: &Source, output: &Output) -> Result {
    let settings = settings(source)?;
    match command {
        Command::Hash { scheme, cost, password } => {
            let scheme = chosen(&settings, scheme.as_deref(), *cost)?;
            let hash = hash(scheme, password)?;
            if output.json { output.value(&json!({ "hash": hash })) } else { output.show(hash) }
        }
        Command::Verify { user, hash, password } => {
            let hash = hash.given()?.ok_or_else(|| {
                Failure::usage("no hash to verify against")
                    .hint("Give it with --hash-file FILE or --hash-stdin.")
            })?;
            let password = password.existing()?;
            let fits = Stored::parse(secret_input::text(&hash)?)
                .map(|stored| match user {
                    Some(user) => stored.of(user),
                    None => stored,
                })
                .and_then(|stored| stored.matches(password.expose(), &settings.caps))
                .map_err(unusable)?;
            if output.json {
                output.value(&json!({ "verified": fits }))?;
            } else if fits {
                output.done("The password fits.")?;
            }
            match (fits, output.json) {
                (true, _) => Ok(()),
                (false, true) => Err(Failure::refused("")),
                (false, false) => Err(Failure::refused("the password does not fit the hash")),
            }
        }
    }
}

/// The settings where there are some: these commands are of use before
/// anything is configured.
fn settings(source: &Source) -> Result<verify::Settings> {
    let named = source.file.is_some() || source.data.is_some();
    if named || Path::new(DEFAULT_FILE).exists() {
        Ok(Config::load(source)?.verify)
    } else {
        Ok(verify::Settings::default())
    }
}

fn chosen(settings: &verify::Settings, name: Option<&str>, cost: Option<u32>) -> Result<NewScheme> {
    let default_cost = match settings.default_scheme {
        NewScheme::BlfCrypt { cost } => cost,
        _ => 10,
    };
    let name = name.unwrap_or(settings.default_scheme.name());
    if cost.is_some() && !name.eq_ignore_ascii_case("BLF-CRYPT") {
        return Err(Failure::usage(format!("--cost goes with BLF-CRYPT, not with {name}")));
    }
    NewScheme::named(name, cost.unwrap_or(default_cost), &settings.caps).map_err(unusable)
}

fn hash(scheme: NewScheme, password: &PasswordArgs) -> Result<String> {
    let password = password.chosen()?;
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| {
        Failure::new(Exit::Temporary, format!("the system gives no random bytes: {error}"))
    })?;
    scheme.hash(password.expose(), salt).map_err(unusable)
}

fn unusable(error: password::Error) -> Failure {
    match error {
        password::Error::OutOfMemory => Failure::new(Exit::Temporary, error.to_string()),
        password::Error::NoUser => {
            Failure::usage(error.to_string()).hint("Name the user with --user ADDRESS.")
        }
        other => Failure::usage(other.to_string()),
    }
}
