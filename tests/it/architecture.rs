//! Who may name whom, and what a room may not know: the dependency table of
//! `ARCHITECTURE.md`, held against the source text.
//!
//! The text is read without comments and literals (see [`code_only`]); a path is
//! any `crate::…`, use tree or not, and any `super::…` that climbs to the crate's
//! root.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

/// What a room may name of another.
#[derive(Clone, Copy)]
enum May {
    /// Anything public in it.
    All(&'static str),
    /// Anything public in each of them.
    Each(&'static [&'static str]),
    /// These items alone.
    Only(&'static str, &'static [&'static str]),
}
use May::{All, Each, Only};

/// One line of the table.
struct Room {
    name: &'static str,
    may: &'static [May],
}

/// Open to every room: plain values without I/O. `clock` hands out the time as
/// a value; who may *read* the clock is [`SANS_IO`]'s matter.
const OPEN_TO_ALL: &[&str] = &["secret", "clock"];

/// Rooms that know neither socket nor clock nor `async`: time is handed in.
const SANS_IO: &[&str] = &["protocol", "sasl", "session", "password", "mailbox"];

/// Rooms that may name everything: they put the others together.
const MAY_ALL: &[&str] = &["main", "lib", "cli"];

/// The verdict, and what it is made of.
const VERDICT: &[&str] =
    &["Verdict", "Verified", "VerifiedBy", "Rejected", "Reason", "Unavailable", "Cause", "Asked"];

/// What those rooms put together to which others come.
const BEHIND_A_DOOR: &[&str] = &[
    "session",
    "protocol",
    "provision",
    "verify",
    "store",
    "idp",
    "directory",
    "sasl",
    "password",
    "mailbox",
    "telemetry",
];

/// The table. A room that is not in it, [`OPEN_TO_ALL`] or [`MAY_ALL`] does not
/// exist.
const TABLE: &[Room] = &[
    Room { name: "server", may: &[All("api"), All("web"), Each(BEHIND_A_DOOR)] },
    Room { name: "api", may: &[Each(BEHIND_A_DOOR)] },
    Room {
        name: "provision",
        may: &[All("store"), All("idp"), All("directory"), All("mailbox"), All("telemetry")],
    },
    Room { name: "web", may: &[All("api"), Each(BEHIND_A_DOOR)] },
    Room { name: "session", may: &[All("protocol"), All("sasl"), Only("verify", VERDICT)] },
    Room {
        name: "verify",
        may: &[
            Only("sasl", &["Credentials"]),
            All("password"),
            All("provision"),
            All("store"),
            All("idp"),
            All("directory"),
            All("mailbox"),
            All("telemetry"),
        ],
    },
    Room { name: "store", may: &[All("mailbox"), All("telemetry")] },
    Room {
        name: "config",
        may: &[
            All("telemetry"),
            All("mailbox"),
            Only("server", &["settings"]),
            Only("api", &["Settings"]),
            Only("web", &["Settings", "settings"]),
            Only("session", &["Settings"]),
            Only("verify", &["Settings", "penalty"]),
            Only("idp", &["Settings", "Problem"]),
            Only("directory", &["Settings", "Problem", "Written"]),
            Only("store", &["Settings"]),
            Only("password", &["Caps", "NewScheme"]),
        ],
    },
    Room { name: "directory", may: &[All("telemetry"), All("mailbox"), All("remote")] },
    Room {
        name: "idp",
        may: &[
            All("telemetry"),
            All("remote"),
            Only(
                "mailbox",
                &[
                    "DomainName",
                    "NamedProvider",
                    "PasswordHash",
                    "Profile",
                    "Provider",
                    "ProviderName",
                    "Provisioning",
                    "provider",
                    "provisioning",
                ],
            ),
        ],
    },
    Room { name: "protocol", may: &[] },
    Room { name: "sasl", may: &[] },
    Room {
        name: "password",
        may: &[Only("mailbox", &["AppPasswordId", "MailboxId", "app_password"])],
    },
    Room { name: "mailbox", may: &[] },
    Room { name: "remote", may: &[] },
    Room { name: "telemetry", may: &[] },
    Room { name: "secret", may: &[] },
    Room { name: "clock", may: &[] },
];

/// Words that a [`SANS_IO`] room may not contain outside its tests, and why.
const NOT_SANS_IO: &[(&str, &str)] = &[
    ("async fn", "knows no async"),
    ("async move", "knows no async"),
    (".await", "knows no async"),
    ("tokio::", "knows no async runtime"),
    ("futures_util::", "knows no async"),
    ("TcpStream", "knows no socket"),
    ("TcpListener", "knows no socket"),
    ("UdpSocket", "knows no socket"),
    ("UnixStream", "knows no socket"),
    ("UnixListener", "knows no socket"),
    ("Instant::now", "reads no clock: time is handed in"),
    ("SystemTime", "reads no clock: time is handed in"),
    ("Timestamp::now", "reads no clock: time is handed in"),
];

/// Words that open connections to others, and the files that may open them to a
/// provider or directory: the way there, the one client, and the trial by hand.
const CONNECTS: &[&str] = &["TcpStream", "TlsConnector", "lookup_host", "reqwest"];
const CONNECT_TO_PROVIDERS: &[&str] =
    &["remote/connect.rs", "idp/http.rs", "idp/probe.rs", "idp/probe/", "directory/ldap/"];

/// Rooms that ask others, or know the way to them.
const ASKERS: &[&str] = &["remote", "idp", "directory"];

/// One breach of a rule.
#[derive(Debug)]
struct Breach {
    file: PathBuf,
    line: usize,
    rule: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.rule)
    }
}

