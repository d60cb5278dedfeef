//! What Keycloak recorded of its people since it was asked last: admin events and
//! user events of the realm.
//!
//! An event makes us forget and ask again; nothing in it is believed. Whatever a
//! lying provider puts there costs requests to itself.

/// What happened.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Polled {
    /// One entry for each person and kind.
    pub happened: Vec<Happened>,
    /// Anything may have changed besides: the first poll, a gap, or more than
    /// can be read.
    pub missed: bool,
    /// Sessions that ended, by their ids (`sid`), where it is not said whose they
    /// were.
    pub sessions: Vec<String>,
    /// The sessions of everybody ended.
    pub everybody_signed_out: bool,
}

/// What happened to a person.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Happened {
    /// The provider's own id of him.
    pub subject: String,
    /// What.
    pub what: Happening,
}

/// Kinds of what happens to people.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Happening {
    /// He is new: an address that was not known may be his.
    Created,
    /// Anything of his changed: address, password, state, groups, roles.
    Changed,
    /// He is gone.
    Deleted,
    /// His sessions ended. Nothing else of his changed.
    SignedOut,
}

/// Whether it is heard of what happens to people.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum EventsState {
    /// Nobody has asked yet, or nobody is to ask.
    #[default]
    NotAsked,
    /// All of it.
    Watching,
    /// The realm does not record these.
    NotRecorded {
        /// Changes that administrators make.
        admin: bool,
        /// What people do themselves.
        user: bool,
    },
    /// Our client may not read it.
    Forbidden,
    /// It could not be read just now.
    Failing,
}
