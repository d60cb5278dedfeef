//! People who have no mailbox yet, and get one by logging in.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{
    keycloak::{FakeKeycloak, hash_of},
    provider::{FakeProvider, bearer, later, name},
    *,
};
use crate::{
    mailbox::{
        Mailbox, NamedProvider, Profile, Quota, Template,
        provider::{MappedTemplate, Renames},
    },
    store::{DomainUse, MailboxWrite, UseFilter},
};

const BOB: &str = "bob@example.org";

fn bobs() -> Attempt {
    password(BOB, "looking glass")
}

pub(super) fn template(named: &str, change: impl FnOnce(&mut Template)) -> Template {
    let mut template = Template {
        name: named.parse().unwrap(),
        revision: 0,
        quota: Some(Quota { bytes: 5 << 30 }),
        state: MailboxState::Active,
        services: Services::ALL,
        tags: vec!["staff".to_owned()],
        app_passwords_allowed: true,
        force_password_change: false,
        further: std::collections::BTreeMap::new(),
        created: NOW,
        modified: NOW,
    };
    change(&mut template);
    template
}

/// What gives whom which template.
pub(super) fn mapped(by: &str, text: &str, template: &str) -> MappedTemplate {
    let is = |kind: &str| (by == kind).then(|| text.to_owned());
    MappedTemplate {
        value: is("value"),
        group: is("group"),
        role: is("role"),
        template: template.parse().unwrap(),
    }
}

/// corp gives "boss" Gold, and everybody else Staff.
pub(super) fn provisioning(corp: NamedProvider) -> NamedProvider {
    let mut named = corp;
    named.provider.default_template = Some("Staff".parse().unwrap());
    named.provider.attribute_mapping = vec![mapped("value", "boss", "Gold")];
    named
}

impl Rig {
    /// bob is at corp, which makes mailboxes, and has none.
    pub(super) async fn with_bob() -> (Self, FakeKeycloak) {
        let (rig, corp) = Self::with_keycloak().await;
        rig.connect(provisioning(corp.named("corp"))).await;
        rig.put(template("Staff", |_| ())).await;
        rig.put(template("Gold", |gold| gold.quota = Some(Quota { bytes: 50 << 30 }))).await;
        let mut bob = hash_of("looking glass");
        bob["firstName"] = json!("Bob");
        bob["lastName"] = json!("Builder");
        corp.has(BOB, bob);
        (rig, corp)
    }

    pub(super) async fn put(&self, template: Template) {
        self.store.put_template(template).await.unwrap();
    }

    pub(super) async fn mailbox(&self, user: &str) -> Option<Arc<Mailbox>> {
        self.store.account(&address(user)).await.unwrap().map(|account| account.mailbox)
    }

    async fn is_made_by(&self, user: &str, template: &str) {
        let made = self.mailbox(user).await.unwrap();
        let applied = made.template.as_ref().map(|applied| applied.name.as_str());
        assert_eq!(applied, Some(template), "{user}");
    }

    async fn limits(&self, change: DomainChange) {
        let domain = DomainName::parse("example.org").unwrap();
        self.store.update_domain(&domain, change, NOW).await.unwrap();
    }

    /// What `explain` says comes to this, with a reason; and the login does the same.
    async fn both(&self, attempt: impl Fn() -> Attempt, expected: &str) -> (String, String) {
        let before = self.mailbox(BOB).await;
        let (decision, trace) = self.pipeline.explain(attempt()).await;
        assert_eq!(word(&decision.verdict), expected, "{trace:?}");
        assert_eq!(self.mailbox(BOB).await, before, "explain has no effect");
        let detail = self.refuses(attempt(), expected).await;
        let told = match &decision.verdict {
            Verdict::Rejected(rejected) => rejected.asked.as_ref(),
            Verdict::Unavailable(unavailable) => unavailable.asked.as_ref(),
            Verdict::Verified(_) => None,
        };
        if let Some(told) = told {
            assert_eq!(detail, format!("{}: {}", told.provider, told.detail));
        }
        (detail, trace.sentence)
    }
}