#[test]
fn source_keeps_to_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut breaches = Vec::new();
    let mut files = 0;
    for file in rust_files(&root.join("src")) {
        let text = fs::read_to_string(&file).expect("a source file is UTF-8");
        let file = file.strip_prefix(root.join("src")).expect("it was found there").to_owned();
        breaches.extend(check(&file, &text));
        files += 1;
    }
    assert!(files > 10, "only {files} source files found");
    let report: Vec<String> = breaches.iter().map(|breach| format!("src/{breach}")).collect();
    assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), report.join("\n"));
}

/// A checker that finds nothing would pass, too: each rule is seen to bite.
#[test]
fn checker_notices_breaches() {
    let cases: &[(&str, &str, &str)] = &[
        ("mailbox/state.rs", "use crate::store::Store;", "`mailbox` may not name `store`"),
        ("mailbox/state.rs", "fn f() { crate::verify::x() }", "may not name `verify`"),
        (
            "store/mod.rs",
            "use crate::{\n    mailbox::Address,\n    verify::Verdict,\n};",
            "may not name `verify`",
        ),
        ("store/mod.rs", "use super::verify::Verdict;", "may not name `verify`"),
        ("store/sled.rs", "use super::super::verify::Verdict;", "may not name `verify`"),
        (
            "session/client.rs",
            "use crate::verify::{Verdict, Pipeline};",
            "Asked of `verify`, not `Pipeline`",
        ),
        ("session/client.rs", "use crate::verify;", "Cause, Asked of `verify`"),
        ("session/client.rs", "use crate::verify::*;", "Cause, Asked of `verify`"),
        ("verify/pipeline.rs", "use crate::sasl::plain::Plain;", "only Credentials of `sasl`"),
        ("sasl/plain.rs", "fn f() { let t = Instant::now(); }", "reads no clock"),
        ("protocol/line.rs", "pub async fn f() {}", "knows no async"),
        ("protocol/line.rs", "use tokio_util::codec::Decoder;", "tokio_util outside codec.rs"),
        ("password/pool.rs", "use std::net::TcpStream;", "knows no socket"),
        ("password/pool.rs", "use crate::telemetry::x;", "may not name `telemetry`"),
        ("idp/jwks.rs", "reqwest::get(url)", "only idp::http and idp::probe connect"),
        ("remote/tls.rs", "TcpStream::connect(a)", "only idp::http and idp::probe connect"),
        ("directory/mod.rs", "TcpStream::connect(a)", "directory::ldap"),
        ("verify/bearer.rs", "use reqwest::Client;", "only idp::http and idp::probe connect"),
        (
            "server/login.rs",
            "let v = Verified { account, by, cached };",
            "only `verify` makes a Verified",
        ),
        ("server/login.rs", "use crate::config::Config;", "may not name `config`"),
        (
            "verify/mod.rs",
            "pub struct Verified {\n    pub account: Account,\n}",
            "fields of Verified are private",
        ),
        ("helpers/mod.rs", "", "no such room: `helpers`"),
    ];
    for (file, text, expected) in cases {
        let breaches = check(Path::new(file), text);
        assert!(
            breaches.iter().any(|breach| breach.to_string().contains(expected)),
            "{file}: {text:?} should give {expected:?}, gave {breaches:?}"
        );
    }
}

