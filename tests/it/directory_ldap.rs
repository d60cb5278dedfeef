//! A directory whose LDAP server does what a real one does not: it hangs in the
//! middle of an answer, sends no LDAP at all, or more than anybody can take. What a
//! real one does is `tests/real/ldap`'s matter.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use dovegate::{
    directory::{Directory, Found, Listing, OutageCause, Password, Settings, Written},
    mailbox::Address,
    secret::Secret,
};

const BIND: u8 = 0x60;
const SEARCH: u8 = 0x63;
const BIND_DONE: u8 = 0x61;
const ENTRY: u8 = 0x64;
const DONE: u8 = 0x65;
const REFERENCE: u8 = 0x73;
const EXTENDED_DONE: u8 = 0x78;

/// What is asked: the operation, and the number of the question.
#[derive(Clone, Copy)]
struct Asked {
    operation: u8,
    id: u8,
}

/// A server; it ends with the test's process.
struct Fake {
    port: u16,
    /// Most connections at a time.
    most: Arc<AtomicUsize>,
}

impl Fake {
    /// One that answers so. Who gets no answer waits.
    fn start(answer: impl Fn(Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (answer, most) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
        let (counted, open) = (Arc::clone(&most), Arc::new(AtomicUsize::new(0)));
        thread::spawn(move || {
            for stream in listener.incoming() {
                counted.fetch_max(1 + open.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                let (mut stream, answer) = (stream.unwrap(), Arc::clone(&answer));
                let open = Arc::clone(&open);
                thread::spawn(move || {
                    while let Some(asked) = question(&mut stream) {
                        if stream.write_all(&answer(asked)).is_err() {
                            break;
                        }
                    }
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { port, most }
    }

    fn directory(&self, keys: &str) -> Directory {
        let written = format!(
            "kind = \"ldap\"\ndomains = [\"example.org\"]\nbase_dn = \"dc=example\"\n\
             urls = [\"ldap://127.0.0.1:{}\"]\ntimeout = \"500ms\"\nbind_dn = \"cn=reader\"\n\
             bind_password = \"reads\"\n{keys}",
            self.port
        );
        let written = toml::from_str::<Written>(&written).unwrap();
        let settings = Settings::mean(&"staff".parse().unwrap(), &written).unwrap();
        Directory::open(settings).unwrap()
    }
}

/// The next question. All of ours have lengths of one or two bytes.
fn question(stream: &mut TcpStream) -> Option<Asked> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    let mut more = vec![0; usize::from(head[1].saturating_sub(0x80))];
    stream.read_exact(&mut more).ok()?;
    let long = more.iter().fold(0, |all, byte| all << 8 | usize::from(*byte));
    let mut content = vec![0; if more.is_empty() { usize::from(head[1]) } else { long }];
    stream.read_exact(&mut content).ok()?;
    Some(Asked { id: content[2], operation: content[3] })
}

fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82], &length[..], content].concat()
}

impl Asked {
    fn answer(self, operation: u8, members: &[Vec<u8>]) -> Vec<u8> {
        let id = value(2, &[self.id]);
        value(0x30, &[id, value(operation, &members.concat())].concat())
    }

    fn result(self, operation: u8, code: u8) -> Vec<u8> {
        self.answer(operation, &[value(0x0a, &[code]), value(4, b""), value(4, b"said so")])
    }

    fn entry(self, uid: &str) -> Vec<u8> {
        let attribute = |name: &str, text: &str| {
            let values = value(0x31, &value(4, text.as_bytes()));
            value(0x30, &[value(4, name.as_bytes()), values].concat())
        };
        let mail = attribute("mail", &format!("{uid}@example.org"));
        let attributes = [attribute("entryUUID", uid), mail].concat();
        let dn = format!("uid={uid},dc=example");
        self.answer(ENTRY, &[value(4, dn.as_bytes()), value(0x30, &attributes)])
    }

    fn reference(self) -> Vec<u8> {
        self.answer(REFERENCE, &[value(4, b"ldap://127.0.0.1:1/dc=other")])
    }
}

/// Lets our own account in, and answers searches so.
fn searched(answer: impl Fn(Asked) -> Vec<u8> + Send + Sync + 'static) -> Fake {
    Fake::start(move |asked| match asked.operation {
        BIND => asked.result(BIND_DONE, 0),
        _ => answer(asked),
    })
}

fn ada() -> Address {
    Address::parse("ada@example.org").unwrap()
}

async fn check_search(
    what: &str,
    answer: impl Fn(Asked) -> Vec<u8> + Send + Sync + 'static,
    cause: OutageCause,
) {
    let directory = searched(answer).directory("");
    let began = Instant::now();
    let unavailable = directory.find(&ada()).await.unwrap_err();
    assert_eq!(unavailable.cause, cause, "{what}: {unavailable}");
    assert!(began.elapsed() < Duration::from_secs(3), "{what}: {:?}", began.elapsed());
    assert!(unavailable.detail.starts_with("127.0.0.1:"), "{unavailable}");
}

#[tokio::test]
async fn what_is_no_answer_is_an_outage() {
    check_search("nothing", |_| Vec::new(), OutageCause::Slow).await;
    check_search("half", |asked| asked.entry("ada")[..20].to_vec(), OutageCause::Slow).await;
    check_search("no end", |asked| asked.entry("ada"), OutageCause::Slow).await;
    check_search("HTTP", |_| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), OutageCause::Malformed)
        .await;
    check_search("2 GiB", |_| b"\x30\x84\x7f\xff\xff\xff".to_vec(), OutageCause::Malformed).await;
    check_search("nested", |_| value(0x30, &b"\x30\x80".repeat(30_000)), OutageCause::Malformed)
        .await;
    check_search("of a bind", |asked| asked.result(BIND_DONE, 0), OutageCause::Malformed).await;
    check_search("nobody's", |asked| asked.answer(ENTRY, &[]), OutageCause::Malformed).await;
    let goodbye = |_| Asked { id: 0, operation: 0 }.result(EXTENDED_DONE, 52);
    check_search("goodbye", goodbye, OutageCause::Unreachable).await;
}

#[tokio::test]
async fn more_than_was_asked_for_is_not_kept() {
    let endless = |asked: Asked| asked.entry("ada").repeat(20_000);
    check_search("endless", endless, OutageCause::Malformed).await;
}

#[tokio::test]
async fn codes_are_outages_with_words() {
    for (code, words) in [
        (10, "not followed"),
        (32, "base_dn"),
        (50, "may not search"),
        (51, "cannot at present"),
        (80, "said so"),
    ] {
        let fake = searched(move |asked| asked.result(DONE, code));
        let unavailable = fake.directory("").find(&ada()).await.unwrap_err();
        assert_eq!(unavailable.cause, OutageCause::Status);
        assert!(unavailable.detail.contains(words), "{code}: {unavailable}");
    }
}

/// What is there is there; what is not may be where the server refers to.
#[tokio::test]
async fn references_leave_nobody_out() {
    let found =
        searched(|asked| [asked.reference(), asked.entry("ada"), asked.result(DONE, 0)].concat());
    let directory = found.directory("");
    assert!(matches!(directory.find(&ada()).await.unwrap(), Found::Entry(_)));
    let unavailable = directory.find(&Address::parse("bob@example.org").unwrap()).await;
    assert_eq!(unavailable.unwrap_err().cause, OutageCause::Status);
    assert_eq!(directory.look_up("ada").await.unwrap().unwrap().subject, "ada");
    let unavailable = directory.list(&mut Listing::default()).await.unwrap_err();
    assert!(unavailable.detail.contains("base_dn"), "{unavailable}");
}

#[tokio::test]
async fn a_part_of_a_list_is_none() {
    for code in [4, 11, 12, 52] {
        let fake = searched(move |asked| [asked.entry("ada"), asked.result(DONE, code)].concat());
        fake.directory("").list(&mut Listing::default()).await.unwrap_err();
    }
    let cut_off =
        searched(|asked| [asked.entry("ada"), asked.entry("bob"), asked.result(DONE, 4)].concat());
    let directory = cut_off.directory("");
    assert_eq!(directory.find(&ada()).await.unwrap(), Found::Several, "there may be another ada");
    directory.look_up("ada").await.unwrap_err();
}

/// Only one code is a wrong password.
#[tokio::test]
async fn only_wrong_credentials_are_wrong() {
    for code in [0, 1, 8, 19, 32, 48, 49, 50, 51, 53, 80, 127] {
        let binds = AtomicUsize::new(0);
        let fake = Fake::start(move |asked| match asked.operation {
            // The first one is our own.
            BIND if binds.fetch_add(1, Ordering::Relaxed) == 0 => asked.result(BIND_DONE, 0),
            BIND => asked.result(BIND_DONE, code),
            SEARCH => [asked.entry("ada"), asked.result(DONE, 0)].concat(),
            _ => Vec::new(),
        });
        let directory = fake.directory("");
        let Found::Entry(entry) = directory.find(&ada()).await.unwrap() else { panic!("{code}") };
        let Password::Bind(dn) = &entry.password else { panic!("{entry:?}") };
        let said = directory.bind(dn, &Secret::new(b"wonderland")).await;
        match code {
            0 => assert_eq!(said, Ok(true)),
            49 => assert_eq!(said, Ok(false)),
            _ => assert_eq!(said.unwrap_err().cause, OutageCause::Status, "{code}"),
        }
    }
}

/// What is written behind the answer, in clear text, is not taken for a part of what
/// comes by TLS.
#[tokio::test]
async fn nothing_slips_in_before_tls() {
    let fake = Fake::start(|asked| {
        let slipped = Asked { id: 2, operation: BIND }.result(BIND_DONE, 0);
        [asked.result(EXTENDED_DONE, 0), slipped].concat()
    });
    let directory = fake.directory("starttls = true\nignore_ssl_errors = true");
    let unavailable = directory.find(&ada()).await.unwrap_err();
    assert_eq!(unavailable.cause, OutageCause::Tls, "{unavailable}");
    let refuses = Fake::start(|asked| asked.result(EXTENDED_DONE, 2));
    let unavailable = refuses.directory("starttls = true").find(&ada()).await.unwrap_err();
    assert_eq!(unavailable.cause, OutageCause::Tls, "{unavailable}");
    assert!(unavailable.detail.contains("begins no TLS"), "{unavailable}");
}

/// However many ask one that hangs, it has few connections, and they wait no longer
/// than one of them would.
#[tokio::test]
async fn a_crowd_waits_as_long_as_one() {
    let fake = searched(|_| Vec::new());
    let directory = fake.directory("");
    let began = Instant::now();
    let ada = ada();
    let crowd = (0..100).map(|_| directory.find(&ada));
    let said = futures_util::future::join_all(crowd).await;
    assert!(said.iter().all(Result::is_err));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    // It hears of an end a little later.
    let most = fake.most.load(Ordering::SeqCst);
    assert!(most <= 40, "{most}");
}
