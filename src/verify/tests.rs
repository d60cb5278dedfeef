//! The order of the checks, on the in-memory engine.

mod abuse;
mod apart;
mod bearer;
mod explain;
mod following;
mod form;
mod http;
mod imported;
mod keycloak;
mod ldap;
mod mailpassword;
mod newcomers;
mod owners;
mod provider;
mod providers;
mod purges;
mod slow;
mod upgrade;
mod withdrawal;

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::*;
use crate::{
    clock::Timestamp,
    mailbox::{
        AppPassword, AppPasswordId, AuthSource, Domain, DomainName, MailboxState, Service,
        Services, SetBy,
    },
    password::{AppPasswordText, NewScheme},
    secret::Secret,
    store::{DomainChange, MailboxChange, NewMailbox, Store, UseFilter, memory::MemoryStore},
};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const WAIT: Duration = Duration::from_secs(2);

/// A pipeline over example.org with ann, whose password is "wonderland".
pub(super) struct Rig {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) store: Arc<MemoryStore>,
}

pub(super) fn settings() -> Settings {
    Settings { default_scheme: NewScheme::BlfCrypt { cost: 4 }, ..Settings::default() }
}

pub(super) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub(super) fn bcrypt(password: &str) -> String {
    NewScheme::BlfCrypt { cost: 4 }.hash(password.as_bytes(), [7; 16]).unwrap()
}

pub(super) fn mailbox(user: &str, hash: Option<String>) -> NewMailbox {
    NewMailbox { local_hash: hash.map(Into::into), ..NewMailbox::at(address(user)) }
}

pub(super) fn password(user: &str, password: &str) -> Attempt {
    Attempt {
        credentials: Credentials::Password {
            authcid: user.as_bytes().to_vec(),
            authzid: None,
            password: Secret::from(password),
        },
        mechanism: "PLAIN",
        protocol: "imap".to_owned(),
        rip: Some("192.0.2.1".parse().unwrap()),
        session: None,
        no_penalty: false,
        arrived: NOW,
    }
}

impl Rig {
    /// How this cache does.
    pub(super) fn cache(&self, name: &str) -> CacheStatus {
        self.pipeline.cache_status().into_iter().find(|cache| cache.name == name).unwrap()
    }

    pub(super) async fn new() -> Self {
        Self::with(settings()).await
    }

    pub(super) async fn with(settings: Settings) -> Self {
        let store = Arc::new(MemoryStore::new());
        store.create_domain(Domain::for_test("example.org")).await.unwrap();
        let pipeline = Arc::new(Pipeline::open(settings, store.clone()).await.unwrap());
        let rig = Self { pipeline, store };
        rig.add("ann@example.org", Some(bcrypt("wonderland"))).await;
        rig
    }

    /// Another server over the same store.
    pub(super) async fn over(store: Arc<MemoryStore>) -> Self {
        let pipeline = Arc::new(Pipeline::open(settings(), store.clone()).await.unwrap());
        Self { pipeline, store }
    }

    pub(super) async fn add(&self, user: &str, hash: Option<String>) {
        self.store.create_mailbox_within_limits(mailbox(user, hash), NOW).await.unwrap();
    }

    pub(super) async fn change(&self, user: &str, change: MailboxChange) {
        self.store.update_mailbox(&address(user), change, NOW).await.unwrap();
    }

    pub(super) async fn app_password(
        &self,
        user: &str,
        id: u32,
        refine: impl FnOnce(&mut AppPassword),
    ) -> String {
        let account = self.store.account(&address(user)).await.unwrap().unwrap();
        let id = AppPasswordId::from_bits(id);
        let text = AppPasswordText::generate(id, &[11; 19]);
        let mut stored = AppPassword {
            id,
            name: "Phone".to_owned(),
            digest: text.digest(account.mailbox.id),
            services: Services::ALL,
            networks: Vec::new(),
            expires: None,
            created: NOW,
        };
        refine(&mut stored);
        self.store.add_app_password(&address(user), stored).await.unwrap();
        String::from_utf8(text.text().expose().to_vec()).unwrap()
    }

    pub(super) async fn decide(&self, attempt: Attempt) -> Decision {
        self.pipeline.decide(attempt).await
    }

    /// Checks the verdict and the delay that belongs to it.
    pub(super) async fn check(&self, attempt: Attempt, expected: &str) -> Verdict {
        let about = format!("{attempt:?}");
        let decision = self.decide(attempt).await;
        assert_eq!(word(&decision.verdict), expected, "{about}");
        match &decision.verdict {
            Verdict::Rejected(_) => {
                assert!(decision.answer_after >= WAIT && decision.answer_after <= MAX_DELAY);
            }
            _ => assert_eq!(decision.answer_after, Duration::ZERO),
        }
        decision.verdict
    }
}

