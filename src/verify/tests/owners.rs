//! App passwords follow their owner, asked for at a small Keycloak on loopback.

use futures_util::future::join_all;
use serde_json::json;

use super::{keycloak::FakeKeycloak, provider::later, *};
use crate::{
    mailbox::{Binding, OwnerState},
    verify::{bearer::PATIENCE, owners::Wanted},
};

const ANN: &str = "ann@example.org";
const ID: &str = "id of ann@example.org";
/// `account_check` where nothing else is said.
const CHECK: u64 = 15 * 60;
const STALE: u64 = 12 * 3600;

/// Ann's mailbox is bound to her at corp, and she has a phone.
async fn with_phone() -> (Rig, FakeKeycloak, String) {
    let (rig, corp) = Rig::with_keycloak().await;
    rig.binds(ANN, "corp", ID).await;
    let phone = rig.app_password(ANN, 1, |_| ()).await;
    (rig, corp, phone)
}

impl Rig {
    async fn binds(&self, user: &str, provider: &str, subject: &str) {
        let bound = Binding { provider: provider.parse().unwrap(), subject: subject.to_owned() };
        let bound = Some(Some(bound));
        self.change(user, MailboxChange { bound, ..MailboxChange::default() }).await;
    }

    async fn owner(&self) -> Option<OwnerState> {
        let mailbox = self.store.account(&address(ANN)).await.unwrap().unwrap().mailbox;
        self.pipeline.owner(&mailbox).await.unwrap().map(|owner| owner.state)
    }

    /// Another server over the same store, which goes to the same provider.
    async fn restart(&self) -> Self {
        self.pipeline.maintain(NOW).await.unwrap();
        Self::over(self.store.clone()).await
    }
}

fn is_stale(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Verified(verified) if verified.stale())
}

#[tokio::test]
async fn an_app_password_stops_with_its_owner_and_comes_back() {
    let (rig, corp, phone) = with_phone().await;
    let at = |seconds| later(seconds, password(ANN, &phone));
    rig.check(at(0), "ok").await;
    assert_eq!((corp.by_id(), corp.look_ups()), (1, 0));
    corp.has(ANN, json!({ "enabled": false }));
    for seconds in [0, 1, CHECK - 1] {
        rig.check(at(seconds), "ok").await;
    }
    assert_eq!(corp.by_id(), 1, "a warm login asks nobody");
    let detail = rig.refuses(at(CHECK), "owner_disabled").await;
    assert_eq!(detail, "corp: the owner is disabled at corp, known since 2027-01-15T08:15:00Z");
    rig.check(at(CHECK + 4), "owner_disabled").await;
    assert_eq!(corp.by_id(), 2, "asked for just now");
    rig.check(at(CHECK + 5), "owner_disabled").await;
    corp.has(ANN, json!({ "enabled": true }));
    rig.check(at(CHECK + 9), "owner_disabled").await;
    rig.check(at(CHECK + 10), "ok").await;
    corp.loses(ANN);
    corp.has("ben@example.org", json!({}));
    let detail = rig.refuses(at(3 * CHECK), "owner_gone").await;
    assert_eq!(detail, "corp: the owner is gone at corp, known since 2027-01-15T08:45:00Z");
    assert_eq!(rig.owner().await, Some(OwnerState::Gone));
    // Somebody else has the address by now.
    corp.has(ANN, json!({ "id": "successor" }));
    rig.check(at(3 * CHECK + 5), "owner_gone").await;
}

/// A right app password in the wrong hands is no guess.
#[tokio::test]
async fn who_is_disabled_guesses_nothing() {
    let (rig, corp, phone) = with_phone().await;
    corp.has(ANN, json!({ "enabled": false }));
    let decision = rig.decide(password(ANN, &phone)).await;
    assert_eq!(word(&decision.verdict), "owner_disabled");
    assert!(!decision.guess);
    let Verdict::Rejected(rejected) = decision.verdict else { panic!() };
    assert_eq!(rejected.app_password, Some(AppPasswordId::from_bits(1)));
    for number in 0..30 {
        rig.check(later(number, password(ANN, &phone)), "owner_disabled").await;
    }
    corp.has(ANN, json!({ "enabled": true }));
    rig.check(later(60, password(ANN, &phone)), "ok").await;
}

