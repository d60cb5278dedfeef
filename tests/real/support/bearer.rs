//! Mail clients that log in with a bearer token, and what Dovegate's log says of
//! them.

use std::{
    fmt, fs,
    io::Write as _,
    process::{Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use super::{
    client::{Dialogue, Outcome},
    place::Folder,
};

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/support/bearer.py");

/// A mechanism for bearer tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mechanism {
    /// Google's.
    Xoauth2,
    /// RFC 7628.
    Oauthbearer,
}

/// Both of them.
pub const BOTH: [Mechanism; 2] = [Mechanism::Xoauth2, Mechanism::Oauthbearer];

impl Mechanism {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Xoauth2 => "XOAUTH2",
            Self::Oauthbearer => "OAUTHBEARER",
        }
    }

    /// Its initial response, in base64.
    pub fn response(self, user: &str, token: &str) -> String {
        BASE64.encode(match self {
            Self::Xoauth2 => format!("user={user}\x01auth=Bearer {token}\x01\x01"),
            Self::Oauthbearer => {
                format!("n,a={user},\x01host=mail.example.org\x01auth=Bearer {token}\x01\x01")
            }
        })
    }
}

/// What became of a login with a token.
#[derive(Debug)]
pub struct Login {
    /// What the client was told at last.
    pub outcome: Outcome,
    /// The mechanism's error challenge; null if there was none.
    pub challenge: Value,
}

/// IMAP: greeting, then `AUTHENTICATE` with an initial response. An error
/// challenge is answered as RFC 7628 wants it.
pub fn imap_bearer(
    dialogue: &mut Dialogue,
    mechanism: Mechanism,
    user: &str,
    token: &str,
) -> Login {
    if dialogue.until(|line| line.starts_with("* OK")).is_none() {
        return Login { outcome: Outcome::Lost, challenge: Value::Null };
    }
    imap_bearer_again(dialogue, mechanism, user, token)
}

/// A further try in the same IMAP connection.
pub fn imap_bearer_again(
    dialogue: &mut Dialogue,
    mechanism: Mechanism,
    user: &str,
    token: &str,
) -> Login {
    let response = mechanism.response(user, token);
    dialogue.send(&format!("a AUTHENTICATE {} {response}", mechanism.name()));
    let mut challenge = Value::Null;
    loop {
        let ends = |line: &str| line.starts_with("a ") || line.starts_with("+ ");
        let outcome = match dialogue.until(ends) {
            None => Outcome::Lost,
            Some(line) if line.starts_with("+ ") => {
                let bytes = BASE64.decode(&line[2..]).expect("challenges are base64");
                challenge = serde_json::from_slice(&bytes).expect("the challenge is JSON");
                dialogue.send("AQ==");
                continue;
            }
            Some(line) if line.starts_with("a OK") => Outcome::In,
            Some(line) if line.contains("[AUTHENTICATIONFAILED]") => Outcome::Wrong,
            Some(line) => Outcome::Temporary(line),
        };
        return Login { outcome, challenge };
    }
}

/// curl(1) with a token, by a mechanism of its choice: what it prints, or its
/// complaint.
pub fn curl(url: &str, user: &str, token: &str, options: &[&str]) -> Result<String, String> {
    let mut child = Command::new("curl")
        .args(["--silent", "--show-error", "--insecure", "--max-time", "30", "--config", "-"])
        .args(options)
        .args(["--user", &format!("{user}:"), url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("curl is installed");
    // Where nobody else can read it.
    let config = format!("oauth2-bearer = \"{token}\"\n");
    child.stdin.take().expect("piped").write_all(config.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Python's own mail clients with a token: "in", or what the server said last.
/// `protocol` is `imap`, `pop3`, `smtp`, `submission`, `submission in two` or
/// `sieve`.
pub fn python(protocol: &str, port: u16, mechanism: Mechanism, user: &str, token: &str) -> String {
    let job = json!({
        "protocol": protocol, "port": port, "mechanism": mechanism.name(), "user": user,
        "token": token,
    });
    let mut child = Command::new("/usr/bin/python3")
        .arg(PYTHON)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    child.stdin.take().expect("piped").write_all(job.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{protocol}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The line of a login in Dovegate's log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogLine(String);

impl LogLine {
    /// The last one; it is written before the mail server hears of the login.
    pub fn last(folder: &Folder) -> Self {
        Self::all(folder).pop().expect("somebody has logged in")
    }

    /// All of them.
    pub fn all(folder: &Folder) -> Vec<Self> {
        let log = fs::read_to_string(folder.outside("dovegate.log")).unwrap();
        let lines = log.lines().filter(|line| line.contains(" login verdict="));
        lines.map(|line| Self(line.to_owned())).collect()
    }

    /// A field; quoted values come without their quotes.
    ///
    /// # Panics
    /// When it is not there: all of them always are.
    pub fn field(&self, name: &str) -> &str {
        let start = self.0.find(&format!(" {name}=")).unwrap_or_else(|| panic!("{name}: {self}"));
        let value = &self.0[start + name.len() + 2..];
        match value.strip_prefix('"') {
            // An escaped quote ends none of the values that a test asks for.
            Some(quoted) => quoted.split('"').next().unwrap_or_default(),
            None => value.split(' ').next().unwrap_or_default(),
        }
    }
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