pub(super) fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Verified(_) => "ok",
        Verdict::Rejected(rejected) => rejected.reason.name(),
        Verdict::Unavailable(unavailable) => unavailable.cause.name(),
    }
}

fn from(rip: &str, attempt: Attempt) -> Attempt {
    Attempt { rip: Some(rip.parse::<IpAddr>().unwrap()), ..attempt }
}

fn over(protocol: &str, attempt: Attempt) -> Attempt {
    Attempt { protocol: protocol.to_owned(), ..attempt }
}

#[tokio::test]
async fn right_and_wrong_passwords() {
    let rig = Rig::new().await;
    let verdict = rig.check(password("Ann@Example.ORG", "wonderland"), "ok").await;
    let Verdict::Verified(verified) = verdict else { panic!() };
    assert_eq!(verified.user().as_str(), "ann@example.org");
    assert_eq!(verified.by(), &VerifiedBy::LocalPassword);
    rig.check(password("ann@example.org", "Wonderland"), "wrong_password").await;
    rig.check(password("ann@example.org", ""), "bad_password").await;
    rig.check(password("ann@example.org", "wonder\0land"), "bad_password").await;
    rig.check(password("ann@example.org", "wonder\tland"), "bad_password").await;
    rig.check(password("bob@example.org", "wonderland"), "unknown_user").await;
    rig.check(password("ann@example.net", "wonderland"), "unknown_domain").await;
    rig.check(password("ann", "wonderland"), "bad_name").await;
    rig.add("plain@example.org", Some("{PLAIN}tea".to_owned())).await;
    rig.check(password("plain@example.org", "tea"), "ok").await;
    rig.check(password("plain@example.org", "coffee"), "wrong_password").await;
}

#[tokio::test]
async fn nobody_acts_as_another() {
    let rig = Rig::new().await;
    rig.add("bob@example.org", Some(bcrypt("wonderland"))).await;
    let acting = |authzid: &str| {
        let mut attempt = password("ann@example.org", "wonderland");
        if let Credentials::Password { authzid: place, .. } = &mut attempt.credentials {
            *place = Some(authzid.as_bytes().to_vec());
        }
        attempt
    };
    rig.check(acting("ANN@example.org"), "ok").await;
    rig.check(acting(""), "ok").await;
    rig.check(acting("bob@example.org"), "master_login").await;
    rig.check(acting("nobody@example.net"), "master_login").await;
    rig.check(acting("\0"), "master_login").await;
}

#[tokio::test]
async fn state_comes_before_every_password() {
    let rig = Rig::new().await;
    let phone = rig.app_password("ann@example.org", 1, |_| ()).await;
    let each = [
        (MailboxState::ReceiveOnly, "receive_only"),
        (MailboxState::Disabled, "mailbox_disabled"),
        (MailboxState::Active, "ok"),
    ];
    for (state, expected) in each {
        let state = Some((state, SetBy::Administrator));
        rig.change("ann@example.org", MailboxChange { state, ..MailboxChange::default() }).await;
        rig.check(password("ann@example.org", "wonderland"), expected).await;
        rig.check(password("ann@example.org", &phone), expected).await;
    }
    let off = DomainChange { active: Some(false), ..DomainChange::default() };
    let domain = DomainName::parse("example.org").unwrap();
    rig.store.update_domain(&domain, off, NOW).await.unwrap();
    rig.check(password("ann@example.org", "wonderland"), "domain_disabled").await;
    rig.check(password("ann@example.org", &phone), "domain_disabled").await;
}

#[tokio::test]
async fn services_bind_the_main_password_and_not_app_passwords() {
    let rig = Rig::new().await;
    let phone = rig
        .app_password("ann@example.org", 1, |stored| {
            stored.services = [Service::Imap, Service::Smtp].into_iter().collect();
        })
        .await;
    let services = Some(Services::NONE);
    rig.change("ann@example.org", MailboxChange { services, ..MailboxChange::default() }).await;
    let main = password("ann@example.org", "wonderland");
    rig.check(main, "service_not_allowed").await;
    // Wrong or right: it is not even looked at.
    rig.check(password("ann@example.org", "other"), "service_not_allowed").await;
    rig.check(password("ann@example.org", &phone), "ok").await;
    let lower = phone.to_lowercase().replace('-', " ");
    rig.check(over("submission", password("ann@example.org", &lower)), "ok").await;
    rig.check(over("pop3", password("ann@example.org", &phone)), "app_password_service").await;
    rig.check(over("xmpp", password("ann@example.org", &phone)), "app_password_service").await;
}

