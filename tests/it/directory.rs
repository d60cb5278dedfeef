//! People in a watched file: their mailboxes, their passwords, and their tokens.

use std::{
    fs,
    path::PathBuf,
    thread::sleep,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    cli::json,
    support::{
        b64,
        client::{Reply, Target},
        daemon::Daemon,
        provider::FakeProvider,
        world::{ANN, ANN_TOKEN, BOB, BOB_TOKEN},
    },
};

/// How long something may take that takes two seconds, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Rig {
    daemon: Daemon,
    target: Target,
    folder: tempfile::TempDir,
    lines: Vec<String>,
}

impl Rig {
    /// A server of example.org with this file.
    fn start(text: &str, more: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        fs::write(&path, text).unwrap();
        let mut lines = vec![
            "directory.accounts.kind = \"passwd-file\"".to_owned(),
            "directory.accounts.domains = [\"example.org\"]".to_owned(),
            format!("directory.accounts.path = \"{}\"", path.display()),
        ];
        lines.extend_from_slice(more);
        let daemon = Daemon::start(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        daemon.cli(&["domain", "add", "example.org"], "");
        let target = Target { sockets: daemon.sockets(), patience: PATIENCE };
        let rig = Self { daemon, target, folder, lines };
        // The first run may have been before there was the domain.
        rig.wait("the mailboxes", || {
            rig.daemon.try_cli(&["sync", "run", "accounts"], "").status.success()
                && rig.has_mailbox(ANN)
        });
        rig
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("users")
    }

    /// Replaces the file as programs do that care for it.
    fn says(&self, text: &str) {
        let new = self.folder.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    fn wait(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < PATIENCE, "no {what}:\n{}", self.daemon.log());
            sleep(Duration::from_millis(100));
        }
    }

    fn has_mailbox(&self, address: &str) -> bool {
        self.daemon.try_cli(&["mailbox", "show", address], "").status.success()
    }

    fn mailbox(&self, address: &str) -> Value {
        json(&self.daemon.cli(&["mailbox", "show", address, "--json"], ""))
    }

    fn login(&self, user: &str, password: &str) -> Reply {
        self.target.client("login", 2).login(user, password)
    }

    /// Whether somebody gets in.
    fn opens(&self, user: &str, password: &str) -> bool {
        self.login(user, password).word == "OK"
    }

    fn token(&self, user: &str, token: &str) -> Reply {
        let mut client = self.target.client("login", 2);
        let message = format!("user={user}\x01auth=Bearer {token}\x01\x01");
        let id = client.auth("XOAUTH2", &format!("final-resp-ok\tresp={}", b64(&message)));
        client.reply(id)
    }

    /// The line of the last login.
    fn last_login(&self, with: &str) -> String {
        let is_it = |line: &&str| line.contains(" login verdict=") && line.contains(with);
        self.daemon.wait_for_log(with, |log| log.lines().any(|line| is_it(&line)));
        let log = self.daemon.log();
        log.lines().rfind(is_it).unwrap().to_owned()
    }

    fn test(&self) -> (Option<i32>, String) {
        let output = self.daemon.try_cli(&["directory", "test", "accounts"], "");
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }
}

const BOTH: &str = "ann@example.org:{PLAIN}a:5001:5002:Ann:/srv/ann::userdb_quota_rule=*:storage=2G \
                    userdb_x=1\nbob@example.org:{PLAIN}b\n";

#[test]
fn who_stands_in_the_file_logs_in_and_nobody_else() {
    let rig = Rig::start(BOTH, &[]);
    assert!(rig.opens(ANN, "a"));
    let line = rig.last_login("verdict=verified");
    assert!(
        line.contains(" verifier=directory ") && line.contains(" provider=accounts "),
        "{line}"
    );
    assert!(!rig.opens(ANN, "b"));
    let line = rig.last_login("reason=wrong_password");
    assert!(line.contains(" verifier=directory ") && line.contains(" guess=true "), "{line}");

    // What stands in the line is the mailbox's, without any template.
    let ann = rig.mailbox(ANN);
    assert_eq!(ann["display_name"], "Ann");
    assert_eq!(ann["quota_bytes"], 2_u64 << 30);
    assert_eq!((&ann["uid"], &ann["home"]), (&5001.into(), &"/srv/ann".into()));
    let mut master = rig.target.master("master", 2);
    let user = master.ask("USER", &format!("{ANN}\tservice=lmtp")).expect("USER");
    assert_eq!((user.get("uid"), user.get("gid")), (Some("5001"), Some("5002")));
    assert_eq!((user.get("home"), user.get("x")), (Some("/srv/ann"), Some("1")));
    assert_eq!(user.get("quota_rule"), Some("*:bytes=2147483648"));

    let phone = rig.daemon.add_app_password(BOB, &["--name", "Phone", "--service", "imap"]);
    assert!(rig.opens(BOB, &phone) && rig.opens(BOB, "b"));

    // One more, another hash, and one less.
    rig.says(&format!(
        "{}cleo@example.org:{{PLAIN}}c\n",
        BOTH.replace("}a:", "}new:").replace("bob", "#bob")
    ));
    rig.wait("login of cleo", || rig.opens("cleo@example.org", "c"));
    assert!(rig.opens(ANN, "new") && !rig.opens(ANN, "a"));
    assert!(!rig.opens(BOB, "b"));
    let line = rig.last_login("user=bob@example.org");
    assert!(line.contains("reason=unknown_at_provider "), "{line}");
    assert!(!rig.opens(BOB, &phone));
    let line = rig.last_login("reason=owner_gone");
    assert!(line.contains(" verifier=app_password "), "{line}");
    rig.daemon.wait_for_log("withdrawal", |log| {
        log.contains(" withdrawn user=bob@example.org provider=accounts why=owner_gone")
    });
    assert!(rig.has_mailbox(BOB), "nothing is deleted");

    // Back as he was.
    rig.says(BOTH);
    rig.wait("login of bob", || rig.opens(BOB, "b") && rig.opens(BOB, &phone));
}

