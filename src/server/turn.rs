//! Whose turn it is to take the store over, where several processes of one
//! server wait for it: the one that came first. A process that was told to stop
//! while it waited has logins of its own to answer before its successor may
//! have the store.

use std::{
    fs::{File, OpenOptions},
    path::Path,
};

use nix::fcntl::{Flock, FlockArg};

/// The turn, until it is dropped. The kernel takes it from a process that dies.
pub(super) struct Turn {
    _lock: Flock<File>,
}

impl Turn {
    /// Takes the turn if nobody has it. A folder that cannot hold it is no reason
    /// not to try for the store: what is wrong there, the store says better.
    pub(super) fn take(folder: &Path) -> Result<Option<Self>, Taken> {
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("turn"));
        let Ok(file) = file else { return Ok(None) };
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(Self { _lock: lock })),
            Err((_, nix::Error::EWOULDBLOCK)) => Err(Taken),
            Err(_) => Ok(None),
        }
    }
}

/// It is another's turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Taken;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Turn::take(folder.path()).unwrap();
        assert!(first.is_some() && matches!(Turn::take(folder.path()), Err(Taken)));
        drop(first);
        assert!(matches!(Turn::take(folder.path()), Ok(Some(_))));
        assert!(matches!(Turn::take(&folder.path().join("nowhere")), Ok(None)));
    }
}