#[tokio::test]
async fn a_first_login_makes_the_mailbox_by_its_template() {
    let (rig, corp) = Rig::with_bob().await;
    let Verdict::Verified(verified) = rig.check(bobs(), "ok").await else { panic!() };
    assert_eq!(verified.by(), &VerifiedBy::Mailpassword(name("corp")));
    assert!(!verified.cached() && !verified.stale());
    let bob = rig.mailbox(BOB).await.unwrap();
    assert_eq!(verified.account().mailbox, bob);
    assert_eq!(rig.bound(BOB).await.as_deref(), Some("corp/id of bob@example.org"));
    assert_eq!(bob.auth_source, AuthSource::Provider(name("corp")));
    assert_eq!((bob.display_name.as_str(), bob.tags.join(" ").as_str()), ("Bob Builder", "staff"));
    assert_eq!((bob.quota, bob.state_set_by), (Some(Quota { bytes: 5 << 30 }), SetBy::Provider));
    assert!(bob.home.is_some());
    // One request for the first login, none for the next.
    rig.check(over("pop3", bobs()), "ok").await;
    assert_eq!((corp.look_ups(), corp.by_id()), (1, 0));
    let filter = UseFilter { mailbox: Some(bob.id), ..UseFilter::default() };
    let rows = rig.store.uses(&filter, 10).await.unwrap();
    assert_eq!(rows.len(), 2, "{rows:?}");
    let notes = rig.store.sync_notes(&name("corp")).await.unwrap();
    assert_eq!((notes.len(), notes[0].line.action.name()), (1, "created"));
}

#[tokio::test]
async fn a_value_of_the_person_decides_about_the_template() {
    let (rig, corp) = Rig::with_bob().await;
    let mut bob = hash_of("looking glass");
    bob["attributes"]["mailcow_template"] = json!(["boss"]);
    corp.has(BOB, bob);
    rig.check(bobs(), "ok").await;
    rig.is_made_by(BOB, "Gold").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_at_once_make_one_mailbox() {
    let (rig, corp) = Rig::with_bob().await;
    corp.holds(true);
    let logins = (0..20).map(|number| {
        let attempt = from(&format!("192.0.2.{}", number % 5), bobs());
        let pipeline = Arc::clone(&rig.pipeline);
        tokio::spawn(async move { pipeline.decide(attempt).await })
    });
    let logins: Vec<_> = logins.collect();
    corp.asked(1).await;
    corp.holds(false);
    for login in join_all(logins).await {
        assert_eq!(word(&login.unwrap().verdict), "ok");
    }
    let domain = DomainName::parse("example.org").unwrap();
    let DomainUse { mailboxes, .. } = rig.store.domain_use(&domain).await.unwrap();
    assert_eq!(mailboxes, 2);
    assert!(corp.look_ups() <= 8, "{} requests", corp.look_ups());
}

/// Each has a token that names the same address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_people_with_one_address_one_gets_it() {
    let (rig, corp) = Rig::with_provider().await;
    let mut named = corp.named("corp");
    named.provider.default_template = Some("Staff".parse().unwrap());
    rig.connect(named).await;
    rig.put(template("Staff", |_| ())).await;
    corp.gives("firsts", BOB, json!({}));
    corp.gives("seconds", BOB, json!({ "sub": "2" }));
    corp.holds(true);
    let logins = (0..20).map(|number| {
        let token = if number % 2 == 0 { "firsts" } else { "seconds" };
        let (pipeline, attempt) = (Arc::clone(&rig.pipeline), bearer(BOB, token));
        tokio::spawn(async move { pipeline.decide(attempt).await })
    });
    let logins: Vec<_> = logins.collect();
    corp.asked(1).await;
    corp.holds(false);
    let verdicts = join_all(logins).await;
    let words: Vec<_> = verdicts.iter().map(|one| word(&one.as_ref().unwrap().verdict)).collect();
    let number = |which: &str| words.iter().filter(|word| **word == which).count();
    assert_eq!((number("ok"), number("address_reassigned")), (10, 10), "{words:?}");
}

