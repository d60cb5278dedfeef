//! People in a file: Dovecot's passwd-file, or docker-mailserver's accounts with
//! their limits beside them.
//!
//! The file is looked at ([`PasswdFile::poll`]) and not watched by the kernel: what
//! stands on NFS, comes by a bind mount or is replaced by a rename tells a watcher
//! nothing, or of the wrong file. A change counts once the file is quiet for one look,
//! so that what is half written is seldom read. What cannot be read (away, no rights, a
//! line that nobody understands, suddenly empty) leaves the last good state in force,
//! and is said; nobody is gone by such a mistake. Only where there is no good state
//! yet, good lines count by themselves, and whoever stands in none hears of an outage.

mod snapshot;

use std::{
    collections::hash_map::RandomState,
    fmt::Write as _,
    fs, io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nix::fcntl::OFlag;

pub(super) use self::snapshot::Place;
use self::snapshot::{Reading, Snapshot};
use super::{Changes, Failure, Found, Outage, OutageCause, Settings, Status, settings};
use crate::{
    clock::Timestamp,
    mailbox::{Address, Profile},
};

/// Largest file, in bytes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Problems of a file that are kept and said.
const MAX_PROBLEMS: usize = 20;

/// A file of people.
pub(super) struct PasswdFile {
    reading: Reading,
    state: Mutex<State>,
    /// The same for all snapshots, so that two can be compared.
    digests: RandomState,
}

/// What is known of the file.
#[derive(Default)]
struct State {
    /// The last one without any problem.
    good: Option<Arc<Snapshot>>,
    /// Where there was none yet: what could be read.
    partial: Option<Arc<Snapshot>>,
    /// When it was read well.
    read: Option<Timestamp>,
    failure: Option<Failure>,
    /// What was read, or failed to be.
    done: Option<Looks>,
    /// At the last look.
    last: Option<Looks>,
}

/// By what a change of the files shows.
type Looks = Vec<Option<Look>>;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Look {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What is wrong with a file, bounded.
#[derive(Debug, Default)]
pub(super) struct Problems {
    first: Vec<String>,
    more: u64,
}

impl Problems {
    fn add(&mut self, problem: String) {
        if self.first.len() < MAX_PROBLEMS {
            self.first.push(problem);
        } else {
            self.more += 1;
        }
    }

    fn is_empty(&self) -> bool {
        self.first.is_empty()
    }
}

impl PasswdFile {
    /// Reads the file, if it is there. Blocks.
    pub(super) fn open(directory: &Settings, settings: &settings::PasswdFile) -> Self {
        let reading = Reading::new(directory, settings);
        let file = Self { reading, state: Mutex::default(), digests: RandomState::new() };
        let looks = file.looks();
        file.read(looks);
        file
    }

    /// Looks at the file, and reads it if it has changed and is quiet again. Blocks.
    /// Returns what has changed by that.
    pub(super) fn poll(&self) -> Option<Changes> {
        let looks = self.looks();
        let mut state = self.lock();
        let is_quiet = state.last.replace(looks.clone()).as_ref() == Some(&looks);
        if state.done.as_ref() == Some(&looks) || !is_quiet {
            return None;
        }
        drop(state);
        self.read(looks)
    }

    fn read(&self, looks: Looks) -> Option<Changes> {
        let mut problems = Problems::default();
        let snapshot = self.reading.read(&self.digests, &mut problems);
        // It was written to meanwhile: the next look finds it.
        if self.looks() != looks && self.lock().done.is_some() {
            return None;
        }
        let mut state = self.lock();
        let before = state.good.clone();
        state.done = Some(looks);
        let was_empty = before.as_ref().is_none_or(|before| before.len() == 0);
        if let Some(snapshot) = snapshot.as_ref().filter(|one| one.says_nothing && !was_empty) {
            let path = self.reading.path.display();
            debug_assert!(snapshot.len() == 0, "it says nothing");
            problems.add(format!("{path}: is empty; a comment line in it says that this is meant"));
        }
        match snapshot {
            Some(snapshot) if problems.is_empty() => {
                let snapshot = Arc::new(snapshot);
                state.good = Some(Arc::clone(&snapshot));
                state.partial = None;
                state.read = Some(Timestamp::now());
                let mended = state.failure.take().is_some();
                drop(state);
                let (path, entries) = (self.reading.path.display(), snapshot.len());
                tracing::info!(%path, entries, mended, "file of people read");
                let lost = before.map(|before| snapshot.lost_since(&before, &self.reading));
                Some(Changes { lost: lost.unwrap_or_default() })
            }
            snapshot => {
                if before.is_none() {
                    state.partial = snapshot.map(Arc::new);
                }
                Self::failed(&mut state, problems);
                None
            }
        }
    }

    fn failed(state: &mut State, problems: Problems) {
        let Problems { first, more } = problems;
        let said = state.failure.as_ref().is_some_and(|known| known.problems == first);
        let since = state.failure.as_ref().map_or_else(Timestamp::now, |known| known.since);
        if !said {
            let in_force = match (&state.good, &state.partial) {
                (Some(_), _) => "its last good state stays in force",
                (None, Some(_)) => "its good lines count, and the others are an outage",
                (None, None) => "nobody's password can be checked by it",
            };
            for problem in first.iter().take(5) {
                tracing::error!(problem, "file of people cannot be read: {in_force}");
            }
        }
        state.failure = Some(Failure { since, problems: first, more });
    }

    pub(super) fn status(&self) -> Status {
        let state = self.lock();
        let entries = state.good.as_ref().or(state.partial.as_ref()).map(|one| one.len() as u64);
        Status { entries, read: state.read, failure: state.failure.clone() }
    }

    pub(super) fn find(&self, address: &Address) -> Result<Found, Outage> {
        let (good, partial) = self.snapshots();
        if let Some(good) = good {
            let found = good.find(address, &self.reading, &self.digests);
            return Ok(found.map_or(Found::Nobody, |entry| Found::Entry(entry.into())));
        }
        let found = partial.and_then(|one| one.find(address, &self.reading, &self.digests));
        found.map(|entry| Found::Entry(entry.into())).ok_or_else(|| self.unread())
    }

    pub(super) fn begin(&self) -> Result<Place, Outage> {
        let (good, _) = self.snapshots();
        good.map(Place::before).ok_or_else(|| self.unread())
    }

    pub(super) fn next(&self, place: &mut Place) -> Option<Vec<Profile>> {
        place.next(&self.reading)
    }

    pub(super) fn look_up(&self, subject: &str) -> Result<Option<Profile>, Outage> {
        let Ok(address) = Address::parse(subject) else { return Ok(None) };
        Ok(match self.find(&address)? {
            Found::Entry(entry) => Some(entry.profile),
            Found::Nobody | Found::Several => None,
        })
    }

    fn snapshots(&self) -> (Option<Arc<Snapshot>>, Option<Arc<Snapshot>>) {
        let state = self.lock();
        (state.good.clone(), state.partial.clone())
    }

    fn unread(&self) -> Outage {
        let mut detail = format!("{} could not be read", self.reading.path.display());
        if let Some(first) = self.lock().failure.as_ref().and_then(|all| all.problems.first()) {
            let _ = write!(detail, ": {first}");
        }
        Outage { cause: OutageCause::Unreachable, detail }
    }

    fn looks(&self) -> Looks {
        self.reading.paths().map(look).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn look(path: &PathBuf) -> Option<Look> {
    let about = fs::metadata(path).ok()?;
    Some(Look {
        device: about.dev(),
        inode: about.ino(),
        size: about.size(),
        modified: (about.mtime(), about.mtime_nsec()),
        changed: (about.ctime(), about.ctime_nsec()),
    })
}

/// Opens a file that is one, and not too large.
fn opened(path: &Path) -> Result<fs::File, String> {
    let shown = path.display();
    let said = |error: io::Error| match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "{shown}: {error}: Dovegate's user must be able to read it, and to enter each folder \
             above it"
        ),
        _ => format!("{shown}: {error}"),
    };
    // A pipe would be waited for when it is opened.
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)
        .map_err(said)?;
    let about = file.metadata().map_err(said)?;
    if !about.is_file() {
        return Err(format!("{shown}: is not a file"));
    }
    if about.len() > MAX_BYTES {
        return Err(format!("{shown}: is larger than {} MiB", MAX_BYTES / 1024 / 1024));
    }
    Ok(file)
}

#[cfg(test)]
mod tests;
