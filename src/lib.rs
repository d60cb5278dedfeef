//! Dovegate: the authentication server between a mail system and its users.
//!
//! The rooms, in the order in which an `AUTH` line passes through them:
//!
//! ```text
//! bytes → protocol → session (sasl) → Credentials → server::login
//!       → verify (store, password) → Verdict → session → protocol → bytes
//! ```
//!
//! `ARCHITECTURE.md` has the table of who may name whom, and
//! `tests/it/architecture.rs` holds the code to it.

pub mod clock;
pub mod secret;

pub mod mailbox;

pub mod protocol;
pub mod sasl;
pub mod session;

pub mod remote;

pub mod directory;
pub mod idp;
pub mod password;
pub mod store;
pub mod verify;

pub mod provision;

pub mod api;
pub mod config;
pub mod server;
pub mod telemetry;
pub mod web;

pub mod cli;
