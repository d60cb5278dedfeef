use std::{sync::Arc, time::Duration};

use super::*;
use crate::{
    idp::{Refusal, Refused, Token},
    mailbox::Profile,
    verify::{
        people::{NoPerson, Password, PeopleCache, Person, SaidOf},
        tokens::{self, TokenCache},
    },
};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const TIMES: Times = Times { fresh: MINUTE, refused: Duration::from_secs(10), stale: HOUR };
const LIMITS: [Limits; 2] =
    [Limits { entries: 100, bytes: 100_000 }, Limits { entries: 20, bytes: 20_000 }];

fn later(seconds: u64) -> Timestamp {
    NOW.after(Duration::from_secs(seconds))
}

fn address(name: &str) -> Address {
    Address::parse(&format!("{name}@example.org")).unwrap()
}

fn people() -> Arc<PeopleCache> {
    PeopleCache::new("corp".parse().unwrap(), TIMES, LIMITS, Arc::default()).into()
}

fn tokens() -> Arc<TokenCache> {
    TokenCache::new("corp".parse().unwrap(), TIMES, LIMITS, Arc::default()).into()
}

fn person(subject: &str) -> SaidOf {
    let password = Password::Hash("{PLAIN}tea".to_owned().into());
    let profile = Profile {
        subject: subject.to_owned(),
        enabled: true,
        email_is_verified: true,
        ..Profile::default()
    };
    Said::Good(Person { profile, password }.into())
}

fn nobody() -> SaidOf {
    Said::Refused(NoPerson::Nobody.into())
}

fn token(subject: &str, session: Option<&str>, expires: Option<Timestamp>) -> tokens::Said {
    let token = Token {
        subject: subject.to_owned(),
        user: Some("ann@example.org".to_owned()),
        user_is_verified: true,
        profile: Box::default(),
        expires,
        session: session.map(str::to_owned),
        revocation_is_shown: true,
    };
    Said::Good(tokens::Good::new(token, |_| Ok(address("ann"))).unwrap().into())
}

fn refused() -> tokens::Said {
    Said::Refused(Refusal { why: Refused::Expired, detail: "over".to_owned() }.into())
}

impl<G: LetsIn, R: Answer> Answers<G, R> {
    /// Keeps what was asked and answered now.
    fn hears(&self, about: &str, said: &Said<G, R>) -> Key {
        let key = self.key(about.as_bytes());
        self.keep(key, said, &address(about), self.question(NOW));
        key
    }

    fn has(&self, about: &str, now: Timestamp) -> bool {
        self.fresh(&self.key(about.as_bytes()), now).is_some()
    }

    fn has_last(&self, about: &str, now: Timestamp) -> bool {
        self.last(&self.key(about.as_bytes()), now).is_some()
    }
}

#[test]
fn fresh_for_a_while_and_kept_for_longer() {
    let cache = people();
    cache.hears("ann", &person("1"));
    assert!(cache.has("ann", later(53)), "a tenth is left to chance");
    assert!(!cache.has("ann", later(60)));
    assert!(cache.has_last("ann", later(3599)));
    assert!(!cache.has_last("ann", later(3600)));
    // A clock that was set back makes no answer last.
    assert!(!cache.has("ann", Timestamp(NOW.0 - 60_000)));
    cache.hears("ben", &nobody());
    assert!(cache.has("ben", later(9)) && !cache.has("ben", later(10)));
    assert!(!cache.has_last("ben", NOW));
}

#[test]
fn a_token_lasts_no_longer_than_itself() {
    let check = |expires: Option<u64>, fresh: u64, last: u64| {
        let cache = tokens();
        cache.hears("ann", &token("1", None, expires.map(later)));
        assert!(fresh == 0 || cache.has("ann", later(fresh * 9 / 10 - 1)), "{expires:?}");
        assert!(!cache.has("ann", later(fresh)), "{expires:?}");
        assert!(last == 0 || cache.has_last("ann", later(last - 1)), "{expires:?}");
        assert!(!cache.has_last("ann", later(last)), "{expires:?}");
    };
    check(None, 60, 600);
    check(Some(20), 20, 20);
    check(Some(900), 60, 900);
    check(Some(86_400), 60, 3600);
    check(Some(0), 0, 0);
}

