//! The LDAP server hangs, or is not there.

use std::time::{Duration, Instant};

use super::{NILS, NILSS, OLGA, OLGAS, PERSONS, logs_in, rig};
use crate::support::{dovecot::Rig, slapd::Slapd};

const KEYS: &str = "mailpassword_cache = \"1s\"\nrecheck_interval = \"0s\"\n\
                    timeout = \"800ms\"\nconnect_timeout = \"600ms\"";
const LOCAL: &str = "ann@example.org";
const LOCALS: &str = "correct horse";

fn warm_rig(slapd: &Slapd) -> Option<Rig> {
    let rig = rig(slapd, KEYS, "")?;
    rig.dovegate(&["domain", "add", "example.org"]);
    rig.mailbox(LOCAL, LOCALS, &[]);
    for _ in 0..2 {
        assert_eq!(logs_in(&rig, OLGA, OLGAS), "verified");
        assert_eq!(logs_in(&rig, LOCAL, LOCALS), "verified");
    }
    std::thread::sleep(Duration::from_millis(1200));
    Some(rig)
}

/// Who was let in before is, and nobody else hears that his password is wrong.
fn the_warm_get_in(rig: &Rig) {
    assert_eq!(logs_in(rig, OLGA, OLGAS), "verified, stale");
    let unavailable = ["provider_slow", "provider_unreachable", "provider_down"];
    for (user, password) in [(OLGA, "wrong"), (NILS, NILSS), (NILS, "wrong")] {
        let said = logs_in(rig, user, password);
        assert!(unavailable.contains(&said.as_str()), "{user} {password}: {said}");
    }
}

#[test]
fn one_that_hangs_holds_up_nobody_else() {
    let Some(slapd) = Slapd::start(PERSONS) else { return };
    let Some(rig) = warm_rig(&slapd) else { return };
    slapd.hold();
    std::thread::scope(|scope| {
        let crowd: Vec<_> =
            (0..10).map(|_| scope.spawn(|| logs_in_quietly(&rig, NILS, NILSS))).collect();
        std::thread::sleep(Duration::from_millis(100));
        for _ in 0..3 {
            let began = Instant::now();
            logs_in_quietly(&rig, LOCAL, LOCALS);
            assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
        }
        for one in crowd {
            one.join().unwrap();
        }
    });
    the_warm_get_in(&rig);
    slapd.go_on();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(logs_in(&rig, NILS, NILSS), "verified");
    assert_eq!(logs_in(&rig, OLGA, "wrong"), "wrong_password");
}

#[test]
fn one_that_is_gone_is_a_temporary_failure() {
    let Some(mut slapd) = Slapd::start(PERSONS) else { return };
    let Some(rig) = warm_rig(&slapd) else { return };
    slapd.stop();
    the_warm_get_in(&rig);
    assert_eq!(logs_in(&rig, LOCAL, LOCALS), "verified");
    slapd.run();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(logs_in(&rig, NILS, NILSS), "verified");
}

/// A login of which nobody looks at the log, which others write at the same time.
fn logs_in_quietly(rig: &Rig, user: &str, password: &str) {
    use crate::support::client::{Dialogue, imap_login};
    imap_login(&mut Dialogue::tcp(rig.ports.imap), user, password);
}
