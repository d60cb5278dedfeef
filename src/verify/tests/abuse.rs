//! Guessing, and those who must not suffer from it.

use futures_util::future::join_all;

use super::*;
use crate::verify::penalty;

const VICTIM: &str = "ann@example.org";

fn abuse(refine: impl FnOnce(&mut penalty::Settings)) -> Settings {
    let mut settings = settings();
    refine(&mut settings.abuse);
    settings
}

/// A guess from an address of its own, so that only the account counts it.
fn guess(number: u32) -> Attempt {
    let rip = std::net::Ipv4Addr::from(0x0a00_0000 + number).into();
    Attempt { rip: Some(rip), ..password(VICTIM, &format!("guess {number}")) }
}

async fn hold(rig: &Rig) {
    for number in 0..10 {
        rig.check(guess(number), "wrong_password").await;
    }
    rig.check(guess(10), "held_back").await;
}

fn later(seconds: u64, attempt: Attempt) -> Attempt {
    Attempt { arrived: NOW.after(Duration::from_secs(seconds)), ..attempt }
}

#[tokio::test]
async fn guessing_at_an_account_holds_back_its_main_password_alone() {
    let rig = Rig::new().await;
    let phone = rig.app_password(VICTIM, 1, |_| ()).await;
    let token = rig.pipeline.auth_token(&address(VICTIM), b"1", b"s", b"imap");
    hold(&rig).await;
    // Unchecked, so that the guesser cannot tell when he is right.
    rig.check(password(VICTIM, "wonderland"), "held_back").await;
    rig.check(password(VICTIM, &phone), "ok").await;
    // The form alone is not enough: the id must exist.
    let other = AppPasswordText::generate(AppPasswordId::from_bits(2), &[1; 19]).text();
    let other = std::str::from_utf8(other.expose()).unwrap().to_owned();
    rig.check(password(VICTIM, &other), "held_back").await;
    let with_token = Credentials::AuthToken {
        service: "imap".into(),
        session_pid: "1".into(),
        user: VICTIM.into(),
        session: "s".into(),
        token: Secret::from(token.as_str()),
    };
    rig.check(Attempt { credentials: with_token, ..password("", "") }, "ok").await;
    rig.add("bob@example.org", Some(bcrypt("wonderland"))).await;
    rig.check(password("bob@example.org", "wonderland"), "ok").await;
    rig.check(later(901, password(VICTIM, "wonderland")), "ok").await;
}

#[tokio::test]
async fn an_administrator_lists_and_lifts() {
    let rig = Rig::new().await;
    hold(&rig).await;
    let held = rig.pipeline.held_back(NOW);
    assert_eq!(held.len(), 1);
    assert_eq!(serde_json::to_value(&held[0]).unwrap()["subject"], VICTIM);
    assert_eq!(held[0].until, NOW.after(Duration::from_secs(900)));
    assert!(rig.pipeline.lift(&VICTIM.parse().unwrap()));
    assert!(!rig.pipeline.lift(&VICTIM.parse().unwrap()));
    assert!(rig.pipeline.held_back(NOW).is_empty());
    rig.check(password(VICTIM, "wonderland"), "ok").await;
}

#[tokio::test]
async fn counters_survive_a_restart_and_so_does_a_lift() {
    let rig = Rig::new().await;
    let now = Timestamp::now();
    let attempt = |number: u32| Attempt { arrived: now, ..guess(number) };
    for number in 0..10 {
        rig.check(attempt(number), "wrong_password").await;
    }
    rig.check(Attempt { arrived: now, ..password("bob@example.org", "x") }, "unknown_user").await;
    rig.pipeline.maintain(now).await.unwrap();
    let rig = Rig::over(rig.store).await;
    rig.check(attempt(10), "held_back").await;
    assert!(rig.pipeline.lift(&VICTIM.parse().unwrap()));
    rig.pipeline.maintain(now).await.unwrap();
    let rig = Rig::over(rig.store).await;
    rig.check(attempt(10), "wrong_password").await;
    // The same old password is no new guess after a restart.
    let bob = Attempt { arrived: now, ..password("bob@example.org", "x") };
    let rip = bob.rip;
    rig.check(bob, "unknown_user").await;
    let abuse = penalty::Settings::default();
    let standing = rig.pipeline.penalty.standing(rip, &address(VICTIM), now, &abuse);
    assert_eq!(standing.network.guesses, 1);
}

