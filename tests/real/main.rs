//! Real mail servers in front of the built binary. Each module says what it
//! needs; on a user's machine what is missing is skipped loudly, with `CI=true`
//! it fails.

// Nothing outside this crate can see it.
#![allow(unreachable_pub)]
#![allow(missing_docs)]
// Skipped tests and the logs of failed ones must be seen.
#![allow(clippy::print_stderr)]

mod docker_mailserver;
mod dovecot;
mod dovecot23;
mod dovecot24;
mod exim;
mod fail2ban;
mod keycloak;
mod ldap;
mod mailcow;
mod oidc;
mod openapi;
mod passwords;
mod postfix;
mod prometheus;
mod roundcube;
mod support;
mod systemd;
mod web;
