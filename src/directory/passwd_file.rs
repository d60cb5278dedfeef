//! People in a file: Dovecot's passwd-file, or docker-mailserver's accounts.

use super::{Cause, Found, Unavailable, settings};
use crate::mailbox::{Address, Profile};

/// A file of people.
pub(super) struct PasswdFile {
    path: std::path::PathBuf,
}

/// Where one is in the list of everybody.
pub(super) struct Place;

impl PasswdFile {
    pub(super) fn open(settings: &settings::PasswdFile) -> Self {
        Self { path: settings.path.clone() }
    }

    pub(super) fn status(&self) -> super::Status {
        super::Status::default()
    }

    pub(super) fn find(&self, _address: &Address) -> Result<Found, Unavailable> {
        Err(self.not_read())
    }

    pub(super) fn begin(&self) -> Result<Place, Unavailable> {
        Err(self.not_read())
    }

    pub(super) fn look_up(&self, _subject: &str) -> Result<Option<Profile>, Unavailable> {
        Err(self.not_read())
    }

    fn not_read(&self) -> Unavailable {
        let detail = format!("{} was not read yet", self.path.display());
        Unavailable { cause: Cause::Unreachable, detail }
    }
}

impl Place {
    pub(super) fn next(self) -> (Option<Vec<Profile>>, Self) {
        (None, self)
    }
}
