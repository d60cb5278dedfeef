//! People at an LDAP server.

use super::{Dn, Found, Problem, Settings, Status, Unavailable, settings};
use crate::{
    mailbox::{Address, Profile},
    secret::Secret,
};

/// An LDAP server. None can be made yet: settings refuse the kind.
pub(super) struct Ldap(std::convert::Infallible);

/// Where one is in the list of everybody.
pub(super) struct Place(std::convert::Infallible);

impl Ldap {
    pub(super) fn open(_directory: &Settings, _settings: &settings::Ldap) -> Result<Self, Problem> {
        Err(Problem { key: "kind", reason: "ldap is not built yet".to_owned() })
    }

    pub(super) fn status(&self) -> Status {
        match self.0 {}
    }

    pub(super) async fn find(&self, _address: &Address) -> Result<Found, Unavailable> {
        match self.0 {}
    }

    pub(super) async fn bind(&self, _dn: &Dn, _password: &Secret) -> Result<bool, Unavailable> {
        match self.0 {}
    }

    pub(super) async fn begin(&self) -> Result<Place, Unavailable> {
        match self.0 {}
    }

    pub(super) async fn next(
        &self,
        _place: &mut Place,
    ) -> Result<Option<Vec<Profile>>, Unavailable> {
        match self.0 {}
    }

    pub(super) async fn look_up(&self, _subject: &str) -> Result<Option<Profile>, Unavailable> {
        match self.0 {}
    }
}
