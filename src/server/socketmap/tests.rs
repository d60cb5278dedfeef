use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    super::{
        connection,
        limits::Seats,
        settings::{HttpSettings, Limits, Settings},
        stream::Stream,
    },
    *,
};
use crate::{
    clock::Timestamp,
    mailbox::{Domain, MailboxState, NameRules, userdb},
    store::{DomainChange, MemoryStore, Store},
    verify::{self, Pipeline},
};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const PATIENCE: Duration = Duration::from_secs(30);

fn hub() -> Arc<Hub> {
    let settings = Settings {
        state_dir: "/nowhere".into(),
        run_dir: "/nowhere".into(),
        rights: None,
        mechanisms: Vec::new(),
        request_timeout: PATIENCE,
        max_requests: 1,
        drain_limit: PATIENCE,
        check_session_pid: true,
        on_withdrawal: None,
        limits: Limits { connections: None, reserve: 1 },
        worker_threads: 1,
        admin_uids: Vec::new(),
        http: HttpSettings::default(),
        listeners: Vec::new(),
    };
    let userdb = userdb::Settings {
        uid: 5000,
        gid: 5000,
        home: "/var/vmail/%d/%n".to_owned(),
        mail: "maildir:~/Maildir".to_owned(),
        fields: std::collections::BTreeMap::new(),
    };
    Arc::new(Hub::new(settings, userdb, Seats::new(1, 1)).unwrap())
}

/// A hub over a store with some people in it.
async fn open_hub(recipient_delimiter: &str) -> (Arc<Hub>, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::new());
    for name in ["example.org", "off.example", "xn--bcher-kva.example"] {
        store.create_domain(Domain::for_test(name)).await.unwrap();
    }
    for (name, state) in [
        ("ann@example.org", MailboxState::Active),
        ("ben@example.org", MailboxState::ReceiveOnly),
        ("cleo@example.org", MailboxState::Disabled),
        ("ann+own@example.org", MailboxState::Active),
        ("ann+out@example.org", MailboxState::Disabled),
        ("dora@off.example", MailboxState::Active),
        ("eve@xn--bcher-kva.example", MailboxState::Active),
    ] {
        let new = serde_json::json!({ "address": name, "state": state });
        let new = serde_json::from_value(new).unwrap();
        store.create_mailbox_within_limits(new, NOW).await.unwrap();
    }
    let off = DomainChange { active: Some(false), ..DomainChange::default() };
    store.update_domain(&DomainName::parse("off.example").unwrap(), off, NOW).await.unwrap();
    let settings = verify::Settings {
        names: NameRules {
            default_domain: Some(DomainName::parse("example.org").unwrap()),
            further_local_bytes: b"=".to_vec(),
            recipient_delimiter: recipient_delimiter.to_owned(),
        },
        ..verify::Settings::default()
    };
    let pipeline = Pipeline::open(settings, Arc::clone(&store) as Arc<dyn Store>).await.unwrap();
    let hub = hub();
    let core = Core { store: Arc::clone(&store) as Arc<dyn Store>, pipeline: Arc::new(pipeline) };
    hub.open(Arc::new(core));
    (hub, store)
}

async fn check(hub: &Hub, map: Map, key: &[u8], expected: Option<&str>) {
    let reply = answer(hub, map, key).await;
    let expected = expected.map_or(Reply::NotFound, |text| Reply::Found(text.to_owned()));
    assert_eq!(reply, expected, "{} {}", map.name(), key.escape_ascii());
}

#[tokio::test]
async fn domains_are_those_that_are_switched_on() {
    let (hub, _) = open_hub("+").await;
    for (key, expected) in [
        (&b"example.org"[..], Some("example.org")),
        (b"Example.ORG", Some("example.org")),
        ("b\u{fc}cher.example".as_bytes(), Some("xn--bcher-kva.example")),
        (b"off.example", None),
        (b"elsewhere.example", None),
        (b"sub.example.org", None),
        (b".example.org", None),
        (b"@example.org", None),
        (b"ann@example.org", None),
        (b"*", None),
        (b"", None),
        (b"example.org\0", None),
        (b"\xff\xfe", None),
    ] {
        check(&hub, Map::Domains, key, expected).await;
    }
}

#[tokio::test]
async fn mailboxes_are_those_that_receive() {
    let (hub, _) = open_hub("+").await;
    for (key, expected) in [
        (&b"ann@example.org"[..], Some("ann@example.org")),
        (b"ANN@Example.ORG", Some("ann@example.org")),
        (b"ben@example.org", Some("ben@example.org")),
        (b"cleo@example.org", None),
        (b"dora@off.example", None),
        (b"nobody@example.org", None),
        ("eve@b\u{fc}cher.example".as_bytes(), Some("eve@xn--bcher-kva.example")),
        // With an extension, unless somebody has that very address.
        (b"ann+shop@example.org", Some("ann@example.org")),
        (b"ann+shop+2@example.org", Some("ann@example.org")),
        (b"ann+@example.org", Some("ann@example.org")),
        (b"ann+own@example.org", Some("ann+own@example.org")),
        (b"ann+out@example.org", None),
        (b"ben+x@example.org", Some("ben@example.org")),
        (b"cleo+x@example.org", None),
        (b"ann-shop@example.org", None),
        // There is no catch-all, and nobody's domain is filled in.
        (b"@example.org", None),
        (b"+x@example.org", None),
        (b"ann", None),
        (b"example.org", None),
        (b"", None),
        (b"ann@", None),
        (b"an n@example.org", None),
        (b"\"ann\"@example.org", None),
        (b"ann\0@example.org", None),
        (b"ann@example.org\0", None),
        (b"ann@example.org ben@example.org", None),
        (b"ann@example.org@example.org", None),
        (b"*@example.org", None),
        (b"ann@[192.0.2.1]", None),
        (&[b'a'; 2000], None),
    ] {
        check(&hub, Map::Mailboxes, key, expected).await;
    }
}

