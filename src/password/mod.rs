//! Room `password`.