#[tokio::test]
async fn what_can_be_refused_for_nothing_asks_nobody() {
    let (rig, corp, _) = with_phone().await;
    let other = AppPasswordText::generate(AppPasswordId::from_bits(1), &[12; 19]).text();
    let other = std::str::from_utf8(other.expose()).unwrap().to_owned();
    rig.check(password(ANN, &other), "app_password_wrong").await;
    let narrow = rig
        .app_password(ANN, 2, |stored| {
            stored.services = Services::NONE.with(Service::Imap);
            stored.networks = vec!["192.0.2.0/24".parse().unwrap()];
            stored.expires = Some(NOW.after(Duration::from_secs(9)));
        })
        .await;
    rig.check(over("pop3", password(ANN, &narrow)), "app_password_service").await;
    rig.check(from("198.51.100.1", password(ANN, &narrow)), "app_password_network").await;
    rig.check(later(9, password(ANN, &narrow)), "app_password_expired").await;
    assert_eq!((corp.by_id(), corp.look_ups()), (0, 0));
    rig.check(password(ANN, &narrow), "ok").await;
    assert_eq!(corp.by_id(), 1);
}

#[tokio::test]
async fn where_there_is_no_owner_nobody_is_asked() {
    let (rig, corp, phone) = with_phone().await;
    corp.has(ANN, json!({ "enabled": false }));
    rig.unbind(ANN).await;
    rig.check(password(ANN, &phone), "ok").await;
    rig.binds(ANN, "other", ID).await;
    rig.check(password(ANN, &phone), "ok").await;
    rig.binds(ANN, "corp", ID).await;
    let local = Some(AuthSource::Local);
    rig.change(ANN, MailboxChange { auth_source: local, ..MailboxChange::default() }).await;
    rig.check(password(ANN, &phone), "ok").await;
    rig.belongs(ANN, "corp").await;
    let mut unasked = corp.named("corp");
    unasked.provider.account_check = Some("0s".parse().unwrap());
    rig.connect(unasked).await;
    rig.check(password(ANN, &phone), "ok").await;
    assert_eq!(corp.by_id(), 0);
    rig.connect(corp.named("corp")).await;
    rig.check(password(ANN, &phone), "owner_disabled").await;
}

/// Whatever is asked of the provider anyway says how it goes with the owner.
#[tokio::test]
async fn the_mailpassword_flow_spares_the_question() {
    let (rig, corp, phone) = with_phone().await;
    rig.check(password(ANN, "wonderland"), "ok").await;
    rig.check(password(ANN, &phone), "ok").await;
    corp.has(ANN, json!({ "enabled": false }));
    rig.check(later(60, password(ANN, "wonderland")), "disabled_at_provider").await;
    rig.check(later(60, password(ANN, &phone)), "owner_disabled").await;
    corp.has(ANN, json!({ "enabled": true }));
    rig.check(later(66, password(ANN, "wonderland")), "ok").await;
    rig.check(later(66, password(ANN, &phone)), "ok").await;
    assert_eq!(corp.by_id(), 0);
}