#[test]
fn a_mistake_in_the_file_locks_nobody_out_and_is_said() {
    let mut rig = Rig::start(BOTH, &[]);
    let (code, said) = rig.test();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("2 people, 0 of them disabled, 0 outside"), "{said}");
    rig.says(&format!("{BOTH}cleo@example.org:x:vmail\n"));
    rig.wait("the problem", || rig.test().0 == Some(1));
    let (_, said) = rig.test();
    assert!(said.contains("users:3: uid is not a number"), "{said}");
    assert!(rig.opens(ANN, "a") && rig.opens(BOB, "b"));
    fs::remove_file(rig.path()).unwrap();
    rig.wait("that it is gone", || rig.test().1.contains("No such file"));
    assert!(rig.opens(ANN, "a") && rig.opens(BOB, "b"));
    let list = json(&rig.daemon.cli(&["directory", "list", "--json"], ""));
    assert_eq!((&list[0]["state"], &list[0]["entries"]), (&"kept".into(), &2.into()));
    assert!(rig.daemon.cli(&["directory", "list"], "").contains("its last good state holds"));
    assert!(rig.daemon.cli(&["status"], "").contains("its last good state holds"));
    let log = rig.daemon.log();
    assert!(log.contains("its last good state stays in force"), "{log}");

    // After a restart nobody knows what stood there: an outage, and no refusal.
    rig.daemon.restart();
    assert_eq!(rig.login(ANN, "a").get("code"), Some("temp_fail"));
    let line = rig.last_login("verdict=unavailable");
    assert!(line.contains(" reason=provider_unreachable "), "{line}");
    rig.says(BOTH);
    rig.wait("login of ann", || rig.opens(ANN, "a"));
}

#[test]
fn tokens_of_the_domains_provider_open_mailboxes_of_the_file() {
    let corp = FakeProvider::start();
    corp.know(ANN_TOKEN, serde_json::json!({}));
    corp.know(BOB_TOKEN, serde_json::json!({ "sub": "b0b", "email": BOB }));
    let mut rig = Rig::start(BOTH, &corp.config("corp"));
    rig.daemon.cli(&["domain", "set", "example.org", "--provider", "corp"], "");
    rig.token(ANN, ANN_TOKEN).expect("FAIL");
    assert!(rig.last_login("reason=token_source").contains("user=ann@example.org"));
    let mut lines = rig.lines.clone();
    lines.push("provider.corp.tokens_for_local = true".to_owned());
    rig.daemon.configure(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    rig.daemon.signal(Signal::SIGHUP);
    rig.wait("login by a token", || rig.token(ANN, ANN_TOKEN).word == "OK");
    let line = rig.last_login("verdict=verified");
    assert!(line.contains(" verifier=token ") && line.contains(" provider=corp "), "{line}");
    assert!(rig.opens(ANN, "a"), "besides her password");
    assert_eq!(rig.mailbox(ANN)["bound"]["provider"], "accounts", "she stays the file's");
    // Somebody else's token is no way in, nor is one of whom the file has nobody.
    rig.token(BOB, ANN_TOKEN).expect("FAIL");
    rig.token(BOB, BOB_TOKEN).expect("OK");
    rig.says(&BOTH.replace("bob", "#bob"));
    rig.wait("refusal of bob", || rig.token(BOB, BOB_TOKEN).word == "FAIL");
    let line = rig.last_login("user=bob@example.org");
    assert!(line.contains("reason=unknown_at_provider "), "{line}");
    rig.token(ANN, ANN_TOKEN).expect("OK");
    rig.daemon.restart();
    rig.token(ANN, ANN_TOKEN).expect("OK");
}

#[test]
fn names_are_shared_with_providers() {
    let rig = Rig::start(BOTH, &[]);
    let fails = |arguments: &[&str], words: &str| {
        let output = rig.daemon.try_cli(arguments, "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    };
    fails(
        &["provider", "add", "accounts", "--kind", "oidc", "--server-url", "https://x.example"],
        "directory accounts exists already",
    );
    fails(
        &["domain", "set", "example.org", "--provider", "accounts"],
        "accounts is a directory: it speaks for the domains of its settings",
    );
    fails(&["directory", "test", "nobody"], "directory nobody does not exist");
    rig.daemon.cli(&["domain", "add", "example.net"], "");
    rig.daemon.add_mailbox("dora@example.net", "d", &[]);
    fails(
        &["mailbox", "set", "dora@example.net", "--auth-source", "accounts"],
        "directory accounts does not speak for domain example.net",
    );
    // There and back: the local password is as it was.
    rig.daemon.add_mailbox("dora@example.org", "d", &[]);
    let switch =
        |to| rig.daemon.cli(&["mailbox", "set", "dora@example.org", "--auth-source", to], "");
    switch("accounts");
    assert!(!rig.opens("dora@example.org", "d"));
    switch("local");
    assert!(rig.opens("dora@example.org", "d"));
    let why = rig.daemon.cli(&["explain", ANN, "--service", "imap"], "");
    assert!(why.contains("directory accounts, passwd-file"), "{why}");
}