/// Everything that can refuse does so before anything is made; `explain` says it.
#[tokio::test]
async fn what_refuses_does_so_before_anything_is_made() {
    type Change = fn(&mut NamedProvider);
    let nothing: Change = |_| ();
    let corp_says: [(Value, &str, &str); 8] = [
        (json!({ "emailVerified": false }), "unverified_email", "has not verified the address"),
        (json!({ "enabled": false }), "disabled_at_provider", "the person is disabled"),
        (json!({ "attributes": {} }), "no_mailpassword", "no hash"),
        (hash_of("other"), "wrong_password", "the password is wrong"),
        (json!({ "id": "a\u{7}" }), "provider_malformed", "without an id"),
        (json!({ "enabled": "yes" }), "provider_malformed", "enabled"),
        (json!({ "email": "other@example.org" }), "unknown_user", "nobody has this address"),
        (json!({}), "ok", ""),
    ];
    for (change, expected, words) in corp_says {
        let (rig, corp) = Rig::with_bob().await;
        corp.has(BOB, change);
        let (detail, _) = rig.both(bobs, expected).await;
        assert!(detail.contains(words), "{detail}");
        assert_eq!(rig.mailbox(BOB).await.is_some(), expected == "ok");
    }
    let no_default: Change = |corp| corp.provider.default_template = None;
    let missing: Change = |corp| corp.provider.default_template = Some("None".parse().unwrap());
    let settings: [(Change, Template, &str, &str); 5] = [
        (no_default, template("Staff", |_| ()), "provision_no_template", "names no template"),
        (missing, template("Staff", |_| ()), "provision_template_missing", "template None does"),
        (
            nothing,
            template("Staff", |staff| staff.state = MailboxState::ReceiveOnly),
            "provision_state",
            "template Staff makes mailboxes receive_only",
        ),
        (
            nothing,
            template("Staff", |staff| staff.services = [Service::Smtp].into_iter().collect()),
            "provision_service",
            "template Staff opens smtp",
        ),
        (nothing, template("Staff", |staff| staff.quota = None), "ok", ""),
    ];
    for (change, staff, expected, words) in settings {
        let (rig, corp) = Rig::with_bob().await;
        let mut named = provisioning(corp.named("corp"));
        change(&mut named);
        rig.connect(named).await;
        rig.put(staff).await;
        let (detail, sentence) = rig.both(bobs, expected).await;
        assert!(detail.contains(words) && sentence.contains(words), "{detail} / {sentence}");
        assert_eq!(rig.mailbox(BOB).await.is_some(), expected == "ok");
        // A wrong password learns nothing of it.
        rig.both(|| password(BOB, "wrong"), "wrong_password").await;
    }
}

#[tokio::test]
async fn limits_of_the_domain_hold_and_are_told_with_their_numbers() {
    let none = DomainChange::default;
    for (change, words) in [
        (
            DomainChange { max_mailboxes: Some(Some(1)), ..none() },
            "domain example.org has 1 of at most 1 mailboxes",
        ),
        (
            DomainChange { max_quota: Some(Quota { bytes: 1 << 30 }), ..none() },
            "gives one mailbox at most 1G, and quota 5G is more",
        ),
        (
            DomainChange { total_quota: Some(Quota { bytes: 2 << 30 }), ..none() },
            "has given 0 of at most 2G to its mailboxes",
        ),
    ] {
        let (rig, _corp) = Rig::with_bob().await;
        rig.limits(change).await;
        let (detail, sentence) = rig.both(bobs, "provision_limit").await;
        assert!(detail.contains(words) && sentence.contains(words), "{detail} / {sentence}");
        assert!(sentence.contains("dovegate domain set"), "{sentence}");
        assert!(rig.mailbox(BOB).await.is_none());
        let notes = rig.store.sync_notes(&name("corp")).await.unwrap();
        assert_eq!(notes[0].line.cause.as_deref(), Some("limit"));
        rig.limits(DomainChange {
            max_mailboxes: Some(None),
            max_quota: Some(Quota::UNLIMITED),
            total_quota: Some(Quota::UNLIMITED),
            ..none()
        })
        .await;
        rig.check(bobs(), "ok").await;
    }
}