#[tokio::test]
async fn while_the_provider_is_down_its_last_word_counts() {
    let (rig, corp, phone) = with_phone().await;
    let at = |seconds| later(seconds, password(ANN, &phone));
    corp.says(Some(503));
    let detail = rig.refuses(at(0), "provider_status").await;
    assert!(detail.starts_with("corp: ") && detail.contains("503"), "{detail}");
    corp.says(None);
    rig.check(at(1), "ok").await;
    corp.says(Some(503));
    let young = rig.check(at(CHECK), "ok").await;
    assert!(!is_stale(&young), "no older than it may be");
    for seconds in [CHECK + 1, STALE] {
        assert!(is_stale(&rig.check(at(seconds), "ok").await), "{seconds}");
    }
    rig.check(at(STALE + 1), "provider_status").await;
    // Who was disabled stays so, and nobody's phone forgets its password.
    corp.says(None);
    corp.has(ANN, json!({ "enabled": false }));
    rig.check(at(STALE + 2), "owner_disabled").await;
    corp.says(Some(503));
    rig.check(at(STALE + 60), "owner_disabled").await;
    rig.check(at(2 * STALE + 2), "provider_status").await;
}

#[tokio::test]
async fn a_restart_while_the_provider_is_down_stops_nobody() {
    let (rig, corp, phone) = with_phone().await;
    rig.add("ben@example.org", None).await;
    rig.belongs("ben@example.org", "corp").await;
    rig.binds("ben@example.org", "corp", "id of ben@example.org").await;
    let bens = rig.app_password("ben@example.org", 1, |_| ()).await;
    rig.check(password(ANN, &phone), "ok").await;
    corp.says(Some(503));
    let again = rig.restart().await;
    assert!(!is_stale(&again.check(later(60, password(ANN, &phone)), "ok").await));
    assert!(is_stale(&again.check(later(CHECK, password(ANN, &phone)), "ok").await));
    again.check(later(60, password("ben@example.org", &bens)), "provider_status").await;
    assert_eq!(again.owner().await, Some(OwnerState::Enabled));
    // What was said of ann says nothing of whose her mailbox is now.
    again.binds(ANN, "corp", "id of ben@example.org").await;
    let third = again.restart().await;
    assert_eq!(third.owner().await, None);
    third.check(later(60, password(ANN, &phone)), "provider_status").await;
}

#[tokio::test]
async fn who_was_disabled_is_so_after_a_restart() {
    let (rig, corp, phone) = with_phone().await;
    corp.has(ANN, json!({ "enabled": false }));
    rig.check(password(ANN, &phone), "owner_disabled").await;
    corp.says(Some(503));
    let again = rig.restart().await;
    again.check(later(60, password(ANN, &phone)), "owner_disabled").await;
}

#[tokio::test]
async fn a_doubt_makes_it_ask_at_once() {
    let (rig, corp, phone) = with_phone().await;
    let at = |seconds| later(seconds, password(ANN, &phone));
    rig.check(at(0), "ok").await;
    let owners = &rig.connected("corp").owners;
    corp.has(ANN, json!({ "enabled": false }));
    owners.doubt(ID, NOW);
    assert_eq!(rig.owner().await, Some(OwnerState::Unknown));
    rig.check(at(1), "owner_disabled").await;
    corp.has(ANN, json!({ "enabled": true }));
    owners.doubt(ID, NOW);
    rig.check(at(2), "ok").await;
    // Something happened to her, and nobody can say what: also after a restart.
    owners.doubt(ID, NOW);
    corp.says(Some(503));
    rig.check(at(3), "provider_status").await;
    let again = rig.restart().await;
    again.check(at(4), "provider_status").await;
    corp.says(None);
    again.check(at(5), "ok").await;
}

/// Where anything may have happened, all are asked about again; but a provider
/// that goes down then shuts nobody out.
#[tokio::test]
async fn a_doubt_of_all_asks_again_and_keeps_the_last_word() {
    let (rig, corp, phone) = with_phone().await;
    let at = |seconds| later(seconds, password(ANN, &phone));
    rig.check(at(0), "ok").await;
    rig.connected("corp").owners.doubt_all();
    corp.says(Some(503));
    assert!(is_stale(&rig.check(at(1), "ok").await));
    corp.says(None);
    corp.has(ANN, json!({ "enabled": false }));
    rig.check(at(2), "owner_disabled").await;
    corp.has(ANN, json!({ "enabled": true }));
    rig.check(at(7), "ok").await;
    let asked = corp.by_id();
    rig.check(at(8), "ok").await;
    assert_eq!(corp.by_id(), asked);
    // What the store has from before is doubted as well.
    let again = rig.restart().await;
    again.connected("corp").owners.doubt_all();
    corp.has(ANN, json!({ "enabled": false }));
    again.check(at(9), "owner_disabled").await;
}

