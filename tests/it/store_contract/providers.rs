//! Identity providers, and the person to whom a mailbox is bound.

use dovegate::mailbox::{Binding, NamedProvider, Provider, provider::Kind};

use super::*;

fn name(name: &str) -> ProviderName {
    name.parse().unwrap()
}

pub(super) fn provider(named: &str) -> NamedProvider {
    let mut provider = Provider::new(Kind::Keycloak);
    provider.server_url = Some("https://sso.example.org".to_owned());
    provider.realm = Some("mail".to_owned());
    provider.client_id = Some("dovegate".to_owned());
    provider.client_secret = Some("wonderland".to_owned().into());
    provider.clients = vec!["webmail".to_owned()];
    NamedProvider { name: name(named), provider }
}

fn person(provider: &str, subject: &str) -> Binding {
    Binding { provider: name(provider), subject: subject.to_owned() }
}

async fn bound(store: &Under) -> Option<Binding> {
    let account = store.account(&address("ann@example.org")).await.unwrap().unwrap();
    account.mailbox.bound.clone()
}

async fn speaks(store: &Under, provider: Option<&str>) {
    let change = DomainChange { provider: Some(provider.map(name)), ..DomainChange::default() };
    let domain = DomainName::parse("example.org").unwrap();
    store.update_domain(&domain, change, NOW).await.unwrap();
}

pub(super) async fn providers_are_made_changed_and_removed(store: Under) {
    assert!(store.providers().await.unwrap().is_empty());
    assert!(store.provider(&name("corp")).await.unwrap().is_none());
    let missing = store.replace_provider(provider("corp")).await;
    assert!(matches!(missing, Err(Error::NotFound { what: "provider", .. })));
    for named in ["corp", "abc"] {
        store.create_provider(provider(named)).await.unwrap();
    }
    let mut other = provider("corp");
    other.provider.client_secret = Some("looking glass".to_owned().into());
    let again = store.create_provider(other.clone()).await;
    assert!(matches!(again, Err(Error::Exists { what: "provider", .. })));
    assert_eq!(store.provider(&name("corp")).await.unwrap(), Some(provider("corp")));
    store.replace_provider(other.clone()).await.unwrap();
    assert_eq!(store.provider(&name("corp")).await.unwrap(), Some(other.clone()));
    assert_eq!(store.providers().await.unwrap(), [provider("abc"), other]);
    store.remove_provider(&name("corp")).await.unwrap();
    assert!(store.provider(&name("corp")).await.unwrap().is_none());
    let missing = store.remove_provider(&name("corp")).await;
    assert!(matches!(missing, Err(Error::NotFound { what: "provider", .. })));
    assert_eq!(store.providers().await.unwrap(), [provider("abc")]);
}

pub(super) async fn a_provider_that_speaks_for_a_domain_stays(store: Under) {
    with_domain(&store).await;
    store.create_provider(provider("corp")).await.unwrap();
    speaks(&store, Some("corp")).await;
    let refused = store.remove_provider(&name("corp")).await.unwrap_err();
    assert!(matches!(&refused, Error::Conflict(why) if why.contains("example.org")), "{refused}");
    assert!(!refused.to_string().contains("wonderland"));
    speaks(&store, None).await;
    store.remove_provider(&name("corp")).await.unwrap();
}

pub(super) async fn who_goes_by_a_provider_is_counted(store: Under) {
    let ann = with_ann(&store).await;
    with_mailbox(&store, "bob@example.org").await;
    let followers = async |mailboxes: u64, bound: u64| {
        let found = store.followers(&name("corp")).await.unwrap();
        let first = (mailboxes + bound > 0).then(|| address("ann@example.org"));
        assert_eq!(found, Followers { mailboxes, bound, first });
        let other = store.followers(&name("cor")).await.unwrap();
        assert_eq!(other, Followers::default());
    };
    let set = async |source: AuthSource, bound: Option<Option<Binding>>| {
        let change = MailboxChange { auth_source: Some(source), bound, ..MailboxChange::default() };
        store.update_mailbox(&address("ann@example.org"), change, NOW).await.unwrap();
    };
    followers(0, 0).await;
    set(AuthSource::Provider(name("corp")), None).await;
    followers(1, 0).await;
    let her = person("corp", "id");
    store.bind_mailbox(&address("ann@example.org"), ann, her, NOW).await.unwrap();
    followers(1, 1).await;
    set(AuthSource::Local, None).await;
    followers(0, 1).await;
    set(AuthSource::Local, Some(None)).await;
    followers(0, 0).await;
}

