//! The fake provider's side of a connection: reads requests, answers or
//! misbehaves.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read, Write},
    net::TcpStream,
    os::fd::AsFd as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use nix::sys::socket::{setsockopt, sockopt};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    Behaviour, CLIENT_ID, CLIENT_SECRET, DISCOVERY, INTROSPECTION, JWKS, REALM, Seen, State,
    USERINFO, browsers::CODE, merge,
};

/// How often a connection that waits looks whether its provider has ended.
const LOOK: Duration = Duration::from_millis(20);

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// Serves one connection to its end.
pub(super) fn connection(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    state: &Mutex<State>,
    stop: &AtomicBool,
) {
    let Ok(socket) = stream.try_clone() else { return };
    let _ = stream.set_nodelay(true);
    let stream: Box<dyn Stream> = match tls {
        None => Box::new(stream),
        Some(config) => {
            let server = ServerConnection::new(config).expect("the configuration is good");
            Box::new(StreamOwned::new(server, stream))
        }
    };
    let mut reader = BufReader::new(stream);
    while let Some(seen) = wait_for_request(&mut reader, &socket, stop) {
        let behaviour = {
            let mut state = state.lock().expect("no holder panics");
            state.seen.push(seen.clone());
            let path = seen.path.split('?').next().unwrap_or_default();
            state.behaviours.get(path).cloned().unwrap_or_else(|| state.usual(&seen))
        };
        let behaviour = match behaviour {
            Behaviour::Late(time) => {
                thread::sleep(time);
                state.lock().expect("no holder panics").usual(&seen)
            }
            other => other,
        };
        if carry_out(behaviour, reader.get_mut().as_mut(), &socket, stop).is_none() {
            return;
        }
    }
}

/// The next request; none where the client or the provider has ended.
fn wait_for_request(
    reader: &mut BufReader<Box<dyn Stream>>,
    socket: &TcpStream,
    stop: &AtomicBool,
) -> Option<Seen> {
    // Nothing that is read may get lost by a time limit: only the wait for the
    // first byte looks up.
    socket.set_read_timeout(Some(LOOK)).ok()?;
    loop {
        match reader.fill_buf() {
            Ok([]) => return None,
            Ok(_) => break,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => {
                if stop.load(Ordering::Relaxed) {
                    return None;
                }
            }
            Err(_) => return None,
        }
    }
    socket.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    read_request(reader)
}

fn read_request(reader: &mut BufReader<Box<dyn Stream>>) -> Option<Seen> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let path = path.strip_prefix(REALM).unwrap_or(&path).to_owned();
    let mut headers = HashMap::new();
    loop {
        let header = line()?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let len = headers.get("content-length").and_then(|len| len.parse().ok()).unwrap_or(0);
    let mut body = vec![0; len];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { method, path, headers, body: String::from_utf8(body).ok()? })
}

/// None where the connection is over.
fn carry_out(
    behaviour: Behaviour,
    stream: &mut dyn Stream,
    socket: &TcpStream,
    stop: &AtomicBool,
) -> Option<()> {
    let reset = || {
        let now = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&socket.as_fd(), sockopt::Linger, &now).ok()
    };
    let running = || !stop.load(Ordering::Relaxed);
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n";
    match behaviour {
        Behaviour::Answer { status, headers, body } => {
            let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
            let headers: String = headers.collect();
            let len = body.len();
            let head = format!("HTTP/1.1 {status} Said\r\n{headers}Content-Length: {len}\r\n\r\n");
            stream.write_all(&[head.as_bytes(), &body].concat()).ok()?;
            return stream.flush().ok();
        }
        Behaviour::Hang | Behaviour::Late(_) => {
            while running() {
                thread::sleep(LOOK);
            }
        }
        Behaviour::Reset => reset()?,
        Behaviour::ResetInTheMiddle => {
            write!(stream, "{head}{{\"active\":true,").ok()?;
            stream.flush().ok()?;
            thread::sleep(LOOK);
            reset()?;
        }
        Behaviour::Drip => {
            write!(stream, "{head}{{").ok()?;
            while running() {
                stream.write_all(b" ").ok()?;
                stream.flush().ok()?;
                thread::sleep(LOOK);
            }
        }
        Behaviour::Huge => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
            write!(stream, "{head}{{\"a\":\"").ok()?;
            while running() {
                stream.write_all(&[b'a'; 8192]).ok()?;
            }
        }
    }
    None
}