#[tokio::test]
async fn explain_says_what_would_be_made() {
    let (rig, corp) = Rig::with_bob().await;
    let (decision, trace) = rig.pipeline.explain(bobs()).await;
    assert_eq!(word(&decision.verdict), "ok");
    let expected = "it would be made by template Staff";
    assert!(trace.sentence.contains(expected), "{}", trace.sentence);
    assert!(trace.steps.iter().all(|step| step.outcome != trace::Outcome::Refused), "{trace:?}");
    assert!(trace.steps.iter().any(|step| step.detail.contains(expected)));
    let explain = || rig.pipeline.explain_without_password(BOB.as_bytes(), "imap", None, NOW);
    let (verdict, trace) = explain().await;
    assert!(verdict.is_none() && trace.sentence.contains(expected), "{}", trace.sentence);
    rig.limits(DomainChange { max_mailboxes: Some(Some(1)), ..DomainChange::default() }).await;
    let (verdict, trace) = explain().await;
    assert_eq!(word(&verdict.unwrap()), "provision_limit");
    assert!(trace.sentence.contains("has 1 of at most 1 mailboxes"), "{}", trace.sentence);
    assert!(rig.mailbox(BOB).await.is_none());
    let cache = rig.cache("people");
    assert_eq!((corp.look_ups(), cache.entries, cache.misses), (3, 0, 0));
    let mut named = provisioning(corp.named("corp"));
    named.provider.login_provisioning = Some(false);
    rig.connect(named).await;
    let (verdict, trace) = explain().await;
    assert_eq!(word(&verdict.unwrap()), "unknown_user");
    assert!(trace.steps.iter().any(|step| step.detail.contains("login_provisioning is off")));
}

#[tokio::test]
async fn nobody_is_asked_where_nothing_is_made() {
    let (rig, corp) = Rig::with_bob().await;
    let with = |change: fn(&mut NamedProvider)| {
        let mut named = provisioning(corp.named("corp"));
        change(&mut named);
        named
    };
    for named in [
        with(|corp| corp.provider.login_provisioning = Some(false)),
        with(|corp| {
            corp.provider.default_template = None;
            corp.provider.attribute_mapping.clear();
        }),
        with(|corp| corp.provider.mailpassword_flow = false),
    ] {
        rig.connect(named).await;
        rig.check(bobs(), "unknown_user").await;
    }
    rig.connect(provisioning(corp.named("corp"))).await;
    rig.limits(DomainChange { active: Some(false), ..DomainChange::default() }).await;
    rig.check(bobs(), "unknown_user").await;
    rig.limits(DomainChange { provider: Some(None), ..DomainChange::default() }).await;
    rig.limits(DomainChange { active: Some(true), ..DomainChange::default() }).await;
    rig.check(bobs(), "unknown_user").await;
    assert_eq!((corp.look_ups(), corp.by_id()), (0, 0));
}

/// App passwords, certificates and tokens of earlier logins make nothing.
#[tokio::test]
async fn only_a_main_password_or_a_providers_token_makes_a_mailbox() {
    let (rig, corp) = Rig::with_bob().await;
    let certificate = Credentials::Certificate { name: BOB.into(), authzid: None };
    let token = rig.pipeline.auth_token(&address(BOB), b"1", b"s", b"imap");
    let auth_token = Credentials::AuthToken {
        service: b"imap".to_vec(),
        session_pid: b"1".to_vec(),
        user: BOB.into(),
        session: b"s".to_vec(),
        token: Secret::from(token.as_str()),
    };
    for credentials in [certificate, auth_token] {
        rig.check(Attempt { credentials, ..bobs() }, "unknown_user").await;
    }
    assert_eq!(corp.look_ups(), 0);
}

