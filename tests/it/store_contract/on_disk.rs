//! What only a store on disk can do: be there again after a restart and after
//! `kill -9`, and keep other processes out.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use dovegate::mailbox::{Binding, PasswordHash};

use super::*;

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store: Under = Arc::new(open(folder.path()));
    let ann = fill(&store).await;
    store.record_use(used(ann, "imap", 9, "ok"), NOW);
    store.save_penalties(vec![(b"a".to_vec(), Some(b"1".to_vec()))]).await.unwrap();
    store.secret("one", || [1; 32]).await.unwrap();
    let still_held = SledStore::open(folder.path(), &Settings::default());
    assert!(matches!(still_held, Err(Error::Locked { .. })));
    // While somebody else still holds on to the store.
    store.close().await.unwrap();

    let again: Under = Arc::new(open(folder.path()));
    assert_eq!(again.uses(&UseFilter::of(ann), 10).await.unwrap().len(), 2);
    assert_eq!(used_up(&again).await, DomainUse { mailboxes: 2, quota_bytes: 5 });
    assert_eq!(again.penalties().await.unwrap().len(), 1);
    assert_eq!(again.secret("one", || [2; 32]).await.unwrap(), [1; 32]);
    assert!(again.account(&address("ann@example.org")).await.unwrap().is_some());
    drop(store);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).close().await.unwrap();
    let raw = raw(folder.path());
    raw.insert([0], &[5]).unwrap();
    drop(raw);
    let refused = try_open(folder.path()).err().unwrap();
    assert!(matches!(refused, Error::Schema { found: 5, known: 4, .. }), "{refused}");
}

/// The folder as sled has it, whoever still holds it for a moment.
fn raw(folder: &Path) -> ::sled::Db {
    loop {
        if let Ok(raw) = ::sled::open(folder) {
            return raw;
        }
    }
}