#[test]
fn checker_lets_the_rest_pass() {
    let cases: &[(&str, &str)] = &[
        ("mailbox/state.rs", "use crate::{clock::Timestamp, secret::Secret};"),
        ("session/client.rs", "use crate::{protocol::Line, verify::Verdict};"),
        ("session/client.rs", "// use crate::store::Store;\nlet x = \"crate::store::Store\";"),
        ("session/client.rs", "#[cfg(test)]\nmod tests {\n    fn f() { Instant::now(); }\n}"),
        ("protocol/codec.rs", "use tokio_util::codec::Decoder;"),
        ("cli/mod.rs", "use crate::{api, config::Config, server, store};"),
        ("server/login.rs", "match v { Verdict::Verified(verified) => verified.user() }"),
        ("store/sled.rs", "use super::{Error, Store};"),
        ("idp/http.rs", "use reqwest::Client;"),
        ("idp/userinfo.rs", "use reqwest::header::HeaderValue;"),
        ("idp/probe/connection.rs", "TcpStream::connect(address)"),
        ("cli/client.rs", "use reqwest::Client;"),
        ("server/listener.rs", "TcpListener::bind(address); TcpStream::connect(address)"),
        ("verify/mod.rs", "/* crate::api */ let c = '\\''; use crate::store::Account;"),
    ];
    for (file, text) in cases {
        let breaches = check(Path::new(file), text);
        assert!(breaches.is_empty(), "{file}: {text:?} gave {breaches:?}");
    }
}

/// All rules for one file; `file` is relative to `src/`.
fn check(file: &Path, text: &str) -> Vec<Breach> {
    let room = room_of(file);
    let code = code_only(text);
    let breach = |at: usize, rule: String| Breach {
        file: file.to_owned(),
        line: 1 + code[..at].matches('\n').count(),
        rule,
    };
    if !is_known(&room) {
        return vec![breach(0, format!("no such room: `{room}` (see the table in {})", file!()))];
    }
    let mut breaches: Vec<Breach> = crate_paths(file, &code)
        .into_iter()
        .filter_map(|(at, path)| refusal(&room, &path).map(|rule| breach(at, rule)))
        .collect();
    let production = &code[..production_len(file, &code)];
    if SANS_IO.contains(&room.as_str()) {
        for (word, why) in NOT_SANS_IO {
            for (at, _) in production.match_indices(word) {
                breaches.push(breach(at, format!("`{room}` {why} (`{word}`)")));
            }
        }
    }
    if room == "protocol" && file != Path::new("protocol/codec.rs") {
        for (at, _) in production.match_indices("tokio_util::") {
            breaches.push(breach(at, "tokio_util outside codec.rs".to_owned()));
        }
    }
    for at in connections_to_providers(&room, file, production) {
        breaches.push(breach(
            at,
            "only idp::http and idp::probe connect to a provider, directory::ldap to a directory"
                .to_owned(),
        ));
    }
    for (at, _) in production.match_indices("Verified {") {
        if room == "verify" {
            let fields = code[at..].split_once('}').map_or("", |(fields, _)| fields);
            if code[..at].ends_with("struct ") && fields.contains("pub ") {
                breaches.push(breach(at, "the fields of Verified are private".to_owned()));
            }
        } else if !code[..at].ends_with(|c: char| c.is_alphanumeric()) {
            breaches.push(breach(at, "only `verify` makes a Verified".to_owned()));
        }
    }
    breaches
}

/// Where `file` opens a connection to a provider, and may not. The server has
/// sockets, too, but no HTTP client; the CLI's speaks to the server.
fn connections_to_providers(room: &str, file: &Path, production: &str) -> Vec<usize> {
    let place = file.to_string_lossy();
    let may =
        MAY_ALL.contains(&room) || CONNECT_TO_PROVIDERS.iter().any(|may| place.starts_with(may));
    let words = CONNECTS.iter().filter(|word| ASKERS.contains(&room) || **word == "reqwest");
    let found = words.flat_map(|word| production.match_indices(word));
    // Names of headers connect to nobody.
    let found = found.filter(|(at, _)| !production[*at..].starts_with("reqwest::header"));
    if may { Vec::new() } else { found.map(|(at, _)| at).collect() }
}

/// Why `room` may not name `path` (without the leading `crate`), if so.
fn refusal(room: &str, path: &[String]) -> Option<String> {
    let target = path.first()?.as_str();
    let allowed = MAY_ALL.contains(&room) || OPEN_TO_ALL.contains(&target) || target == room;
    // A name that is no room (a macro at the crate's root) is nobody's border.
    if allowed || !is_known(target) {
        return None;
    }
    let line = TABLE.iter().find(|line| line.name == room)?;
    for may in line.may {
        match may {
            All(name) if *name == target => return None,
            Each(names) if names.contains(&target) => return None,
            Only(name, items) if *name == target => {
                let named = path.get(1).map_or("*", String::as_str);
                if items.contains(&named) {
                    return None;
                }
                let items = items.join(", ");
                return Some(format!(
                    "`{room}` may name only {items} of `{target}`, not `{named}`"
                ));
            }
            _ => {}
        }
    }
    Some(format!("`{room}` may not name `{target}`"))
}