#[tokio::test]
async fn an_answer_from_before_a_doubt_is_not_used() {
    let (rig, corp, phone) = with_phone().await;
    corp.holds(true);
    let attempt = password(ANN, &phone);
    let login = async { word(&rig.decide(attempt).await.verdict) };
    let meanwhile = async {
        corp.asked_by_id(1).await;
        corp.has(ANN, json!({ "enabled": false }));
        rig.connected("corp").owners.doubt(ID, NOW);
        corp.holds(false);
    };
    let (verdict, ()) = tokio::join!(login, meanwhile);
    assert_eq!((verdict, corp.by_id()), ("owner_disabled", 2));
    assert_eq!(rig.owner().await, Some(OwnerState::Disabled));
}

/// As if the Mailpassword Flow had asked before, and heard after.
#[tokio::test]
async fn a_slow_answer_does_not_win_over_a_later_question() {
    let (rig, _corp, _) = with_phone().await;
    let owners = &rig.connected("corp").owners;
    let (first, second) = (owners.question(), owners.question());
    owners.learn(ID, OwnerState::Disabled, NOW, second);
    owners.learn(ID, OwnerState::Enabled, NOW, first);
    assert_eq!(owners.known(ID).unwrap().state, OwnerState::Disabled);
    let third = owners.question();
    owners.doubt(ID, NOW);
    owners.learn(ID, OwnerState::Enabled, NOW, third);
    assert_eq!(owners.known(ID).unwrap().state, OwnerState::Unknown);
}

#[tokio::test]
async fn logins_at_the_same_time_share_one_question() {
    let (rig, corp, phone) = with_phone().await;
    let all = join_all((0..200).map(|_| rig.decide(password(ANN, &phone)))).await;
    assert!(all.iter().all(|decision| word(&decision.verdict) == "ok"));
    assert_eq!(corp.by_id(), 1);
}

/// What changed while the provider was asked counts.
#[tokio::test]
async fn the_account_is_looked_at_again_after_waiting() {
    async fn meanwhile(change: impl AsyncFnOnce(&Rig), expected: &str) {
        let (rig, corp, phone) = with_phone().await;
        corp.holds(true);
        let login = async { word(&rig.decide(password(ANN, &phone)).await.verdict) };
        let work = async {
            corp.asked_by_id(1).await;
            change(&rig).await;
            corp.holds(false);
        };
        let (verdict, ()) = tokio::join!(login, work);
        assert_eq!(verdict, expected);
    }
    let revoke = async |rig: &Rig| {
        let id = AppPasswordId::from_bits(1);
        rig.store.remove_app_password(&address(ANN), id).await.unwrap();
    };
    meanwhile(revoke, "app_password_wrong").await;
    let disable = async |rig: &Rig| {
        let state = Some((MailboxState::Disabled, SetBy::Administrator));
        rig.change(ANN, MailboxChange { state, ..MailboxChange::default() }).await;
    };
    meanwhile(disable, "mailbox_disabled").await;
    meanwhile(async |rig: &Rig| rig.binds(ANN, "corp", "another").await, "purged").await;
    let remove = async |rig: &Rig| rig.store.remove_mailbox(&address(ANN)).await.unwrap();
    meanwhile(remove, "unknown_user").await;
    let name = async |rig: &Rig| {
        let display_name = Some("Ann".to_owned());
        rig.change(ANN, MailboxChange { display_name, ..MailboxChange::default() }).await;
    };
    meanwhile(name, "ok").await;
}