/// Whether the client shows that it is the one that may ask.
pub(super) fn is_our_client(seen: &Seen, form: &HashMap<String, String>) -> bool {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let basic = STANDARD.encode(format!("{}:{}", encoded(CLIENT_ID), encoded(CLIENT_SECRET)));
    let by_basic = seen.headers.get("authorization") == Some(&format!("Basic {basic}"));
    let posted = |name: &str| form.get(name).map(String::as_str);
    let by_post =
        posted("client_id") == Some(CLIENT_ID) && posted("client_secret") == Some(CLIENT_SECRET);
    by_basic || by_post
}

impl State {
    /// As Keycloak answers.
    fn usual(&mut self, seen: &Seen) -> Behaviour {
        match seen.path.as_str() {
            DISCOVERY => Behaviour::json(&self.with_pages(self.discovery())),
            CODE if seen.method == "POST" => self.code(seen),
            JWKS => Behaviour::json(&self.key_set()),
            INTROSPECTION if seen.method == "POST" => self.introspection(seen),
            USERINFO => self.userinfo(seen),
            _ => {
                let answer = self.feed.answer(seen).or_else(|| self.people.answer(seen));
                answer.unwrap_or_else(|| Behaviour::status(404))
            }
        }
    }

    fn discovery(&self) -> Value {
        let issuer = &self.issuer;
        json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}{JWKS}"),
            "introspection_endpoint": format!("{issuer}{INTROSPECTION}"),
            "userinfo_endpoint": format!("{issuer}{USERINFO}"),
        })
    }

    fn key_set(&self) -> Value {
        let keys: Vec<Value> = self.keys.iter().map(super::SigningKey::jwk).collect();
        json!({ "keys": keys })
    }

    fn introspection(&self, seen: &Seen) -> Behaviour {
        let form: HashMap<String, String> =
            form_urlencoded::parse(seen.body.as_bytes()).into_owned().collect();
        let posted = |name: &str| form.get(name).map(String::as_str);
        if !is_our_client(seen, &form) {
            let body = json!({ "error": "invalid_request", "error_description": "Authentication failed." });
            return Behaviour::text(401, "application/json", body.to_string());
        }
        let Some(claims) = posted("token").and_then(|token| self.tokens.get(token)) else {
            return Behaviour::json(&json!({ "active": false }));
        };
        let mut answer = claims.clone();
        let shown = json!({
            "active": true, "client_id": claims["azp"], "token_type": claims["typ"], "username": "ann",
        });
        merge(&mut answer, shown);
        Behaviour::json(&answer)
    }

    fn userinfo(&self, seen: &Seen) -> Behaviour {
        let token =
            seen.headers.get("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let claims = token.and_then(|token| self.tokens.get(token));
        let refused = |status, error: &str| {
            let challenge =
                format!("Bearer realm=\"mail\", error=\"{error}\", error_description=\"as it is\"");
            Behaviour::text(status, "text/plain", "").with("WWW-Authenticate", &challenge)
        };
        let is_access = |claims: &&Value| matches!(claims["typ"].as_str(), None | Some("Bearer"));
        let Some(claims) = claims.filter(is_access) else { return refused(401, "invalid_token") };
        if !claims["scope"].as_str().unwrap_or_default().split(' ').any(|scope| scope == "openid") {
            return refused(403, "insufficient_scope");
        }
        let members = ["sub", "email", "email_verified", "preferred_username"];
        let person = members
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), claims.get(*name)?.clone())));
        Behaviour::json(&Value::Object(person.collect()))
    }
}