fn is_known(room: &str) -> bool {
    MAY_ALL.contains(&room) || TABLE.iter().any(|line| line.name == room)
}

/// `verify/cache.rs` -> `verify`, `secret.rs` -> `secret`.
fn room_of(file: &Path) -> String {
    let first = file.components().next().expect("a path has a first part");
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// How many modules deep the file's own module lies: `secret.rs` and
/// `store/mod.rs` one, `store/sled.rs` two.
fn depth_of(file: &Path) -> usize {
    let parts = file.components().count();
    if file.ends_with("mod.rs") { parts - 1 } else { parts }
}

/// Where the file's tests begin; they stand last.
fn production_len(file: &Path, code: &str) -> usize {
    if file.ends_with("tests.rs") {
        return 0;
    }
    code.find("#[cfg(test)]\nmod ").unwrap_or(code.len())
}

/// Every path from the crate's root in `code`, with its place. Use trees are
/// unfolded.
fn crate_paths(file: &Path, code: &str) -> Vec<(usize, Vec<String>)> {
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if !code[..at].ends_with(is_word) {
            unfold(code, at + "crate::".len(), &[], &mut paths);
        }
    }
    for (at, _) in code.match_indices("super::") {
        if code[..at].ends_with(is_word) || code[..at].ends_with("::") {
            continue;
        }
        let chain = &code[at..];
        let supers = chain.match_indices("super::").zip(0..).take_while(|((i, _), n)| *i == n * 7);
        let supers = supers.count();
        if supers == depth_of(file) {
            unfold(code, at + supers * 7, &[], &mut paths);
        }
    }
    paths
}

/// Reads one use tree or path from `at` on.
fn unfold(code: &str, at: usize, before: &[String], paths: &mut Vec<(usize, Vec<String>)>) {
    let rest = &code[at..];
    let skipped = rest.len() - rest.trim_start().len();
    let (at, rest) = (at + skipped, rest.trim_start());
    if rest.starts_with('{') {
        for part in branches(code, at) {
            unfold(code, part, before, paths);
        }
        return;
    }
    let word_len = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    let word = if word_len == 0 { "*" } else { &rest[..word_len] };
    let mut path = before.to_vec();
    if word != "self" {
        path.push(word.to_owned());
    }
    if rest[word_len..].starts_with("::") {
        unfold(code, at + word_len + 2, &path, paths);
    } else {
        paths.push((at, path));
    }
}

/// Where the branches of the `{…}` at `open` begin.
fn branches(code: &str, open: usize) -> Vec<usize> {
    let (mut depth, mut starts) = (0_u32, Vec::new());
    for (i, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        let begins = (c == '{' || c == ',') && depth == 1;
        let next = code[open + i + 1..].trim_start();
        if begins && !next.starts_with('}') {
            starts.push(open + i + 1);
        }
        if depth == 0 {
            break;
        }
    }
    starts
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// `text` with comments, strings and characters blanked, line ends kept.
fn code_only(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let len = literal_len(rest, out.ends_with(is_word)).unwrap_or(0);
        if len == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.extend(rest[..len].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[len..];
        }
    }
    out
}

/// Length of the comment or literal at the start of `rest`, if one starts there.
fn literal_len(rest: &str, within_word: bool) -> Option<usize> {
    let until = |from: usize, end: &str| {
        rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len())
    };
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(until(2, "*/"));
    }
    if !within_word {
        let prefix = rest.find(|c| !matches!(c, 'b' | 'c' | 'r')).unwrap_or(rest.len());
        let hashes = rest[prefix..].bytes().take_while(|b| *b == b'#').count();
        let quoted = rest[prefix + hashes..].starts_with('"');
        if quoted && rest[..prefix].contains('r') {
            return Some(until(prefix + hashes + 1, &format!("\"{}", "#".repeat(hashes))));
        }
    }
    if let Some(text) = rest.strip_prefix('"') {
        return Some(1 + escaped_len(text, '"'));
    }
    let mut chars = rest.chars();
    match (chars.next(), chars.next(), chars.next()) {
        (Some('\''), Some('\\'), _) => Some(1 + escaped_len(&rest[1..], '\'')),
        (Some('\''), Some(c), Some('\'')) => Some(2 + c.len_utf8()),
        _ => None,
    }
}

/// Length up to and with the first `end` that no backslash precedes.
fn escaped_len(text: &str, end: char) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices() {
        if c == end && !escaped {
            return i + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

/// All `.rs` files below `folder`, in a fixed order.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
