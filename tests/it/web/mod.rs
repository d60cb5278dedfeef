//! The pages, as somebody without a real browser gets them.

mod link;
mod password;
mod programs;
mod self_service;
mod sign_in;

use std::net::SocketAddr;

use crate::{
    http::public,
    support::{daemon::Daemon, visitor::Visitor},
};

/// A visitor of the daemon's pages.
fn visitor(daemon: &Daemon) -> Visitor {
    let address: SocketAddr = public(daemon);
    Visitor::at(address)
}