#[tokio::test]
async fn an_outage_is_no_refusal_and_no_old_answer_makes_a_mailbox() {
    let (rig, corp) = Rig::with_bob().await;
    corp.says(Some(503));
    rig.both(bobs, "provider_status").await;
    corp.says(None);
    rig.limits(DomainChange { max_mailboxes: Some(Some(1)), ..DomainChange::default() }).await;
    rig.check(bobs(), "provision_limit").await;
    rig.limits(DomainChange { max_mailboxes: Some(None), ..DomainChange::default() }).await;
    corp.says(Some(503));
    rig.check(bobs(), "provider_status").await;
    assert!(rig.mailbox(BOB).await.is_none());
    let mut broken = provisioning(corp.named("corp"));
    broken.provider.realm = None;
    rig.connect(broken).await;
    rig.check(bobs(), "provider_settings").await;
}

#[tokio::test]
async fn wrong_passwords_of_newcomers_are_guesses_and_cheap() {
    let (rig, corp) = Rig::with_bob().await;
    for number in 0..10 {
        let wrong = from(&format!("192.0.2.{number}"), password(BOB, &format!("guess {number}")));
        let decision = rig.decide(wrong).await;
        assert_eq!((word(&decision.verdict), decision.guess), ("wrong_password", true));
    }
    assert_eq!(corp.look_ups(), 1, "what was said just now counts");
    rig.check(bobs(), "held_back").await;
    assert!(rig.mailbox(BOB).await.is_none());
    // The same wrong password again is no new guess, and no new hash.
    let (rig, _corp) = Rig::with_bob().await;
    for number in 0..20 {
        let decision = rig.decide(password(BOB, "wrong")).await;
        assert_eq!((word(&decision.verdict), decision.guess), ("wrong_password", number == 0));
    }
    rig.check(bobs(), "ok").await;
}

#[tokio::test]
async fn a_name_that_nobody_has_is_refused_as_before_and_remembered() {
    let (rig, corp) = Rig::with_bob().await;
    let nobody = || password("nobody@example.org", "wonderland");
    let decision = rig.decide(nobody()).await;
    assert_eq!((word(&decision.verdict), decision.guess), ("unknown_user", true));
    rig.check(later(9, nobody()), "unknown_user").await;
    assert_eq!(corp.look_ups(), 1);
    rig.check(later(10, nobody()), "unknown_user").await;
    assert_eq!(corp.look_ups(), 2);
    corp.has("nobody@example.org", hash_of("wonderland"));
    rig.check(later(20, nobody()), "ok").await;
}

/// A flood of made-up names from everywhere leaves the others their places.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_made_up_names_holds_up_nobody_who_is_known() {
    let (rig, corp) = Rig::with_bob().await;
    corp.holds(true);
    let flood = (0..200).map(|number| {
        let user = format!("made{number}@example.org");
        let attempt = from(&format!("10.0.{number}.1"), password(&user, "x"));
        let pipeline = Arc::clone(&rig.pipeline);
        tokio::spawn(async move { pipeline.decide(attempt).await })
    });
    let flood: Vec<_> = flood.collect();
    corp.asked(8).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(corp.look_ups(), 8, "no more than a quarter at a time");
    let known = {
        let (pipeline, attempt) =
            (Arc::clone(&rig.pipeline), password("ann@example.org", "wonderland"));
        tokio::spawn(async move { pipeline.decide(attempt).await })
    };
    corp.asked(9).await;
    corp.holds(false);
    assert_eq!(word(&known.await.unwrap().verdict), "ok");
    for one in join_all(flood).await {
        assert_eq!(word(&one.unwrap().verdict), "unknown_user");
    }
    assert!(rig.cache("people").entries <= 1);
}