#[tokio::test]
async fn the_same_wrong_password_is_one_guess() {
    let rig = Rig::new().await;
    // The whole office behind one address, with one old phone.
    for _ in 0..200 {
        rig.check(password(VICTIM, "last year's"), "wrong_password").await;
    }
    rig.check(password(VICTIM, "wonderland"), "ok").await;
    assert!(rig.pipeline.held_back(NOW).is_empty());
}

#[tokio::test]
async fn guessing_from_a_network_holds_the_network_back() {
    let rig = Rig::new().await;
    let phone = rig.app_password(VICTIM, 1, |_| ()).await;
    let spray = |number: usize| {
        let name = format!("name{number}@example.org");
        from("2001:db8:1:2::1", password(&name, "summer"))
    };
    for number in 0..30 {
        rig.check(spray(number), "unknown_user").await;
    }
    rig.check(spray(30), "held_back").await;
    rig.check(from("2001:db8:1:2:ffff::9", password(VICTIM, &phone)), "held_back").await;
    rig.check(from("2001:db8:1:3::1", password(VICTIM, "wonderland")), "ok").await;
    rig.check(Attempt { no_penalty: true, ..spray(31) }, "unknown_user").await;
    // What came from a held network says nothing about the account.
    for number in 0..20 {
        let attempt = password(VICTIM, &format!("guess {number}"));
        rig.check(from("2001:db8:1:2::1", attempt), "held_back").await;
    }
    rig.check(password(VICTIM, "wonderland"), "ok").await;
    assert!(rig.pipeline.lift(&"2001:db8:1:2::77".parse().unwrap()));
    rig.check(spray(32), "unknown_user").await;
}

#[tokio::test]
async fn trusted_networks_and_unknown_addresses_have_no_counter() {
    let trusted = "10.0.0.0/8".parse().unwrap();
    let rig = Rig::with(abuse(|abuse| abuse.trusted_networks.push(trusted))).await;
    for number in 0..100 {
        let attempt = || password(&format!("name{number}@example.org"), "summer");
        for rip in ["10.1.2.3", "::ffff:10.1.2.3", "127.0.0.1", "::1"] {
            rig.check(from(rip, attempt()), "unknown_user").await;
        }
        rig.check(Attempt { rip: None, ..attempt() }, "unknown_user").await;
    }
    assert!(rig.pipeline.held_back(NOW).is_empty());
}

#[tokio::test]
async fn neither_faults_nor_right_app_passwords_are_guesses() {
    let rig = Rig::new().await;
    rig.add("broken@example.org", Some("{BLF-CRYPT}$2y$".to_owned())).await;
    let phone = rig.app_password(VICTIM, 1, |stored| {
        stored.services = [Service::Smtp].into_iter().collect();
    });
    let phone = phone.await;
    for number in 0..50 {
        let attempt = password("broken@example.org", &format!("{number}"));
        rig.check(attempt, "corrupt_hash").await;
        rig.check(password(VICTIM, &phone), "app_password_service").await;
    }
    rig.check(password(VICTIM, "wonderland"), "ok").await;
    assert!(rig.pipeline.held_back(NOW).is_empty());
}

/// What `contrib/fail2ban` goes by.
#[tokio::test]
async fn only_a_wrong_password_not_seen_before_is_called_a_guess() {
    let rig = Rig::new().await;
    let phone = rig.app_password(VICTIM, 1, |stored| {
        stored.services = [Service::Smtp].into_iter().collect();
    });
    let phone = phone.await;
    for (attempt, guess) in [
        (password(VICTIM, "summer"), true),
        (password(VICTIM, "summer"), false),
        (password(VICTIM, "winter"), true),
        (password("nobody@example.org", "summer"), true),
        (password("nobody@example.org", "summer"), false),
        (password("nobody@example.net", "summer"), true),
        (password(VICTIM, "wonderland"), false),
        (password(VICTIM, &phone), false),
        (Attempt { no_penalty: true, ..password(VICTIM, "autumn") }, false),
    ] {
        let decision = rig.decide(attempt).await;
        assert_eq!(decision.guess, guess, "{decision:?}");
    }
}

