//! XOAUTH2 and OAUTHBEARER: what a refused token is told, and how.

use super::*;

const XOAUTH2: &[u8] = b"user=Ann@example.org\x01auth=Bearer abc\x01\x01";
const OAUTHBEARER: &[u8] = b"n,a=Ann@example.org,\x01auth=Bearer abc\x01\x01";
const NAMES: &str = "user=ann@example.org|original_user=Ann@example.org";
const DISCOVERY: &str = "https://idp.example.org/.well-known/openid-configuration";

fn message(mechanism: &str) -> String {
    encoded(if mechanism == "XOAUTH2" { XOAUTH2 } else { OAUTHBEARER })
}

/// What a refused token is answered without a provider's word.
fn bare(mechanism: &str) -> String {
    encoded(match mechanism {
        "XOAUTH2" => br#"{"status":"401","schemes":"bearer","scope":"mail"}"#,
        _ => br#"{"status":"invalid_token","scope":"mail"}"#,
    })
}

fn ask(dialogue: &mut Dialogue, id: u32, mechanism: &str, parameters: &str) -> Ticket {
    let resp = message(mechanism);
    let line = format!("AUTH|{id}|{mechanism}|service=imap{parameters}|resp={resp}");
    match dialogue.send(&line) {
        Some(Action::Verify { ticket, mechanism: name, credentials, .. }) => {
            assert_eq!((name, credentials.name()), (mechanism, &b"Ann@example.org"[..]));
            ticket
        }
        other => panic!("{other:?}"),
    }
}

/// Asks XOAUTH2, is refused, and has the challenge said.
fn challenged(kind: ListenerKind, minor: u32) -> Dialogue {
    let mut dialogue = Dialogue::open(kind, minor);
    refuse(&mut dialogue, 1);
    dialogue
}

fn refuse(dialogue: &mut Dialogue, id: u32) {
    let ticket = ask(dialogue, id, "XOAUTH2", "");
    assert!(dialogue.verdict(ticket, &rejected(Reason::TokenExpired)).is_none());
    assert_eq!(dialogue.said(), format!("CONT|{id}|{}\n", bare("XOAUTH2")));
}

#[test]
fn a_good_token_is_an_ordinary_login() {
    for mechanism in ["XOAUTH2", "OAUTHBEARER"] {
        let mut dialogue = Dialogue::open(ListenerKind::Login, 4);
        let ticket = ask(&mut dialogue, 1, mechanism, "|final-resp-ok");
        assert!(dialogue.verdict(ticket, &verified()).is_none());
        assert_eq!(dialogue.said(), format!("OK|1|{NAMES}\n"));
        assert_eq!(dialogue.claim(1, COOKIE).unwrap().mechanism, mechanism);
        dialogue.check(&format!("AUTH|2|{mechanism}|service=imap"), "CONT|2|\n");
        let action = dialogue.send(&format!("CONT|2|{}", message(mechanism)));
        assert!(matches!(action, Some(Action::Verify { .. })), "{action:?}");
    }
}

#[test]
fn refused_in_one_line_or_by_challenge() {
    for mechanism in ["XOAUTH2", "OAUTHBEARER"] {
        let mut dialogue = Dialogue::open(ListenerKind::Login, 3);
        let ticket = ask(&mut dialogue, 1, mechanism, "|final-resp-ok");
        assert!(dialogue.verdict(ticket, &rejected(Reason::TokenInactive)).is_none());
        let resp = bare(mechanism);
        assert_eq!(dialogue.said(), format!("FAIL|1|{NAMES}|resp={resp}\n"));
        assert_eq!(dialogue.session.open_requests(), 0);
        for answer in ["", "AQ==", "=", "!!!!", "AQ==|x", "AQ==|channel_binding=AAAA"] {
            let ticket = ask(&mut dialogue, 1, mechanism, "");
            assert!(dialogue.verdict(ticket, &rejected(Reason::TokenInactive)).is_none());
            assert_eq!(dialogue.said(), format!("CONT|1|{resp}\n"));
            assert_eq!((dialogue.session.open_requests(), dialogue.session.pending()), (1, 0));
            dialogue.check(&format!("CONT|1|{answer}"), &format!("FAIL|1|{NAMES}\n"));
            assert_eq!(dialogue.session.open_requests(), 0);
        }
    }
}

