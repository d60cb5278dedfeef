//! Dovecot 2.3 (Debian 12). Needs root and Debian's dovecot-imapd,
//! dovecot-pop3d, dovecot-lmtpd, dovecot-managesieved, dovecot-submissiond and
//! openssl; `contrib/test-setup` installs them.

use nix::sys::signal::Signal;

use crate::{
    dovecot::{crowd, logins, lookups, recordings, survival},
    support::dovecot::{
        Version::V23,
        Way::{Activated, OwnDaemon, UnderMaster},
    },
};

#[test]
fn every_protocol_under_master() {
    logins::every_protocol(V23, UnderMaster);
}

#[test]
fn every_protocol_own_daemon() {
    logins::every_protocol(V23, OwnDaemon);
}

#[test]
fn right_and_wrong_activated() {
    logins::right_and_wrong(V23, Activated);
}

#[test]
fn sockets_for_postfix_under_master() {
    logins::sockets_for_postfix(V23);
}

#[test]
fn app_passwords_under_master() {
    logins::app_passwords(V23, UnderMaster);
}

#[test]
fn app_passwords_own_daemon() {
    logins::app_passwords(V23, OwnDaemon);
}

#[test]
fn services_and_states_under_master() {
    logins::services_and_states(V23, UnderMaster);
}

#[test]
fn services_and_states_own_daemon() {
    logins::services_and_states(V23, OwnDaemon);
}

#[test]
fn delivery_under_master() {
    lookups::delivery(V23, UnderMaster);
}

#[test]
fn delivery_own_daemon() {
    lookups::delivery(V23, OwnDaemon);
}

#[test]
fn doveadm_under_master() {
    lookups::doveadm(V23, UnderMaster);
}

#[test]
fn doveadm_own_daemon() {
    lookups::doveadm(V23, OwnDaemon);
}

#[test]
fn ten_reloads_under_master() {
    survival::reloads(V23, UnderMaster);
}

#[test]
fn ten_reloads_own_daemon() {
    survival::reloads(V23, OwnDaemon);
}

#[test]
fn killed_under_master() {
    survival::killed_under_master(V23);
}

#[test]
fn daemon_drained_and_started_again() {
    survival::daemon_restarted(V23, Signal::SIGTERM);
}

#[test]
fn daemon_killed_and_started_again() {
    survival::daemon_restarted(V23, Signal::SIGKILL);
}

#[test]
fn five_thousand_connections_under_master() {
    crowd::five_thousand(V23);
}

#[test]
#[ignore = "writes proto-fixtures/"]
fn record() {
    recordings::record(V23);
}

#[test]
#[ignore = "writes proto-fixtures/"]
fn record_tokens() {
    recordings::record_tokens(V23);
}