/// One network has a quarter of the strangers' places.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_one_network_leaves_other_newcomers_their_places() {
    let (rig, corp) = Rig::with_bob().await;
    corp.holds(true);
    let flood = (0..20).map(|number| {
        let attempt = password(&format!("made{number}@example.org"), "x");
        let pipeline = Arc::clone(&rig.pipeline);
        tokio::spawn(async move { pipeline.decide(attempt).await })
    });
    let flood: Vec<_> = flood.collect();
    corp.asked(2).await;
    let other = {
        let (pipeline, attempt) = (Arc::clone(&rig.pipeline), from("198.51.100.1", bobs()));
        tokio::spawn(async move { pipeline.decide(attempt).await })
    };
    corp.asked(3).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(corp.look_ups(), 3);
    corp.holds(false);
    assert_eq!(word(&other.await.unwrap().verdict), "ok");
    join_all(flood).await;
}

/// Groups and roles are asked for where the mapping goes by them, and only for who
/// has no mailbox yet.
#[tokio::test]
async fn groups_and_roles_of_newcomers_are_asked_for() {
    for (mapping, has, requests) in [
        (mapped("group", "board", "Gold"), json!({ "groups": [{ "path": "/board" }] }), 1),
        (mapped("group", "/board", "Gold"), json!({ "groups": [{ "path": "/board" }] }), 1),
        (mapped("role", "chief", "Gold"), json!({ "roles": [{ "name": "chief" }] }), 1),
        (mapped("value", "x", "Gold"), json!({ "groups": [{ "path": "/board" }] }), 0),
    ] {
        let (rig, corp) = Rig::with_bob().await;
        let mut named = provisioning(corp.named("corp"));
        named.provider.attribute_mapping = vec![mapping];
        rig.connect(named).await;
        corp.has(BOB, has);
        rig.check(bobs(), "ok").await;
        rig.is_made_by(BOB, if requests > 0 { "Gold" } else { "Staff" }).await;
        assert_eq!((corp.look_ups(), corp.by_id()), (1, requests));
        // What a search does not show takes no template away.
        rig.check(later(100, bobs()), "ok").await;
        assert_eq!((corp.look_ups(), corp.by_id()), (2, requests));
        rig.is_made_by(BOB, if requests > 0 { "Gold" } else { "Staff" }).await;
    }
}

#[tokio::test]
async fn groups_that_cannot_be_asked_for_are_an_outage() {
    let (rig, corp) = Rig::with_bob().await;
    let mut named = provisioning(corp.named("corp"));
    named.provider.attribute_mapping = vec![mapped("group", "board", "Gold")];
    rig.connect(named).await;
    for groups in [json!(null), json!({}), json!([{ "name": "board" }]), json!([7])] {
        corp.has(BOB, json!({ "groups": groups }));
        rig.both(bobs, "provider_malformed").await;
    }
    assert!(rig.mailbox(BOB).await.is_none());
}

/// Somebody has another address at the provider now, and logs in by it.
#[tokio::test]
async fn whoever_has_a_mailbox_gets_no_second_one() {
    for renames in [Renames::Report, Renames::Follow] {
        let (rig, corp) = Rig::with_bob().await;
        let mut named = provisioning(corp.named("corp"));
        named.provider.renames = renames;
        rig.connect(named).await;
        rig.check(bobs(), "ok").await;
        let id = rig.mailbox(BOB).await.unwrap().id;
        corp.has(BOB, json!({ "email": "robert@example.org" }));
        let roberts = || later(100, password("robert@example.org", "looking glass"));
        match renames {
            Renames::Report => {
                let (detail, sentence) = rig.both(roberts, "provision_other_mailbox").await;
                assert!(detail.contains("has the mailbox bob@example.org"), "{detail}");
                assert!(sentence.contains("renames"), "{sentence}");
                assert!(rig.mailbox("robert@example.org").await.is_none());
            }
            Renames::Follow => {
                rig.both(roberts, "ok").await;
                assert_eq!(rig.mailbox("robert@example.org").await.unwrap().id, id);
                assert!(rig.mailbox(BOB).await.is_none());
            }
        }
    }
}

