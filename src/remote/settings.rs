//! Settings of who is asked: what is wrong with them as written, and the files that
//! they name.

use std::{fs, path::Path};

/// Largest certificate or secret file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

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
