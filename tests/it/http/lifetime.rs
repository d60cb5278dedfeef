//! Ports come and go with the settings and with the server.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use super::{INTERNAL, internal, port};
use crate::support::{
    http::get,
    world::{ANN, ANN_PASSWORD, World},
};

/// A port that was free a moment ago.
pub(crate) fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn at(address: SocketAddr) -> String {
    format!("http.internal.address = \"{address}\"")
}

fn reload(world: &World, settings: &[&str]) {
    reload_until(world, settings, "reloaded");
}

fn reload_until(world: &World, settings: &[&str], said: &str) {
    let seen = world.daemon.log().matches(said).count();
    world.daemon.configure(settings);
    world.daemon.signal(Signal::SIGHUP);
    world.daemon.wait_for_log(said, |log| log.matches(said).count() > seen);
}

#[test]
fn a_reload_moves_opens_and_closes_ports() {
    let world = World::new();
    reload(&world, &[INTERNAL]);
    let first = internal(&world.daemon);
    assert_eq!(get(first, "/live").status, 200);
    reload(&world, &[INTERNAL, "login.failure_delay = \"50ms\""]);
    assert_eq!(internal(&world.daemon), first, "what did not change stays");
    let second = free_port();
    reload(&world, &[&at(second)]);
    assert_eq!(internal(&world.daemon), second);
    assert_eq!(get(second, "/live").status, 200);
    assert!(TcpStream::connect(first).is_err());
    let remote = ["http.internal.address = \"192.0.2.1:9417\""];
    reload_until(&world, &remote, "http.internal.address: it would cross the network in clear");
    assert_eq!(get(second, "/live").status, 200, "wrong settings change nothing");
    reload(&world, &[]);
    assert_eq!(port(&world.daemon, "http.internal"), None);
    assert!(TcpStream::connect(second).is_err());
}

#[test]
fn a_port_of_somebody_else_stops_no_login() {
    let foreign = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = foreign.local_addr().unwrap();
    let world = World::with(&[&at(address)]);
    let log = world.daemon.log();
    assert!(log.contains(&format!("cannot listen on {address}")), "{log}");
    world.target.client("login", 2).login(ANN, ANN_PASSWORD).expect("OK");
    drop(foreign);
    reload(&world, &[&at(address)]);
    assert_eq!(get(address, "/ready").status, 200);
}

#[test]
fn a_stopping_server_says_that_it_is_not_ready() {
    let mut world = World::with(&[INTERNAL, "login.drain_limit = \"4s\""]);
    let address = internal(&world.daemon);
    // A login that nobody claims holds the stop up.
    world.target.client("login", 2).login(ANN, ANN_PASSWORD).expect("OK");
    let idle = TcpStream::connect(address).unwrap();
    world.daemon.signal(Signal::SIGTERM);
    world.daemon.wait_for_log("stopping", |log| log.contains("stopping"));
    let deadline = Instant::now() + Duration::from_secs(2);
    while get(address, "/ready").status == 200 && Instant::now() < deadline {}
    let answer = get(address, "/ready");
    assert_eq!((answer.status, answer.body.as_str()), (503, "stopping\n"));
    assert_eq!(get(address, "/live").status, 200);
    world.daemon.wait_for_log("the end", |log| log.contains("INFO stopped"));
    assert!(TcpStream::connect(address).is_err());
    drop(idle);
    assert!(!world.daemon.is_running() || !world.daemon.log().contains("ERROR"));
}
