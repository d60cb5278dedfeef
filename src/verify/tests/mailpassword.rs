//! The Mailpassword Flow, asked for at a small Keycloak on loopback.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    keycloak::{FakeKeycloak, hash_of},
    provider::later,
    *,
};

const ANN: &str = "ann@example.org";

pub(super) fn anns() -> Attempt {
    password(ANN, "wonderland")
}

fn wrong() -> Attempt {
    password(ANN, "Wonderland")
}

fn stale(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Verified(verified) if verified.stale())
}

/// With ann bound, as after her first login.
pub(super) async fn at_home() -> (Rig, FakeKeycloak) {
    let (rig, corp) = Rig::with_keycloak().await;
    rig.check(anns(), "ok").await;
    assert_eq!(corp.look_ups(), 1);
    (rig, corp)
}

#[tokio::test]
async fn right_and_wrong_passwords_of_the_provider() {
    let (rig, _corp) = Rig::with_keycloak().await;
    let Verdict::Verified(verified) = rig.check(anns(), "ok").await else { panic!() };
    assert_eq!(verified.by(), &VerifiedBy::Mailpassword("corp".parse().unwrap()));
    assert_eq!(rig.bound(ANN).await.as_deref(), Some("corp/id of ann@example.org"));
    rig.check(wrong(), "wrong_password").await;
    // The store's own hash counts for nothing while the provider decides.
    rig.check(password(ANN, "local"), "wrong_password").await;
    rig.check(over("pop3", anns()), "ok").await;
}

#[tokio::test]
async fn a_cold_login_is_one_request_and_a_warm_one_none() {
    let (rig, corp) = at_home().await;
    for seconds in [0, 1, 30, 53] {
        rig.check(later(seconds, anns()), "ok").await;
        assert_eq!(corp.look_ups(), 1);
    }
    rig.check(later(60, anns()), "ok").await;
    assert_eq!(corp.look_ups(), 2);
    let people = rig.cache("people");
    assert_eq!((people.entries, people.hits, people.misses, people.stale), (1, 4, 2, 0));
}

#[tokio::test]
async fn logins_at_the_same_time_share_one_request() {
    let (rig, corp) = at_home().await;
    let all = join_all((0..200).map(|_| rig.decide(later(100, anns())))).await;
    assert!(all.iter().all(|decision| word(&decision.verdict) == "ok"));
    assert_eq!(corp.look_ups(), 2);
}

/// The near-miss trap: whatever the provider returns, each opens his own.
#[tokio::test]
async fn a_similar_address_opens_nothing() {
    let (rig, corp) = Rig::with_keycloak().await;
    corp.loses(ANN);
    corp.has("joann@example.org", hash_of("wonderland"));
    let detail = rig.refuses(anns(), "unknown_at_provider").await;
    assert_eq!(detail, "corp: nobody has this address");
    corp.has(ANN, hash_of("own"));
    rig.check(later(11, anns()), "wrong_password").await;
    rig.check(later(11, password(ANN, "own")), "ok").await;
    assert_eq!(rig.bound(ANN).await.as_deref(), Some("corp/id of ann@example.org"));
}

/// What is known of ann, changed so, comes to this reason.
async fn comes_to(changes: Value, expected: &str) {
    let (rig, corp) = Rig::with_keycloak().await;
    corp.has(ANN, changes.clone());
    let said = rig.refuses(anns(), expected).await;
    assert!(said.starts_with("corp: ") && said != "corp: not asked", "{changes}: {said}");
    assert_eq!(rig.bound(ANN).await, None, "{changes}");
}

