//! Room `server`.

pub mod settings;
