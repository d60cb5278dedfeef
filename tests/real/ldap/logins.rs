//! People log in through a real Dovecot.

use super::{NILS, NILSS, OLGA, OLGAS, PERSONS, logs_in, rig};
use crate::support::{
    bearer::{BOTH, LogLine, imap_bearer},
    client::{Dialogue, Outcome},
    oidc::Provider,
    slapd::{PEOPLE, Person, Slapd},
    wait_for,
};

/// Whatever changes there counts at once.
const AT_ONCE: &str = "mailpassword_cache = \"0s\"\nunknown_cache = \"0s\"\n\
                       recheck_interval = \"0s\"\naccount_check = \"1s\"";

#[test]
fn by_bind() {
    let Some(slapd) = Slapd::start(PERSONS) else { return };
    let Some(rig) = rig(&slapd, AT_ONCE, "") else { return };
    assert_eq!(logs_in(&rig, OLGA, OLGAS), "verified");
    assert_eq!(LogLine::last(&rig.folder).field("verifier"), "directory");
    assert_eq!(logs_in(&rig, "Olga@Example.NET", OLGAS), "verified");
    assert_eq!(logs_in(&rig, OLGA, "wrong"), "wrong_password");
    assert_eq!(logs_in(&rig, OLGA, NILSS), "wrong_password");
    assert_eq!(logs_in(&rig, NILS, NILSS), "verified");
    assert_eq!(slapd.count("BIND dn=\"\""), 0, "a bind as nobody proves nothing");

    slapd.modify(&format!(
        "dn: uid=nils,{PEOPLE}\nchangetype: modify\nreplace: userPassword\nuserPassword: other\n"
    ));
    assert_eq!(logs_in(&rig, NILS, NILSS), "wrong_password");
    assert_eq!(logs_in(&rig, NILS, "other"), "verified");

    // Somebody else with her address is not she.
    slapd.remove("olga");
    assert_eq!(logs_in(&rig, OLGA, OLGAS), "unknown_at_provider");
    slapd.join(&Person { uid: "olga", password: "another", more: "" });
    assert_eq!(logs_in(&rig, OLGA, "another"), "address_reassigned");
}

/// A phone asks twice a second, and the server hears of it once a minute.
#[test]
fn the_server_is_not_asked_for_each_login() {
    let Some(slapd) = Slapd::start(PERSONS) else { return };
    let Some(rig) = rig(&slapd, "recheck_interval = \"5m\"", "") else { return };
    let olgas = format!("BIND dn=\"uid=olga,{PEOPLE}\" method=128");
    for _ in 0..5 {
        assert_eq!(logs_in(&rig, OLGA, OLGAS), "verified");
    }
    assert_eq!(slapd.count(&olgas), 1);
    for _ in 0..5 {
        assert_eq!(logs_in(&rig, OLGA, "old password"), "wrong_password");
    }
    assert_eq!(slapd.count(&olgas), 2, "or an old password would lock the account");
}

#[test]
fn a_token_opens_the_mailbox_too() {
    let Some(provider) = Provider::start() else { return };
    let Some(slapd) = Slapd::start(PERSONS) else { return };
    let club = format!(
        "[provider.club]\nkind = \"oidc\"\nserver_url = \"{}\"\ntoken_cache = \"0s\"\n\
         tokens_for_local = true\n",
        provider.url()
    );
    let Some(rig) = rig(&slapd, AT_ONCE, &club) else { return };
    let (token, _) = provider.tokens("olga", "desktop", "openid email mail");
    let by_token = |user: &str| {
        BOTH.map(|mechanism| {
            imap_bearer(&mut Dialogue::tcp(rig.ports.imap), mechanism, user, &token).outcome
        })
    };
    assert_eq!(by_token(OLGA), [Outcome::In, Outcome::In]);
    assert_eq!(logs_in(&rig, OLGA, OLGAS), "verified");
    assert_eq!(by_token(OLGA), [Outcome::In, Outcome::In]);
    assert_eq!(by_token(NILS), [Outcome::Wrong, Outcome::Wrong]);
    slapd.remove("olga");
    assert_eq!(by_token(OLGA), [Outcome::Wrong, Outcome::Wrong]);
}

