//! No two of anything share an entry, whatever bytes they are made of.

use proptest::prelude::*;

use super::{
    keycloak::{FakeKeycloak, hash_of},
    provider::later,
    *,
};
use crate::{
    mailbox::{MailboxId, ProviderName},
    verify::{
        answers::Times,
        cache::{Known, VerifiedCache},
        people::PeopleCache,
        room::{Key, Limits},
        tokens::TokenCache,
    },
};

/// Everything that a checked password depends on.
#[derive(Clone, Debug, PartialEq)]
struct Checked {
    mailbox: u128,
    user: String,
    generation: u64,
    domain_generation: u64,
    provider: Option<String>,
    hash: String,
    password: Vec<u8>,
}

impl Checked {
    fn account(&self) -> Account {
        let account = Verified::for_test("ann@example.org", VerifiedBy::LocalPassword).account;
        let mut mailbox = (*account.mailbox).clone();
        let mut domain = (*account.domain).clone();
        mailbox.id = MailboxId(self.mailbox);
        mailbox.address = address(&self.user);
        mailbox.generation = self.generation;
        mailbox.auth_source = match &self.provider {
            None => AuthSource::Local,
            Some(name) => AuthSource::Provider(name.parse().unwrap()),
        };
        domain.generation = self.domain_generation;
        Account { mailbox: Arc::new(mailbox), domain: Arc::new(domain) }
    }

    fn key(&self, cache: &VerifiedCache) -> Key {
        cache.key(&self.account(), &self.hash, &self.password)
    }
}

/// Few different ones, so that many are equal in all but one thing; and any bytes.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(prop_oneof![Just(0), Just(9), Just(b'a'), Just(0xff)], 0..4),
        any::<Vec<u8>>(),
    ]
}

fn checked() -> impl Strategy<Value = Checked> {
    let provider = prop::option::of("[a-c][a-c_-]{0,2}");
    let user = "[ab][ab.+_-]{0,2}[ab]@[ab]{1,2}";
    let hash = prop_oneof!["[{}ab\\x00\t]{0,3}", any::<String>()];
    (0_u128..3, user, 0_u64..3, 0_u64..3, provider, hash, bytes()).prop_filter_map(
        "an address",
        |(mailbox, user, generation, domain, provider, hash, password)| {
            let user = Address::parse(&user).ok()?.to_string();
            let domain_generation = domain;
            Some(Checked { mailbox, user, generation, domain_generation, provider, hash, password })
        },
    )
}

fn verified_cache() -> VerifiedCache {
    VerifiedCache::new(1000, Duration::from_secs(60), Arc::default())
}

fn provider() -> impl Strategy<Value = ProviderName> {
    "[a-c][a-c0-2_-]{0,3}".prop_map(|name| name.parse().unwrap())
}

const TIMES: Times = {
    let time = Duration::from_secs(60);
    Times { fresh: time, refused: time, stale: time }
};
const LIMITS: [Limits; 2] = [Limits { entries: 10, bytes: 10_000 }; 2];

fn token_key(secret: &[u8; 32], provider: &ProviderName, token: &[u8]) -> Key {
    TokenCache::with_secret(*secret, provider.clone(), TIMES, LIMITS).key(token)
}

