//! Whoever may connect to these ports: says nothing, says too much, or says it
//! in ways that nobody needs.

use std::{
    io::{Read as _, Write as _},
    time::{Duration, Instant},
};

use super::{INTERNAL, internal};
use crate::support::{
    http::{Answer, connect, get, rest, send},
    world::{ANN, ANN_PASSWORD, World},
};

#[test]
fn thousands_that_say_nothing_are_in_nobodys_way() {
    let world = World::with(&[INTERNAL]);
    let address = internal(&world.daemon);
    let mut silent = Vec::new();
    for round in 0..1000 {
        let mut stream = connect(address);
        match round % 4 {
            0 => {}
            1 => stream.write_all(b"GET /metr").unwrap(),
            2 => stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n").unwrap(),
            _ => {
                stream.write_all(b"GET /live HTTP/1.1\r\nContent-Length: 9\r\n\r\nslow").unwrap();
            }
        }
        silent.push(stream);
        if round % 100 == 0 {
            assert_eq!(get(address, "/live").status, 200);
        }
    }
    assert_eq!(get(address, "/ready").status, 200);
    world.target.client("login", 2).login(ANN, ANN_PASSWORD).expect("OK");
    // The oldest had to go.
    assert_eq!(rest(&mut silent[0]), "");
}

#[test]
fn a_slow_head_is_not_waited_for() {
    let world = World::with(&[INTERNAL]);
    let mut stream = connect(internal(&world.daemon));
    let began = Instant::now();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut closed = false;
    for byte in b"GET /live HTTP/1.1\r\nHost: localhost\r\nX: xxxxxxxxxxxxxx".iter().cycle() {
        let mut answer = [0; 100];
        closed = stream.write_all(&[*byte]).is_err();
        closed |= stream.read(&mut answer).is_ok_and(|length| length == 0);
        if closed || began.elapsed() > Duration::from_secs(40) {
            break;
        }
    }
    assert!(closed && began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn what_is_too_large_is_refused() {
    let world = World::with(&[INTERNAL]);
    let address = internal(&world.daemon);
    let head = "GET /live HTTP/1.1\r\nHost: x\r\n";
    let cases = [
        (format!("{head}X: {}\r\n\r\n", "x".repeat(100_000)), 431),
        (format!("{head}{}\r\n", "X: y\r\n".repeat(500)), 431),
        (format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(100_000)), 431),
        (format!("{head}Content-Length: 99999999999\r\n\r\n"), 413),
        (format!("{head}Content-Length: 17000\r\n\r\n{}", "x".repeat(17_000)), 413),
    ];
    for (request, status) in cases {
        assert_eq!(send(address, &request).status, status, "{}", &request[..60]);
    }
    let chunks = "1000\r\n".to_owned() + &"x".repeat(0x1000) + "\r\n";
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", chunks.repeat(20));
    assert_eq!(send(address, chunked).status, 413);
    assert_eq!(get(address, "/live").status, 200);
}

#[test]
fn odd_requests_are_answered_or_refused() {
    let world = World::with(&[INTERNAL]);
    let address = internal(&world.daemon);
    for (request, status) in [
        ("GET /live HTTP/1.0\r\n\r\n", 200),
        (
            "GET http://elsewhere.example.org/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            200,
        ),
        ("GET http://x@localhost/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
        ("CONNECT localhost:25 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        ("GET /live\r\n\r\n", 400),
        ("GET /live HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
        ("GET /live HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        ("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        ("VERSION\t1\t2\nCPID\t1\n\r\n\r\n", 400),
    ] {
        assert_eq!(send(address, request).status, status, "{request:?}");
    }
    let mut http2 = connect(address);
    http2.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    assert_eq!(rest(&mut http2), "");
}

#[test]
fn requests_in_one_go_are_answered_in_turn() {
    let world = World::with(&[INTERNAL]);
    let mut stream = connect(internal(&world.daemon));
    let one = "GET /live HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = "GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all((one.repeat(500) + last).as_bytes()).unwrap();
    let answers = rest(&mut stream);
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 501);
    let last = answers.rfind("HTTP/1.1").unwrap();
    assert_eq!(Answer::parse(&answers[last..]).body, "ready\n");
}
