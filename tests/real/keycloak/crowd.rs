//! Ten thousand people at a Keycloak, and what it is asked when they come: counted
//! between the two, whatever our own figures say.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{TcpStream, tcp::OwnedReadHalf},
    sync::Barrier,
    time::timeout,
};

use super::house::{FLOW, House, OUR_CLIENT, corp_at};
use crate::support::{
    between::Between,
    client::Outcome,
    dovecot::{Extra, Version, Way},
    http,
    keycloak::{CROWD_REALM, DOVEGATE, Keycloak},
    skip,
};

/// Requests at a time that a provider gets at most.
const AT_ONCE: usize = 32;
/// How long a busy machine may take over all of them.
const PATIENCE: Duration = Duration::from_secs(180);
/// What is asked is asked for a login.
const LOGINS_ALONE: &str = "event_interval = \"0s\"\n";
/// What big sites give Dovecot: login processes that take everybody at once, and
/// mail processes that serve one after the other.
const DOVECOT: &str = "service imap-login {
  service_count = 0
  client_limit = 4000
}
service imap {
  process_limit = 4000
  service_count = 100
}
mail_max_userip_connections = 0
";

fn house(between: &Between) -> Option<House> {
    let keys = [OUR_CLIENT, FLOW, "timeout = \"8s\"\n", LOGINS_ALONE];
    let corp = corp_at(&between.url(), CROWD_REALM, &keys);
    let extra = Extra { tables: &corp, dovecot: DOVECOT, ..Extra::default() };
    House::start_as(Version::V23, Way::OwnDaemon, extra)
}

/// Requests about people so far.
fn asked(between: &Between) -> usize {
    between.count(&format!("/admin/realms/{CROWD_REALM}/users?"))
}

/// The first login asks once, also if two hundred come at the same moment; the
/// next ones ask nothing.
#[test]
fn one_request_for_a_person() {
    let Some(keycloak) = Keycloak::crowd() else { return };
    let between = Between::before(keycloak.port());
    let Some(house) = house(&between) else { return };
    let house = house.people(&["c00001", "c00002"]);
    let port = house.rig.ports.imap;
    for login in 0..3 {
        assert_eq!(log_in_at_once(port, &[1]), [Outcome::In], "login {login}");
        assert_eq!(asked(&between), 1, "login {login}");
    }
    assert_eq!(log_in_at_once(port, &[2; 200]), vec![Outcome::In; 200]);
    assert_eq!(asked(&between), 2, "two hundred at once");
    // Nothing else was asked but for one token.
    assert_eq!(between.count("/admin/"), 2);
    assert_eq!(between.count("/realms/"), 1);
}

/// Two thousand people, none of them known yet, in one moment.
#[test]
fn two_thousand_people_at_once() {
    const PEOPLE: usize = 2_000;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if hard < 12_000 {
        return skip("12,000 open files are needed (ulimit -n)");
    }
    // Dovecot inherits the limit.
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(12_000), hard).unwrap();
    let Some(keycloak) = Keycloak::crowd() else { return };
    let between = Between::before(keycloak.port());
    let Some(house) = house(&between) else { return };
    let numbers: Vec<usize> = (0..PEOPLE).map(|number| 3_000 + number).collect();
    mailboxes(&house, &numbers);
    warm_up(keycloak);

    let began = Instant::now();
    let outcomes = log_in_at_once(house.rig.ports.imap, &numbers);
    let took = began.elapsed();
    let inside = outcomes.iter().filter(|outcome| **outcome == Outcome::In).count();
    eprintln!("{inside} of {PEOPLE} in after {took:?}, {} at once", between.most_at_once());
    let others: Vec<_> = outcomes.iter().filter(|outcome| **outcome != Outcome::In).collect();
    assert!(others.is_empty(), "{} others, such as {:?}", others.len(), others[0]);
    assert_eq!(asked(&between), PEOPLE);
    assert!(between.most_at_once() <= AT_ONCE, "{}", between.most_at_once());
}

/// As many mailboxes as numbers, by one import.
fn mailboxes(house: &House, numbers: &[usize]) {
    house.mailbox(&address(0), "corp");
    let export = house.rig.dovegate(&["export"]);
    let first = export.lines().find(|line| line.contains(&address(0))).expect("it was made");
    let id: Value = serde_json::from_str(first).unwrap();
    let id = id["id"].as_str().expect("ids are text");
    let head = export.lines().next().expect("a header");
    let rows = numbers.iter().map(|number| {
        first.replace(id, &format!("{:032x}", number + 1)).replace(&name(0), &name(*number))
    });
    let lines: Vec<String> = [head.to_owned()].into_iter().chain(rows).collect();
    house.rig.dovegate.must(&house.rig.folder, &["import"], &(lines.join("\n") + "\n"));
}

fn name(number: usize) -> String {
    format!("c{number:05}")
}

fn address(number: usize) -> String {
    format!("{}@example.org", name(number))
}

/// A Keycloak that has just started compiles while it answers, a tenth as fast as
/// one that has run for a minute. It is asked about people of whom nothing is
/// asked later.
fn warm_up(keycloak: &Keycloak) {
    let url = format!("{}/admin/realms/{CROWD_REALM}/users", keycloak.url());
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", DOVEGATE),
        ("client_secret", "secret-of-dovegate"),
    ];
    let token = http::post(&keycloak.endpoint(CROWD_REALM, "token"), &form);
    let token = token.text("access_token").expect("a token");
    thread::scope(|scope| {
        for start in 0..8 {
            let (url, token) = (&url, &token);
            scope.spawn(move || {
                for number in 0..250 {
                    let who = address(7_000 + start * 250 + number);
                    let found = http::get(&format!("{url}?email={who}&exact=true"), token).good();
                    assert_eq!(found[0]["email"], who.as_str());
                }
            });
        }
    });
}

/// These people log in over IMAP, all of them connected before the first one says
/// who she is.
fn log_in_at_once(port: u16, numbers: &[usize]) -> Vec<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let together = Arc::new(Barrier::new(numbers.len()));
        let clients: Vec<_> = numbers
            .iter()
            .map(|number| tokio::spawn(client(port, *number, Arc::clone(&together))))
            .collect();
        let mut outcomes = Vec::new();
        for client in clients {
            outcomes.push(client.await.unwrap());
        }
        outcomes
    })
}

async fn client(port: u16, number: usize, together: Arc<Barrier>) -> Outcome {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let greeting = next(&mut lines).await;
    assert!(greeting.is_some_and(|line| line.starts_with("* OK")));
    timeout(PATIENCE, together.wait()).await.expect("all are connected in time");
    let login = format!("a LOGIN {} mail-of-{}\r\n", address(number), name(number));
    writer.write_all(login.as_bytes()).await.unwrap();
    loop {
        match next(&mut lines).await {
            None => return Outcome::Lost,
            Some(line) if line.starts_with("a OK") => return Outcome::In,
            Some(line) if line.contains("[AUTHENTICATIONFAILED]") => return Outcome::Wrong,
            Some(line) if line.starts_with("a ") => return Outcome::Temporary(line),
            Some(_) => {}
        }
    }
}

async fn next(lines: &mut Lines<BufReader<OwnedReadHalf>>) -> Option<String> {
    timeout(PATIENCE, lines.next_line()).await.ok()?.ok()?
}
