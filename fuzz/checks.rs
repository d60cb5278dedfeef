//! What must hold for any bytes. Shared by the fuzz targets and by the ordinary
//! test that replays the seeds.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use dovegate::{
    protocol::{
        Base64, Cookie, client, escape,
        line::{Framer, MAX_CLIENT_BYTES, MAX_MASTER_BYTES},
        master, reply, socketmap,
    },
    sasl::{Credentials, MechanismName, Step},
    session::{
        Action, Answer, ClientSession, ClientSettings, ConnectionIds, Desk, ListenerKind,
        MasterAction, MasterKind, MasterSession, MasterSettings, PeerCredentials, TemporaryFailure,
        Ticket,
    },
    verify::{Asked, Cause, Reason, Rejected, Unavailable, Verdict},
};

const MAX_REQUESTS: usize = 8;

/// Reading never panics, and what is read back from what we write is the same.
pub(super) fn client_line(line: &[u8]) {
    if let Ok(client::Command::Auth(auth)) = client::parse(line) {
        assert!(auth.id != 0 && !auth.request.protocol.is_empty());
        let _data = auth.initial.and_then(Base64::decode);
        let _known = MechanismName::find(auth.mechanism);
    }
    let mut escaped = BytesMut::new();
    escape::escape_into(&mut escaped, line);
    assert!(!escaped.iter().any(|byte| b"\0\t\r\n".contains(byte)));
    assert_eq!(*escape::unescape(&escaped), *line);
}

/// Reading never panics.
pub(super) fn master_line(line: &[u8]) {
    if let Ok(master::Line::Command(command)) = master::parse(line) {
        let _names = (command.id(), command.needs_master());
    }
}

/// Reading never panics, and what was read is what stood there: written anew it is
/// the beginning of the same bytes.
pub(super) fn socketmap(data: &[u8]) {
    let mut buffer = BytesMut::from(data);
    let mut read = Vec::new();
    while let Ok(Some(content)) = socketmap::next(&mut buffer) {
        assert!(content.len() <= socketmap::MAX_REQUEST_BYTES);
        read.extend_from_slice(format!("{}:", content.len()).as_bytes());
        read.extend_from_slice(&content);
        read.push(b',');
        if let Some(request) = socketmap::parse(&content) {
            assert_eq!([request.map, b" ", request.key].concat(), content);
            let _known = socketmap::Map::find(request.map);
        }
    }
    assert!(data.starts_with(&read) && data.ends_with(&buffer));
    assert_eq!(read.len() + buffer.len(), data.len());
}

/// One message to the mechanism that the first byte chooses. What is read from a
/// message with a token says the same when it is written anew.
pub(super) fn sasl(data: &[u8]) {
    let (&which, message) = data.split_first().unwrap_or((&b'X', b""));
    let mechanism = match which {
        b'P' => MechanismName::Plain,
        b'L' => MechanismName::Login,
        b'E' => MechanismName::External,
        b'D' => MechanismName::DovecotToken,
        b'O' => MechanismName::Oauthbearer,
        _ => MechanismName::Xoauth2,
    };
    let Some((user, token)) = bearer(mechanism, message) else { return };
    assert!(!user.is_empty() && !token.is_empty());
    assert!(!token.iter().any(|byte| b"\0\x01\r\n".contains(byte)) && !user.contains(&0));
    let anew = match mechanism {
        MechanismName::Xoauth2 => [b"user=", &user[..], b"\x01auth=Bearer ", &token, b"\x01\x01"],
        _ => [b"n,a=", &saslname(&user)[..], b",\x01auth=Bearer ", &token, b"\x01\x01"],
    };
    assert_eq!(bearer(mechanism, &anew.concat()), Some((user, token)));
}

/// Name and token that the mechanism reads from the message.
fn bearer(mechanism: MechanismName, message: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    match mechanism.begin(Some(b"ann")).start(Some(message)) {
        Step::Done(Credentials::Bearer { user, token }) => Some((user, token.expose().to_vec())),
        _ => None,
    }
}

fn saslname(name: &[u8]) -> Vec<u8> {
    let escaped = name.iter().map(|byte| match byte {
        b',' => b"=2C",
        b'=' => b"=3D",
        byte => std::slice::from_ref(byte),
    });
    escaped.collect::<Vec<_>>().concat()
}

/// A whole connection. The first byte chooses the socket; lines that begin with
/// `!` are our side: `!r` and `!u` answer the oldest question, `!t` lets a minute
/// pass. Replies are whole lines that their reader can take.
pub(super) fn session(data: &[u8]) {
    let (&socket, data) = data.split_first().unwrap_or((&b'A', b""));
    match socket {
        b'M' => master(MasterKind::Master, false, data),
        b'U' => master(MasterKind::Userdb, false, data),
        b'R' => master(MasterKind::Userdb, true, data),
        b'L' => client(ListenerKind::Login, data),
        b'T' => client(ListenerKind::TokenLogin, data),
        _ => client(ListenerKind::Auth, data),
    }
}

