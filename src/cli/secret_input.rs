//! Passwords come from standard input, from a prompt or from a file. Never from
//! an argument: everybody on the machine can read those.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use zeroize::Zeroizing;

use super::failure::{Failure, Result};
use crate::secret::Secret;

/// More than any password or hash has; what is longer is another file.
const MOST_BYTES: u64 = 16 * 1024;

/// Where a password comes from.
#[derive(Args, Clone, Debug, Default)]
#[group(multiple = false)]
pub(super) struct PasswordArgs {
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,

    /// Read the password from the first line of FILE
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// Where a hash that another program made comes from.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct HashArgs {
    /// Read a hash with its scheme ({BLF-CRYPT}$2y$…) from the first line of standard input
    #[arg(long, conflicts_with = "password_stdin")]
    hash_stdin: bool,

    /// Read a hash with its scheme from the first line of FILE
    #[arg(long, value_name = "FILE", conflicts_with = "hash_stdin")]
    hash_file: Option<PathBuf>,
}

/// Where a bearer token comes from.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct TokenArgs {
    /// Read a bearer token from the first line of standard input
    #[arg(long)]
    token_stdin: bool,
}

impl TokenArgs {
    /// The token, if there is one.
    pub(super) fn given(&self) -> Result<Option<Secret>> {
        given(self.token_stdin, None, "token")
    }
}

/// The secret of our client at a provider.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct ClientSecretArgs {
    /// Read our client's secret from the first line of standard input
    #[arg(long)]
    client_secret_stdin: bool,
}

impl ClientSecretArgs {
    /// The secret, if there is one.
    pub(super) fn given(&self) -> Result<Option<Secret>> {
        given(self.client_secret_stdin, None, "client secret")
    }
}

impl PasswordArgs {
    /// The password, if the command line says where it comes from.
    pub(super) fn given(&self) -> Result<Option<Secret>> {
        given(self.password_stdin, self.password_file.as_deref(), "password")
    }

    /// The password; asked for if the command line says nothing.
    pub(super) fn existing(&self) -> Result<Secret> {
        match self.given()? {
            Some(password) => Ok(password),
            None => ask("Password: "),
        }
    }

    /// A new password; asked for twice if the command line says nothing.
    pub(super) fn chosen(&self) -> Result<Secret> {
        if let Some(password) = self.given()? {
            return Ok(password);
        }
        let first = ask("New password: ")?;
        let second = ask("Once more: ")?;
        if first.ct_eq(second.expose()) {
            Ok(first)
        } else {
            Err(Failure::usage("the two passwords differ; nothing was changed"))
        }
    }
}

impl HashArgs {
    /// The hash, if the command line says where it comes from.
    pub(super) fn given(&self) -> Result<Option<Secret>> {
        given(self.hash_stdin, self.hash_file.as_deref(), "hash")
    }
}

fn given(stdin: bool, file: Option<&Path>, what: &str) -> Result<Option<Secret>> {
    match file {
        Some(path) => {
            let named = |error| Failure::usage(format!("{}: {error}", path.display()));
            let file = File::open(path).map_err(named)?;
            only_line(file, what, &path.display().to_string()).map(Some)
        }
        None if stdin => {
            if io::stdin().is_terminal() {
                return ask(&format!("{what}: ")).map(Some);
            }
            only_line(io::stdin().lock(), what, "standard input").map(Some)
        }
        None => Ok(None),
    }
}

/// The one line of `source`, without its end.
fn only_line(source: impl Read, what: &str, name: &str) -> Result<Secret> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(1024));
    source.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    let too_long = bytes.len() as u64 > MOST_BYTES;
    if too_long {
        return Err(Failure::usage(format!("{name} holds too much for a {what}")));
    }
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.contains(&b'\n') {
        return Err(Failure::usage(format!(
            "{name} holds more than one line; a {what} is one line"
        )));
    }
    if line.is_empty() {
        return Err(Failure::usage(format!("no {what} in {name}")));
    }
    Ok(Secret::new(line))
}

/// Whether somebody sits there who can be asked.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn ask(prompt: &str) -> Result<Secret> {
    match rpassword::prompt_password(prompt) {
        Ok(text) => Ok(Secret::new(text)),
        Err(_) => Err(Failure::usage("no password given, and no terminal to ask for one")
            .hint("Give it with --password-stdin or --password-file FILE.")),
    }
}

/// A secret as text, for a request.
pub(super) fn text(secret: &Secret) -> Result<&str> {
    std::str::from_utf8(secret.expose()).map_err(|_| {
        Failure::usage(
            "it is not UTF-8, the one encoding that mail clients send passwords in (RFC 4616)",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], expected: Option<&[u8]>) {
        let got = only_line(input, "password", "test").ok();
        assert_eq!(got.as_ref().map(Secret::expose), expected, "{input:?}");
    }

    #[test]
    fn one_line_and_nothing_else() {
        check(b"wonderland\n", Some(b"wonderland"));
        check(b"wonderland\r\n", Some(b"wonderland"));
        check(b"wonderland", Some(b"wonderland"));
        check(b" won der ", Some(b" won der "));
        check(b"", None);
        check(b"\n", None);
        check(b"one\ntwo\n", None);
        check(b"one\n\n", None);
        check(&vec![b'a'; 20_000], None);
    }
}