/// The first layout did not list the mailboxes of a person.
#[tokio::test]
async fn an_older_store_gets_its_list_of_what_is_bound() {
    const PEOPLE: usize = 1_100;
    let person = |number: usize| Binding {
        provider: "corp".parse().unwrap(),
        subject: format!("id {number}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let store: Under = Arc::new(open(folder.path()));
    fill(&store).await;
    let source: Under = Arc::new(MemoryStore::new());
    let ann = with_ann(&source).await;
    let ann = exported(&source, 100).await.into_iter().find_map(|record| match record {
        Record::Mailbox(mailbox) if mailbox.id == ann => Some(mailbox),
        _ => None,
    });
    let ann = ann.unwrap();
    // Two mailboxes for each of them, more people than are listed in one piece.
    let mailbox = |number: usize| {
        let mut mailbox = ann.clone();
        mailbox.id = MailboxId(1_000 + number as u128);
        mailbox.address = address(&format!("u{number}@example.org"));
        mailbox.bound = Some(person(number / 2));
        Record::Mailbox(mailbox)
    };
    store.import((0..2 * PEOPLE).map(mailbox).collect()).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let old = raw(folder.path());
    let listed: Vec<_> = old.scan_prefix([3]).keys().map(Result::unwrap).collect();
    assert_eq!(listed.len(), PEOPLE);
    for key in &listed {
        old.remove(key).unwrap();
    }
    // An upgrade that was broken off, and a mailbox that went after it.
    old.insert(&listed[0], old_list(&[1, 2, 3])).unwrap();
    old.insert([&[3][..], b"corp\0nobody's"].concat(), old_list(&[1])).unwrap();
    old.insert([0], &[1]).unwrap();
    drop(old);

    for _ in 0..2 {
        let again: Under = Arc::new(open(folder.path()));
        for number in [0, 1, 999, PEOPLE - 1] {
            let mut found = again.mailboxes_of(&person(number)).await.unwrap();
            found.sort();
            let expected = [2 * number, 2 * number + 1];
            let mut expected = expected.map(|number| address(&format!("u{number}@example.org")));
            expected.sort();
            assert_eq!(found, expected, "{number}");
        }
        again.close().await.unwrap();
        drop(again);
        let new = raw(folder.path());
        assert_eq!(new.scan_prefix([3]).count(), PEOPLE);
        assert_eq!(new.get([0]).unwrap().unwrap(), &[4]);
    }
}

/// The second layout did not say what of a mailbox an administrator has set, the
/// third not whether it has brought app passwords along.
#[tokio::test]
async fn an_older_store_gets_whole_mailboxes() {
    for layout in [2, 3] {
        let folder = tempfile::tempdir().unwrap();
        let store: Under = Arc::new(open(folder.path()));
        fill(&store).await;
        let phone = ImportedAppPassword {
            id: AppPasswordId::from_bits(0),
            name: "Phone".to_owned(),
            hash: "{PLAIN}tea".to_owned().into(),
            services: Services::ALL,
            created: NOW,
        };
        let bob = address("bob@example.com");
        let phone = Arrival::AppPassword(bob.clone(), Box::new(phone));
        assert!(store.take_in(vec![phone], NOW).await.unwrap()[0].is_ok());
        let before = store.mailboxes(&MailboxFilter::default(), None, 10).await.unwrap();
        assert!(before.iter().all(|one| one.has_imported_app_passwords == (one.address == bob)));
        store.close().await.unwrap();
        drop(store);
        let old = raw(folder.path());
        for (number, entry) in old.scan_prefix([18]).map(Result::unwrap).enumerate() {
            let (key, value) = entry;
            let (rest, flag) = value.split_last_chunk::<1>().unwrap();
            assert_eq!(flag, &[u8::from(number == 0)]);
            let (bare, policy) = rest.split_last_chunk::<5>().unwrap();
            assert_eq!(policy, &[0; 5]);
            // The last one an upgrade had reached before it was broken off.
            match number {
                2 => {}
                _ if layout == 2 => drop(old.insert(key, bare).unwrap()),
                _ => drop(old.insert(key, rest).unwrap()),
            }
        }
        old.insert([0], &[layout]).unwrap();
        drop(old);
        for _ in 0..2 {
            let again: Under = Arc::new(open(folder.path()));
            let after = again.mailboxes(&MailboxFilter::default(), None, 10).await.unwrap();
            assert_eq!(after, before);
            again.close().await.unwrap();
        }
    }
}

/// The third layout did not say who had begun a sync.
#[tokio::test]
async fn an_older_store_says_who_began_its_syncs() {
    let folder = tempfile::tempdir().unwrap();
    let store: Under = Arc::new(open(folder.path()));
    let corp: ProviderName = "corp".parse().unwrap();
    for _ in 0..2 {
        let run = store.begin_sync(corp.clone(), SyncBy::Hand, SyncScope::All, NOW).await.unwrap();
        let run = SyncRun { outcome: SyncOutcome::Failed("no answer".to_owned()), ..run };
        store.sync_page(run, Vec::new(), NOW).await.unwrap();
    }
    let before = store.sync_runs(&corp).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let old = raw(folder.path());
    // An upgrade that was broken off had reached the second.
    let (key, value) = old.scan_prefix([4]).next().unwrap().unwrap();
    let (rest, began) = value.split_last_chunk::<2>().unwrap();
    assert_eq!(began, &[0, 0]);
    old.insert(key, rest).unwrap();
    old.insert([0], &[3]).unwrap();
    drop(old);
    for _ in 0..2 {
        let again: Under = Arc::new(open(folder.path()));
        assert_eq!(again.sync_runs(&corp).await.unwrap(), before);
        again.close().await.unwrap();
    }
}

/// Mailboxes of a person, as stored.
fn old_list(ids: &[u8]) -> Vec<u8> {
    let count = u8::try_from(ids.len()).unwrap();
    [&[count], ids].concat()
}

/// sled itself opens all of these, and has nothing to say about what is missing.
#[tokio::test]
async fn a_log_that_lost_what_was_acknowledged_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store: Under = Arc::new(open(folder.path()));
    fill(&store).await;
    store.close().await.unwrap();
    drop(store);
    let log = folder.path().join("db");
    let whole = std::fs::read(&log).unwrap();
    let snapshots = || {
        let files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.to_string_lossy().contains("snap"))
    };
    snapshots().for_each(|path| std::fs::remove_file(path).unwrap());
    for left in [&whole[..0], &whole[..whole.len() / 2]] {
        std::fs::write(&log, left).unwrap();
        let refused = try_open(folder.path()).err().unwrap();
        assert!(matches!(refused, Error::Damaged { .. }), "{refused}");
        assert!(refused.to_string().contains("changes are lost"), "{refused}");
    }
    std::fs::write(&log, &whole).unwrap();
    let again: Under = Arc::new(open(folder.path()));
    assert!(again.account(&address("ann@example.org")).await.unwrap().is_some());
}

