//! A file that is there as a whole or not at all, and that nobody else may read.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::failure::{Failure, Result};

/// A file being written under another name beside its own. Dropped without
/// [`OutFile::finish`] it leaves nothing behind.
#[derive(Debug)]
pub(super) struct OutFile {
    file: File,
    written_as: PathBuf,
    path: PathBuf,
    finished: bool,
}

impl OutFile {
    /// Begins the file at `path`; what is there stays until the end.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let name = path.file_name().ok_or_else(|| named(path)("not the name of a file"))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}", std::process::id()));
        let written_as = path.with_file_name(hidden);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&written_as)
            .map_err(|error| named(path)(&error.to_string()))?;
        Ok(Self { file, written_as, path: path.to_owned(), finished: false })
    }

    /// Adds to it.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result {
        self.file.write_all(bytes).map_err(|error| named(&self.path)(&error.to_string()))
    }

    /// Puts it in its place, on disk when this returns.
    pub(super) fn finish(mut self) -> Result {
        let folder = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        self.file
            .sync_all()
            .and_then(|()| fs::rename(&self.written_as, &self.path))
            .and_then(|()| File::open(folder)?.sync_all())
            .map_err(|error| named(&self.path)(&error.to_string()))?;
        self.finished = true;
        Ok(())
    }
}

fn named(path: &Path) -> impl Fn(&str) -> Failure {
    move |why| Failure::refused(format!("{}: {why}", path.display()))
}

impl Drop for OutFile {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_file(&self.written_as);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backup");
        fs::write(&path, "before").unwrap();
        let mut dropped = OutFile::create(&path).unwrap();
        dropped.write(b"half").unwrap();
        drop(dropped);
        assert_eq!(fs::read(&path).unwrap(), b"before");
        let mut whole = OutFile::create(&path).unwrap();
        whole.write(b"after").unwrap();
        whole.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