#[tokio::test]
async fn each_fault_has_its_own_reason() {
    let attribute = |values: Value| json!({ "attributes": { "mailcow_password": values } });
    comes_to(json!({ "enabled": false }), "disabled_at_provider").await;
    comes_to(json!({ "emailVerified": false }), "unverified_email").await;
    comes_to(json!({ "attributes": null }), "no_mailpassword").await;
    comes_to(json!({ "attributes": { "phone": ["1"] } }), "no_mailpassword").await;
    comes_to(attribute(json!([])), "no_mailpassword").await;
    comes_to(attribute(json!([""])), "no_mailpassword").await;
    let right = bcrypt("wonderland");
    comes_to(attribute(json!([right, "{PLAIN}tea"])), "several_mailpasswords").await;
    comes_to(attribute(json!(["{BLF-CRYPT}$2y$05$short"])), "corrupt_hash").await;
    comes_to(attribute(json!(["x".repeat(2000)])), "corrupt_hash").await;
    comes_to(attribute(json!(["{NO-SUCH}abc"])), "unknown_scheme").await;
    comes_to(attribute(json!([17])), "provider_malformed").await;
    comes_to(json!({ "id": "" }), "provider_malformed").await;
    comes_to(json!({ "id": "a\u{7}" }), "provider_malformed").await;
    comes_to(json!({ "id": null }), "provider_malformed").await;
    comes_to(json!({ "enabled": null }), "provider_malformed").await;
    comes_to(json!({ "enabled": "yes" }), "provider_malformed").await;
}

#[tokio::test]
async fn two_people_with_one_address_open_nothing() {
    let (rig, corp) = Rig::with_keycloak().await;
    let mut other = hash_of("wonderland");
    let person = json!({ "id": "2", "email": "Ann@Example.org", "enabled": true });
    other.as_object_mut().unwrap().extend(person.as_object().unwrap().clone());
    corp.has_also(other);
    rig.refuses(anns(), "ambiguous_at_provider").await;
}

/// The address alone gives nobody a mailbox that is somebody's.
#[tokio::test]
async fn a_successor_opens_nothing_until_rebound() {
    let (rig, corp) = at_home().await;
    corp.has(ANN, json!({ "id": "successor" }));
    let detail = rig.refuses(later(61, anns()), "address_reassigned").await;
    assert!(detail.contains("the answer is of corp/successor"), "{detail}");
    rig.unbind(ANN).await;
    rig.check(later(62, anns()), "ok").await;
    assert_eq!(rig.bound(ANN).await.as_deref(), Some("corp/successor"));
}

/// A mailbox that was taken from somebody does not go back to him by what was
/// said before.
#[tokio::test]
async fn a_kept_answer_binds_nobody() {
    let (rig, corp) = at_home().await;
    rig.unbind(ANN).await;
    corp.says(Some(503));
    rig.check(anns(), "provider_status").await;
    assert_eq!(rig.bound(ANN).await, None);
}

#[tokio::test]
async fn an_unverified_address_binds_where_that_is_accepted_and_keeps_who_is_bound() {
    let (rig, corp) = at_home().await;
    corp.has(ANN, json!({ "emailVerified": false }));
    rig.check(later(61, anns()), "ok").await;
    rig.unbind(ANN).await;
    rig.check(later(62, anns()), "unverified_email").await;
    let mut lax = corp.named("corp");
    lax.provider.unverified_email = crate::mailbox::provider::UnverifiedEmail::Accept;
    rig.connect(lax).await;
    rig.check(later(63, anns()), "ok").await;
}

#[tokio::test]
async fn a_wrong_password_is_asked_about_again_but_not_at_once() {
    let (rig, corp) = at_home().await;
    corp.has(ANN, hash_of("new"));
    // Asked for less than five seconds ago: what was said then counts.
    rig.check(later(4, password(ANN, "new")), "wrong_password").await;
    assert_eq!(corp.look_ups(), 1);
    rig.check(later(5, password(ANN, "new")), "ok").await;
    assert_eq!(corp.look_ups(), 2);
    rig.check(later(6, anns()), "wrong_password").await;
    assert_eq!(corp.look_ups(), 2, "the answer is of just now");
    // Nor does one who tries many of them make many requests.
    for number in 0..3 {
        rig.check(later(20, password(ANN, &format!("guess {number}"))), "wrong_password").await;
    }
    assert_eq!(corp.look_ups(), 3);
}