pub(super) async fn a_mailbox_is_bound_once(store: Under) {
    let ann = with_ann(&store).await;
    let address = address("ann@example.org");
    let bind = |person| store.bind_mailbox(&address, ann, person, Timestamp(9));
    assert_eq!(bound(&store).await, None);
    let account = bind(person("corp", "1")).await.unwrap();
    assert_eq!(account.mailbox.bound, Some(person("corp", "1")));
    assert_eq!((account.mailbox.modified, account.mailbox.generation), (Timestamp(9), 0));
    assert_eq!(bound(&store).await, Some(person("corp", "1")));
    let again = store.bind_mailbox(&address, ann, person("corp", "1"), Timestamp(10)).await;
    assert_eq!(again.unwrap().mailbox.modified, Timestamp(9));
    for other in [person("corp", "2"), person("other", "1"), person("corp", "")] {
        assert!(matches!(bind(other).await, Err(Error::Conflict(_))));
    }
    assert_eq!(bound(&store).await, Some(person("corp", "1")));
}

/// A mailbox made anew under the address is not the one that was meant.
pub(super) async fn a_successor_of_the_mailbox_is_not_bound(store: Under) {
    let ann = with_ann(&store).await;
    let address = address("ann@example.org");
    store.remove_mailbox(&address).await.unwrap();
    let gone = store.bind_mailbox(&address, ann, person("corp", "1"), NOW).await;
    assert!(matches!(gone, Err(Error::NotFound { what: "mailbox", .. })));
    with_mailbox(&store, "ann@example.org").await;
    let other = store.bind_mailbox(&address, ann, person("corp", "1"), NOW).await;
    assert!(matches!(other, Err(Error::Conflict(_))));
    assert_eq!(bound(&store).await, None);
}

pub(super) async fn of_twenty_who_bind_at_once_one_person_wins(store: Under) {
    let ann = with_ann(&store).await;
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let store = Arc::clone(&store);
            let subject = if number % 2 == 0 { "even" } else { "odd" };
            tokio::spawn(async move {
                let address = address("ann@example.org");
                let bound = store.bind_mailbox(&address, ann, person("corp", subject), NOW).await;
                match bound {
                    Ok(account) => account.mailbox.bound.clone(),
                    Err(Error::Conflict(_)) => None,
                    Err(other) => panic!("{other}"),
                }
            })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        winners.extend(task.await.unwrap());
    }
    let winner = bound(&store).await.unwrap();
    assert_eq!(winners, vec![winner; 10]);
}

/// What a binding opens is looked at again at each login: no verified password
/// depends on it, so none falls away.
pub(super) async fn an_administrator_binds_anew_and_unbinds(store: Under) {
    let ann = with_ann(&store).await;
    let address = address("ann@example.org");
    let change = |bound| MailboxChange { bound: Some(bound), ..MailboxChange::default() };
    store.bind_mailbox(&address, ann, person("corp", "1"), NOW).await.unwrap();
    for to in [Some(person("corp", "2")), None, Some(person("other", "1"))] {
        let account = store.update_mailbox(&address, change(to.clone()), Timestamp(9)).await;
        let mailbox = account.unwrap().mailbox;
        assert_eq!((&mailbox.bound, mailbox.generation), (&to, 0));
        assert_eq!(mailbox.modified, Timestamp(9));
        assert_eq!(bound(&store).await, to);
    }
    store.update_mailbox(&address, change(None), NOW).await.unwrap();
    store.bind_mailbox(&address, ann, person("corp", "3"), NOW).await.unwrap();
    // Other changes leave it alone.
    let name = MailboxChange { display_name: Some("Ann".into()), ..MailboxChange::default() };
    store.update_mailbox(&address, name, NOW).await.unwrap();
    assert_eq!(bound(&store).await, Some(person("corp", "3")));
}

/// Also the secrets: a backup without them would be none.
pub(super) async fn providers_and_bindings_are_exported_and_imported(store: Under) {
    let source: Under = Arc::new(MemoryStore::new());
    let ann = with_ann(&source).await;
    source.create_provider(provider("corp")).await.unwrap();
    source.create_provider(provider("other")).await.unwrap();
    speaks(&source, Some("corp")).await;
    source.bind_mailbox(&address("ann@example.org"), ann, person("corp", "1"), NOW).await.unwrap();
    let records = exported(&source, 1).await;
    // Before the domains that name them.
    assert!(matches!(&records[1], Record::Provider(named) if **named == provider("corp")));
    assert!(matches!(&records[2], Record::Provider(named) if **named == provider("other")));
    let lines: Vec<String> =
        records.iter().map(|record| serde_json::to_string(record).unwrap()).collect();
    assert!(lines[1].contains("\"client_secret\":\"wonderland\""), "{}", lines[1]);
    let records: Vec<Record> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    store.create_provider(provider("kept")).await.unwrap();
    let mut replaced = provider("other");
    replaced.provider.client_secret = None;
    store.create_provider(replaced).await.unwrap();
    store.import(records).await.unwrap();
    let all = store.providers().await.unwrap();
    assert_eq!(all, [provider("corp"), provider("kept"), provider("other")]);
    assert_eq!(bound(&store).await, Some(person("corp", "1")));
    let domain = store.domain(&DomainName::parse("example.org").unwrap()).await.unwrap();
    assert_eq!(domain.unwrap().provider, Some(name("corp")));
}
