//! Logins while Dovecot is reloaded and Dovegate dies: whoever gives the right
//! password never hears that it is wrong, and all go on by themselves.

use std::{
    fs,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::support::{
    client::{Dialogue, Outcome, imap_login},
    dovecot::{Rig, StandIn, Version, Way},
    wait_for,
};

const CLIENTS: usize = 4;

/// Runs `disturb` while clients log in one after the other, then demands that
/// nobody was blamed. Gives all outcomes.
fn under_logins(rig: &Rig, disturb: impl FnOnce()) -> Vec<Outcome> {
    let over = AtomicBool::new(false);
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    let outcome = login(rig);
                    outcomes.lock().expect("no client panics").push(outcome);
                }
            });
        }
        disturb();
        over.store(true, Relaxed);
    });
    outcomes.into_inner().expect("no client panics")
}

fn login(rig: &Rig) -> Outcome {
    imap_login(&mut Dialogue::tcp(rig.ports.imap), "ann@example.org", "wonderland")
}

fn nobody_is_blamed(outcomes: &[Outcome]) {
    at_most_blamed(0, outcomes);
}

fn at_most_blamed(most: usize, outcomes: &[Outcome]) {
    let count = |wanted: &Outcome| outcomes.iter().filter(|outcome| *outcome == wanted).count();
    let (all, inside, lost) = (outcomes.len(), count(&Outcome::In), count(&Outcome::Lost));
    eprintln!("{all} logins, {inside} of them in, {lost} lost");
    let wrong = count(&Outcome::Wrong);
    assert!(wrong <= most, "the right password was called wrong {wrong} times");
    assert!(inside > all / 2, "hardly anybody got in: {outcomes:?}");
}

/// Logins that Dovecot 2.3.19 itself calls wrong: those under verification at
/// the very moment when the auth process is killed. 2.4 calls them UNAVAILABLE,
/// and a process that is stopped finishes them.
fn quirk_pending_at_a_kill_is_wrong(rig: &Rig) -> usize {
    if rig.version != Version::V23 {
        return 0;
    }
    let log = fs::read_to_string(rig.folder.outside("dovecot.log")).expect("Dovecot writes it");
    log.lines()
        .filter_map(|line| line.split_once("Auth connection closed with "))
        .filter_map(|(_, rest)| rest.split_once(" pending")?.0.parse::<usize>().ok())
        .sum()
}

fn rig(version: Version, way: Way) -> Option<Rig> {
    let rig = Rig::start(version, way)?;
    rig.dovegate(&["domain", "add", "example.org"]);
    rig.mailbox("ann@example.org", "wonderland", &[]);
    Some(rig)
}

fn recovers(rig: &Rig) {
    wait_for("a login to succeed again", Duration::from_secs(20), || {
        (login(rig) == Outcome::In).then_some(())
    });
}

/// `doveadm reload`, ten times.
pub fn reloads(version: Version, way: Way) {
    let Some(rig) = rig(version, way) else { return };
    let outcomes = under_logins(&rig, || {
        for _ in 0..10 {
            let reply = rig.doveadm(&["reload"]);
            assert_eq!(reply.code, 0, "{}", reply.text);
            thread::sleep(Duration::from_millis(700));
            recovers(&rig);
        }
    });
    nobody_is_blamed(&outcomes);
    assert_eq!(serving(&rig).len(), 1, "one Dovegate serves after the reloads");
}

/// Dovegate under Dovecot's master is killed; the master starts it again.
pub fn killed_under_master(version: Version) {
    let Some(rig) = rig(version, Way::UnderMaster) else { return };
    let outcomes = under_logins(&rig, || {
        for _ in 0..3 {
            let before = serving(&rig);
            assert!(!before.is_empty(), "Dovegate runs");
            for pid in before {
                kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
            }
            recovers(&rig);
            thread::sleep(Duration::from_secs(1));
        }
    });
    at_most_blamed(quirk_pending_at_a_kill_is_wrong(&rig), &outcomes);
}

/// Dovegate with activated sockets is stopped or killed, and started again.
pub fn daemon_restarted(version: Version, signal: Signal) {
    let Some(mut rig) = rig(version, Way::Activated) else { return };
    let StandIn::Daemon(mut daemon) = std::mem::replace(&mut rig.stand_in, StandIn::DovecotsChild)
    else {
        unreachable!("the test runs it in this way")
    };
    let outcomes = under_logins(&rig, || {
        for _ in 0..3 {
            thread::sleep(Duration::from_secs(1));
            daemon.end(signal, &rig.folder);
            thread::sleep(Duration::from_millis(300));
            daemon.run(&rig.dovegate, &rig.folder);
            recovers(&rig);
        }
    });
    let most = match signal {
        Signal::SIGKILL => quirk_pending_at_a_kill_is_wrong(&rig),
        _ => 0,
    };
    at_most_blamed(most, &outcomes);
}

/// Process ids of the Dovegates that serve from this rig's folder.
fn serving(rig: &Rig) -> Vec<i32> {
    let binary = fs::canonicalize(rig.folder.outside("dovegate")).expect("it was installed");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("Linux").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let is_ours = fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == binary);
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let serves = arguments.split(|byte| *byte == 0).any(|argument| argument == b"serve");
        if is_ours && serves {
            found.push(pid);
        }
    }
    found
}
