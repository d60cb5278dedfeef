//! Brings mailboxes into being.

pub mod import;