#[tokio::test]
async fn what_is_mended_at_the_provider_works_within_seconds() {
    let (rig, corp) = at_home().await;
    corp.has(ANN, json!({ "enabled": false }));
    rig.check(later(61, anns()), "disabled_at_provider").await;
    corp.has(ANN, json!({ "enabled": true }));
    rig.check(later(65, anns()), "disabled_at_provider").await;
    rig.check(later(66, anns()), "ok").await;
}

#[tokio::test]
async fn an_unknown_name_is_not_asked_about_for_ten_seconds() {
    let (rig, corp) = at_home().await;
    corp.loses(ANN);
    corp.has("ben@example.org", json!({}));
    rig.check(later(61, anns()), "unknown_at_provider").await;
    rig.check(later(70, anns()), "unknown_at_provider").await;
    assert_eq!(corp.look_ups(), 2);
    corp.has(ANN, hash_of("wonderland"));
    rig.check(later(71, anns()), "ok").await;
    assert_eq!(corp.look_ups(), 3);
}

/// A name without a mailbox here is nobody the provider is asked about.
#[tokio::test]
async fn a_name_without_a_mailbox_costs_no_request() {
    let (rig, corp) = Rig::with_keycloak().await;
    corp.has("ben@example.org", hash_of("wonderland"));
    rig.check(password("ben@example.org", "wonderland"), "unknown_user").await;
    let services = Some(Services::from_iter([Service::Pop3]));
    rig.change(ANN, MailboxChange { services, ..MailboxChange::default() }).await;
    rig.check(anns(), "service_not_allowed").await;
    assert_eq!(corp.look_ups(), 0);
}

/// `200 []` may be our own mistake, and is no "no such user" then.
#[tokio::test]
async fn an_empty_answer_is_believed_only_from_who_sees_people() {
    let (rig, corp) = Rig::with_keycloak().await;
    corp.shows_nobody(true);
    let detail = rig.refuses(anns(), "provider_rights").await;
    assert!(detail.contains("view-users"), "{detail}");
    corp.shows_nobody(false);
    rig.check(anns(), "ok").await;
    corp.says(Some(403));
    let detail =
        rig.refuses(later(61, password("ann@example.org", "new")), "provider_rights").await;
    assert!(detail.contains("view-users"), "{detail}");
}

#[tokio::test]
async fn while_the_provider_is_down_who_was_known_gets_in() {
    let (rig, corp) = at_home().await;
    rig.add("ben@example.org", None).await;
    rig.belongs("ben@example.org", "corp").await;
    corp.says(Some(503));
    for hours in [1, 11] {
        assert!(stale(&rig.check(later(hours * 3600, anns()), "ok").await));
    }
    rig.check(later(12 * 3600, anns()), "provider_status").await;
    rig.check(later(3600, password("ben@example.org", "x")), "provider_status").await;
    corp.says(None);
    assert!(!stale(&rig.check(later(3600, anns()), "ok").await));
}

#[tokio::test]
async fn while_the_provider_is_down_a_wrong_password_is_no_refusal_but_a_guess() {
    let (rig, corp) = at_home().await;
    corp.says(Some(503));
    let limit = settings().abuse.account_limit;
    for number in 0..limit {
        let attempt = later(3600, password(ANN, &format!("guess {number}")));
        let verdict = rig.decide(attempt).await.verdict;
        assert!(["provider_status", "provider_down"].contains(&word(&verdict)), "{verdict:?}");
    }
    rig.check(later(3600, anns()), "held_back").await;
}

#[tokio::test]
async fn who_was_disabled_or_removed_does_not_ride_on() {
    let (rig, corp) = at_home().await;
    corp.has(ANN, json!({ "enabled": false }));
    rig.check(later(61, anns()), "disabled_at_provider").await;
    corp.says(Some(503));
    rig.check(later(200, anns()), "provider_status").await;
    corp.says(None);
    corp.has(ANN, json!({ "enabled": true }));
    rig.check(later(300, anns()), "ok").await;
    corp.loses(ANN);
    corp.has("ben@example.org", json!({}));
    rig.check(later(400, anns()), "unknown_at_provider").await;
    corp.says(Some(503));
    rig.check(later(500, anns()), "provider_status").await;
}

