//! `/api/v1` on `[http]`, for programs.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::{
    http::public,
    support::{
        daemon::Daemon,
        http::{Answer, send},
        visitor::{PAGES, Visitor},
        world::{ANN, World},
    },
};

struct Program {
    address: SocketAddr,
    token: String,
}

impl Program {
    fn new(daemon: &Daemon, options: &[&str]) -> Self {
        let create = ["admin", "token", "create", "--name", "Panel", "--quiet"];
        let token = daemon.cli(&[&create[..], options].concat(), "").trim().to_owned();
        Self { address: public(daemon), token }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let authorization = format!("Authorization: Bearer {}\r\n", self.token);
        ask(self.address, method, path, &authorization, body)
    }
}

fn ask(address: SocketAddr, method: &str, path: &str, head: &str, body: &str) -> Answer {
    let length = body.len();
    send(
        address,
        format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: auth.example.org\r\nConnection: close\r\n\
             {head}Content-Length: {length}\r\n\r\n{body}"
        ),
    )
}

#[test]
fn a_program_does_what_its_token_allows() {
    let world = World::with(&[PAGES[0]]);
    let program = Program::new(
        &world.daemon,
        &["--scope", "read,mailboxes", "--domain", "example.org", "--expires", "30d"],
    );
    let shown = program.ask("GET", &format!("/mailboxes/{ANN}"), "");
    assert_eq!(shown.status, 200, "{}", shown.body);
    let shown: Value = serde_json::from_str(&shown.body).unwrap();
    assert_eq!(shown["address"], ANN);
    let made =
        program.ask("POST", "/mailboxes", &json!({"address": "new@example.org"}).to_string());
    assert_eq!(made.status, 201, "{}", made.body);
    for (method, path, body, status) in [
        ("GET", "/status", "", 403),
        ("POST", "/domains", "{\"name\": \"x.example\"}", 403),
        ("GET", "/export", "", 403),
        ("GET", "/admin-tokens", "", 403),
        ("POST", "/admin-links", "{}", 403),
        ("GET", "/mailboxes/bob@example.com", "", 404),
        ("GET", "/nowhere", "", 404),
    ] {
        let answer = program.ask(method, path, body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    let listed = world.daemon.cli(&["admin", "token", "list", "--json"], "");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["last_used"]["rip"], "127.0.0.1", "{listed}");
    world.daemon.wait_for_log("who did it", |log| {
        let id = listed[0]["id"].as_str().unwrap();
        log.lines().any(|line| line.contains("mailbox add") && line.contains(id))
    });
    let secret = program.token.rsplit('_').next().unwrap();
    assert!(!world.daemon.log().contains(secret) && !listed.to_string().contains(secret));

    world.daemon.cli(&["admin", "token", "revoke", listed[0]["id"].as_str().unwrap()], "");
    let revoked = program.ask("GET", "/domains", "");
    assert_eq!(revoked.status, 401);
}

#[test]
fn nothing_but_a_token_opens_it() {
    let world = World::with(&PAGES);
    let address = public(&world.daemon);
    // Not a session of the pages, either.
    let mut root = Visitor::at(address);
    let link = world.daemon.cli(&["admin", "link", "--quiet"], "");
    root.post(link.trim().strip_prefix("https://auth.example.org").unwrap(), &[]);
    let cookie = format!("Cookie: __Host-dovegate={}\r\n", root.cookies["__Host-dovegate"]);
    let basic = "Authorization: Basic YW5uQGV4YW1wbGUub3JnOndvbmRlcmxhbmQ=\r\n";
    for head in ["", &cookie, basic, "Authorization: Bearer dga_00000000_x\r\n"] {
        let answer = ask(address, "GET", "/domains", head, "");
        assert_eq!(answer.status, 401, "{head}");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"dovegate\"");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    // What it says of itself is everybody's.
    assert_eq!(ask(address, "GET", "/openapi.json", "", "").status, 200);
    assert_eq!(ask(address, "POST", "/openapi.json", "", "{}").status, 401);
}

#[test]
fn bodies_are_bounded() {
    let world = World::with(&[PAGES[0]]);
    let program = Program::new(&world.daemon, &["--scope", "operate", "--expires", "never"]);
    let masks = |number: usize| json!({"masks": vec!["x".repeat(60); number]}).to_string();
    assert_eq!(program.ask("POST", "/cache/flush", &masks(900)).status, 200);
    assert_eq!(program.ask("POST", "/cache/flush", &masks(9000)).status, 413);
    // Who shows no token may send little.
    let address = program.address;
    assert_eq!(ask(address, "POST", "/cache/flush", "", &masks(900)).status, 413);
}

#[test]
fn tokens_outlive_a_restart_and_expire() {
    let mut world = World::with(&[PAGES[0]]);
    let program = Program::new(&world.daemon, &["--scope", "read"]);
    world.daemon.restart();
    let program = Program { address: public(&world.daemon), ..program };
    assert_eq!(program.ask("GET", "/domains", "").status, 200);
    let short = Program::new(&world.daemon, &["--scope", "read", "--expires", "2s"]);
    let begun = std::time::Instant::now();
    while short.ask("GET", "/domains", "").status == 200 {
        assert!(begun.elapsed().as_secs() < 30, "it does not expire");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let expired = short.ask("GET", "/domains", "");
    assert!(expired.status == 401 && expired.body.contains("has expired"), "{}", expired.body);
}