#[tokio::test]
async fn what_ages_is_put_into_the_line_once() {
    let (rig, _corp, phone) = with_phone().await;
    let at = |seconds| later(seconds, password(ANN, &phone));
    rig.check(at(0), "ok").await;
    rig.check(at(599), "ok").await;
    let owners = &rig.connected("corp").owners;
    assert_eq!(owners.next_wanted(), None);
    for seconds in [600, 601, 899] {
        rig.check(at(seconds), "ok").await;
    }
    assert_eq!(owners.next_wanted(), Some((ID.to_owned(), Wanted::Ages)));
    assert_eq!(owners.next_wanted(), None);
    owners.want(ID, Wanted::Ages);
    owners.want(ID, Wanted::Changed);
    owners.want(ID, Wanted::Ages);
    assert_eq!(owners.next_wanted(), Some((ID.to_owned(), Wanted::Changed)));
    assert_eq!(owners.next_wanted(), None);
}

/// A crowd whose words age keeps nobody waiting to whom something happened.
#[tokio::test]
async fn whoever_changed_is_asked_about_before_those_who_age() {
    let (rig, _corp, _) = with_phone().await;
    let owners = &rig.connected("corp").owners;
    for number in 0..20_000 {
        owners.want(&number.to_string(), Wanted::Ages);
    }
    owners.want("7", Wanted::Changed);
    owners.want(ID, Wanted::Changed);
    for subject in ["7", ID] {
        assert_eq!(owners.next_wanted(), Some((subject.to_owned(), Wanted::Changed)));
    }
    let aging: Vec<_> = std::iter::from_fn(|| owners.next_wanted()).collect();
    assert_eq!(aging.len(), 9_999, "as many as there is room for, and each once");
    assert!(aging.iter().all(|(subject, why)| subject != "7" && *why == Wanted::Ages));
}

/// That many ask is no outage of the provider.
#[tokio::test]
async fn who_waited_for_his_turn_is_asked_about_all_the_same() {
    let (rig, corp, phone) = with_phone().await;
    rig.check(password(ANN, &phone), "ok").await;
    corp.has(ANN, json!({ "enabled": false }));
    let provider = rig.connected("corp");
    let crowd = provider.turns.crowd().await;
    let leaves = async {
        // Longer than a login without a crowd may take.
        tokio::time::sleep(PATIENCE + Duration::from_millis(100)).await;
        drop(crowd);
    };
    let login = rig.check(later(CHECK, password(ANN, &phone)), "owner_disabled");
    tokio::join!(login, leaves);
}

/// A flood must not keep an app password alive that was stopped.
#[tokio::test]
async fn where_it_is_asked_enough_already_no_old_word_counts() {
    let (rig, _corp, _) = with_phone().await;
    let owners = &rig.connected("corp").owners;
    owners.learn(ID, OwnerState::Enabled, NOW, owners.question());
    owners.doubt_all();
    let at = |seconds| NOW.after(Duration::from_secs(seconds));
    assert!(owners.last(ID, at(CHECK - 1), true).is_some());
    assert!(owners.last(ID, at(CHECK), true).is_none());
    assert!(owners.last(ID, at(STALE - 1), false).is_some());
    assert!(owners.last(ID, at(STALE), false).is_none());
}