#[test]
fn what_is_kept_for_no_time_is_not_kept() {
    let none = Times { fresh: Duration::ZERO, refused: Duration::ZERO, stale: Duration::ZERO };
    let cache = PeopleCache::new("corp".parse().unwrap(), none, LIMITS, Arc::default());
    for said in [person("1"), nobody()] {
        cache.hears("ann", &said);
        assert!(!cache.has("ann", NOW) && !cache.has_last("ann", NOW));
    }
    cache.check_index();
    assert_eq!(cache.fills().good.bytes + cache.fills().refused.bytes, 0);
    let stale = Times { fresh: Duration::ZERO, ..TIMES };
    let cache = PeopleCache::new("corp".parse().unwrap(), stale, LIMITS, Arc::default());
    cache.hears("ann", &person("1"));
    assert!(!cache.has("ann", NOW) && cache.has_last("ann", NOW));
}

#[test]
fn the_last_answer_ends_the_one_before() {
    let cache = people();
    for said in [nobody(), Said::Refused(NoPerson::Several.into())] {
        cache.hears("ann", &person("1"));
        cache.hears("ann", &said);
        let known = cache.fresh(&cache.key(b"ann"), NOW).unwrap();
        assert!(matches!(known.said, Said::Refused(_)));
        assert!(!cache.has_last("ann", NOW), "who is gone does not ride on");
    }
    cache.hears("ann", &person("1"));
    let known = cache.fresh(&cache.key(b"ann"), NOW).unwrap();
    assert!(matches!(known.said, Said::Good(_)));
    cache.check_index();
}

/// Whoever was asked first need not answer first.
#[test]
fn the_answer_to_an_older_question_takes_nobodys_place() {
    let cache = people();
    let key = cache.key(b"ann");
    let (older, newer) = (cache.question(NOW), cache.question(NOW));
    cache.keep(key, &nobody(), &address("ann"), newer);
    cache.keep(key, &person("1"), &address("ann"), older);
    assert!(!cache.has_last("ann", NOW));
    let (older, newer) = (cache.question(NOW), cache.question(NOW));
    cache.keep(key, &person("2"), &address("ann"), newer);
    cache.keep(key, &nobody(), &address("ann"), older);
    assert!(cache.has_last("ann", NOW));
    cache.check_index();
}

#[test]
fn refusals_crowd_out_no_good_answer() {
    let cache = tokens();
    cache.hears("ann", &token("1", None, None));
    for number in 0..1000 {
        cache.hears(&format!("n{number}"), &refused());
    }
    assert!(cache.has("ann", NOW));
    let fills = cache.fills();
    assert!(fills.refused.entries <= 20 && fills.refused.bytes <= 20_000, "{fills:?}");
}

#[test]
fn the_index_stays_true_under_eviction_and_change() {
    let (people, tokens) = (people(), tokens());
    for number in 0..5000_u32 {
        let name = format!("n{}", number % 700);
        let subject = (number % 300).to_string();
        let session = (number % 3 > 0).then(|| format!("session {}", number % 50));
        people.hears(&name, &person(&subject));
        tokens.hears(&name, &token(&subject, session.as_deref(), None));
        match number % 11 {
            1 => {
                people.hears(&name, &nobody());
            }
            2 => {
                tokens.hears(&name, &refused());
            }
            3 => {
                people.purge_marks([Mark::Person(&subject)]);
            }
            4 => {
                tokens.purge_marks([Mark::Session("session 7")]);
            }
            5 => {
                people.purge_users(&Whose::new(&[format!("{name}@*")]));
            }
            6 => {
                tokens.purge_users(&Whose::new(&[format!("{name}@example.org")]));
            }
            _ => {}
        }
    }
    people.check_index();
    tokens.check_index();
    let held = people.fills().good.entries;
    assert!((1..=100).contains(&held), "{held}");
    // Everybody who is there is found by his id.
    let found: u64 =
        (0..300_u32).map(|subject| people.purge_marks([Mark::Person(&subject.to_string())])).sum();
    assert_eq!(found, held);
    people.check_index();
    assert_eq!((people.fills().good.entries, people.fills().good.bytes), (0, 0));
    let found = tokens.purge_all();
    assert!(found > 0);
    tokens.check_index();
    assert_eq!((tokens.fills().good.entries, tokens.fills().good.bytes), (0, 0));
}

#[test]
fn what_ran_out_leaves_the_index() {
    let soon = Times { fresh: Duration::from_millis(5), stale: Duration::from_millis(5), ..TIMES };
    let cache = PeopleCache::new("corp".parse().unwrap(), soon, LIMITS, Arc::default());
    for number in 0..50 {
        cache.hears(&format!("n{number}"), &person(&number.to_string()));
    }
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while cache.fills().good.entries > 0 {
        assert!(std::time::Instant::now() < until);
        std::thread::sleep(Duration::from_millis(20));
    }
    cache.check_index();
}