/// The lines of a connection, until its framing breaks.
fn lines(max: usize, data: &[u8]) -> Vec<Vec<u8>> {
    let mut buffer = BytesMut::from(data);
    let mut framer = Framer::new(max);
    std::iter::from_fn(|| framer.next(&mut buffer).ok().flatten())
        .map(|line| line.to_vec())
        .collect()
}

fn check_replies(out: &mut BytesMut) {
    assert!(out.is_empty() || out.ends_with(b"\n"));
    assert!(
        out[..].split(|byte| *byte == b'\n').all(|line| line.len() < reply::MAX_MASTER_REPLY_BYTES)
    );
    out.clear();
}

fn client(kind: ListenerKind, data: &[u8]) {
    let settings = ClientSettings {
        kind,
        mechanisms: MechanismName::ALL.to_vec(),
        trusted_parameters: true,
        temporary_failure: TemporaryFailure::Auto,
        request_timeout: Duration::from_secs(150),
        max_requests: MAX_REQUESTS,
    };
    let ids = ConnectionIds { spid: 1, cuid: 1, cookie: Cookie::new([7; 16]) };
    let mut session = ClientSession::new(Arc::new(settings), ids, Arc::new(Desk::new()));
    let mut waiting: VecDeque<Ticket> = VecDeque::new();
    let mut now = Instant::now();
    let mut out = BytesMut::new();
    session.greeting(&mut out);
    for line in lines(MAX_CLIENT_BYTES, data) {
        check_replies(&mut out);
        let action = match line.as_slice() {
            b"!t" => {
                now += Duration::from_secs(60);
                session.expire(now)
            }
            b"!r" | b"!u" => {
                let verdict = verdict(line[1]);
                waiting
                    .pop_front()
                    .and_then(|ticket| session.verdict(ticket, &verdict, now, &mut out))
            }
            line => session.line(line, now, &mut out),
        };
        match action {
            Some(Action::Verify { ticket, .. } | Action::Malformed { ticket, .. }) => {
                waiting.push_back(ticket);
            }
            Some(Action::AwaitCpid | Action::Close(_)) => break,
            Some(Action::NotBase64 { .. }) | None => {}
        }
        assert!(session.pending() <= session.open_requests());
        assert!(session.open_requests() <= MAX_REQUESTS);
    }
    check_replies(&mut out);
}

fn verdict(which: u8) -> Verdict {
    if which == b'u' {
        return Verdict::Unavailable(Unavailable { user: None, cause: Cause::Store, asked: None });
    }
    let asked = Asked {
        verifier: "token",
        provider: "corp".parse().expect("a name"),
        detail: String::new(),
        scope: Some("\"".repeat(512)),
        openid_configuration: Some("\\".repeat(512)),
    };
    Verdict::Rejected(Rejected {
        user: None,
        reason: Reason::WrongPassword,
        app_password: None,
        asked: Some(Box::new(asked)),
        fact: None,
    })
}

fn master(kind: MasterKind, restricted: bool, data: &[u8]) {
    let settings = MasterSettings {
        kind,
        request_timeout: Duration::from_secs(150),
        max_requests: MAX_REQUESTS,
        check_session_pid: true,
    };
    let peer = PeerCredentials { uid: 5000, gid: 5000, pid: 1 };
    let mut session =
        MasterSession::new(Arc::new(settings), 1, peer, restricted, Arc::new(Desk::new()));
    let mut waiting: VecDeque<Ticket> = VecDeque::new();
    let mut now = Instant::now();
    let mut out = BytesMut::new();
    session.greeting(&mut out);
    for line in lines(MAX_MASTER_BYTES, data) {
        check_replies(&mut out);
        let action = match line.as_slice() {
            b"!t" => {
                now += Duration::from_secs(60);
                session.expire(now, &mut out);
                None
            }
            b"!r" | b"!u" => {
                if let Some(ticket) = waiting.pop_front() {
                    session.answer(ticket, answer(line[1]), &mut out);
                }
                None
            }
            line => session.line(line, now, &mut out),
        };
        match action {
            Some(
                MasterAction::Login { ticket, .. }
                | MasterAction::User { ticket, .. }
                | MasterAction::Pass { ticket, .. }
                | MasterAction::List { ticket, .. }
                | MasterAction::CacheFlush { ticket, .. }
                | MasterAction::CacheStatus { ticket, .. },
            ) => waiting.push_back(ticket),
            Some(MasterAction::Close(_)) => break,
            Some(MasterAction::Refused(_)) | None => {}
        }
        assert!(session.pending() <= MAX_REQUESTS);
    }
    check_replies(&mut out);
}

fn answer(which: u8) -> Answer {
    if which == b'u' {
        return Answer::Fail { reason: None };
    }
    let fields = vec![("uid".to_owned(), "5000".to_owned()), ("home".to_owned(), "/\t".to_owned())];
    Answer::Found { name: "ann@example.org".to_owned(), fields }
}