/// Who is gone or switched off there stays out with his app passwords, too.
#[test]
fn app_passwords_follow_their_owner() {
    let Some(slapd) = Slapd::start(PERSONS) else { return };
    let keys =
        format!("{AT_ONCE}\ndisabled_attribute = \"employeeType\"\ndisabled_values = [\"left\"]");
    let Some(rig) = rig(&slapd, &keys, "") else { return };
    let app = |user| rig.dovegate.app_password(&rig.folder, user, &[]).text;
    let (olgas_phone, nilss_phone) = (app(OLGA), app(NILS));
    for (user, own, phone) in [(OLGA, OLGAS, &olgas_phone), (NILS, NILSS, &nilss_phone)] {
        assert_eq!(logs_in(&rig, user, own), "verified");
        assert_eq!(logs_in(&rig, user, phone), "verified");
    }
    slapd.remove("nils");
    slapd.modify(&format!(
        "dn: uid=olga,{PEOPLE}\nchangetype: modify\nreplace: employeeType\nemployeeType: left\n"
    ));
    assert_eq!(logs_in(&rig, OLGA, OLGAS), "disabled_at_provider");
    for (user, phone) in [(OLGA, &olgas_phone), (NILS, &nilss_phone)] {
        wait_for("the app password to stop", std::time::Duration::from_secs(10), || {
            (logs_in(&rig, user, phone) != "verified").then_some(())
        });
    }
    slapd.modify(&format!(
        "dn: uid=olga,{PEOPLE}\nchangetype: modify\nreplace: employeeType\nemployeeType: staff\n"
    ));
    assert_eq!(logs_in(&rig, OLGA, OLGAS), "verified");
    assert_eq!(logs_in(&rig, OLGA, &olgas_phone), "verified");
}

/// Who has no mailbox gets one by his first login, and by nothing less than the right
/// password; what stands in the way is named.
#[test]
fn a_first_login_makes_the_mailbox() {
    const MIA: &str = "mia@example.net";
    let Some(slapd) = Slapd::start(PERSONS) else { return };
    let Some(rig) = rig(&slapd, AT_ONCE, "") else { return };
    for uid in ["mia", "tom"] {
        slapd.join(&Person { uid, password: "of their own", more: "" });
    }
    let is_there = || rig.dovegate.run(&rig.folder, &["mailbox", "show", MIA], "").status.success();
    assert_eq!(logs_in(&rig, MIA, "wrong"), "wrong_password");
    assert_eq!(logs_in(&rig, MIA, OLGAS), "wrong_password");
    assert_eq!(logs_in(&rig, "nobody@example.net", "of their own"), "unknown_user");
    assert!(!is_there());
    assert_eq!(logs_in(&rig, MIA, "of their own"), "verified");
    assert!(is_there());
    assert!(rig.dovegate(&["sync", "log", "staff", "--logins"]).contains(MIA));
    rig.dovegate(&["domain", "set", "example.net", "--max-mailboxes", "1"]);
    assert_eq!(logs_in(&rig, "tom@example.net", "of their own"), "provision_limit");
    let asked = ["explain", "tom@example.net", "--service", "imap", "--password-stdin"];
    let explained = rig.dovegate.run(&rig.folder, &asked, "of their own\n");
    let explained = String::from_utf8_lossy(&explained.stdout);
    assert!(explained.contains("has 3 of at most 1 mailboxes"), "{explained}");
    assert_eq!(logs_in(&rig, MIA, "of their own"), "verified");
}

/// Everybody there gets a mailbox, and who leaves keeps it for incoming mail alone.
#[test]
fn a_sync_brings_the_mailboxes() {
    let Some(slapd) = Slapd::start(PERSONS) else { return };
    let keys = "import_users = true\nattribute_mapping = [{ value = \"staff\", template = \"Big\" }]\n\
                template_attribute = \"employeeType\"\ndefault_template = \"Small\"\n\
                withdraw_limit = 100";
    let Some(rig) = rig(&slapd, keys, "") else { return };
    rig.dovegate(&["template", "add", "Big", "--quota", "9G"]);
    rig.dovegate(&["template", "add", "Small", "--quota", "1G"]);
    for uid in ["mia", "tom"] {
        slapd.join(&Person { uid, password: "of their own", more: "employeeType: staff\n" });
    }
    let sync = || rig.dovegate(&["sync", "run", "staff"]);
    let shown = |user| rig.dovegate(&["mailbox", "show", user, "--json"]);
    sync();
    assert_eq!(logs_in(&rig, "mia@example.net", "of their own"), "verified");
    assert!(shown("mia@example.net").contains("\"Big\""), "{}", shown("mia@example.net"));
    assert!(shown(OLGA).contains("\"Big\""), "{}", shown(OLGA));
    // His second address is no other one.
    assert_eq!(
        rig.dovegate
            .run(&rig.folder, &["mailbox", "show", "n.second@example.net"], "")
            .status
            .code(),
        Some(1)
    );
    slapd.remove("tom");
    for _ in 0..2 {
        sync();
    }
    assert!(shown("tom@example.net").contains("receive_only"), "{}", shown("tom@example.net"));
    assert!(shown("mia@example.net").contains("active"));
}