#[tokio::test]
async fn app_passwords_have_networks_and_an_end() {
    let rig = Rig::new().await;
    rig.add("bob@example.org", None).await;
    let phone = rig
        .app_password("ann@example.org", 1, |stored| {
            stored.networks = vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
            stored.expires = Some(Timestamp(NOW.0 + 1));
        })
        .await;
    let attempt = || password("ann@example.org", &phone);
    rig.check(from("10.1.2.3", attempt()), "ok").await;
    rig.check(from("::ffff:10.1.2.3", attempt()), "ok").await;
    rig.check(from("2001:db8::1", attempt()), "ok").await;
    rig.check(from("192.0.2.1", attempt()), "app_password_network").await;
    rig.check(Attempt { rip: None, ..attempt() }, "app_password_network").await;
    let late = Attempt { arrived: Timestamp(NOW.0 + 1), ..from("10.1.2.3", attempt()) };
    let Verdict::Rejected(rejected) = rig.check(late, "app_password_expired").await else {
        panic!()
    };
    assert_eq!(rejected.app_password, Some(AppPasswordId::from_bits(1)));
    // Somebody else's is an ordinary wrong password.
    rig.check(password("bob@example.org", &phone), "no_password").await;
    let id = AppPasswordId::from_bits(1);
    rig.store.remove_app_password(&address("ann@example.org"), id).await.unwrap();
    rig.check(from("10.1.2.3", attempt()), "wrong_password").await;
}

#[tokio::test]
async fn an_app_password_with_a_known_id_decides_alone() {
    let rig = Rig::new().await;
    rig.app_password("ann@example.org", 1, |_| ()).await;
    let id = AppPasswordId::from_bits(1);
    let forged = AppPasswordText::generate(id, &[12; 19]).text();
    let forged = std::str::from_utf8(forged.expose()).unwrap().to_owned();
    rig.check(password("ann@example.org", &forged), "app_password_wrong").await;
    // The main password may itself look like one whose id nobody has.
    let other = AppPasswordText::generate(AppPasswordId::from_bits(2), &[12; 19]).text();
    let other = std::str::from_utf8(other.expose()).unwrap().to_owned();
    rig.add("bob@example.org", Some(bcrypt(&other))).await;
    rig.check(password("bob@example.org", &other), "ok").await;
}

#[tokio::test]
async fn a_hash_that_cannot_be_checked_is_our_fault() {
    let rig = Rig::new().await;
    let each = [
        ("{NTLM}0cb6948805f797bf2a82807973b89537", "unknown_scheme"),
        ("{BLF-CRYPT}$2y$10$tooshort", "corrupt_hash"),
        ("wonderland", "corrupt_hash"),
        ("{SHA512-CRYPT}$6$rounds=1000001$saltsalt$", "corrupt_hash"),
        (
            "{ARGON2ID}$argon2id$v=19$m=4194304,t=3,p=1$c29tZXNhbHQ$c29tZWRpZ2VzdHNvbWU",
            "cost_above_cap",
        ),
    ];
    for (number, (hash, cause)) in each.into_iter().enumerate() {
        let user = format!("user{number}@example.org");
        rig.add(&user, Some(hash.to_owned())).await;
        rig.check(password(&user, "wonderland"), cause).await;
    }
    rig.add("bob@example.org", None).await;
    rig.check(password("bob@example.org", "wonderland"), "no_password").await;
    let auth_source = Some(AuthSource::Provider("corp".parse().unwrap()));
    rig.change("ann@example.org", MailboxChange { auth_source, ..MailboxChange::default() }).await;
    rig.check(password("ann@example.org", "wonderland"), "no_such_provider").await;
}

#[tokio::test]
async fn certificates_pass_state_and_services() {
    let rig = Rig::new().await;
    let certificate = |authzid: Option<&str>| Attempt {
        credentials: Credentials::Certificate {
            name: b"Ann@example.org".to_vec(),
            authzid: authzid.map(|name| name.as_bytes().to_vec()),
        },
        ..password("", "")
    };
    rig.check(certificate(None), "ok").await;
    rig.check(certificate(Some("ann@example.org")), "ok").await;
    rig.check(certificate(Some("bob@example.org")), "master_login").await;
    let services = Some([Service::Smtp].into_iter().collect());
    rig.change("ann@example.org", MailboxChange { services, ..MailboxChange::default() }).await;
    rig.check(certificate(None), "service_not_allowed").await;
    rig.check(over("smtp", certificate(None)), "ok").await;
}