#[tokio::test]
async fn damaged_counters_begin_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store: Under = Arc::new(open(folder.path()));
    fill(&store).await;
    store.save_penalties(vec![(b"a".to_vec(), Some(b"1".to_vec()))]).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    std::fs::write(folder.path().join("counters/conf"), "nothing that sled would write").unwrap();
    let again: Under = Arc::new(open(folder.path()));
    assert!(again.penalties().await.unwrap().is_empty());
    assert!(again.account(&address("ann@example.org")).await.unwrap().is_some());
    assert!(folder.path().join("counters.damaged/conf").exists());
}

/// What a child of these tests does, and on which folder.
const ROLE: &str = "DOVEGATE_TEST_STORE_ROLE";

const FOLDER: &str = "DOVEGATE_TEST_STORE_FOLDER";

/// The entry of a child process; without a role it has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_process() {
    let (Ok(role), Some(folder)) = (std::env::var(ROLE), std::env::var_os(FOLDER)) else { return };
    let store: Under = Arc::new(open(Path::new(&folder)));
    acknowledge("open");
    if role == "hold" {
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
    let from: u32 = role.parse().unwrap();
    let tasks: Vec<_> = (0..4)
        .map(|lane| tokio::spawn(write_for_ever(Arc::clone(&store), from + lane * 1_000_000)))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

fn acknowledge(what: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\ndone {what}").unwrap();
    out.flush().unwrap();
}

/// Makes mailboxes, gives each an app password, sets a hash, and takes every
/// third away again.
async fn write_for_ever(store: Under, from: u32) {
    for number in from.. {
        let text = format!("u{number}@example.org");
        let id = with_mailbox(&store, &text).await;
        acknowledge(&format!("made {text}"));
        store.add_app_password(&address(&text), app_password(number, 0)).await.unwrap();
        acknowledge(&format!("app-password {text} {}", id.0));
        let hash = MailboxChange {
            local_hash: Some(Some(format!("{{PLAIN}}{number}").into())),
            quota: Some(Some(quota(1))),
            ..MailboxChange::default()
        };
        store.update_mailbox(&address(&text), hash, NOW).await.unwrap();
        acknowledge(&format!("hash {text} {{PLAIN}}{number}"));
        if number % 3 == 0 {
            acknowledge(&format!("removing {text}"));
            store.remove_mailbox(&address(&text)).await.unwrap();
            acknowledge(&format!("removed {text}"));
        }
    }
}

struct Killed {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Killed {
    fn start(folder: &Path, role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["store_contract::on_disk::child_process", "--exact", "--nocapture"])
            .env(ROLE, role)
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn next(&mut self) -> Option<String> {
        let mut lines = self.lines.by_ref().map(Result::unwrap);
        lines.find_map(|line| line.strip_prefix("done ").map(str::to_owned))
    }

    /// `kill -9`; then what it had still said.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::iter::from_fn(|| self.next()).collect()
    }
}

#[tokio::test]
async fn another_process_is_kept_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = Killed::start(folder.path(), "hold");
    assert_eq!(other.next().as_deref(), Some("open"));
    let refused = SledStore::open(folder.path(), &Settings::default()).err().unwrap();
    assert!(matches!(refused, Error::Locked { .. }), "{refused}");
    assert!(refused.to_string().contains("in use by another process"), "{refused}");
    other.kill();
    open(folder.path());
}

