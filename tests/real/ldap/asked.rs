//! What the directory itself hears from slapd.

use std::time::{Duration, Instant};

use dovegate::{
    directory::{Directory, Entry, Found, Listing, OutageCause, Password, Settings, Written},
    mailbox::{Address, Profile},
    secret::Secret,
};

use super::table;
use crate::support::slapd::{PEOPLE, Person, READER, Slapd};

/// A directory that asks this server, with further keys.
fn directory(slapd: &Slapd, keys: &str) -> Directory {
    let written = toml::from_str::<Written>(&table(&slapd.url(), keys)).unwrap();
    let settings = Settings::mean(&"staff".parse().unwrap(), &written).unwrap();
    Directory::open(settings).unwrap()
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

async fn found(directory: &Directory, text: &str) -> Entry {
    match directory.find(&address(text)).await.unwrap() {
        Found::Entry(entry) => *entry,
        other => panic!("{text}: {other:?}"),
    }
}

async fn bound(directory: &Directory, text: &str, password: &str) -> bool {
    let entry = found(directory, text).await;
    let Password::Bind(dn) = &entry.password else { panic!("{entry:?}") };
    directory.bind(dn, &Secret::new(password.as_bytes())).await.unwrap()
}

const PERSONS: &[Person<'static>] = &[
    Person {
        uid: "olga",
        password: "looking-glass",
        more: "displayName: Olga Ö.\nemployeeType: staff\n",
    },
    Person { uid: "nils", password: "über-geheim", more: "mail: n.second@example.net\n" },
    Person { uid: "twin", password: "first of two", more: "mail: both@example.net\n" },
    Person { uid: "gemini", password: "second of two", more: "mail: both@example.net\n" },
    Person { uid: "star)(mail=*", password: "starlight", more: "" },
];

#[tokio::test]
async fn people_are_found_and_bound() {
    let Some(slapd) = Slapd::start(PERSONS) else { return };
    let directory = directory(&slapd, "template_attribute = \"employeeType\"");
    let olga = found(&directory, "olga@example.net").await.profile;
    assert_eq!((olga.name.as_str(), olga.enabled), ("Olga Ö.", true));
    assert_eq!(olga.template_values, Some(vec!["staff".to_owned()]));
    assert_eq!(olga.subject.len(), 36, "entryUUID: {}", olga.subject);
    assert_eq!(directory.look_up(&olga.subject).await.unwrap(), Some(olga.clone()));
    assert_eq!(directory.look_up("00000000-0000-0000-0000-000000000000").await.unwrap(), None);
    assert_eq!(directory.look_up("*").await.unwrap(), None);

    for (user, password, right) in [
        ("olga@example.net", "looking-glass", true),
        ("olga@example.net", "looking-glass2", false),
        ("olga@example.net", "", false),
        ("olga@example.net", "looking-glass\0", false),
        ("nils@example.net", "über-geheim", true),
        ("n.second@example.net", "über-geheim", true),
        ("n.second@example.net", "looking-glass", false),
    ] {
        assert_eq!(bound(&directory, user, password).await, right, "{user} {password:?}");
    }
    assert_eq!(slapd.count("BIND dn=\"\""), 0, "nobody's");
    for nobody in ["nobody@example.net", "olga@example.org", "olg+@example.net"] {
        assert_eq!(directory.find(&address(nobody)).await.unwrap(), Found::Nobody, "{nobody}");
    }
    assert_eq!(directory.find(&address("both@example.net")).await.unwrap(), Found::Several);
    // Passwords went over connections of their own, and both kinds are used again.
    assert_eq!(slapd.count(&format!("BIND dn=\"{READER}\" method=128")), 1);
    assert!(slapd.count(" ACCEPT ") <= 4, "with those of the rig");
}

/// All of them in pages, though the server gives no more than fifty at once.
#[tokio::test]
async fn people_are_listed_in_pages() {
    let many: Vec<String> = (0..1200).map(|number| format!("p{number}")).collect();
    let many: Vec<Person<'_>> =
        many.iter().map(|uid| Person { uid, password: "x", more: "" }).collect();
    let Some(slapd) = Slapd::start(&many) else { return };
    let directory = directory(&slapd, "");
    let mut listing = Listing::default();
    let mut people: Vec<Profile> = Vec::new();
    while let Some(page) = directory.list(&mut listing).await.unwrap() {
        people.extend(page);
    }
    assert_eq!(people.len(), 1200);
    assert!(people.iter().any(|person| person.email.as_deref() == Some("p1199@example.net")));
}

#[tokio::test]
async fn by_tls_of_both_kinds() {
    let Some(slapd) = Slapd::start(&PERSONS[..1]) else { return };
    let ca = format!("ca_file = \"{}\"", slapd.certificate());
    let secured = [
        (slapd.tls_url(), ca.clone()),
        (slapd.url(), format!("starttls = true\n{ca}")),
        (slapd.tls_url(), "ignore_ssl_errors = true".to_owned()),
    ];
    for (url, keys) in secured {
        let directory = directory(&slapd, &format!("urls = [\"{url}\"]\n{keys}"));
        assert!(bound(&directory, "olga@example.net", "looking-glass").await, "{keys}");
        assert!(!bound(&directory, "olga@example.net", "wrong").await, "{keys}");
    }
    assert!(slapd.count("TLS established") >= 6);
    for (url, keys) in [(slapd.tls_url(), ""), (slapd.url(), "starttls = true")] {
        let directory = directory(&slapd, &format!("urls = [\"{url}\"]\n{keys}"));
        let unavailable = directory.find(&address("olga@example.net")).await.unwrap_err();
        assert_eq!(unavailable.cause, OutageCause::Tls, "{unavailable}");
        assert!(unavailable.detail.contains("ca_file"), "{unavailable}");
    }
}

#[tokio::test]
async fn our_own_account_is_our_matter() {
    let Some(slapd) = Slapd::start(&PERSONS[..1]) else { return };
    let olga = address("olga@example.net");
    let wrong = directory(&slapd, "bind_password = \"wrong\"");
    for _ in 0..3 {
        let unavailable = wrong.find(&olga).await.unwrap_err();
        assert_eq!(unavailable.cause, OutageCause::Credentials, "{unavailable}");
    }
    assert_eq!(slapd.count(" RESULT tag=97 err=49"), 1, "it is not tried again at once");
    // It sees nobody, which does not mean that nobody is there.
    let hidden = directory(&slapd, "base_dn = \"ou=hidden,dc=example,dc=net\"");
    hidden.find(&olga).await.unwrap_err();
    hidden.list(&mut Listing::default()).await.unwrap_err();
    let nobody = directory(&slapd, "filter = \"(uid=%u)\"\nlist_filter = \"(uid=nobody)\"");
    let unavailable = nobody.find(&olga).await.unwrap_err();
    assert_eq!(unavailable.cause, OutageCause::Credentials, "{unavailable}");
    let anonymous = "bind_dn = \"\"\nbind_password = \"\"";
    let written = toml::from_str::<Written>(&table(&slapd.url(), anonymous)).unwrap();
    let problems = Settings::mean(&"staff".parse().unwrap(), &written).unwrap_err();
    assert_eq!(problems[0].key, "bind_password");
    let nameless = toml::from_str::<Written>(&table(&slapd.url(), "bind_dn = \"\"")).unwrap();
    let settings = Settings::mean(&"staff".parse().unwrap(), &nameless).unwrap();
    assert_eq!(Directory::open(settings).unwrap_err().key, "bind_dn");
}

#[tokio::test]
async fn one_that_stops_is_left_alone() {
    let Some(mut slapd) = Slapd::start(&PERSONS[..1]) else { return };
    let directory = directory(&slapd, "timeout = \"500ms\"\nconnect_timeout = \"400ms\"");
    assert!(bound(&directory, "olga@example.net", "looking-glass").await);
    let olga = address("olga@example.net");
    slapd.hold();
    let mut causes = Vec::new();
    for _ in 0..8 {
        let began = Instant::now();
        causes.push(directory.find(&olga).await.unwrap_err().cause);
        assert!(began.elapsed() < Duration::from_secs(1), "{causes:?}");
    }
    assert_eq!((causes[0], causes[7]), (OutageCause::Slow, OutageCause::Down), "{causes:?}");
    slapd.go_on();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(bound(&directory, "olga@example.net", "looking-glass").await);

    // Its connections are closed; the first question notices and asks anew.
    slapd.stop();
    slapd.run();
    assert!(bound(&directory, "olga@example.net", "looking-glass").await);
    slapd.stop();
    let unavailable = directory.find(&olga).await.unwrap_err();
    assert_eq!(unavailable.cause, OutageCause::Unreachable, "{unavailable}");
}

#[tokio::test]
async fn servers_are_asked_in_their_order() {
    let Some(slapd) = Slapd::start(&PERSONS[..1]) else { return };
    let closed = crate::support::place::free_ports::<1>()[0];
    let urls = format!("urls = [\"ldap://127.0.0.1:{closed}\", \"{}\"]", slapd.url());
    let directory = directory(&slapd, &urls);
    assert!(bound(&directory, "olga@example.net", "looking-glass").await);
}

#[tokio::test]
async fn who_is_switched_off_and_in_which_groups() {
    let Some(slapd) = Slapd::start(&PERSONS[..2]) else { return };
    let group = "cn=team,ou=people,dc=example,dc=net";
    slapd.modify(&format!(
        "dn: {group}\nchangetype: add\nobjectClass: groupOfNames\ncn: team\n\
         member: uid=olga,{PEOPLE}\n"
    ));
    let keys = format!(
        "attribute_mapping = [{{ group = \"{group}\", template = \"team\" }}]\n\
         disabled_attribute = \"employeeType\"\ndisabled_values = [\"left\"]"
    );
    let directory = directory(&slapd, &keys);
    let olga = found(&directory, "olga@example.net").await.profile;
    assert_eq!((olga.groups, olga.enabled), (Some(vec![group.to_owned()]), true));
    let nils = found(&directory, "nils@example.net").await.profile;
    assert_eq!(nils.groups, Some(Vec::new()));
    slapd.modify(&format!(
        "dn: uid=olga,{PEOPLE}\nchangetype: modify\nreplace: employeeType\nemployeeType: Left\n"
    ));
    assert!(!found(&directory, "olga@example.net").await.profile.enabled);
}