/// bob's token is good, and he has no mailbox.
async fn with_token(claims: Value) -> (Rig, FakeProvider) {
    let (rig, corp) = Rig::with_provider().await;
    let mut named = provisioning(corp.named("corp"));
    named.provider.attribute_mapping.push(mapped("group", "/board", "Gold"));
    named.provider.attribute_mapping.push(mapped("role", "chief", "Gold"));
    rig.connect(named).await;
    rig.put(template("Staff", |_| ())).await;
    rig.put(template("Gold", |_| ())).await;
    corp.gives("bobs", BOB, claims);
    (rig, corp)
}

#[tokio::test]
async fn a_token_makes_a_mailbox_by_its_claims() {
    for (claims, expected) in [
        (json!({}), "Staff"),
        (json!({ "mailcow_template": "boss" }), "Gold"),
        (json!({ "mailcow_template": ["other", "boss"] }), "Gold"),
        (json!({ "groups": ["board"] }), "Gold"),
        (json!({ "groups": ["/board"] }), "Gold"),
        (json!({ "realm_access": { "roles": ["chief"] } }), "Gold"),
        (json!({ "groups": 7, "mailcow_template": {}, "realm_access": [] }), "Staff"),
    ] {
        let (rig, corp) = with_token(claims).await;
        let Verdict::Verified(verified) = rig.check(bearer(BOB, "bobs"), "ok").await else {
            panic!()
        };
        assert_eq!(verified.by(), &VerifiedBy::Token(name("corp")));
        rig.is_made_by(BOB, expected).await;
        assert_eq!(rig.bound(BOB).await.as_deref(), Some("corp/id of bob@example.org"));
        rig.check(bearer(BOB, "bobs"), "ok").await;
        assert_eq!(corp.requests(), 1);
    }
}

#[tokio::test]
async fn a_token_makes_no_mailbox_for_another() {
    let (rig, corp) = with_token(json!({ "email": "other@example.org" })).await;
    let bobs = || bearer(BOB, "bobs");
    rig.both(bobs, "token_user").await;
    corp.gives("bobs", BOB, json!({ "email_verified": false }));
    rig.pipeline.flush_cache(&[]);
    rig.both(bobs, "unverified_email").await;
    corp.revokes("bobs");
    rig.pipeline.flush_cache(&[]);
    rig.both(bobs, "token_inactive").await;
    let asked = corp.requests();
    rig.check(bobs(), "token_inactive").await;
    assert_eq!(corp.requests(), asked, "a refusal is remembered");
    corp.is_down(true);
    rig.pipeline.flush_cache(&[]);
    rig.both(bobs, "provider_status").await;
    corp.is_down(false);
    corp.gives("bobs", BOB, json!({}));
    rig.limits(DomainChange { max_mailboxes: Some(Some(1)), ..DomainChange::default() }).await;
    rig.both(bobs, "provision_limit").await;
    assert!(rig.mailbox(BOB).await.is_none());
}

/// A mailbox that was taken away does not come back by what was said before.
#[tokio::test]
async fn a_removed_mailbox_is_made_anew_by_a_new_answer_alone() {
    let (rig, corp) = Rig::with_bob().await;
    rig.check(bobs(), "ok").await;
    rig.store.remove_mailbox(&address(BOB)).await.unwrap();
    corp.says(Some(503));
    rig.check(bobs(), "provider_status").await;
    assert!(rig.mailbox(BOB).await.is_none());
    corp.says(None);
    rig.check(bobs(), "ok").await;
    assert_eq!(corp.look_ups(), 3);
}