#[tokio::test]
async fn kill_9_loses_nothing_acknowledged() {
    let folder = TempDir::new().unwrap();
    let first: Under = Arc::new(open(folder.path()));
    with_domain(&first).await;
    first.close().await.unwrap();
    drop(first);
    for round in 0..4_u32 {
        let mut writer = Killed::start(folder.path(), &(round * 10_000).to_string());
        let mut said: Vec<String> =
            std::iter::from_fn(|| writer.next()).take(200 + 37 * round as usize).collect();
        assert!(said.len() >= 200, "the writer stopped by itself: {said:?}");
        said.extend(writer.kill());
        let store: Under = Arc::new(open(folder.path()));
        for line in &said {
            check_acknowledged(&store, line, &said).await;
        }
        check_whole(&store).await;
        store.close().await.unwrap();
    }
}

async fn check_acknowledged(store: &Under, line: &str, said: &[String]) {
    let words: Vec<_> = line.split(' ').collect();
    let Some(text) = words.get(1) else { return };
    let account = store.account(&address(text)).await.unwrap();
    let gone = said.iter().any(|line| *line == format!("removed {text}"));
    let going = said.iter().any(|line| *line == format!("removing {text}"));
    match (account, words[0]) {
        (found, _) if gone => assert!(found.is_none(), "{line}"),
        (None, _) => assert!(going, "{line}"),
        (Some(found), "hash") => {
            assert_eq!(
                found.mailbox.local_hash.as_ref().map(PasswordHash::as_str),
                Some(words[2]),
                "{line}"
            );
        }
        (Some(found), "app-password") => {
            assert_eq!(found.mailbox.id.0.to_string(), words[2]);
            assert_eq!(store.app_passwords(found.mailbox.id).await.unwrap().len(), 1, "{line}");
        }
        (Some(_), _) => {}
    }
}

/// Whether the parts that one write makes together are there together.
async fn check_whole(store: &Under) {
    let mailboxes = store.mailboxes(&MailboxFilter::default(), None, usize::MAX).await.unwrap();
    let mut bytes = 0;
    for mailbox in &mailboxes {
        let owner = store.address_of(mailbox.id).await.unwrap();
        assert_eq!(owner.as_ref(), Some(&mailbox.address));
        bytes += mailbox.quota.map_or(0, |quota| quota.bytes);
    }
    let expected = DomainUse { mailboxes: mailboxes.len() as u64, quota_bytes: bytes };
    assert_eq!(used_up(store).await, expected);
    let owned = exported(store, 1000).await.iter().all(|record| match record {
        Record::AppPassword { mailbox, .. } => mailboxes.iter().any(|one| one.id == *mailbox),
        _ => true,
    });
    assert!(owned, "an app password is left over from a removed mailbox");
}

#[tokio::test]
async fn a_bulk_of_changes_is_read_again_before_the_folder_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let store: Under = Arc::new(open(folder.path()));
    with_domain(&store).await;
    for number in 0..400 {
        let large = NewMailbox {
            display_name: "x".repeat(100_000),
            ..new_mailbox(&format!("u{number}@example.org"))
        };
        store.create_mailbox_within_limits(large, NOW).await.unwrap();
    }
    store.close().await.unwrap();
    // sled's snapshot, by which it finds out where to go on, is named after
    // the place in the log.
    let read_up_to = std::fs::read_dir(folder.path())
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            u64::from_str_radix(name.strip_prefix("snap.")?, 16).ok()
        })
        .max();
    assert!(read_up_to.unwrap() > 40_000_000, "{read_up_to:?}");
    let again: Under = Arc::new(open(folder.path()));
    assert_eq!(used_up(&again).await.mailboxes, 400);
}
