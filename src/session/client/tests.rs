//! Dialogues with a client, line by line. In the texts `|` stands for TAB.

use std::{fmt::Write as _, time::Duration};

use bytes::BufMut as _;
use proptest::prelude::*;

use super::*;
use crate::{
    protocol::{base64, master::Request},
    sasl::Credentials,
    session::{ListenerKind, Refused},
    verify::{Asked, Cause, Reason, Rejected, Unavailable, Verified, VerifiedBy},
};

mod bearer;

const COOKIE: [u8; 16] = [7; 16];
const TIMEOUT: Duration = Duration::from_secs(150);
const ALMOST: Duration = Duration::from_secs(149);
const SECOND: Duration = Duration::from_secs(1);

fn settings(kind: ListenerKind) -> ClientSettings {
    ClientSettings {
        kind,
        mechanisms: vec![
            MechanismName::Plain,
            MechanismName::Login,
            MechanismName::Xoauth2,
            MechanismName::Oauthbearer,
            MechanismName::External,
        ],
        trusted_parameters: kind == ListenerKind::Login,
        temporary_failure: TemporaryFailure::Auto,
        request_timeout: TIMEOUT,
        max_requests: 8,
    }
}

fn verified() -> Verdict {
    Verdict::Verified(Verified::for_test("ann@example.org", VerifiedBy::LocalPassword))
}

fn rejected(reason: Reason) -> Verdict {
    let Verdict::Verified(verified) = verified() else { unreachable!() };
    let user = Some(verified.user().clone());
    Verdict::Rejected(Rejected { user, reason, app_password: None, asked: None, fact: None })
}

fn malformed() -> Verdict {
    Verdict::Rejected(Rejected {
        user: None,
        reason: Reason::BadResponse,
        app_password: None,
        asked: None,
        fact: None,
    })
}

fn unavailable() -> Verdict {
    Verdict::Unavailable(Unavailable { user: None, cause: Cause::Store, asked: None })
}

fn encoded(data: &[u8]) -> String {
    let mut out = BytesMut::new();
    base64::encode_into(&mut out, data);
    String::from_utf8(out.to_vec()).unwrap()
}

/// A session, what it said, and the time.
struct Dialogue {
    session: ClientSession,
    desk: Arc<Desk>,
    out: BytesMut,
    now: Instant,
}

impl Dialogue {
    fn with(settings: ClientSettings) -> Self {
        Self::at(&Arc::default(), settings)
    }

    fn at(desk: &Arc<Desk>, settings: ClientSettings) -> Self {
        let ids = ConnectionIds { spid: 77, cuid: 5, cookie: Cookie::new(COOKIE) };
        let session = ClientSession::new(Arc::new(settings), ids, Arc::clone(desk));
        Self { session, desk: Arc::clone(desk), out: BytesMut::new(), now: Instant::now() }
    }

    /// Open, with a client of this minor.
    fn open(kind: ListenerKind, minor: u32) -> Self {
        Self::with(settings(kind)).opened(minor)
    }

    fn opened(mut self, minor: u32) -> Self {
        assert!(self.send(&format!("VERSION|1|{minor}")).is_none());
        assert!(self.send("CPID|22534").is_none());
        self
    }

    fn send(&mut self, line: &str) -> Option<Action> {
        let line = line.replace('|', "\t");
        self.session.line(line.as_bytes(), self.now, &mut self.out)
    }

    /// Sends AUTH PLAIN and expects to be asked for a verdict.
    fn auth(&mut self, id: u32) -> Ticket {
        self.auth_as(id, "Ann@example.org")
    }

    fn auth_as(&mut self, id: u32, name: &str) -> Ticket {
        let resp = encoded(format!("\0{name}\0secret").as_bytes());
        match self.send(&format!("AUTH|{id}|PLAIN|service=imap|session=s{id}|resp={resp}")) {
            Some(Action::Verify { ticket, .. }) => ticket,
            other => panic!("{other:?}"),
        }
    }

    fn verdict(&mut self, ticket: Ticket, verdict: &Verdict) -> Option<Action> {
        self.session.verdict(ticket, verdict, self.now, &mut self.out)
    }

