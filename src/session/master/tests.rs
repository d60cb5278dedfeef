//! Dialogues with a master client, line by line. In the texts `|` stands for TAB.

use proptest::prelude::*;

use super::*;
use crate::{protocol::Cookie, session::desk::Place, verify::Verified};

const COOKIE: &str = "07070707070707070707070707070707";
const TIMEOUT: Duration = Duration::from_secs(150);
const ALMOST: Duration = Duration::from_secs(149);
const SECOND: Duration = Duration::from_secs(1);
const PEER: PeerCredentials = PeerCredentials { uid: 5000, gid: 5000, pid: 23233 };

fn settings(kind: MasterKind) -> MasterSettings {
    MasterSettings { kind, request_timeout: TIMEOUT, max_requests: 8, check_session_pid: true }
}

/// A session, what it said, and the time.
struct Dialogue {
    session: MasterSession,
    desk: Arc<Desk>,
    out: BytesMut,
    now: Instant,
}

impl Dialogue {
    fn with(settings: MasterSettings, restricted: bool) -> Self {
        let desk = Arc::new(Desk::new());
        let session =
            MasterSession::new(Arc::new(settings), 77, PEER, restricted, Arc::clone(&desk));
        Self { session, desk, out: BytesMut::new(), now: Instant::now() }
    }

    fn open(kind: MasterKind) -> Self {
        Self::with(settings(kind), false).opened()
    }

    fn opened(mut self) -> Self {
        self.check("VERSION|1|3", "");
        self
    }

    fn send(&mut self, line: &str) -> Option<MasterAction> {
        let line = line.replace('|', "\t");
        self.session.line(line.as_bytes(), self.now, &mut self.out)
    }

    fn said(&mut self) -> String {
        String::from_utf8(self.out.split().to_vec()).unwrap().replace('\t', "|")
    }

    fn check(&mut self, line: &str, said: &str) {
        let action = self.send(line);
        assert!(action.is_none(), "{line}: {action:?}");
        assert_eq!(self.said(), said, "{line}");
    }