#[tokio::test]
async fn without_the_provider_who_was_stopped_stays_so() {
    let (rig, corp, phone) = with_phone().await;
    let domain = DomainName::parse("example.org").unwrap();
    let none = DomainChange { provider: Some(None), ..DomainChange::default() };
    rig.store.update_domain(&domain, none, NOW).await.unwrap();
    let gone = async || {
        rig.pipeline.maintain(NOW).await.unwrap();
        rig.store.remove_provider(&"corp".parse().unwrap()).await.unwrap();
        rig.pipeline.load_providers().await.unwrap();
    };
    gone().await;
    rig.check(password(ANN, &phone), "ok").await;
    rig.connect(corp.named("corp")).await;
    corp.has(ANN, json!({ "enabled": false }));
    rig.check(password(ANN, &phone), "owner_disabled").await;
    gone().await;
    rig.check(later(STALE, password(ANN, &phone)), "owner_disabled").await;
    rig.connect(corp.named("corp")).await;
    corp.has(ANN, json!({ "enabled": true }));
    rig.check(later(STALE, password(ANN, &phone)), "ok").await;
    gone().await;
    rig.check(later(3 * STALE, password(ANN, &phone)), "ok").await;
    // Settings that cannot be read are as an outage.
    let mut broken = corp.named("corp");
    broken.provider.ca_file = Some("/nowhere/ca.pem".into());
    rig.connect(broken).await;
    rig.check(later(STALE + 1, password(ANN, &phone)), "ok").await;
    rig.check(later(3 * STALE, password(ANN, &phone)), "provider_settings").await;
}

fn steps<'t>(trace: &'t Trace, name: &str) -> Vec<&'t str> {
    let steps = trace.steps.iter().filter(|step| step.name == name);
    steps.map(|step| step.detail.as_str()).collect()
}

#[tokio::test]
async fn explain_shows_the_owner_and_keeps_nothing() {
    let (rig, corp, phone) = with_phone().await;
    let explain = async |seconds| {
        let attempt = later(seconds, password(ANN, &phone));
        let (decision, trace) = rig.pipeline.explain(attempt).await;
        (word(&decision.verdict), steps(&trace, "owner").join("|"), trace.sentence)
    };
    let (verdict, owner, _) = explain(0).await;
    assert_eq!((verdict, owner.as_str()), ("ok", "enabled at corp, asked 0 s ago"));
    assert_eq!((corp.by_id(), rig.owner().await), (1, None));
    rig.check(password(ANN, &phone), "ok").await;
    let (verdict, owner, _) = explain(120).await;
    let expected = "enabled at corp, asked 120 s ago, to be asked again in 780 s";
    assert_eq!((verdict, owner.as_str()), ("ok", expected));
    assert_eq!(corp.by_id(), 2);
    corp.has(ANN, json!({ "enabled": false }));
    let (verdict, owner, sentence) = explain(CHECK).await;
    assert_eq!((verdict, owner.as_str()), ("owner_disabled", "disabled at corp, asked 0 s ago"));
    assert!(sentence.contains("the owner is disabled at corp. Enable"), "{sentence}");
    assert_eq!(rig.owner().await, Some(OwnerState::Enabled));
    corp.says(Some(503));
    let (verdict, owner, _) = explain(CHECK).await;
    assert_eq!(verdict, "ok");
    assert!(
        owner.contains("503") && owner.contains("what was said before still counts"),
        "{owner}"
    );

    let without = async || {
        let (_, trace) =
            rig.pipeline.explain_without_password(ANN.as_bytes(), "imap", None, NOW).await;
        steps(&trace, "owner").join("|")
    };
    let expected =
        "app passwords go by it: enabled at corp, asked 0 s ago, to be asked again in 900 s";
    assert_eq!(without().await, expected);
    rig.connected("corp").owners.doubt(ID, NOW);
    let expected = "app passwords go by it: not known, corp is asked at the next login";
    assert_eq!(without().await, expected);
    rig.unbind(ANN).await;
    let owner = without().await;
    assert_eq!(owner, "the mailbox is nobody's at corp yet, so nobody is asked about");
}

