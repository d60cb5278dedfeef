//! How much of a log was acknowledged, said beside the log. sled takes a log
//! that ends early, or is empty, for one that was never longer; without a
//! second word nobody would notice, and everybody whose mailbox is gone would
//! hear that his password is wrong.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

/// Name of the file, in the folder of the log.
pub(super) const FILE: &str = "acknowledged";

/// The second word: a file with one number. It is written after the log is on
/// disk and not flushed itself, so it may lag behind and never runs ahead.
#[derive(Debug)]
pub(super) struct Witness(File);

impl Witness {
    /// Opens the file in the folder `path`, or makes it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        options.open(path.join(FILE)).map(Self)
    }

    /// How many commits were acknowledged, at least.
    pub(super) fn acknowledged(&self) -> u64 {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, 0).map_or(0, |()| u64::from_be_bytes(bytes))
    }

    /// Says that so many are on disk. Where that cannot be written, less is
    /// noticed later, and nothing else is lost.
    pub(super) fn acknowledge(&self, commits: u64) {
        let _ = self.0.write_all_at(&commits.to_be_bytes(), 0);
    }
}