#[tokio::test]
async fn flush_by_mask_makes_it_ask_again() {
    let (rig, corp) = at_home().await;
    assert_eq!(rig.pipeline.flush_cache(&["ben@*".to_owned()]), 0);
    rig.check(anns(), "ok").await;
    assert_eq!(corp.look_ups(), 1);
    rig.pipeline.flush_cache(&["ann@*".to_owned()]);
    rig.check(anns(), "ok").await;
    assert_eq!(corp.look_ups(), 2);
}

#[tokio::test]
async fn other_settings_begin_with_nothing_known() {
    let (rig, corp) = at_home().await;
    let mut other = corp.named("corp");
    other.provider.password_attribute = Some("imap_password".to_owned());
    rig.connect(other).await;
    rig.check(anns(), "no_mailpassword").await;
    corp.has(ANN, json!({ "attributes": { "imap_password": [bcrypt("other")] } }));
    rig.check(later(5, password(ANN, "other")), "ok").await;
}

#[tokio::test]
async fn switched_off_while_the_provider_was_asked_is_out() {
    let (rig, corp) = at_home().await;
    corp.holds(true);
    let pipeline = Arc::clone(&rig.pipeline);
    let login = tokio::spawn(async move { pipeline.decide(later(61, anns())).await });
    corp.asked(2).await;
    let state = Some((MailboxState::Disabled, SetBy::Administrator));
    rig.change(ANN, MailboxChange { state, ..MailboxChange::default() }).await;
    corp.holds(false);
    assert_eq!(word(&login.await.unwrap().verdict), "mailbox_disabled");
}

/// It speaks only for the domains that name it.
#[tokio::test]
async fn a_provider_decides_for_its_own_domains_alone() {
    let (rig, corp) = Rig::with_keycloak().await;
    let change = DomainChange { provider: Some(None), ..DomainChange::default() };
    let domain = DomainName::parse("example.org").unwrap();
    rig.store.update_domain(&domain, change, NOW).await.unwrap();
    rig.refuses(anns(), "provider_domain").await;
    assert_eq!(corp.look_ups(), 0);
    rig.speaks("corp", "example.org").await;
    let mut off = corp.named("corp");
    off.provider.mailpassword_flow = false;
    rig.connect(off).await;
    rig.refuses(anns(), "provider_password").await;
}

#[tokio::test]
async fn app_passwords_do_not_ask() {
    let (rig, corp) = Rig::with_keycloak().await;
    let phone = rig.app_password(ANN, 1, |_| {}).await;
    rig.check(password(ANN, &phone), "ok").await;
    assert_eq!(corp.look_ups(), 0);
}

fn steps(trace: &Trace) -> Vec<(&str, &str)> {
    trace.steps.iter().map(|step| (step.name, step.detail.as_str())).collect()
}

#[tokio::test]
async fn explain_shows_the_steps_and_keeps_nothing() {
    let (rig, corp) = Rig::with_keycloak().await;
    let (decision, trace) = rig.pipeline.explain(anns()).await;
    assert_eq!(word(&decision.verdict), "ok");
    let shown = steps(&trace);
    for expected in [
        ("auth source", "provider corp, Mailpassword Flow"),
        ("asked", "corp answered now"),
        ("account", "enabled at corp"),
        ("person", "the mailbox is nobody's yet; the login binds it to corp/id of ann@example.org"),
        ("password", "right (BLF-CRYPT)"),
    ] {
        assert!(shown.contains(&expected), "{expected:?} in {shown:#?}");
    }
    assert!(trace.sentence.contains("the main password, which corp keeps"), "{}", trace.sentence);
    assert_eq!((rig.bound(ANN).await, rig.cache("people").entries), (None, 0));
    rig.check(anns(), "ok").await;
    let without = |now| rig.pipeline.explain_without_password(ANN.as_bytes(), "imap", None, now);
    let (verdict, trace) = without(NOW.after(Duration::from_secs(4))).await;
    assert!(verdict.is_none());
    assert!(steps(&trace).contains(&("asked", "answer 4 s old, fresh")), "{trace:#?}");
    corp.has(ANN, json!({ "enabled": false }));
    let (verdict, trace) = without(NOW.after(Duration::from_secs(61))).await;
    assert_eq!(word(&verdict.unwrap()), "disabled_at_provider");
    assert_eq!(steps(&trace).last(), Some(&("account", "disabled at corp")), "{trace:#?}");
    assert!(trace.sentence.contains("the account is disabled at corp."), "{}", trace.sentence);
}

