//! Settings of who is asked: what is wrong with them as written, and the files that
//! they name.

use std::{fs, path::Path, time::Duration};

use crate::clock::Span;

/// Largest certificate or secret file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Postfix waits 10 s for a verdict, and a login may need two requests.
const MAX_TIMEOUT: Duration = Duration::from_secs(8);

/// One thing that is wrong with a provider or a directory as written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The key.
    pub key: &'static str,
    /// What is wrong, and the way out.
    pub reason: String,
}

/// What stands in a file that settings name, by an absolute path.
///
/// # Errors
/// It cannot be read, or should not be: why, in words.
pub fn file(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    if !path.is_absolute() {
        return Err(format!("{shown}: an absolute path is needed"));
    }
    let about = fs::metadata(path).map_err(|error| format!("{shown}: {error}"))?;
    // A pipe or a device could be read for ever.
    if !about.is_file() {
        return Err(format!("{shown} is not a file"));
    }
    if about.len() > MAX_FILE_BYTES {
        return Err(format!("{shown} is too large"));
    }
    fs::read(path).map_err(|error| format!("{shown}: {error}"))
}

/// How long something may go unnoticed: `default` seconds where nothing is written, and
/// at most `longest`.
///
/// # Errors
/// It is longer.
pub fn time(written: Option<Span>, default: u64, longest: &str) -> Result<Duration, String> {
    let time = written.unwrap_or(Span::seconds(default)).0;
    match longest.parse::<Span>() {
        Ok(longest) if time > longest.0 => {
            Err(format!("at most {longest}: so long a change may go unnoticed"))
        }
        _ => Ok(time),
    }
}

/// How long is waited for somebody: `default` seconds where nothing is written.
///
/// # Errors
/// It is nothing, or longer than a mail server waits.
pub fn timeout(written: Option<Span>, default: u64) -> Result<Duration, String> {
    let time = written.unwrap_or(Span::seconds(default)).0;
    if time.is_zero() || time > MAX_TIMEOUT {
        return Err("more than 0s, and at most 8s: Postfix gives up after 10 seconds".to_owned());
    }
    Ok(time)
}