#[tokio::test]
async fn a_token_fits_its_five_parts_alone() {
    let rig = Rig::new().await;
    let token = rig.pipeline.auth_token(&address("ann@example.org"), b"1234", b"s1", b"imap");
    assert_eq!(token.len(), 40);
    let attempt = |parts: [&str; 5]| Attempt {
        credentials: Credentials::AuthToken {
            service: parts[0].into(),
            session_pid: parts[1].into(),
            user: parts[2].into(),
            session: parts[3].into(),
            token: Secret::from(parts[4]),
        },
        ..password("", "")
    };
    let right = ["imap", "1234", "ann@example.org", "s1", token.as_str()];
    let Verdict::Verified(verified) = rig.check(attempt(right), "ok").await else { panic!() };
    assert_eq!(verified.by(), &VerifiedBy::AuthToken { service: "imap".to_owned() });
    rig.add("bob@example.org", None).await;
    let changed =
        ["pop3", "1235", "bob@example.org", "s2", "0123456789012345678901234567890123456789"];
    for place in 0..5 {
        let mut parts = right;
        parts[place] = changed[place];
        rig.check(attempt(parts), "bad_auth_token").await;
    }
    // A byte that moves from one part to its neighbour changes both.
    rig.check(attempt(["imap", "1234s", "ann@example.org", "1", &token]), "bad_auth_token").await;
    rig.check(attempt(["imap", "1234", "Ann@example.org", "s1", &token]), "bad_auth_token").await;
    let state = Some((MailboxState::Disabled, SetBy::Administrator));
    rig.change("ann@example.org", MailboxChange { state, ..MailboxChange::default() }).await;
    rig.check(attempt(right), "mailbox_disabled").await;
}

#[tokio::test]
async fn a_store_that_fails_is_no_refusal() {
    let rig = Rig::new().await;
    rig.store.close().await.unwrap();
    rig.check(password("ann@example.org", "wonderland"), "store").await;
    rig.check(password("nobody@example.org", "wonderland"), "store").await;
    // C-39, C-40: these need no look into it.
    rig.check(password("ann@example.org", "wonder\rland"), "bad_password").await;
    rig.check(password("an\tn@example.org", "wonderland"), "bad_name").await;
    rig.check(password(&"a".repeat(1025), "wonderland"), "bad_name").await;
    assert!(rig.pipeline.held_back(NOW).is_empty());
}

#[tokio::test]
async fn the_history_has_every_login_of_a_mailbox_that_exists() {
    let rig = Rig::new().await;
    let phone = rig.app_password("ann@example.org", 1, |_| ()).await;
    rig.check(password("ann@example.org", "wonderland"), "ok").await;
    rig.check(password("ann@example.org", "wonderland"), "ok").await;
    rig.check(over("smtp", from("::ffff:192.0.2.9", password("ann@example.org", &phone))), "ok")
        .await;
    rig.check(password("ann@example.org", "x"), "wrong_password").await;
    rig.check(password("nobody@example.org", "x"), "unknown_user").await;
    let mut rows = rig.store.uses(&UseFilter::default(), 10).await.unwrap();
    rows.sort_by(|a, b| (&a.protocol, &a.outcome).cmp(&(&b.protocol, &b.outcome)));
    let rows: Vec<_> = rows
        .into_iter()
        .map(|row| (row.protocol, row.outcome, row.count, row.app_password.is_some(), row.rip))
        .collect();
    let rip = |text: &str| Some(text.parse::<IpAddr>().unwrap());
    let row = |protocol: &str, outcome: &str, count, app, rip| {
        (protocol.to_owned(), outcome.to_owned(), count, app, rip)
    };
    assert_eq!(
        rows,
        [
            row("imap", "ok", 2, false, rip("192.0.2.1")),
            row("imap", "wrong_password", 1, false, rip("192.0.2.1")),
            row("smtp", "ok", 1, true, rip("192.0.2.9")),
        ]
    );
}

#[tokio::test]
async fn a_malformed_dialogue_waits_like_any_refusal() {
    let rig = Rig::new().await;
    let decision = rig.pipeline.refuse(Reason::BadResponse);
    assert_eq!(word(&decision.verdict), "bad_response");
    assert!(decision.answer_after >= WAIT && decision.answer_after <= MAX_DELAY);
}