/// An address is its mailbox's, and nobody else's, in whatever state that is.
#[tokio::test]
async fn senders_are_the_owners() {
    let (hub, _) = open_hub("+").await;
    for (key, expected) in [
        (&b"ann@example.org"[..], Some("ann@example.org")),
        (b"Ann+Shop@example.org", Some("ann@example.org")),
        (b"ann+own@example.org", Some("ann+own@example.org")),
        (b"ben@example.org", Some("ben@example.org")),
        (b"cleo@example.org", Some("cleo@example.org")),
        (b"dora@off.example", Some("dora@off.example")),
        (b"nobody@example.org", None),
        (b"ann@elsewhere.example", None),
        (b"@example.org", None),
        (b"example.org", None),
        (b"ann", None),
        (b"", None),
    ] {
        check(&hub, Map::Senders, key, expected).await;
    }
}

#[tokio::test]
async fn extensions_are_as_configured() {
    let (hub, _) = open_hub("").await;
    check(&hub, Map::Mailboxes, b"ann+shop@example.org", None).await;
    check(&hub, Map::Mailboxes, b"ann+own@example.org", Some("ann+own@example.org")).await;
    let (hub, _) = open_hub("=").await;
    check(&hub, Map::Mailboxes, b"ann=shop@example.org", Some("ann@example.org")).await;
}

#[tokio::test]
async fn what_we_cannot_tell_is_temporary() {
    let (hub, store) = open_hub("+").await;
    store.close().await.unwrap();
    let keys: [&[u8]; 2] = [b"example.org", b"ann@example.org"];
    for (map, key) in Map::ALL.into_iter().zip([keys[0], keys[1], keys[1]]) {
        assert_eq!(answer(&hub, map, key).await, Reply::Temporary("the store failed"));
    }
    let without = self::hub();
    without.give_up();
    for map in Map::ALL {
        let reply = answer(&without, map, b"").await;
        assert_eq!(reply, Reply::Temporary("the store is not open"));
    }
}

/// A connection. The peer has so much time left, where that is given.
async fn talk(hub: &Arc<Hub>, left: Option<Duration>) -> (UnixStream, JoinHandle<Closed>) {
    let (peer, stream) = UnixStream::pair().unwrap();
    let mut socketmap = Socketmap::new(Arc::clone(hub), hub.seats.take().await);
    if let Some(left) = left {
        socketmap.leaves_at = Some(Instant::now() + left);
    }
    let hub = Arc::clone(hub);
    let run = async move { connection::run(Stream::Unix(stream), socketmap, &hub.drain).await };
    (peer, tokio::spawn(run))
}

async fn ask(peer: &mut UnixStream) {
    let mut reply = [0; 64];
    peer.write_all(b"35:virtual_mailbox_domains example.org,").await.unwrap();
    let read = timeout(PATIENCE, peer.read(&mut reply)).await.unwrap().unwrap();
    assert_eq!(&reply[..read], b"14:OK example.org,");
}

async fn is_let_go(task: JoinHandle<Closed>) {
    let closed = timeout(PATIENCE, task).await.expect("it is let go").unwrap();
    assert_eq!(closed.to_string(), "the peer asks nothing");
}

#[tokio::test]
async fn who_sends_no_whole_request_in_time_is_let_go() {
    let (hub, _) = open_hub("+").await;
    let (mut peer, task) = talk(&hub, Some(Duration::from_millis(500))).await;
    for byte in b"35:virtual" {
        peer.write_all(&[*byte]).await.unwrap();
        sleep(Duration::from_millis(20)).await;
    }
    is_let_go(task).await;

    // A whole one gives it more time.
    let (mut peer, task) = talk(&hub, Some(Duration::from_millis(500))).await;
    ask(&mut peer).await;
    sleep(Duration::from_secs(1)).await;
    ask(&mut peer).await;
    drop(peer);
    assert_eq!(task.await.unwrap().to_string(), "the peer closed it");
}

#[tokio::test]
async fn the_reserve_answers_and_is_soon_free_again() {
    let (hub, _) = open_hub("+").await;
    let (mut first, _task) = talk(&hub, None).await;
    let (mut above, task) = talk(&hub, None).await;
    ask(&mut above).await;
    let before = Instant::now();
    is_let_go(task).await;
    assert!(before.elapsed() < IDLE / 2);
    ask(&mut first).await;
}