#[test]
fn clients_of_minor_0_are_challenged_too() {
    let mut dialogue = challenged(ListenerKind::Auth, 0);
    dialogue.check("CONT|1|", &format!("FAIL|1|{NAMES}\n"));
}

#[test]
fn what_the_message_tells() {
    let check = |reason, provider: bool, expected: &str| {
        let Verdict::Rejected(mut refusal) = rejected(reason) else { unreachable!() };
        refusal.asked = provider.then(|| {
            Box::new(Asked {
                verifier: "token",
                provider: "corp".parse().unwrap(),
                detail: "nothing for the client".to_owned(),
                scope: Some("openid imap".to_owned()),
                openid_configuration: Some(DISCOVERY.to_owned()),
            })
        });
        let mut dialogue = Dialogue::open(ListenerKind::Login, 4);
        let ticket = ask(&mut dialogue, 1, "XOAUTH2", "|final-resp-ok");
        dialogue.verdict(ticket, &Verdict::Rejected(refusal));
        let resp = encoded(expected.as_bytes());
        assert_eq!(dialogue.said(), format!("FAIL|1|{NAMES}|resp={resp}\n"), "{expected}");
    };
    let plain = r#"{"status":"401","schemes":"bearer","scope":"mail"}"#;
    for reason in [
        Reason::UnknownUser,
        Reason::MailboxDisabled,
        Reason::HeldBack,
        Reason::NoProvider,
        Reason::TokenUser,
        Reason::AddressReassigned,
    ] {
        check(reason, false, plain);
    }
    let rest = format!(r#""openid imap","openid-configuration":"{DISCOVERY}"}}"#);
    let told = |status| format!(r#"{{"status":"{status}","schemes":"bearer","scope":{rest}"#);
    check(Reason::TokenExpired, true, &told("401"));
    check(Reason::TokenScope, true, &told("403"));
    check(Reason::BadResponse, false, &plain.replace("401", "400"));
}

#[test]
fn what_breaks_the_grammar_is_told_as_such() {
    for (mechanism, expected) in [
        ("XOAUTH2", r#"{"status":"400","schemes":"bearer","scope":"mail"}"#),
        ("OAUTHBEARER", r#"{"status":"invalid_request","scope":"mail"}"#),
    ] {
        let mut dialogue = Dialogue::open(ListenerKind::Auth, 0);
        dialogue.check(&format!("AUTH|1|{mechanism}|service=smtp|resp="), "CONT|1|\n");
        let action = dialogue.send("CONT|1|AQ==");
        let Some(Action::Malformed { ticket, .. }) = action else { panic!("{action:?}") };
        dialogue.verdict(ticket, &malformed());
        let challenge = encoded(expected.as_bytes());
        assert_eq!(dialogue.said(), format!("CONT|1|{challenge}\n"));
        dialogue.check("CONT|1|", "FAIL|1\n");
    }
}

#[test]
fn an_outage_has_no_message() {
    for parameters in ["", "|final-resp-ok"] {
        let mut dialogue = Dialogue::open(ListenerKind::Login, 4);
        let ticket = ask(&mut dialogue, 1, "OAUTHBEARER", parameters);
        assert!(dialogue.verdict(ticket, &unavailable()).is_none());
        assert_eq!(dialogue.said(), "FAIL|1|code=temp_fail\n");
    }
    let mut dialogue = Dialogue::open(ListenerKind::Auth, 0);
    let ticket = ask(&mut dialogue, 1, "XOAUTH2", "");
    assert!(is_close(dialogue.verdict(ticket, &unavailable()).as_ref()));
    assert_eq!(dialogue.said(), "");
}

#[test]
fn a_challenge_is_answered_once() {
    let mut dialogue = challenged(ListenerKind::Login, 2);
    dialogue.check_closes("AUTH|1|PLAIN|service=imap", "AUTH with an id that is in use");
    dialogue.check("CONT|1|AQ==", &format!("FAIL|1|{NAMES}\n"));
    dialogue.check("CONT|1|AQ==", "FAIL|1|reason=login timed out\n");
    assert_eq!(dialogue.claim(1, COOKIE).err(), Some(Refused::NoLogin));
    refuse(&mut dialogue, 1);
    dialogue.check("CONT|1", "FAIL|1|reason=CONT without data\n");
    assert_eq!(dialogue.session.open_requests(), 0);
}

#[test]
fn an_answer_before_the_challenge_ends_the_request() {
    let mut dialogue = Dialogue::open(ListenerKind::Login, 2);
    let ticket = ask(&mut dialogue, 1, "XOAUTH2", "");
    dialogue.check("CONT|1|", "FAIL|1|reason=unexpected continuation\n");
    assert!(dialogue.verdict(ticket, &rejected(Reason::TokenExpired)).is_none());
    assert_eq!(dialogue.said(), "");
}

#[test]
fn cancel_and_time_end_a_challenge() {
    for (minor, said) in [(2, ""), (4, "CANCELLED|1\n")] {
        let mut dialogue = challenged(ListenerKind::Login, minor);
        dialogue.check("CANCEL|1", said);
        assert_eq!(dialogue.session.open_requests(), 0);
        dialogue.check("CONT|1|", "FAIL|1|reason=login timed out\n");
    }
    let mut dialogue = challenged(ListenerKind::Auth, 0);
    assert_eq!(dialogue.session.next_deadline(), Some(dialogue.now + TIMEOUT));
    dialogue.now += TIMEOUT;
    assert!(dialogue.session.expire(dialogue.now).is_none());
    assert_eq!((dialogue.said().as_str(), dialogue.session.open_requests()), ("", 0));
    assert_eq!(dialogue.session.next_deadline(), None);
}

#[test]
fn challenges_count_among_the_requests() {
    let mut dialogue = Dialogue::open(ListenerKind::Login, 2);
    for id in 1..=8 {
        refuse(&mut dialogue, id);
    }
    dialogue.check("AUTH|9|PLAIN|service=imap", "FAIL|9|code=temp_fail\n");
    dialogue.check("CONT|8|", &format!("FAIL|8|{NAMES}\n"));
    dialogue.auth(9);
}

#[test]
fn a_connection_about_to_close_waits_for_no_challenge() {
    let mut dialogue = challenged(ListenerKind::Auth, 0);
    let tickets = [2, 3].map(|id| ask(&mut dialogue, id, "XOAUTH2", ""));
    assert!(dialogue.verdict(tickets[0], &unavailable()).is_none());
    let action = dialogue.verdict(tickets[1], &rejected(Reason::TokenExpired));
    assert!(is_close(action.as_ref()));
    assert_eq!(dialogue.said(), format!("FAIL|3|{NAMES}\n"));
}

#[test]
fn names_that_minor_0_could_not_read_are_left_out() {
    let mut dialogue = Dialogue::open(ListenerKind::Auth, 0);
    let resp = encoded(b"user=a\tnn\x01auth=Bearer abc\x01\x01");
    let action = dialogue.send(&format!("AUTH|1|XOAUTH2|service=smtp|resp={resp}"));
    let Some(Action::Verify { ticket, .. }) = action else { panic!("{action:?}") };
    dialogue.verdict(ticket, &rejected(Reason::TokenExpired));
    dialogue.said();
    dialogue.check("CONT|1|", "FAIL|1|user=ann@example.org\n");
}
