//! Brings mailboxes into being and keeps them true.
//!
//! [`import`] takes over what another mail system has. All else follows what a
//! provider says of people:
//!
//! [`mapping`] says which template somebody gets, [`apply`] what that means for
//! his mailbox, [`sync`] goes through everybody whom a provider has, when somebody
//! says so or by the [`schedule`], and [`login`] follows its word on one of them, which [`preview`] foretells.
//! Nothing else makes or changes a mailbox by a provider's word.

pub mod apply;
pub mod import;
pub mod login;
pub mod mapping;
mod own;
pub mod preview;
mod record;
pub mod schedule;
pub mod source;
pub mod sync;
mod syncs;

pub use self::{
    source::{DirectorysPeople, Domains, People, ProvidersPeople, Source, Unheard},
    sync::{OnAnswer, OnQuestion, OnWithdrawn, Order, Phase, Progress, Sync},
    syncs::{AlreadyRunning, SyncFigures, Syncs},
};