    fn said(&mut self) -> String {
        String::from_utf8(self.out.split().to_vec()).unwrap().replace('\t', "|")
    }

    /// Sends a line that is answered at once, without any action.
    fn check(&mut self, line: &str, said: &str) {
        let action = self.send(line);
        assert!(action.is_none(), "{line}: {action:?}");
        assert_eq!(self.said(), said, "{line}");
    }

    /// Sends a line whose response is no base64.
    fn check_not_base64(&mut self, line: &str, expected: usize) {
        let Some(Action::NotBase64 { mechanism, request, characters }) = self.send(line) else {
            panic!("{line} is base64")
        };
        assert!(MechanismName::find(mechanism.as_bytes()).is_some());
        assert!(!request.protocol.is_empty());
        assert_eq!(characters, expected, "{line}");
        let id = line.split('|').nth(1).unwrap();
        let why = "code=invalid_base64|reason=invalid base64 in SASL response";
        assert_eq!(self.said(), format!("FAIL|{id}|{why}\n"), "{line}");
    }

    fn check_closes(&mut self, line: &str, why: &str) {
        match self.send(line) {
            Some(Action::Close(reason)) => assert_eq!(reason.to_string(), why, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
        assert_eq!(self.said(), "", "{line}");
    }

    fn claim(&self, auth_id: u32, cookie: [u8; 16]) -> Result<Kept, Refused> {
        self.desk.claim(&claim(auth_id, cookie), self.now)
    }
}

fn claim(auth_id: u32, cookie: [u8; 16]) -> Request {
    Request {
        id: 1,
        cpid: 22534,
        auth_id,
        cookie: Cookie::new(cookie),
        session_pid: None,
        auth_token: false,
        session_pid_trusted: false,
    }
}

fn is_close(action: Option<&Action>) -> bool {
    matches!(action, Some(Action::Close(CloseReason::TemporaryFailure)))
}

mod handshake {
    use super::*;

    fn check(kind: ListenerKind, version: u32, mechanisms: &str) {
        let mut dialogue = Dialogue::with(settings(kind));
        dialogue.session.greeting(&mut dialogue.out);
        let rest = "SPID|77\nCUID|5\nCOOKIE|07070707070707070707070707070707\nDONE\n";
        assert_eq!(dialogue.said(), format!("VERSION|1|{version}\n{mechanisms}{rest}"));
    }

    #[test]
    fn each_listener_has_its_greeting() {
        let usual = "MECH|PLAIN|plaintext\nMECH|LOGIN|plaintext\nMECH|XOAUTH2|plaintext\n\
                     MECH|OAUTHBEARER|plaintext\n";
        check(ListenerKind::Auth, 2, usual);
        check(ListenerKind::Login, 4, &format!("{usual}MECH|EXTERNAL\n"));
        check(ListenerKind::Token, 4, "MECH|DOVECOT-TOKEN|private\n");
        check(ListenerKind::TokenLogin, 4, "MECH|DOVECOT-TOKEN|private\n");
    }

    #[test]
    fn out_of_order_closes() {
        let fresh = || Dialogue::with(settings(ListenerKind::Auth));
        let early = "unexpected line before the end of the handshake";
        fresh().check_closes("CPID|1", early);
        fresh().check_closes("AUTH|1|PLAIN|service=smtp", early);
        fresh().check_closes("AUTH|1|PLAIN", early);
        fresh().check_closes("VERSION|2|0", "unknown major version");
        fresh().check_closes("VERSION|1", "malformed VERSION");
        fresh().check_closes("", "empty line");
        let version = || {
            let mut dialogue = fresh();
            dialogue.check("VERSION|1|0", "");
            dialogue
        };
        version().check_closes("VERSION|1|0", early);
        version().check_closes("CPID|0", "CPID 0");
        version().check_closes("AUTH|1|PLAIN|service=smtp", early);
        let mut open = Dialogue::open(ListenerKind::Auth, 0);
        open.check_closes("CPID|1", "handshake line after its end");
        open.check_closes("VERSION|1|0", "handshake line after its end");
        open.check_closes("", "empty line");
        open.check_closes("HELLO|1", "unknown command");
    }

    #[test]
    fn a_process_id_is_one_live_connections() {
        let desk = Arc::default();
        let first = Dialogue::at(&desk, settings(ListenerKind::Login)).opened(2);
        let mut second = Dialogue::at(&desk, settings(ListenerKind::Login));
        second.check("VERSION|1|2", "");
        assert!(matches!(second.send("CPID|22534"), Some(Action::AwaitCpid)));
        assert!(matches!(second.session.retry_cpid(second.now), Some(Action::AwaitCpid)));
        drop(first);
        assert!(second.session.retry_cpid(second.now).is_none());
        second.auth(1);
        let third = Dialogue::at(&desk, settings(ListenerKind::Auth)).opened(2);
        assert!(third.session.place().is_none(), "other sockets ignore the process id");
    }
}

mod requests {
    use super::*;

    #[test]
    fn a_login() {
        let mut dialogue = Dialogue::open(ListenerKind::Auth, 0);
        let resp = encoded(b"\0Ann@example.org\0secret");
        let line = format!("AUTH|1|plain|service=smtp|nologin|rip=192.0.2.1|resp={resp}");
        let Some(Action::Verify { ticket, request, credentials, mechanism }) = dialogue.send(&line)
        else {
            panic!("not to be verified")
        };
        assert_eq!((mechanism, request.protocol.as_str()), ("PLAIN", "smtp"));
        assert_eq!(request.rip, "192.0.2.1".parse().ok());
        assert_eq!(credentials.name(), b"Ann@example.org");
        assert_eq!((dialogue.said().as_str(), dialogue.session.pending()), ("", 1));
        assert!(dialogue.verdict(ticket, &verified()).is_none());
        assert_eq!(dialogue.said(), "OK|1|user=ann@example.org|original_user=Ann@example.org\n");
        assert_eq!(dialogue.session.pending(), 0);
        assert!(dialogue.verdict(ticket, &verified()).is_none());
        assert_eq!(dialogue.said(), "", "never answered twice");
    }

    #[test]
    fn every_refusal_reads_the_same() {
        let mut dialogue = Dialogue::open(ListenerKind::Login, 4);
        for reason in [
            Reason::UnknownUser,
            Reason::UnknownDomain,
            Reason::WrongPassword,
            Reason::MailboxDisabled,
            Reason::AppPasswordExpired,
            Reason::HeldBack,
        ] {
            let ticket = dialogue.auth_as(1, "ann@example.org");
            assert!(dialogue.verdict(ticket, &rejected(reason)).is_none());
            assert_eq!(dialogue.said(), "FAIL|1|user=ann@example.org\n");
        }
    }

    #[test]
    fn what_breaks_the_mechanism_is_a_rejection_like_others() {
        let mut dialogue = Dialogue::open(ListenerKind::Login, 4);
        let action = dialogue.send("AUTH|1|PLAIN|service=imap|resp=AA==");
        let Some(Action::Malformed { ticket, why, .. }) = action else { panic!("{action:?}") };
        assert_eq!((why, dialogue.said().as_str()), ("not exactly two NULs", ""));
        assert!(dialogue.verdict(ticket, &malformed()).is_none());
        assert_eq!(dialogue.said(), "FAIL|1\n");
    }

    #[test]
    fn any_order() {
        let mut dialogue = Dialogue::open(ListenerKind::Auth, 1);
        let tickets = [1, 2, 3].map(|id| dialogue.auth(id));
        dialogue.verdict(tickets[2], &rejected(Reason::WrongPassword));
        dialogue.verdict(tickets[0], &unavailable());
        dialogue.verdict(tickets[1], &verified());
        let name = "user=ann@example.org|original_user=Ann@example.org";
        let said = format!("FAIL|3|{name}\nFAIL|1|code=temp_fail\nOK|2|{name}\n");
        assert_eq!(dialogue.said(), said);
    }

    #[test]
    fn a_broken_line_ends_one_request() {
        let mut dialogue = Dialogue::open(ListenerKind::Auth, 1);
        let other = dialogue.auth(1);
        dialogue.check("AUTH|2|PLAIN", "FAIL|2|reason=AUTH without a protocol\n");
        dialogue.check(
            "AUTH|2|PLAIN|service=smtp|resp=AA==|secured",
            "FAIL|2|reason=AUTH with fields after resp\n",
        );
        dialogue.check_not_base64("AUTH|2|PLAIN|service=smtp|resp=!!!!", 4);
        let unknown = "FAIL|2|reason=authentication mechanism not supported\n";
        dialogue.check("AUTH|2|CRAM-MD5|service=smtp", unknown);
        dialogue.check("AUTH|2|DOVECOT-TOKEN|service=smtp", unknown);
        dialogue.check("AUTH|2|EXTERNAL|service=smtp|resp==", unknown);
        dialogue.check("AUTH|2|PLAIN|service=smtp", "CONT|2|\n");
        dialogue.check("CONT|2", "FAIL|2|reason=CONT without data\n");
        dialogue.check("AUTH|2|PLAIN|service=smtp", "CONT|2|\n");
        dialogue.check_not_base64("CONT|2|=", 1);
        dialogue.check("CONT|2|AA==", "FAIL|2|reason=login timed out\n");
        dialogue.verdict(other, &verified());
        assert!(dialogue.said().starts_with("OK|1|user=ann@example.org"));
    }

    #[test]
    fn ids_that_cannot_be_answered_close() {
        let mut dialogue = Dialogue::open(ListenerKind::Auth, 1);
        dialogue.check_closes("AUTH|0|PLAIN|service=smtp", "AUTH with the id 0");
        dialogue.check_closes("AUTH|x|PLAIN|service=smtp", "AUTH without an id");
        dialogue.check_closes("CONT|x|AA==", "CONT without an id");
        dialogue.check_closes("CANCEL|x", "malformed CANCEL");
        dialogue.auth(1);
        let busy = "AUTH with an id that is in use";
        dialogue.check_closes("AUTH|1|PLAIN|service=smtp", busy);
        dialogue.check("AUTH|2|LOGIN|service=smtp", "CONT|2|VXNlcm5hbWU6\n");
        dialogue.check_closes("AUTH|2|PLAIN|service=smtp", busy);
    }

    #[test]
    fn an_empty_response_depends_on_the_minor() {
        for minor in [0, 1] {
            let mut dialogue = Dialogue::open(ListenerKind::Auth, minor);
            dialogue.check("AUTH|1|PLAIN|service=smtp|resp=", "CONT|1|\n");
            dialogue.check("AUTH|2|LOGIN|service=smtp|resp=", "CONT|2|VXNlcm5hbWU6\n");
        }
        for (minor, resp) in [(0, "="), (1, "="), (2, ""), (2, "="), (4, "")] {
            let mut dialogue = Dialogue::open(ListenerKind::Login, minor);
            let action = dialogue.send(&format!("AUTH|1|PLAIN|service=smtp|resp={resp}"));
            assert!(matches!(action, Some(Action::Malformed { .. })), "{minor} {resp:?}");
        }
    }

    #[test]
    fn login_asks_twice() {
        let mut dialogue = Dialogue::open(ListenerKind::Auth, 0);
        dialogue.check("AUTH|12|LOGIN|service=smtp|nologin", "CONT|12|VXNlcm5hbWU6\n");
        let name = encoded(b"ann@example.org");
        dialogue.check(&format!("CONT|12|{name}"), "CONT|12|UGFzc3dvcmQ6\n");
        assert_eq!(dialogue.session.pending(), 0);
        let action = dialogue.send(&format!("CONT|12|{}", encoded(b"secret")));
        let Some(Action::Verify { ticket, mechanism: "LOGIN", .. }) = action else {
            panic!("{action:?}")
        };
        dialogue.verdict(ticket, &verified());
        assert_eq!(dialogue.said(), "OK|12|user=ann@example.org\n");
    }

    #[test]
    fn cont_without_a_challenge_ends_the_request() {
        let mut dialogue = Dialogue::open(ListenerKind::Login, 4);
        let ticket = dialogue.auth(1);
        dialogue.check("CONT|1|AA==", "FAIL|1|reason=unexpected continuation\n");
        dialogue.verdict(ticket, &verified());
        assert_eq!(dialogue.said(), "");
        let ticket = dialogue.auth(1);
        dialogue.verdict(ticket, &verified());
        dialogue.said();
        dialogue.check("CONT|1|AA==", "FAIL|1|reason=unexpected continuation\n");
        assert_eq!(dialogue.claim(1, COOKIE).err(), Some(Refused::NoLogin));
    }

    #[test]
    fn channel_binding_is_for_minor_3_and_once() {
        let name = encoded(b"ann");
        let binding = "channel_binding=AAAA";
        let ask = |minor| {
            let mut dialogue = Dialogue::open(ListenerKind::Login, minor);
            dialogue.check("AUTH|1|LOGIN|service=imap", "CONT|1|VXNlcm5hbWU6\n");
            dialogue
        };
        ask(2).check_not_base64(&format!("CONT|1|{name}|{binding}"), name.len());
        ask(2).check_not_base64(&format!("CONT|1|{name}|x"), name.len());
        ask(3).check(&format!("CONT|1|{name}|{binding}"), "CONT|1|UGFzc3dvcmQ6\n");
        ask(3).check(
            &format!("CONT|1|{name}|{binding}|{binding}"),
            "FAIL|1|reason=CONT with two channel bindings\n",
        );
    }

    #[test]
    fn external_needs_a_trusted_word() {
        let line = "AUTH|1|EXTERNAL|service=imap|valid-client-cert|cert_username=ann|resp==";
        let mut dialogue = Dialogue::open(ListenerKind::Login, 4);
        let action = dialogue.send(line);
        let Some(Action::Verify { credentials: Credentials::Certificate { name, .. }, .. }) =
            action
        else {
            panic!("{action:?}")
        };
        assert_eq!(name, b"ann");
        for lacking in ["valid-client-cert", "cert_username=ann"] {
            let line = line.replace(lacking, "").replace("|1|", "|2|");
            assert!(matches!(dialogue.send(&line), Some(Action::Malformed { .. })));
            dialogue.send("CANCEL|2");
        }
    }

    #[test]
    fn what_only_the_trusted_may_say_is_dropped_from_others() {
        let line = "AUTH|1|PLAIN|service=imap|no-penalty|cert_username=x|resp=AGEAYg==";
        for (kind, counts) in [(ListenerKind::Login, true), (ListenerKind::Auth, false)] {
            let Some(Action::Verify { request, .. }) = Dialogue::open(kind, 2).send(line) else {
                panic!("not to be verified")
            };
            assert_eq!((request.no_penalty, request.cert_username.is_some()), (counts, counts));
        }
    }

    #[test]
    fn token_sockets_take_tokens_alone() {
        let token = encoded(b"imap\x0077\0ann@example.org\0s1\0abc");
        let mut dialogue = Dialogue::open(ListenerKind::Token, 4);
        let line = format!("AUTH|1|DOVECOT-TOKEN|service=imap|resp={token}");
        assert!(matches!(dialogue.send(&line), Some(Action::Verify { .. })));
        dialogue.check(
            "AUTH|2|PLAIN|service=imap",
            "FAIL|2|reason=authentication mechanism not supported\n",
        );
    }
}

mod ends {
    use super::*;

    #[test]
    fn cancel_is_confirmed_to_minor_4_alone() {
        for (minor, said) in [(0, ""), (3, ""), (4, "CANCELLED|1\n"), (5, "CANCELLED|1\n")] {
            let mut dialogue = Dialogue::open(ListenerKind::Login, minor);
            dialogue.check("CANCEL|1", said);
            let ticket = dialogue.auth(1);
            dialogue.check("CANCEL|1", said);
            assert!(dialogue.verdict(ticket, &verified()).is_none());
            assert_eq!(dialogue.said(), "");
            dialogue.auth(1);
        }
        Dialogue::open(ListenerKind::Auth, 4).check("CANCEL|1", "");
    }

    #[test]
    fn a_late_verdict_does_not_meet_the_next_request() {
        let mut dialogue = Dialogue::open(ListenerKind::Auth, 1);
        let old = dialogue.auth(1);
        dialogue.check("CANCEL|1", "");
        let new = dialogue.auth(1);
        dialogue.verdict(old, &verified());
        assert_eq!(dialogue.said(), "");
        dialogue.verdict(new, &rejected(Reason::WrongPassword));
        assert!(dialogue.said().starts_with("FAIL|1|"));
    }

    #[test]
    fn silence_ends_a_request_silently() {
        let mut dialogue = Dialogue::open(ListenerKind::Auth, 1);
        assert_eq!(dialogue.session.next_deadline(), None);
        dialogue.check("AUTH|1|LOGIN|service=smtp", "CONT|1|VXNlcm5hbWU6\n");
        assert_eq!(dialogue.session.next_deadline(), Some(dialogue.now + TIMEOUT));
        dialogue.now += ALMOST;
        dialogue.check(&format!("CONT|1|{}", encoded(b"ann")), "CONT|1|UGFzc3dvcmQ6\n");
        dialogue.now += SECOND;
        assert!(dialogue.session.expire(dialogue.now).is_none());
        assert_eq!(dialogue.session.next_deadline(), Some(dialogue.now + ALMOST));
        dialogue.now += ALMOST;
        assert!(dialogue.session.expire(dialogue.now).is_none());
        assert_eq!(dialogue.session.next_deadline(), None);
        dialogue.check("CONT|1|AA==", "FAIL|1|reason=login timed out\n");
        dialogue.auth(1);
    }

    #[test]
    fn a_login_socket_keeps_a_success_for_request() {
        let mut dialogue = Dialogue::open(ListenerKind::Login, 4);
        let ticket = dialogue.auth(1);
        assert_eq!(dialogue.claim(1, COOKIE).err(), Some(Refused::NoLogin), "unfinished");
        dialogue.verdict(ticket, &verified());
        dialogue.said();
        dialogue.check_closes("AUTH|1|PLAIN|service=imap", "AUTH with an id that is in use");
        let kept = dialogue.claim(1, COOKIE).unwrap();
        assert_eq!((kept.mechanism, kept.request.session.as_deref()), ("PLAIN", Some("s1")));
        assert_eq!(kept.original, b"Ann@example.org");
        assert_eq!(dialogue.claim(1, COOKIE).err(), Some(Refused::NoLogin), "only once");
        let ticket = dialogue.auth(1);
        dialogue.verdict(ticket, &rejected(Reason::WrongPassword));
        assert_eq!(dialogue.claim(1, COOKIE).err(), Some(Refused::NoLogin), "failed");
        dialogue.auth(1);
    }

    #[test]
    fn cancel_and_time_free_a_kept_id() {
        let mut dialogue = Dialogue::open(ListenerKind::Login, 4);
        let succeed = |dialogue: &mut Dialogue| {
            let ticket = dialogue.auth(1);
            dialogue.verdict(ticket, &verified());
            dialogue.said();
        };
        succeed(&mut dialogue);
        dialogue.check("CANCEL|1", "CANCELLED|1\n");
        assert_eq!(dialogue.claim(1, COOKIE).err(), Some(Refused::NoLogin));
        succeed(&mut dialogue);
        dialogue.now += TIMEOUT;
        assert_eq!(dialogue.claim(1, COOKIE).err(), Some(Refused::NoLogin));
        succeed(&mut dialogue);
        dialogue.now += TIMEOUT;
        succeed(&mut dialogue);
    }

    #[test]
    fn other_sockets_keep_nothing() {
        let mut dialogue = Dialogue::open(ListenerKind::Auth, 2);
        for _ in 0..3 {
            let ticket = dialogue.auth(1);
            dialogue.verdict(ticket, &verified());
        }
        assert_eq!(dialogue.claim(1, COOKIE).err(), Some(Refused::NoConnection));
    }

    #[test]
    fn a_bound_holds_and_kept_logins_count() {
        let mut dialogue = Dialogue::open(ListenerKind::Login, 4);
        for id in 1..=4 {
            let ticket = dialogue.auth(id);
            dialogue.verdict(ticket, &verified());
        }
        let tickets: Vec<_> = (5..=8).map(|id| dialogue.auth(id)).collect();
        dialogue.said();
        dialogue.check("AUTH|9|PLAIN|service=imap", "FAIL|9|code=temp_fail\n");
        dialogue.verdict(tickets[0], &rejected(Reason::WrongPassword));
        dialogue.auth(9);
        dialogue.now += TIMEOUT;
        dialogue.auth(10);
    }
}

mod temporary_failure {
    use super::*;

    fn with(policy: TemporaryFailure, minor: u32) -> Dialogue {
        let settings = ClientSettings { temporary_failure: policy, ..settings(ListenerKind::Auth) };
        Dialogue::with(settings).opened(minor)
    }

    #[test]
    fn by_code_or_by_closing() {
        use TemporaryFailure::{Auto, Close, Fail};
        for (policy, minor, closes) in [
            (Auto, 0, true),
            (Auto, 1, false),
            (Auto, 2, false),
            (Close, 2, true),
            (Fail, 0, false),
        ] {
            let mut dialogue = with(policy, minor);
            let ticket = dialogue.auth(1);
            assert_eq!(is_close(dialogue.verdict(ticket, &unavailable()).as_ref()), closes);
            assert_eq!(dialogue.said(), if closes { "" } else { "FAIL|1|code=temp_fail\n" });
        }
    }

    #[test]
    fn other_replies_go_out_first() {
        let mut dialogue = with(TemporaryFailure::Auto, 0);
        let tickets = [1, 2, 3].map(|id| dialogue.auth(id));
        assert!(dialogue.verdict(tickets[0], &unavailable()).is_none());
        dialogue.check("AUTH|4|PLAIN|service=smtp", "");
        assert!(dialogue.verdict(tickets[1], &verified()).is_none());
        assert!(dialogue.said().starts_with("OK|2|"));
        assert!(is_close(dialogue.verdict(tickets[2], &rejected(Reason::WrongPassword)).as_ref()));
        assert!(dialogue.said().starts_with("FAIL|3|"));
    }

    #[test]
    fn it_closes_when_the_others_are_cancelled_or_over_time() {
        let closing = || {
            let mut dialogue = with(TemporaryFailure::Auto, 0);
            let tickets = [1, 2].map(|id| dialogue.auth(id));
            assert!(dialogue.verdict(tickets[0], &unavailable()).is_none());
            dialogue
        };
        assert!(is_close(closing().send("CANCEL|2").as_ref()));
        let mut dialogue = closing();
        assert!(is_close(dialogue.session.expire(dialogue.now + TIMEOUT).as_ref()));
    }

    #[test]
    fn no_room_is_one() {
        let settings = ClientSettings { max_requests: 1, ..settings(ListenerKind::Auth) };
        let mut dialogue = Dialogue::with(settings).opened(0);
        let ticket = dialogue.auth(1);
        dialogue.check("AUTH|2|PLAIN|service=smtp", "");
        assert!(is_close(dialogue.verdict(ticket, &verified()).as_ref()));
        assert!(dialogue.said().starts_with("OK|1|"));
    }
}

/// Whatever is logged of a dialogue, the password is not in it.
#[test]
fn nothing_that_is_formatted_shows_the_password() {
    let secret = "correct-horse";
    let resp = encoded(format!("\0ann@example.org\0{secret}").as_bytes());
    let word = encoded(secret.as_bytes());
    let mut shown = String::new();
    let mut dialogue = Dialogue::open(ListenerKind::Login, 4);
    for line in [
        format!("AUTH|1|PLAIN|service=imap|forward_fields=pass={secret}|resp={resp}"),
        "AUTH|2|LOGIN|service=imap|resp=YW5u".to_owned(),
        format!("CONT|2|{word}"),
        format!("CONT|9|{word}|channel_binding={word}"),
        format!("AUTH|3|PLAIN|service=imap|resp={resp}="),
        format!("AUTH|4|PLAIN|service=imap|resp={resp}|x"),
        format!("AUTH|5|{resp}|service=imap"),
        format!("AUTH|0|PLAIN|service=imap|resp={resp}"),
        format!("{resp}|1"),
    ] {
        let bytes = line.replace('|', "\t");
        let parsed = client::parse(bytes.as_bytes());
        write!(shown, "{parsed:?}").unwrap();
        if let Err(error) = parsed {
            shown += &error.to_string();
        }
        write!(shown, "{:?}", dialogue.send(&line)).unwrap();
        shown += &dialogue.said();
    }
    for (id, mechanism, user) in [(20, "XOAUTH2", "user=ann"), (21, "OAUTHBEARER", "n,a=ann,")] {
        let resp = encoded(format!("{user}\x01auth=Bearer {secret}\x01\x01").as_bytes());
        let action = dialogue.send(&format!("AUTH|{id}|{mechanism}|service=imap|resp={resp}"));
        write!(shown, "{action:?}").unwrap();
        let Some(Action::Verify { ticket, .. }) = action else { panic!("{action:?}") };
        dialogue.verdict(ticket, &rejected(Reason::TokenInactive));
        write!(shown, "{:?}", dialogue.send(&format!("CONT|{id}|{resp}"))).unwrap();
        shown += &dialogue.said();
        assert!(!shown.contains(&resp), "{resp} in {shown}");
    }
    for hidden in [secret, &resp, &word] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
}

proptest! {
    /// Any lines whatever, with verdicts in between: no panic, every reply is a
    /// whole line and no longer than its reader takes, and one line is answered
    /// by one at most.
    #[test]
    fn any_lines_are_survived(lines in any_lines(), login: bool, minor in 0_u32..6) {
        let kind = if login { ListenerKind::Login } else { ListenerKind::Auth };
        let mut dialogue = Dialogue::open(kind, minor);
        for line in lines {
            dialogue.now += Duration::from_secs(u64::from(line.first().copied().unwrap_or(0)));
            dialogue.session.expire(dialogue.now);
            let mut out = BytesMut::new();
            let action = dialogue.session.line(&line, dialogue.now, &mut out);
            if let Some(Action::Verify { ticket, .. } | Action::Malformed { ticket, .. }) = action {
                let verdict = [verified(), unavailable(), malformed()][line.len() % 3].clone();
                prop_assert!(out.is_empty());
                dialogue.session.verdict(ticket, &verdict, dialogue.now, &mut out);
            }
            prop_assert!(out.is_empty() || out.ends_with(b"\n"));
            prop_assert!(out[..].split(|byte| *byte == b'\n').count() <= 2);
            prop_assert!(out.len() < 8192);
        }
        prop_assert!(dialogue.session.requests.len() <= 8);
    }
}

fn any_lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let line = prop_oneof![
        any::<Vec<u8>>(),
        "(AUTH|CONT|CANCEL|CPID|VERSION)(\t[0-3])?(\tPLAIN|\tLOGIN|\tXOAUTH2|\tEXTERNAL|\tAA==|\t)?(\tservice=imap|\tfinal-resp-ok|\tresp=|\trip=1)*"
            .prop_map(String::into_bytes),
        (0_u32..9, any::<Vec<u8>>(), "PLAIN|LOGIN|EXTERNAL|XOAUTH2|OAUTHBEARER").prop_map(|(id, data, mechanism)| {
            let mut line = BytesMut::new();
            line.put_slice(format!("AUTH\t{id}\t{mechanism}\tservice=imap\tresp=").as_bytes());
            base64::encode_into(&mut line, &data);
            line.to_vec()
        }),
        (0_u32..9, any::<Vec<u8>>()).prop_map(|(id, data)| {
            let mut line = BytesMut::new();
            line.put_slice(format!("CONT\t{id}\t").as_bytes());
            base64::encode_into(&mut line, &data);
            line.to_vec()
        }),
    ];
    prop::collection::vec(line, 0..40)
}
