//! What an operator sees of a running server: its log and its metrics.
//!
//! ```text
//! log.rs         one event, one line
//! metrics.rs     the table of all metrics    exposition.rs  their form on the wire
//! ```

pub mod exposition;
mod log;
pub mod metrics;

pub use self::log::{Error, Level, Settings, Target, init};