#[tokio::test]
async fn a_thousand_guesses_at_once_are_not_all_checked() {
    let rig = Rig::new().await;
    let decisions = join_all((0..1000).map(|number| rig.decide(guess(number)))).await;
    let checked = decisions.iter().filter(|decision| word(&decision.verdict) == "wrong_password");
    assert_eq!(checked.count(), 10);
    let held = decisions.iter().filter(|decision| word(&decision.verdict) == "held_back");
    assert_eq!(held.count(), 990);
}

#[tokio::test]
async fn nor_those_that_one_network_spreads_over_many_accounts() {
    let rig = Rig::new().await;
    for number in 0..200 {
        rig.add(&format!("user{number}@example.org"), Some(bcrypt("wonderland"))).await;
    }
    let spray = |number| rig.decide(password(&format!("user{number}@example.org"), "summer"));
    let decisions = join_all((0..200).map(spray)).await;
    let checked = decisions.iter().filter(|decision| word(&decision.verdict) == "wrong_password");
    // Those that had begun before the last that counts ended.
    assert!((30..60).contains(&checked.count()));
    // Right passwords only wait for each other.
    let office = |number| {
        let attempt = password(&format!("user{number}@example.org"), "wonderland");
        rig.decide(from("192.0.2.2", attempt))
    };
    let decisions = join_all((0..200).map(office)).await;
    assert!(decisions.iter().all(|decision| word(&decision.verdict) == "ok"));
}

#[tokio::test]
async fn the_delay_grows_and_does_not_tell_who_exists() {
    let rig = Rig::new().await;
    rig.add("off@example.org", Some(bcrypt("wonderland"))).await;
    let state = Some((MailboxState::Disabled, SetBy::Administrator));
    rig.change("off@example.org", MailboxChange { state, ..MailboxChange::default() }).await;
    let mut before = Duration::ZERO;
    for number in 0..12_u32 {
        let mut range = Vec::new();
        for user in [VICTIM, "off@example.org", "nobody@example.org"] {
            let attempt = Attempt { rip: None, ..password(user, &format!("guess {number}")) };
            range.push(rig.decide(attempt).await.answer_after);
        }
        let (least, most) = (*range.iter().min().unwrap(), *range.iter().max().unwrap());
        assert!(most <= least + Duration::from_millis(250), "{range:?}");
        assert!(least + Duration::from_millis(250) >= before && most <= MAX_DELAY, "{range:?}");
        before = least;
    }
    assert!(before >= Duration::from_millis(3750));
    // Names of domains that are not ours are no secret and have no counter.
    let other = Attempt { rip: None, ..password("ann@example.net", "x") };
    let delay = rig.decide(other).await.answer_after;
    assert!(delay >= WAIT && delay <= WAIT + Duration::from_millis(250));
}

#[tokio::test]
async fn a_reloaded_limit_holds_at_once() {
    let rig = Rig::new().await;
    rig.check(guess(1), "wrong_password").await;
    rig.pipeline.reload(abuse(|abuse| abuse.account_limit = 2));
    rig.check(guess(2), "wrong_password").await;
    rig.check(guess(3), "held_back").await;
}

#[test]
fn subjects_read_and_write() {
    for (text, expected) in [
        ("192.0.2.7", Some("192.0.2.7/32")),
        ("192.0.2.7/32", Some("192.0.2.7/32")),
        ("2001:db8::7", Some("2001:db8::/64")),
        ("2001:db8::/64", Some("2001:db8::/64")),
        ("Ann@Example.org", Some("ann@example.org")),
        ("ann", None),
        ("@", None),
        ("", None),
    ] {
        let subject = text.parse::<Subject>().map(|subject| subject.to_string());
        assert_eq!(subject.as_deref().ok(), expected, "{text}");
    }
}
