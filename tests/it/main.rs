//! Tests that need nothing installed: the built binary and its sockets, and the
//! source text itself.

mod api;
mod architecture;
mod cli;
mod fuzz_seeds;
mod store_contract;
mod systemd_units;