fn person_key(secret: &[u8; 32], provider: &ProviderName, address: &Address) -> Key {
    let cache = PeopleCache::with_secret(*secret, provider.clone(), TIMES, LIMITS);
    cache.key(address.as_str().as_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// C-59: two keys are equal only where everything is.
    #[test]
    fn passwords_share_an_entry_only_where_everything_is_equal(one in checked(), two in checked()) {
        let cache = verified_cache();
        prop_assert_eq!(one.key(&cache) == two.key(&cache), one == two);
        cache.keep(one.key(&cache), address(&one.user), Known::Right);
        prop_assert_eq!(cache.look_up(&two.key(&cache)).is_some(), one == two);
    }

    /// One thing alone differs, or bytes move from one to its neighbour.
    #[test]
    fn each_thing_makes_another_entry(one in checked(), other in checked(), moved in 0..3_usize) {
        let cache = verified_cache();
        let with = |change: &dyn Fn(&mut Checked)| {
            let mut two = one.clone();
            change(&mut two);
            two
        };
        for two in [
            with(&|two| two.mailbox = other.mailbox),
            with(&|two| two.user.clone_from(&other.user)),
            with(&|two| two.generation = other.generation),
            with(&|two| two.domain_generation = other.domain_generation),
            with(&|two| two.provider.clone_from(&other.provider)),
            with(&|two| two.hash.clone_from(&other.hash)),
            with(&|two| two.password.clone_from(&other.password)),
            with(&|two| two.password = [&other.password[..], &one.password].concat()),
            with(&|two| {
                let split = two.password.len().min(moved);
                let rest = two.password.split_off(split);
                two.hash.push_str(&String::from_utf8_lossy(&two.password));
                two.password = rest;
            }),
            with(&|two| {
                if let Some(last) = two.hash.pop() {
                    let mut buffer = [0; 4];
                    let head = last.encode_utf8(&mut buffer).as_bytes();
                    two.password = [head, &two.password].concat();
                }
            }),
        ] {
            prop_assert_eq!(one.key(&cache) == two.key(&cache), one == two, "{:?}", two);
        }
    }

    /// What a provider says is its own, token by token.
    #[test]
    fn tokens_share_an_entry_only_where_provider_and_token_are_equal(
        (a, one) in (provider(), bytes()), (b, two) in (provider(), bytes()),
    ) {
        let same = (&a, &one) == (&b, &two);
        prop_assert_eq!(token_key(&[1; 32], &a, &one) == token_key(&[1; 32], &b, &two), same);
        // The provider's name with a piece of the token is no other provider's.
        let shifted = [a.as_str().as_bytes(), &one].concat();
        prop_assert!(token_key(&[1; 32], &b, &shifted) != token_key(&[1; 32], &a, &one));
        // Nor does anybody else's key fit, so that nobody can make one.
        prop_assert!(token_key(&[1; 32], &a, &one) != token_key(&[2; 32], &a, &one));
    }

    #[test]
    fn people_share_an_entry_only_where_provider_and_address_are_equal(
        (a, one) in (provider(), "[a-c.+_-]{1,4}"), (b, two) in (provider(), "[a-c.+_-]{1,4}"),
    ) {
        let parse = |local: &str| Address::parse(&format!("{local}@example.org")).ok();
        if let (Some(one), Some(two)) = (parse(&one), parse(&two)) {
            let same = (&a, &one) == (&b, &two);
            let keys = person_key(&[1; 32], &a, &one) == person_key(&[1; 32], &b, &two);
            prop_assert_eq!(keys, same);
        }
    }
}

/// Something that happens at a server.
#[derive(Clone, Debug)]
enum Happens {
    LogsIn {
        user: usize,
        protocol: &'static str,
        password: usize,
    },
    /// A local password is set, which counts where the auth source is local.
    PasswordIsSet {
        user: usize,
        password: usize,
    },
    /// The main password opens IMAP alone, or everything.
    ServicesAreSet {
        user: usize,
        imap_alone: bool,
    },
    IsSwitched {
        user: usize,
        on: bool,
    },
    SourceIsSet {
        user: usize,
        local: bool,
    },
}

/// Two with one name at two providers, and neighbours by name.
const USERS: [(&str, Option<&str>); 5] = [
    ("ann@example.org", Some("corp")),
    ("ann@example.net", Some("other")),
    ("anna@example.org", Some("corp")),
    ("nan@example.org", None),
    ("na@example.org", None),
];
const PASSWORDS: [&str; 5] = ["tea", "tea ", "te", "te\ta", "ann@example.orgtea"];

fn happens() -> impl Strategy<Value = Happens> {
    let (user, password) = (0..USERS.len(), 0..PASSWORDS.len());
    let logs_in =
        (user.clone(), prop::sample::select(vec!["imap", "smtp", "pop3"]), password.clone())
            .prop_map(|(user, protocol, password)| Happens::LogsIn { user, protocol, password });
    prop_oneof![
        8 => logs_in,
        // Not the one that no password can be.
        1 => (user.clone(), password.prop_filter("fit", |number| *number != 3))
            .prop_map(|(user, password)| Happens::PasswordIsSet { user, password }),
        1 => (user.clone(), any::<bool>())
            .prop_map(|(user, imap_alone)| Happens::ServicesAreSet { user, imap_alone }),
        1 => (user.clone(), any::<bool>()).prop_map(|(user, on)| Happens::IsSwitched { user, on }),
        1 => (user, any::<bool>()).prop_map(|(user, local)| Happens::SourceIsSet { user, local }),
    ]
}

impl Rig {
    /// Everybody's password is "tea", at corp, at other and here.
    async fn of_neighbours(corp: &FakeKeycloak, other: &FakeKeycloak) -> Self {
        let mut lax = settings();
        (lax.abuse.account_limit, lax.abuse.network_limit) = (0, 0);
        let rig = Self::with(lax).await;
        rig.store.create_domain(Domain::for_test("example.net")).await.unwrap();
        rig.connect(corp.named("corp")).await;
        rig.connect(other.named("other")).await;
        rig.speaks("corp", "example.org").await;
        rig.speaks("other", "example.net").await;
        for (user, provider) in USERS {
            if user != "ann@example.org" {
                rig.add(user, Some(bcrypt("tea"))).await;
            }
            if let Some(provider) = provider {
                rig.belongs(user, provider).await;
            }
        }
        rig
    }

    /// The verdict, where it was a login.
    async fn sees(&self, happens: &Happens, at: u64) -> Option<&'static str> {
        let (user, change) = match *happens {
            Happens::LogsIn { user, protocol, password: number } => {
                let attempt = password(USERS[user].0, PASSWORDS[number]);
                let decision = self.decide(later(at, over(protocol, attempt))).await;
                return Some(word(&decision.verdict));
            }
            Happens::PasswordIsSet { user, password } => {
                let local_hash = Some(Some(bcrypt(PASSWORDS[password]).into()));
                (user, MailboxChange { local_hash, ..MailboxChange::default() })
            }
            Happens::ServicesAreSet { user, imap_alone } => {
                let some = Services::from_iter([Service::Imap]);
                let services = Some(if imap_alone { some } else { Services::ALL });
                (user, MailboxChange { services, ..MailboxChange::default() })
            }
            Happens::IsSwitched { user, on } => {
                let state = if on { MailboxState::Active } else { MailboxState::Disabled };
                let state = Some((state, SetBy::Administrator));
                (user, MailboxChange { state, ..MailboxChange::default() })
            }
            Happens::SourceIsSet { user, local } => {
                let source = USERS[user].1.filter(|_| !local);
                let source = source
                    .map_or(AuthSource::Local, |name| AuthSource::Provider(name.parse().unwrap()));
                (user, MailboxChange { auth_source: Some(source), ..MailboxChange::default() })
            }
        };
        self.change(USERS[user].0, change).await;
        None
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever a server remembers of users, services, providers and generations, it
    /// says nothing else than one that remembers nothing.
    #[test]
    fn a_warm_server_says_what_a_cold_one_says(history in prop::collection::vec(happens(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (corp, other) = (FakeKeycloak::start().await, FakeKeycloak::start().await);
            for keycloak in [&corp, &other] {
                for (user, _) in USERS {
                    keycloak.has(user, hash_of("tea"));
                }
            }
            // The same name at the other one is somebody else.
            other.has("ann@example.org", hash_of("te"));
            corp.has("ann@example.net", hash_of("te"));
            let warm = Rig::of_neighbours(&corp, &other).await;
            let cold = Rig::of_neighbours(&corp, &other).await;
            for (at, happens) in (0..).zip(&history) {
                cold.pipeline.flush_cache(&[]);
                let (warm, cold) = (warm.sees(happens, at).await, cold.sees(happens, at).await);
                prop_assert_eq!(warm, cold, "{:?}", happens);
            }
            Ok(())
        })?;
    }
}