#[tokio::test]
async fn what_was_learnt_is_written_seldom() {
    let (rig, corp, phone) = with_phone().await;
    let owners = &rig.connected("corp").owners;
    rig.check(password(ANN, &phone), "ok").await;
    assert_eq!(owners.take_unwritten().len(), 1);
    for seconds in [60, 120, CHECK - 60] {
        rig.check(later(seconds, password(ANN, "wonderland")), "ok").await;
        assert_eq!(owners.take_unwritten().len(), 0, "{seconds}");
    }
    rig.check(later(CHECK, password(ANN, "wonderland")), "ok").await;
    assert_eq!(owners.take_unwritten().len(), 1);
    corp.has(ANN, json!({ "enabled": false }));
    let wrong = later(CHECK + 60, password(ANN, "wonderland"));
    rig.check(wrong, "disabled_at_provider").await;
    assert_eq!(owners.take_unwritten()[0].state, OwnerState::Disabled);
    // A further mailbox of hers is to have it, too.
    rig.add("ben@example.org", None).await;
    owners.has_one_more(ID);
    assert_eq!(owners.take_unwritten().len(), 1);
}

#[tokio::test]
async fn who_falls_is_said_once() {
    let (rig, corp, phone) = with_phone().await;
    let owners = &rig.connected("corp").owners;
    let at = |seconds| later(seconds, password(ANN, &phone));
    rig.check(at(0), "ok").await;
    assert_eq!(owners.next_fallen(), None);
    corp.has(ANN, json!({ "enabled": false }));
    rig.check(at(CHECK), "owner_disabled").await;
    assert_eq!(owners.next_fallen().unwrap().state, OwnerState::Disabled);
    rig.check(at(CHECK + 60), "owner_disabled").await;
    owners.doubt(ID, NOW);
    rig.check(at(CHECK + 61), "owner_disabled").await;
    corp.loses(ANN);
    corp.has("ben@example.org", json!({}));
    rig.check(at(CHECK + 120), "owner_gone").await;
    assert_eq!(owners.next_fallen(), None, "he fell before");
    let again = rig.restart().await;
    again.check(at(CHECK + 180), "owner_gone").await;
    assert_eq!(again.connected("corp").owners.next_fallen(), None);
}

/// Somebody who never logs in but by her phone: whose the mailbox is is found out
/// beside the login, once.
#[tokio::test]
async fn a_phone_alone_finds_its_owner() {
    let (rig, corp) = Rig::with_keycloak().await;
    let phone = rig.app_password(ANN, 1, |_| ()).await;
    let provider = rig.connected("corp");
    let login = || password(ANN, &phone);
    let finding = async || {
        let found = rig.pipeline.bind_unbound(&provider);
        let _ = tokio::time::timeout(Duration::from_millis(300), found).await;
    };
    // Nobody has the address: asked once, and not at each login.
    corp.loses(ANN);
    corp.has("ben@example.org", json!({}));
    for _ in 0..3 {
        rig.check(login(), "ok").await;
        finding().await;
    }
    assert_eq!((corp.look_ups(), rig.bound(ANN).await), (1, None));
}

#[tokio::test]
async fn a_disabled_owner_is_found_by_his_phone() {
    for (changes, bound, then) in [
        (json!({}), Some("corp/id of ann@example.org"), "ok"),
        (json!({ "enabled": false }), Some("corp/id of ann@example.org"), "owner_disabled"),
        (json!({ "emailVerified": false }), None, "ok"),
    ] {
        let (rig, corp) = Rig::with_keycloak().await;
        let phone = rig.app_password(ANN, 1, |_| ()).await;
        let provider = rig.connected("corp");
        corp.has(ANN, changes);
        let (_, trace) = rig.pipeline.explain(password(ANN, &phone)).await;
        assert!(trace.steps.iter().any(|step| step.detail.contains("nobody's at corp yet")));
        rig.check(password(ANN, &phone), "ok").await;
        let found = rig.pipeline.bind_unbound(&provider);
        let _ = tokio::time::timeout(Duration::from_millis(300), found).await;
        assert_eq!(rig.bound(ANN).await.as_deref(), bound);
        rig.check(password(ANN, &phone), then).await;
        assert_eq!(corp.look_ups(), 1);
    }
}
