//! Ten thousand people at a Keycloak, and what it is asked when they come: counted
//! between the two, whatever our own figures say.

use std::{sync::Arc, time::Duration};

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
    keycloak::{CROWD_REALM, Keycloak},
};

/// How long a busy machine may take over all of them.
const PATIENCE: Duration = Duration::from_secs(180);
/// What big sites give Dovecot: login processes that take everybody at once.
const DOVECOT: &str = "service imap-login {
  service_count = 0
  client_limit = 4000
}
service imap {
  process_limit = 4000
}
mail_max_userip_connections = 0
";

fn house(between: &Between) -> Option<House> {
    let corp = corp_at(&between.url(), CROWD_REALM, &[OUR_CLIENT, FLOW, "timeout = \"8s\"\n"]);
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
    assert_eq!(between.most_at_once(), 1);
    // Nothing else was asked but for one token.
    assert_eq!(between.count("/admin/"), 2);
    assert_eq!(between.count("/realms/"), 1);
}

fn name(number: usize) -> String {
    format!("c{number:05}")
}

fn address(number: usize) -> String {
    format!("{}@example.org", name(number))
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