    fn check_closes(&mut self, line: &str, why: &str) {
        match self.send(line) {
            Some(MasterAction::Close(reason)) => assert_eq!(reason.to_string(), why, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
        assert_eq!(self.said(), "", "{line}");
    }

    fn check_refused(&mut self, line: &str, why: Refused, said: &str) {
        match self.send(line) {
            Some(MasterAction::Refused(refused)) => assert_eq!(refused, why, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
        assert_eq!(self.said(), said, "{line}");
    }

    fn ask(&mut self, line: &str) -> Ticket {
        match self.send(line) {
            Some(
                MasterAction::Login { ticket, .. }
                | MasterAction::User { ticket, .. }
                | MasterAction::Pass { ticket, .. }
                | MasterAction::List { ticket, .. }
                | MasterAction::CacheFlush { ticket, .. }
                | MasterAction::CacheStatus { ticket, .. },
            ) => ticket,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer) -> String {
        self.session.answer(ticket, answer, &mut self.out);
        self.said()
    }

    /// A login connection of process 22534 with a kept login 17.
    fn keep(&self, by: VerifiedBy) -> Place {
        let cookie = Cookie::parse(COOKIE.as_bytes()).unwrap();
        let place = self.desk.register(22534, cookie, self.now).unwrap();
        let request = AuthRequest {
            protocol: "imap".to_owned(),
            local_name: Some("mail.example.org".to_owned()),
            ..AuthRequest::default()
        };
        let kept = Kept {
            verified: Verified::for_test("ann@example.org", by),
            original: b"Ann@example.org".to_vec(),
            mechanism: "PLAIN",
            request: Arc::new(request),
        };
        place.keep(17, kept, TIMEOUT, self.now);
        place
    }
}

fn found(uid: &str) -> Answer {
    let fields = [("uid", uid), ("home", "/var/vmail/ann")];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Answer::Found { name: "ann@example.org".to_owned(), fields }
}

const REQUEST: &str = "REQUEST|9|22534|17|07070707070707070707070707070707";

#[test]
fn greeting_is_version_and_spid() {
    let mut dialogue = Dialogue::with(settings(MasterKind::Master), false);
    dialogue.session.greeting(&mut dialogue.out);
    assert_eq!(dialogue.said(), "VERSION|1|4\nSPID|77\n");
}

#[test]
fn the_first_line_is_version() {
    let fresh = || Dialogue::with(settings(MasterKind::Master), false);
    fresh().check_closes("USER|1|ann|service=lmtp", "first line is not VERSION");
    fresh().check_closes("USER|1|ann", "first line is not VERSION");
    fresh().check_closes("CPID|1", "unknown command");
    fresh().check_closes("VERSION|2|0", "unknown major version");
    fresh().check_closes("", "empty line");
    let mut open = Dialogue::open(MasterKind::Master);
    open.check_closes("VERSION|1|3", "second VERSION");
    open.check_closes("CPID|1", "unknown command");
    open.check_closes("CANCEL|1", "unknown command");
    open.check_closes("USER|x|ann|service=lmtp", "command without an id");
    open.check_closes("", "empty line");
}

#[test]
fn the_lower_minor_counts() {
    for (theirs, effective) in [(0, 0), (3, 3), (4, 4), (9, 4)] {
        let mut dialogue = Dialogue::with(settings(MasterKind::Master), false);
        assert_eq!(dialogue.session.minor(), 0);
        dialogue.check(&format!("VERSION|1|{theirs}"), "");
        assert_eq!(dialogue.session.minor(), effective);
    }
}

mod look_ups {
    use super::*;

    #[test]
    fn user_and_pass() {
        let mut dialogue = Dialogue::open(MasterKind::Userdb);
        let action = dialogue.send("USER|3|ann@example.org|service=lmtp|rip=::1");
        let Some(MasterAction::User { ticket, name, request }) = action else {
            panic!("{action:?}")
        };
        assert_eq!((name.as_slice(), request.protocol.as_str()), (&b"ann@example.org"[..], "lmtp"));
        let said = "USER|3|ann@example.org|uid=5000|home=/var/vmail/ann\n";
        assert_eq!(dialogue.answer(ticket, found("5000")), said);
        assert_eq!(dialogue.answer(ticket, found("5000")), "", "never answered twice");
        let ticket = dialogue.ask("PASS|4|ann@example.org|service=doveadm|debug");
        let said = "PASS|4|user=ann@example.org|uid=5000|home=/var/vmail/ann\n";
        assert_eq!(dialogue.answer(ticket, found("5000")), said);
        let ticket = dialogue.ask("USER|5|ann|service=imap|local_name=mail.example.org");
        assert!(dialogue.answer(ticket, found("1")).ends_with("|local_name=mail.example.org\n"));
    }

    #[test]
    fn unknown_and_unavailable() {
        let mut dialogue = Dialogue::open(MasterKind::Userdb);
        let ticket = dialogue.ask("USER|3|nobody|service=lmtp");
        assert_eq!(dialogue.answer(ticket, Answer::NotFound), "NOTFOUND|3\n");
        let ticket = dialogue.ask("PASS|3|ann|service=lmtp");
        assert_eq!(dialogue.answer(ticket, Answer::Fail { reason: None }), "FAIL|3\n");
        let ticket = dialogue.ask("USER|3|ann|service=lmtp");
        let reason = Some("later".to_owned());
        assert_eq!(dialogue.answer(ticket, Answer::Fail { reason }), "FAIL|3|reason=later\n");
    }

    #[test]
    fn a_broken_line_fails_its_request() {
        let mut dialogue = Dialogue::open(MasterKind::Userdb);
        dialogue.check("USER|3|ann", "FAIL|3|reason=look-up without a protocol\n");
        dialogue.ask("USER|3|ann|service=lmtp");
        dialogue.check_closes("USER|3|ann|service=lmtp", "id that is in use");
        dialogue.check_closes("USER|3|ann", "id that is in use");
    }

    #[test]
    fn a_user_too_long_for_a_line_fails() {
        let mut dialogue = Dialogue::open(MasterKind::Userdb);
        let ticket = dialogue.ask("USER|3|ann|service=lmtp");
        let said = dialogue.answer(ticket, found(&"5".repeat(9000)));
        assert_eq!(said, "FAIL|3|reason=the fields of this user are too long\n");
    }

    #[test]
    fn a_restricted_peer_may_ask_for_itself() {
        let mut dialogue = Dialogue::with(settings(MasterKind::Userdb), true).opened();
        let mut user = |answer| {
            let ticket = dialogue.ask("USER|3|ann|service=lmtp");
            dialogue.answer(ticket, answer)
        };
        assert!(user(found("5000")).starts_with("USER|3|ann@example.org|uid=5000|"));
        assert_eq!(user(found("5001")), "FAIL|3\n");
        assert_eq!(user(found("50000")), "FAIL|3\n");
        assert_eq!(user(Answer::NotFound), "NOTFOUND|3\n");
        let fields = Vec::new();
        assert_eq!(user(Answer::Found { name: "ann".to_owned(), fields }), "FAIL|3\n");
        dialogue.check("PASS|3|ann|service=lmtp", "FAIL|3\n");
        dialogue.check("LIST|3", "DONE|3|fail\n");
    }
}

mod lists {
    use super::*;

    #[test]
    fn users_then_done() {
        let mut dialogue = Dialogue::open(MasterKind::Userdb);
        let action = dialogue.send("LIST|1||user=*@example.org|service=doveadm");
        let Some(MasterAction::List { ticket, mask }) = action else { panic!("{action:?}") };
        assert_eq!(mask.as_deref(), Some("*@example.org"));
        let user = |name: &str| Answer::ListUser(name.to_owned());
        assert_eq!(dialogue.answer(ticket, user("ann")), "LIST|1|ann\n");
        dialogue.check("LIST|2", "DONE|2|fail\n");
        assert_eq!(dialogue.answer(ticket, user("bob")), "LIST|1|bob\n");
        assert_eq!(dialogue.answer(ticket, Answer::ListDone { complete: true }), "DONE|1|\n");
        assert_eq!(dialogue.answer(ticket, user("eve")), "");
        let ticket = dialogue.ask("LIST|2");
        assert_eq!(dialogue.answer(ticket, Answer::ListDone { complete: false }), "DONE|2|fail\n");
        let ticket = dialogue.ask("LIST|3");
        assert_eq!(dialogue.answer(ticket, Answer::Fail { reason: None }), "DONE|3|fail\n");
    }

    #[test]
    fn cache() {
        let mut dialogue = Dialogue::open(MasterKind::Master);
        let action = dialogue.send("CACHE-FLUSH|1|ann@example.org|bob@example.org");
        let Some(MasterAction::CacheFlush { ticket, masks }) = action else { panic!("{action:?}") };
        assert_eq!(masks, ["ann@example.org", "bob@example.org"]);
        assert_eq!(dialogue.answer(ticket, Answer::Count(7)), "OK|1|7\n");
        let ticket = dialogue.ask("CACHE-STATUS|2");
        let figures = vec![("hits", 3), ("misses", 1)];
        assert_eq!(dialogue.answer(ticket, Answer::Figures(figures)), "OK|2|hits=3|misses=1\n");
    }

    #[test]
    fn a_userdb_socket_takes_no_request_and_no_cache_command() {
        for line in [REQUEST, "CACHE-FLUSH|1", "CACHE-STATUS|1"] {
            let mut dialogue = Dialogue::open(MasterKind::Userdb);
            dialogue.check_closes(line, "command that only a master socket takes");
        }
    }
}

mod request {
    use super::*;

    #[test]
    fn a_kept_login_is_claimed_once() {
        let mut dialogue = Dialogue::open(MasterKind::Master);
        let _place = dialogue.keep(VerifiedBy::LocalPassword);
        let action = dialogue.send(&format!("{REQUEST}|session_pid=23233|request_auth_token"));
        let Some(MasterAction::Login { ticket, kept, token }) = action else {
            panic!("{action:?}")
        };
        assert_eq!(kept.verified.user().as_str(), "ann@example.org");
        assert_eq!(token, Some(TokenRequest { session_pid: 23233 }));
        let said = dialogue.answer(ticket, found("5000"));
        let fields = "uid=5000|home=/var/vmail/ann|auth_mech=PLAIN|auth_user=Ann@example.org|local_name=mail.example.org";
        assert_eq!(said, format!("USER|9|ann@example.org|{fields}\n"));
        dialogue.check_refused(REQUEST, Refused::NoLogin, "FAIL|9\n");
    }

    #[test]
    fn a_token_login_tells_its_service() {
        let mut dialogue = Dialogue::open(MasterKind::Master);
        let _place = dialogue.keep(VerifiedBy::AuthToken { service: "imap".to_owned() });
        let ticket = dialogue.ask(REQUEST);
        assert!(dialogue.answer(ticket, found("5000")).ends_with("|client_service=imap\n"));
    }

    #[test]
    fn a_token_is_made_only_if_asked_for_with_a_process() {
        for (parameters, wanted) in [
            ("", false),
            ("|session_pid=23233", false),
            ("|request_auth_token", false),
            ("|request_auth_token|session_pid=23233", true),
        ] {
            let mut dialogue = Dialogue::open(MasterKind::Master);
            let _place = dialogue.keep(VerifiedBy::LocalPassword);
            match dialogue.send(&format!("{REQUEST}{parameters}")) {
                Some(MasterAction::Login { token, .. }) => assert_eq!(token.is_some(), wanted),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_wrong_key_is_refused_and_consumes_nothing() {
        let mut dialogue = Dialogue::open(MasterKind::Master);
        let _place = dialogue.keep(VerifiedBy::LocalPassword);
        let cookie = REQUEST.replace("0707", "0708");
        dialogue.check_refused(&cookie, Refused::WrongCookie, "FAIL|9\n");
        let cpid = REQUEST.replace("22534", "22535");
        dialogue.check_refused(&cpid, Refused::NoConnection, "FAIL|9\n");
        let id = REQUEST.replace("|17|", "|18|");
        dialogue.check_refused(&id, Refused::NoLogin, "FAIL|9\n");
        dialogue.check_closes("REQUEST|9|22534|17|0707", "REQUEST with a malformed cookie");
        dialogue.ask(REQUEST);
    }

    #[test]
    fn session_pid_is_the_peers() {
        let other = format!("{REQUEST}|session_pid=23234");
        let mut dialogue = Dialogue::open(MasterKind::Master);
        let _place = dialogue.keep(VerifiedBy::LocalPassword);
        dialogue.check_refused(&other, Refused::SessionPid, "FAIL|9\n");
        dialogue.check_refused(REQUEST, Refused::NoLogin, "FAIL|9\n");
        let mut dialogue = Dialogue::open(MasterKind::Master);
        let _place = dialogue.keep(VerifiedBy::LocalPassword);
        dialogue.ask(&format!("{other}|session_pid_trusted"));
        let unchecked = MasterSettings { check_session_pid: false, ..settings(MasterKind::Master) };
        let mut dialogue = Dialogue::with(unchecked, false).opened();
        let _place = dialogue.keep(VerifiedBy::LocalPassword);
        dialogue.ask(&other);
    }

    #[test]
    fn a_login_outlives_its_connection_but_not_its_time() {
        let mut dialogue = Dialogue::open(MasterKind::Master);
        drop(dialogue.keep(VerifiedBy::LocalPassword));
        dialogue.ask(REQUEST);
        let mut dialogue = Dialogue::open(MasterKind::Master);
        drop(dialogue.keep(VerifiedBy::LocalPassword));
        dialogue.now += TIMEOUT;
        dialogue.check_refused(REQUEST, Refused::NoLogin, "FAIL|9\n");
    }
}

#[test]
fn what_is_over_time_is_answered_once() {
    let mut dialogue = Dialogue::open(MasterKind::Userdb);
    let ticket = dialogue.ask("USER|1|ann|service=lmtp");
    dialogue.now += SECOND;
    dialogue.ask("USER|2|bob|service=lmtp");
    assert_eq!(dialogue.session.next_deadline(), Some(dialogue.now + ALMOST));
    dialogue.now += ALMOST;
    dialogue.session.expire(dialogue.now, &mut dialogue.out);
    assert_eq!(dialogue.said(), "FAIL|1\n");
    assert_eq!(dialogue.answer(ticket, found("5000")), "");
    dialogue.now += SECOND;
    dialogue.session.expire(dialogue.now, &mut dialogue.out);
    assert_eq!(dialogue.said(), "FAIL|2\n");
    assert_eq!((dialogue.session.next_deadline(), dialogue.session.pending()), (None, 0));
}

#[test]
fn a_list_takes_as_long_as_its_reader() {
    let mut dialogue = Dialogue::open(MasterKind::Userdb);
    let ticket = dialogue.ask("LIST|1");
    dialogue.ask("USER|2|ann|service=lmtp");
    dialogue.now += 100 * TIMEOUT;
    dialogue.session.expire(dialogue.now, &mut dialogue.out);
    assert_eq!(dialogue.said(), "FAIL|2\n");
    assert_eq!(dialogue.answer(ticket, Answer::ListUser("ann".to_owned())), "LIST|1|ann\n");
    assert_eq!(dialogue.answer(ticket, Answer::ListDone { complete: true }), "DONE|1|\n");
}

#[test]
fn a_bound_holds() {
    let mut dialogue = Dialogue::open(MasterKind::Userdb);
    for id in 0..8 {
        dialogue.ask(&format!("USER|{id}|ann|service=lmtp"));
    }
    dialogue.check("USER|8|ann|service=lmtp", "FAIL|8\n");
    dialogue.check("LIST|9", "DONE|9|fail\n");
}

proptest! {
    /// Any lines whatever, each answered: no panic, whole lines, none longer than
    /// its reader takes.
    #[test]
    fn any_lines_are_survived(lines in any_lines(), restricted: bool) {
        let mut dialogue = Dialogue::with(settings(MasterKind::Master), restricted).opened();
        let _place = dialogue.keep(VerifiedBy::LocalPassword);
        for line in lines {
            dialogue.now += Duration::from_secs(line.len() as u64);
            let mut out = BytesMut::new();
            dialogue.session.expire(dialogue.now, &mut out);
            out.clear();
            let action = dialogue.session.line(&line, dialogue.now, &mut out);
            if let Some(
                MasterAction::Login { ticket, .. }
                | MasterAction::User { ticket, .. }
                | MasterAction::Pass { ticket, .. },
            ) = action
            {
                prop_assert!(out.is_empty());
                dialogue.session.answer(ticket, found("5000"), &mut out);
            }
            prop_assert!(out.is_empty() || out.ends_with(b"\n"));
            prop_assert!(out[..].split(|byte| *byte == b'\n').count() <= 2);
            prop_assert!(out.len() <= reply::MAX_MASTER_REPLY_BYTES);
        }
        prop_assert!(dialogue.session.pending() <= 8);
    }
}

fn any_lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let line = prop_oneof![
        any::<Vec<u8>>(),
        "(USER|PASS|LIST|REQUEST|CACHE-FLUSH|VERSION)(\t[0-9]{1,2})?(\tann)?(\t|\tservice=imap|\tuser=a|\tlocal_name=x)*"
            .prop_map(String::into_bytes),
        "REQUEST\t[0-9]\t22534\t17\t07070707070707070707070707070707(\tsession_pid=23233)?"
            .prop_map(String::into_bytes),
    ];
    prop::collection::vec(line, 0..40)
}
