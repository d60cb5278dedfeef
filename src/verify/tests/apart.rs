//! No two of anything share an entry, whatever bytes they are made of.

use proptest::prelude::*;

use super::*;
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
