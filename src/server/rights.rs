//! Folders of our own, and the end of root's rights.

use std::{
    ffi::CString,
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
};

use nix::{
    sys::stat::{Mode, umask},
    unistd::{Gid, Uid, initgroups, setgid, setuid},
};

use super::{
    Error,
    settings::{Rights, Settings},
};

/// Makes the folders that are not there, and keeps others out of every file
/// that this process makes from now on.
pub(super) fn prepare_folders(settings: &Settings) -> Result<(), Error> {
    prepare_state_dir(settings)?;
    make_named(&settings.run_dir, 0o755, settings)
}

/// The same, of the state alone: for commands that work without a server.
pub fn prepare_state_dir(settings: &Settings) -> Result<(), Error> {
    umask(Mode::from_bits_truncate(0o077));
    make_named(&settings.state_dir, 0o700, settings)
}

fn make_named(folder: &Path, mode: u32, settings: &Settings) -> Result<(), Error> {
    make(folder, mode, settings.rights.as_ref())
        .map_err(|error| Error::Folder { path: folder.display().to_string(), error })
}

/// Makes a folder, and above it those that are missing, open to be passed.
fn make(folder: &Path, mode: u32, rights: Option<&Rights>) -> io::Result<()> {
    if fs::metadata(folder).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
        make(above, 0o755, None)?;
    }
    fs::DirBuilder::new().mode(mode).create(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(mode))?;
    match rights {
        Some(rights) => std::os::unix::fs::lchown(folder, Some(rights.uid), Some(rights.gid)),
        None => Ok(()),
    }
}

/// Becomes the account without rights, for good.
pub(super) fn drop_root(rights: &Rights) -> Result<(), Error> {
    let become_it = || -> nix::Result<()> {
        let user = CString::new(rights.user.as_str()).map_err(|_| nix::Error::EINVAL)?;
        initgroups(&user, Gid::from_raw(rights.gid))?;
        setgid(Gid::from_raw(rights.gid))?;
        setuid(Uid::from_raw(rights.uid))
    };
    become_it().map_err(|error| Error::Rights { user: rights.user.clone(), error: error.into() })
}
