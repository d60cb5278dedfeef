//! People of a directory whose passwords are checked by binds.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{newcomers::template, provider::later, *};
use crate::directory;

const BOB: &str = "bob@example.org";
const RIGHT: &[u8] = b"looking glass";

/// An LDAP server with bob and our own account.
struct FakeLdap {
    port: u16,
    /// Binds of people.
    binds: Arc<AtomicUsize>,
    /// Our own account may see nobody.
    hides: Arc<AtomicBool>,
}

impl FakeLdap {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let binds = Arc::<AtomicUsize>::default();
        let hides = Arc::<AtomicBool>::default();
        let (counted, hidden) = (Arc::clone(&binds), Arc::clone(&hides));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&counted), Arc::clone(&hidden)));
            }
        });
        Self { port, binds, hides }
    }

    fn binds(&self) -> usize {
        self.binds.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, binds: Arc<AtomicUsize>, hides: Arc<AtomicBool>) {
    while let Some(request) = message(&mut stream).await {
        // INTEGER of the message's number, then what is asked.
        let (number, asked) = request.split_at(2 + usize::from(request[1]));
        let has = |text: &[u8]| asked.windows(text.len()).any(|part| part == text);
        let answers = match asked[0] {
            0x60 => {
                let is_ours = has(b"cn=dovegate");
                binds.fetch_add(usize::from(!is_ours), Ordering::SeqCst);
                vec![result(0x61, if is_ours || has(RIGHT) { 0 } else { 49 })]
            }
            0x63 if hides.load(Ordering::SeqCst) => vec![result(0x65, 0)],
            0x63 => vec![entry(), result(0x65, 0)],
            _ => return,
        };
        for answer in answers {
            let whole = value(0x30, &[number, &answer]);
            if stream.write_all(&whole).await.is_err() {
                return;
            }
        }
    }
}

async fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.ok()?;
    let mut len = usize::from(head[1]);
    if len > 0x80 {
        let mut octets = vec![0; len - 0x80];
        stream.read_exact(&mut octets).await.ok()?;
        len = octets.iter().fold(0, |all, octet| all << 8 | usize::from(*octet));
    }
    let mut message = vec![0; len];
    stream.read_exact(&mut message).await.ok()?;
    Some(message)
}

fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let len = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82], &len[..], &content].concat()
}

fn result(tag: u8, code: u8) -> Vec<u8> {
    value(tag, &[&[0x0a, 1, code], &[0x04, 0], &[0x04, 0]])
}

fn entry() -> Vec<u8> {
    let attribute = |name: &[u8], text: &[u8]| {
        let values = value(0x31, &[&value(0x04, &[text])]);
        value(0x30, &[&value(0x04, &[name]), &values])
    };
    let (mail, id) = (attribute(b"mail", BOB.as_bytes()), attribute(b"entryUUID", b"7b0f"));
    let dn = value(0x04, &[b"uid=bob,dc=example,dc=org"]);
    value(0x64, &[&dn, &value(0x30, &[&mail, &id])])
}

/// bob is in a directory that makes mailboxes, and has none.
async fn with_bob() -> (Rig, FakeLdap) {
    let ldap = FakeLdap::start().await;
    let written = format!(
        "kind = \"ldap\"\ndomains = [\"example.org\"]\nurls = [\"ldap://127.0.0.1:{}\"]\n\
         base_dn = \"dc=example,dc=org\"\nbind_dn = \"cn=dovegate\"\nbind_password = \"ours\"\n\
         default_template = \"Staff\"\nlogin_provisioning = true",
        ldap.port
    );
    let written: directory::Written = toml::from_str(&written).unwrap();
    let staff = directory::Settings::mean(&"staff".parse().unwrap(), &written).unwrap();
    let rig = Rig::with(Settings { directories: vec![staff.into()], ..settings() }).await;
    rig.pipeline.load_providers().await.unwrap();
    rig.put(template("Staff", |_| ())).await;
    (rig, ldap)
}

/// A server may lock an account after a few wrong binds.
#[tokio::test]
async fn a_newcomers_password_is_tried_once_for_each_login() {
    let (rig, ldap) = with_bob().await;
    for (seconds, binds) in [(0, 1), (1, 2), (20, 3), (100, 4)] {
        rig.check(later(seconds, password(BOB, "wrong")), "wrong_password").await;
        assert_eq!(ldap.binds(), binds, "after {seconds} s");
    }
    rig.check(later(120, password(BOB, "looking glass")), "ok").await;
    assert_eq!(ldap.binds(), 5);
    assert!(rig.mailbox(BOB).await.is_some());
}

/// Anybody can try passwords for a name that he knows.
#[tokio::test]
async fn a_newcomers_password_waits_for_its_turn() {
    let (rig, ldap) = with_bob().await;
    rig.check(password(BOB, "wrong"), "wrong_password").await;
    let turns = rig.connected("staff");
    let crowd = turns.turns.crowd().await;
    let late = later(20, password(BOB, "other"));
    let waited = tokio::time::timeout(Duration::from_millis(300), rig.decide(late)).await;
    assert!(waited.is_err() && ldap.binds() == 1, "{} binds", ldap.binds());
    drop(crowd);
}

/// A server that takes our account's rights away finds nobody, whoever is asked for.
#[tokio::test]
async fn who_is_not_to_be_seen_any_more_is_not_gone() {
    let (rig, ldap) = with_bob().await;
    let right = |seconds| later(seconds, password(BOB, "looking glass"));
    for seconds in [0, 100] {
        rig.check(right(seconds), "ok").await;
    }
    ldap.hides.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let Verdict::Verified(verified) = rig.check(right(200), "ok").await else { panic!() };
    assert!(verified.stale());
}
