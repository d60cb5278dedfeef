//! Replays every dialogue of `proto-fixtures/` against the built binary. The form
//! of the files, and what is compared, is told in `proto-fixtures/README.md`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process,
    sync::Mutex,
    thread,
    time::Duration,
};

use serde_json::json;

use crate::support::{
    client::Target,
    daemon::Daemon,
    provider::{FakeProvider, USERINFO},
    wire::{Read, Wire},
};

/// How long nothing may come after the last line.
const A_MOMENT: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(60);
/// Replays at a time; each waits for its own daemon.
const WORKERS: usize = 4;

#[test]
fn every_fixture_is_replayed() {
    let files = fixtures();
    assert!(!files.is_empty(), "proto-fixtures/ has no dialogues");
    let (todo, wrong) = (Mutex::new(files.iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let next = todo.lock().expect("no holder panics").next();
                    let Some(path) = next else { return };
                    let text = fs::read_to_string(path).expect("a fixture is UTF-8");
                    if let Err(problem) =
                        Fixture::parse(&text).and_then(|fixture| fixture.replay(PATIENCE))
                    {
                        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
                        wrong.lock().expect("no holder panics").push(format!("{name}: {problem}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no holder panics");
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), files.len(), wrong.join("\n"));
}

/// A replay that accepts anything would pass, too.
#[test]
fn replay_notices_differences() {
    let head = "# Nobody 1.0, made up\n# captured: written by hand\n# mailbox: ann@example.org wonderland\n\n";
    let greeting =
        "# connection 1, master socket\nS: VERSION\t1\t4\nS: SPID\t7\nC: VERSION\t1\t1\n";
    let user = "C: USER\t1\tnobody@example.org\tservice=lmtp\n";
    let replay = |rest: &str, patience| {
        Fixture::parse(&format!("{head}{greeting}{rest}"))
            .and_then(|fixture| fixture.replay(patience))
    };
    replay(&format!("{user}S: NOTFOUND\t1\n"), PATIENCE).expect("this is what happens");
    let cases = [
        (format!("{user}S: NOTFOUND\t2\n"), "came \"NOTFOUND\\t1\""),
        ("C: CACHE-FLUSH\t1\nS: OK\t2\t0\n".to_owned(), "came \"OK\\t1\\t0\""),
        (format!("{user}S: FAIL\t1\n"), "came \"NOTFOUND\\t1\""),
        (format!("{user}S: NOTFOUND\t1\tx\n"), "came \"NOTFOUND\\t1\""),
        (user.to_owned(), "more than recorded"),
        (format!("{user}S: NOTFOUND\t1\nS: <close>\n"), "not closed"),
        ("C: NONSENSE\nS: NOTFOUND\t1\n".to_owned(), "closed"),
    ];
    for (rest, expected) in cases {
        let problem = replay(&rest, Duration::from_secs(5)).expect_err("it differs");
        assert!(problem.contains(expected), "{rest:?} gave {problem:?}");
    }
    let unsourced = Fixture::parse("# Nobody 1.0\n# connection 1, auth socket\nC: x\n").map(|_| ());
    assert!(unsourced.is_err_and(|problem| problem.contains("captured")));
}

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto-fixtures");
    let entries = fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("it can be read").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    files
}

/// One file, taken apart.
#[derive(Debug, Default)]
struct Fixture {
    mailboxes: Vec<Vec<String>>,
    settings: Vec<String>,
    /// Tokens and whose they are.
    tokens: Vec<(String, String)>,
    connections: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    socket: String,
    lines: Vec<Line>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Line {
    Client(String),
    Server(String),
}

impl Fixture {
    fn parse(text: &str) -> Result<Self, String> {
        let mut fixture = Self::default();
        let (mut sourced, mut titled) = (false, false);
        for (line, number) in text.lines().zip(1..) {
            let wrong = |what: &str| format!("line {number}: {what}");
            if let Some(comment) = line.strip_prefix('#') {
                let comment = comment.trim();
                sourced |= comment.starts_with("captured: ");
                titled |= number == 1 && comment.bytes().any(|byte| byte.is_ascii_digit());
                fixture.comment(comment).map_err(|what| wrong(&what))?;
            } else if !line.is_empty() {
                let connection =
                    fixture.connections.last_mut().ok_or(wrong("before a connection"))?;
                let line = Line::parse(line).ok_or(wrong("neither C: nor S: nor comment"))?;
                connection.lines.push(line);
            }
        }
        match (titled, sourced) {
            (false, _) => Err("the first line names no program and version".to_owned()),
            (_, false) => Err("no comment `captured:`".to_owned()),
            _ if fixture.connections.is_empty() => Err("no connection".to_owned()),
            _ => Ok(fixture),
        }
    }

    fn comment(&mut self, comment: &str) -> Result<(), String> {
        if let Some(words) = comment.strip_prefix("mailbox: ") {
            let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
            if words.len() < 2 || !words[0].contains('@') {
                return Err("a mailbox is an address, a password and options".to_owned());
            }
            self.mailboxes.push(words);
        } else if let Some(words) = comment.strip_prefix("token: ") {
            let (token, owner) = words.split_once(' ').ok_or("a token is a text and an address")?;
            self.tokens.push((token.to_owned(), owner.to_owned()));
        } else if let Some(setting) = comment.strip_prefix("setting: ") {
            self.settings.push(setting.to_owned());
        } else if let Some(rest) = comment.strip_prefix("connection ") {
            let socket = rest.split_once(", ").and_then(|(_, kind)| kind.strip_suffix(" socket"));
            let socket = socket.ok_or("a connection is `connection N, TYPE socket`")?;
            self.connections.push(Connection { socket: socket.to_owned(), lines: Vec::new() });
        }
        Ok(())
    }

    /// The provider that knows its tokens, if it has any, and the settings for it.
    fn provider(&self) -> Option<(FakeProvider, Vec<String>)> {
        if self.tokens.is_empty() {
            return None;
        }
        let fake = FakeProvider::start();
        for (token, owner) in &self.tokens {
            fake.know(token, json!({ "email": owner }));
        }
        let settings = vec![
            "provider.corp.kind = \"oidc\"".to_owned(),
            format!("provider.corp.introspection_url = \"{}\"", fake.at(USERINFO)),
            "provider.corp.tokens_for_local = true".to_owned(),
        ];
        Some((fake, settings))
    }

    /// Plays it to a daemon of its own.
    fn replay(&self, patience: Duration) -> Result<(), String> {
        let provider = self.provider();
        let settings = self.settings.iter().chain(provider.iter().flat_map(|(_, lines)| lines));
        let daemon = Daemon::start(&settings.map(String::as_str).collect::<Vec<_>>());
        let domains: BTreeSet<&str> =
            self.mailboxes.iter().filter_map(|words| Some(words[0].split_once('@')?.1)).collect();
        for domain in domains {
            daemon.cli(&["domain", "add", domain], "");
            if provider.is_some() {
                daemon.cli(&["domain", "set", domain, "--provider", "corp"], "");
            }
        }
        for words in &self.mailboxes {
            let options: Vec<&str> = words[2..].iter().map(String::as_str).collect();
            daemon.add_mailbox(&words[0], &words[1], &options);
        }
        let target = Target { sockets: daemon.sockets(), patience };
        let mut learnt = Learnt::default();
        let mut open = Vec::new();
        for (connection, number) in self.connections.iter().zip(1..) {
            let mut wire = target.wire(&connection.socket);
            connection
                .replay(&mut wire, &mut learnt)
                .map_err(|problem| format!("connection {number}: {problem}"))?;
            open.push(wire);
        }
        Ok(())
    }
}

impl Line {
    fn parse(line: &str) -> Option<Self> {
        if let Some(text) = line.strip_prefix("C: ") {
            return Some(Self::Client(text.to_owned()));
        }
        line.strip_prefix("S: ").map(|text| Self::Server(text.to_owned()))
    }
}

impl Connection {
    fn replay(&self, wire: &mut Wire, learnt: &mut Learnt) -> Result<(), String> {
        for group in self.lines.chunk_by(|one, next| is_client(one) == is_client(next)) {
            if is_client(&group[0]) {
                for line in group {
                    let Line::Client(text) = line else { unreachable!("grouped") };
                    send(wire, &learnt.in_present_terms(text));
                }
            } else {
                expect(wire, group, learnt)?;
            }
        }
        let ends = [Line::Server("<close>".to_owned()), Line::Client("<close>".to_owned())];
        if !self.lines.last().is_some_and(|last| ends.contains(last)) {
            match wire.read(A_MOMENT) {
                Read::Silence => {}
                more => return Err(format!("more than recorded: {}", shown(&more))),
            }
        }
        Ok(())
    }
}

fn is_client(line: &Line) -> bool {
    matches!(line, Line::Client(_))
}

fn send(wire: &mut Wire, line: &str) {
    match line.strip_suffix("\\r") {
        _ if line == "<close>" => wire.finish(),
        Some(line) => wire.send(&format!("{line}\r")),
        None => wire.send(line),
    }
}

/// Reads what `group` says must come; replies of different ids may change places.
fn expect(wire: &mut Wire, group: &[Line], learnt: &mut Learnt) -> Result<(), String> {
    let mut recorded: Vec<&str> = Vec::new();
    for line in group {
        let Line::Server(text) = line else { unreachable!("grouped") };
        recorded.push(text);
    }
    while !recorded.is_empty() {
        let read = wire.must_read();
        let close = recorded[0] == "<close>";
        match read {
            Read::Closed if close => return Ok(()),
            _ if close => return Err(format!("not closed but {}", shown(&read))),
            Read::Line(line) => {
                let line = String::from_utf8_lossy(&line).into_owned();
                let place = recorded.iter().position(|other| same_id(other, &line)).unwrap_or(0);
                let wanted = recorded.remove(place);
                if !learnt.agree(wanted, &line) {
                    return Err(format!("recorded {wanted:?}, came {line:?}"));
                }
            }
            other => return Err(format!("recorded {:?}, came {}", recorded[0], shown(&other))),
        }
    }
    Ok(())
}

fn shown(read: &Read) -> String {
    match read {
        Read::Line(line) => format!("{:?}", String::from_utf8_lossy(line)),
        Read::Closed => "closed".to_owned(),
        Read::Silence => "silence".to_owned(),
    }
}

/// Whether both are replies to one request: a word and an equal number.
fn same_id(one: &str, other: &str) -> bool {
    let id = |line: &str| {
        let (word, rest) = line.split_once('\t')?;
        let greeting = matches!(word, "VERSION" | "MECH" | "SPID" | "CUID" | "COOKIE");
        let id = rest.split('\t').next()?.to_owned();
        (!greeting).then_some(id)
    };
    id(one).is_some() && id(one) == id(other)
}

/// Whether the fields behind `OK` are an id and a number, no more.
fn is_count(fields: &str) -> bool {
    let number = |field: &str| field.parse::<u64>().is_ok();
    fields.split_once('\t').is_some_and(|(id, count)| number(id) && number(count))
}

/// Values made anew by every run: recorded and received.
#[derive(Default)]
struct Learnt {
    spid: BTreeMap<String, String>,
    cookies: BTreeMap<String, String>,
}

impl Learnt {
    /// Whether `received` is what was `recorded`, but for values made anew.
    fn agree(&mut self, recorded: &str, received: &str) -> bool {
        let (word, old) = recorded.split_once('\t').unwrap_or((recorded, ""));
        let (other, new) = received.split_once('\t').unwrap_or((received, ""));
        match word {
            _ if word != other => false,
            "SPID" => self.spid.entry(old.to_owned()).or_insert_with(|| new.to_owned()) == new,
            // The count of CACHE-FLUSH, which depends on what went before.
            "OK" if is_count(old) => {
                old.split('\t').next() == new.split('\t').next() && is_count(new)
            }
            "CUID" => new.parse::<u32>().is_ok(),
            "COOKIE" => {
                self.cookies.insert(old.to_owned(), new.to_owned());
                new.len() == 32 && new.bytes().all(|byte| byte.is_ascii_hexdigit())
            }
            _ => {
                let same = |(old, new): (&str, &str)| {
                    let tokens = old.starts_with("auth_token=") && new.starts_with("auth_token=");
                    old == new || tokens && old.len() == new.len()
                };
                let (old, new): (Vec<_>, Vec<_>) =
                    (old.split('\t').collect(), new.split('\t').collect());
                old.len() == new.len() && old.into_iter().zip(new).all(same)
            }
        }
    }

    /// A recorded client line with this run's values.
    fn in_present_terms(&self, line: &str) -> String {
        let fields = line.split('\t').map(|field| {
            if field.starts_with("session_pid=") {
                return format!("session_pid={}", process::id());
            }
            self.cookies.get(field).map_or(field, String::as_str).to_owned()
        });
        fields.collect::<Vec<_>>().join("\t")
    }
}
