//! One test for each statement of `proto-fixtures/CONFORMANCE.md`, against the
//! built binary.
//!
//! A check is a function of a [`Target`](crate::support::client::Target); the test
//! named after the statement makes the world and runs it. `faults` runs the same
//! checks through a proxy that spoils replies, where they must fail.

mod agreement;
mod cancelling;
mod faults;
mod framing;
mod handshake;
mod looking_up;
mod master;
mod passwords;
mod requests;
mod tokens;
mod verdicts;
