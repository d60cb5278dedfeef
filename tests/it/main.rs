//! Tests that need nothing installed: the built binary and its sockets, and the
//! source text itself.

mod adversity;
mod api;
mod api_providers;
mod architecture;
mod auth_source;
mod bearer;
mod cli;
mod cli_providers;
mod cli_server;
mod conformance;
mod contrib;
mod directory;
mod directory_ldap;
mod explain;
mod fail2ban;
mod fixtures;
mod fuzz_seeds;
mod guessing;
mod http;
mod idp;
mod import;
mod login_log;
mod mailpassword;
mod misfortunes;
mod owners;
mod provider_test;
mod rights;
mod server;
mod socketmap;
mod store_contract;
mod support;
mod sync;
mod systemd_units;
mod versions;
mod web;
