//! Root and the server's folder. Whoever runs a command with `sudo` while no
//! server runs would make files there that the server, which is not root, could
//! not open at its next start. So the store is opened as its folder's owner.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use nix::unistd::{Gid, Uid, getegid, geteuid, setegid, seteuid};

use super::failure::{Failure, Result};

/// Acting as somebody else until dropped.
#[derive(Debug)]
pub(super) struct Assumed {
    before: Option<(Uid, Gid)>,
}

/// Becomes the owner of `state_dir` if we are root.
pub(super) fn assume(state_dir: &Path) -> Result<Assumed> {
    let (uid, gid) = (geteuid(), getegid());
    if !uid.is_root() {
        return Ok(Assumed { before: None });
    }
    let named = |error| Failure::refused(format!("{}: {error}", state_dir.display()));
    let owner = fs::metadata(state_dir).map_err(named)?;
    if owner.uid() == 0 {
        return Ok(Assumed { before: None });
    }
    // The group first: afterwards we may not any more.
    setegid(Gid::from_raw(owner.gid()))
        .and_then(|()| seteuid(Uid::from_raw(owner.uid())))
        .map_err(|errno| named(errno.into()))?;
    Ok(Assumed { before: Some((uid, gid)) })
}

impl Drop for Assumed {
    fn drop(&mut self) {
        if let Some((uid, gid)) = self.before {
            // Root as real user may always go back.
            let _ = seteuid(uid).and_then(|()| setegid(gid));
        }
    }
}