/// One who tries a password at each of many mailboxes.
#[tokio::test]
async fn a_network_makes_it_ask_again_at_a_bounded_rate() {
    let (rig, corp) = Rig::with_keycloak().await;
    let users: Vec<_> = (0..26).map(|number| format!("user{number}@example.org")).collect();
    for user in &users {
        rig.add(user, None).await;
        rig.belongs(user, "corp").await;
        corp.has(user, hash_of("wonderland"));
        rig.check(password(user, "wonderland"), "ok").await;
    }
    assert_eq!(corp.look_ups(), 26);
    let guess = |user: &str, ip| from(ip, later(10, password(user, "guess")));
    for user in &users[..20] {
        rig.check(guess(user, "203.0.113.9"), "wrong_password").await;
    }
    let said = rig.refuses(guess(&users[20], "203.0.113.9"), "provider_busy").await;
    assert_eq!(said, "corp: the network has made it be asked again too often");
    assert_eq!(corp.look_ups(), 46);
    // Others hear what is true, and a right password needs no question.
    rig.check(from("203.0.113.9", later(10, password(&users[20], "wonderland"))), "ok").await;
    rig.check(guess(&users[20], "198.51.100.9"), "wrong_password").await;
    assert_eq!(corp.look_ups(), 47);
    // Behind a trusted proxy it is each mailbox for itself.
    for user in &users[21..] {
        rig.check(guess(user, "127.0.0.1"), "wrong_password").await;
    }
    // It counts as a guess: with nine more in its network it is held back.
    for number in 0..9 {
        let attempt = later(10, password(&users[25], &format!("guess {number}")));
        rig.decide(from("203.0.113.9", attempt)).await;
    }
    rig.check(from("203.0.113.9", later(10, anns())), "held_back").await;
}

/// Everybody comes back after a restart, and the provider takes its time: who
/// waited for the others is answered as they are, but for Postfix, which would be
/// gone by then.
#[tokio::test]
async fn a_crowd_waits_for_its_turn() {
    let (rig, corp) = at_home().await;
    let users: Vec<_> = (0..80).map(|number| format!("user{number}@example.org")).collect();
    for user in &users {
        rig.add(user, None).await;
        rig.belongs(user, "corp").await;
        corp.has(user, json!({ "attributes": { "mailcow_password": ["{PLAIN}tea"] } }));
    }
    corp.holds(true);
    let slowly = async {
        for batch in 1..=3 {
            tokio::time::sleep(Duration::from_secs(3)).await;
            corp.answers(1 + batch * 32);
        }
    };
    let here = |protocol, user: &str| over(protocol, from("127.0.0.1", password(user, "tea")));
    let crowd = join_all(users[1..].iter().map(|user| rig.decide(here("imap", user))));
    let sender = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let began = Instant::now();
        let said = rig.refuses(here("smtp", &users[0]), "provider_busy").await;
        assert!(said.contains("too many questions"), "{said}");
        assert!(began.elapsed() < Duration::from_secs(9));
    };
    let (crowd, (), ()) = tokio::join!(crowd, sender, slowly);
    for decision in crowd {
        assert_eq!(word(&decision.verdict), "ok");
    }
    assert_eq!(corp.look_ups(), 1 + users[1..].len());
}
