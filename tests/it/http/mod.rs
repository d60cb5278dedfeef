//! HTTP over TCP: what is served there, and that it stops no login whatever
//! is done to it.

mod counts;
mod hostile;
mod lifetime;
mod pages;
mod sign_out;
mod tls;

use std::{net::SocketAddr, thread, time::Duration};

use crate::support::{
    daemon::Daemon,
    http::{get, send},
    world::World,
};

/// A port of the system's choice.
pub(crate) const INTERNAL: &str = "http.internal.address = \"127.0.0.1:0\"";

/// The same for what is outside.
const PUBLIC: &str = "http.address = \"127.0.0.1:0\"";

/// Where the daemon listens for `[http]`.
pub(crate) fn public(daemon: &Daemon) -> SocketAddr {
    port(daemon, "http").expect("[http] is open")
}

/// Where the daemon listens for `[http.internal]`.
pub(crate) fn internal(daemon: &Daemon) -> SocketAddr {
    port(daemon, "http.internal").expect("[http.internal] is open")
}

/// The port of a listener, as `status` shows it.
fn port(daemon: &Daemon, kind: &str) -> Option<SocketAddr> {
    let status: serde_json::Value =
        serde_json::from_str(&daemon.cli(&["status", "--json"], "")).unwrap();
    let listeners = status["listeners"].as_array().unwrap();
    let found = listeners.iter().find(|listener| listener["type"] == kind)?;
    Some(found["address"].as_str().unwrap().parse().unwrap())
}

#[test]
fn three_paths_answer_and_nothing_else() {
    let world = World::with(&[INTERNAL]);
    let address = internal(&world.daemon);
    for (path, body) in [("/live", "live\n"), ("/ready", "ready\n"), ("/ready?x=1", "ready\n")] {
        let answer = get(address, path);
        assert_eq!((answer.status, answer.body.as_str()), (200, body), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    for path in [
        "/",
        "/metrics/",
        "//metrics",
        "/./metrics",
        "/x/../metrics",
        "/%6detrics",
        "/METRICS",
        "/metrics%00",
        "/api/v1/status",
        "/backchannel-logout/corp",
    ] {
        assert_eq!(get(address, path).status, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        let request = format!(
            "{method} /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        let answer = send(address, request);
        assert_eq!((answer.status, answer.header("allow")), (405, "GET,HEAD"), "{method}");
    }
    let head = send(address, "HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn metrics_are_open_metrics() {
    let world = World::with(&[INTERNAL]);
    let address = internal(&world.daemon);
    let answer = get(address, "/metrics");
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.header("content-type"), media_type);
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        answer.body.contains(&format!("\ndovegate_build_info{{version=\"{version}\"}} 1\n")),
        "{}",
        answer.body
    );
    assert!(answer.body.contains("\ndovegate_connections{type=\"login\"} 0\n"), "{}", answer.body);
    let _held = world.target.client("login", 2);
    let later = metrics(address);
    assert!(later.ends_with("\n# EOF\n"), "{later}");
    assert!(later.contains("\ndovegate_connections{type=\"login\"} 1\n"), "{later}");
    assert!(later.contains("type=\"http.internal\"} 1\n"), "{later}");
}

#[test]
fn without_settings_no_port_is_open() {
    let world = World::new();
    assert_eq!(port(&world.daemon, "http.internal"), None);
}

/// What is given out is given out for a second again.
pub(crate) fn metrics(address: SocketAddr) -> String {
    thread::sleep(Duration::from_millis(1100));
    let answer = get(address, "/metrics");
    assert_eq!(answer.status, 200);
    answer.body
}

/// The value of a sample, 0 where there is none.
pub(crate) fn value(metrics: &str, sample: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.map_or(0, |number| number.parse().expect("a whole number"))
}