/// Who stands in a passwd-file gets his mailbox by his first login, too, before
/// any provider of the domain is asked.
#[tokio::test]
async fn a_directory_makes_mailboxes_for_its_people() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    std::fs::write(&path, format!("{BOB}:{}\n", bcrypt("looking glass"))).unwrap();
    let written = format!(
        "kind = \"passwd-file\"\npath = \"{}\"\ndomains = [\"example.org\"]\nimport_users = false",
        path.display()
    );
    let written: crate::directory::Written = toml::from_str(&written).unwrap();
    let directory = crate::directory::Settings::mean(&name("file"), &written).unwrap();
    let rig = Rig::with(Settings { directories: vec![directory.into()], ..settings() }).await;
    for (attempt, expected) in [
        (password(BOB, "wrong"), "wrong_password"),
        (password("cleo@example.org", "looking glass"), "unknown_user"),
    ] {
        let detail = rig.refuses(attempt, expected).await;
        assert!(detail.starts_with("file: "), "{detail}");
    }
    let (_, trace) = rig.pipeline.explain(bobs()).await;
    assert!(trace.sentence.contains("it would be made"), "{}", trace.sentence);
    let Verdict::Verified(verified) = rig.check(bobs(), "ok").await else { panic!() };
    assert_eq!(verified.by(), &VerifiedBy::Directory(name("file")));
    assert_eq!(rig.bound(BOB).await.as_deref(), Some("file/bob@example.org"));
    rig.check(over("pop3", bobs()), "ok").await;
}

/// What an administrator does while the provider is asked counts.
#[tokio::test]
async fn what_changes_under_way_counts() {
    let (rig, corp) = Rig::with_bob().await;
    let none = DomainChange::default;
    for (change, expected) in [
        (DomainChange { active: Some(false), ..none() }, "unknown_user"),
        (DomainChange { active: Some(true), provider: Some(None), ..none() }, "unknown_user"),
    ] {
        let begun = corp.look_ups();
        corp.holds(true);
        let during = async {
            corp.asked(begun + 1).await;
            rig.limits(change).await;
            corp.holds(false);
        };
        let (decision, ()) = tokio::join!(rig.decide(later(100, bobs())), during);
        assert_eq!(word(&decision.verdict), expected);
        assert!(rig.mailbox(BOB).await.is_none());
        let back = Some(Some(name("corp")));
        rig.limits(DomainChange { active: Some(true), provider: back, ..none() }).await;
        rig.pipeline.flush_cache(&[]);
    }
    // Somebody else made it, and by another source.
    corp.holds(true);
    let begun = corp.look_ups();
    let during = async {
        corp.asked(begun + 1).await;
        rig.add(BOB, Some(bcrypt("local"))).await;
        corp.holds(false);
    };
    let (decision, ()) = tokio::join!(rig.decide(bobs()), during);
    assert_eq!(word(&decision.verdict), "wrong_password");
}

/// Who has a mailbox keeps its folder when he gets another address. Whoever has his
/// old one then shall not read his mail.
#[tokio::test]
async fn who_has_the_address_of_somebody_renamed_does_not_get_his_folder() {
    let (rig, corp) = Rig::with_bob().await;
    rig.check(bobs(), "ok").await;
    let first = rig.mailbox(BOB).await.unwrap();
    let new = Mailbox { address: address("robert@example.org"), ..Mailbox::clone(&first) };
    let write = MailboxWrite::Replace { old: Arc::clone(&first), new: Box::new(new) };
    rig.store.carry_out(write, NOW).await.unwrap();
    corp.has(BOB, json!({ "id": "another" }));
    rig.check(later(200, bobs()), "ok").await;
    let second = rig.mailbox(BOB).await.unwrap();
    assert!(first.home.is_some() && second.id != first.id);
    assert_ne!(second.home, first.home);
    // Where that one is gone, its folder is nobody's.
    rig.store.remove_mailbox(&address("robert@example.org")).await.unwrap();
    rig.store.remove_mailbox(&address(BOB)).await.unwrap();
    rig.check(later(400, bobs()), "ok").await;
    assert_eq!(rig.mailbox(BOB).await.unwrap().home, first.home);
}

/// What is told of somebody may be a token that was signed before.
#[tokio::test]
async fn who_is_disabled_or_gone_when_he_is_asked_about_is_not_enabled() {
    let (rig, corp) = Rig::with_bob().await;
    let provider = rig.pipeline.provider(&name("corp")).unwrap();
    let told = async || {
        let subject = format!("id of {BOB}");
        provider.complete(Profile { subject, enabled: true, ..Profile::default() }).await.unwrap()
    };
    assert!(told().await.enabled);
    corp.has(BOB, json!({ "enabled": false }));
    assert!(!told().await.enabled);
}
