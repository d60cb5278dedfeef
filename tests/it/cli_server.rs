//! The command line beside a running server.

use std::{fs, time::Duration};

use crate::{
    cli::{by_nobody, fed, json},
    support::{client::Target, daemon::Daemon, plain},
};

#[test]
fn with_a_server_the_same_commands_ask_it() {
    let daemon = Daemon::start(&[]);
    daemon.cli(&["domain", "add", "example.org"], "");
    daemon.add_mailbox("ann@example.org", "wonderland", &["--quota", "1G"]);
    let status = json(&daemon.cli(&["status", "--json"], ""));
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["logins"]["verified"], 0);
    let listeners = status["listeners"].as_array().unwrap();
    assert!(listeners.iter().any(|one| one["type"] == "login"), "{status}");
    assert!(daemon.cli(&["status"], "").contains("running as process"));
    assert!(daemon.cli(&["mailbox", "list"], "").contains("ann@example.org"));
    let explain = ["explain", "ann@example.org", "--password-stdin"];
    assert!(daemon.cli(&explain, "wonderland").contains("ACCEPTED"));
    assert!(daemon.cli(&["cache", "flush"], "").contains("Forgot"));
    let caches = json(&daemon.cli(&["cache", "status", "--json"], ""))["caches"].clone();
    let names = ["verified", "wrong", "people", "unknown", "tokens", "refused_tokens"];
    assert!(caches.as_array().unwrap().iter().map(|cache| &cache["name"]).eq(names), "{caches}");
    assert_eq!(caches[0]["max_entries"], 100_000);
    let shown = daemon.cli(&["cache", "status"], "");
    assert!(shown.contains("refused tokens") && shown.contains("RATIO"), "{shown}");
    assert_eq!(daemon.cli(&["held-back", "list", "--json"], ""), "[]\n");
    let export = daemon.cli(&["export"], "");
    assert_eq!(export.lines().count(), 3);
    daemon.cli(&["mailbox", "remove", "ann@example.org"], "");
    daemon.cli(&["import"], &export);
    assert!(daemon.cli(&explain, "wonderland").contains("ACCEPTED"));
    let uid = nix::unistd::getuid();
    daemon.wait_for_log("the change with its caller", |log| {
        log.lines().any(|line| {
            line.contains("mailbox remove")
                && line.contains("ann@example.org")
                && line.contains(&format!("uid={uid}"))
        })
    });
    assert!(!daemon.log().contains("wonderland"));
}

#[test]
fn strangers_may_not_use_the_admin_socket() {
    if !nix::unistd::geteuid().is_root() {
        // Only root can become somebody else.
        return;
    }
    let daemon = Daemon::start(&[]);
    let output = fed(by_nobody(daemon.folder(), daemon.folder(), &["domain", "list"]), "");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("admin") && stderr.contains("[admin] users"), "{stderr}");
}

#[test]
fn folder_in_use_without_an_admin_socket_is_temporary() {
    let daemon = Daemon::start(&[]);
    daemon.cli(&["domain", "add", "example.org"], "");
    fs::remove_file(daemon.sockets().join("admin")).unwrap();
    let output = daemon.try_cli(&["domain", "list"], "");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(75), "{stderr}");
    assert!(stderr.contains("another process holds"), "{stderr}");
}

#[test]
fn logins_show_where_an_administrator_looks() {
    let daemon = Daemon::start(&[]);
    daemon.cli(&["domain", "add", "example.org"], "");
    daemon.add_mailbox("ann@example.org", "wonderland", &[]);
    let phone = daemon.add_app_password("ann@example.org", &["--name", "Phone"]);
    let target = Target { sockets: daemon.sockets(), patience: Duration::from_secs(60) };
    let mut client = target.client("auth", 2);
    for (password, word) in [("wonderland", "OK"), (&phone, "OK"), (&phone, "OK"), ("x", "FAIL")] {
        let response = plain("ann@example.org", password);
        let id = client.auth("PLAIN", &format!("rip=192.0.2.7\tsecured\tresp={response}"));
        assert_eq!(client.reply(id).word, word);
    }
    let status = json(&daemon.cli(&["status", "--json"], ""));
    assert_eq!(
        (&status["logins"]["verified"], &status["logins"]["rejected"]),
        (&3.into(), &1.into())
    );
    let log = json(&daemon.cli(&["login-log", "ann@example.org", "--json"], ""));
    let times = |outcome: &str, app_password: Option<&str>| {
        let rows = log.as_array().unwrap();
        rows.iter()
            .find(|row| row["outcome"] == outcome && row["app_password"].as_str() == app_password)
            .map(|row| (row["count"].as_u64(), row["rip"].as_str()))
    };
    let id = Some(&phone[..4]);
    assert_eq!(times("ok", None), Some((Some(1), Some("192.0.2.7"))), "{log}");
    assert_eq!(times("ok", id), Some((Some(2), Some("192.0.2.7"))), "{log}");
    assert_eq!(times("wrong_password", None), Some((Some(1), Some("192.0.2.7"))), "{log}");
    let listed = json(&daemon.cli(&["app-password", "list", "ann@example.org", "--json"], ""));
    assert_eq!(listed[0]["last_used"]["rip"], "192.0.2.7");
    let shown = daemon.cli(&["login-log"], "");
    assert!(shown.contains("wrong_password") && shown.contains("ann@example.org"), "{shown}");
}

#[test]
fn second_server_on_the_same_folder_does_not_start() {
    let daemon = Daemon::start(&[]);
    let second = daemon.try_cli(&["serve"], "");
    let stderr = String::from_utf8(second.stderr).unwrap();
    assert!(matches!(second.status.code(), Some(1 | 75)), "{:?} {stderr}", second.status);
    assert!(stderr.contains("dovegate: "), "{stderr}");
    daemon.cli(&["status"], "");
}

#[test]
fn a_quick_hash_is_made_anew_beside_the_logins() {
    let daemon = Daemon::start(&["passwords.upgrade_hashes = true"]);
    daemon.cli(&["domain", "add", "example.org"], "");
    daemon.add_mailbox("ann@example.org", "any", &[]);
    let sha = "{SHA}tiY7sUhYKUwI5L3866kDY+ENcrQ=";
    daemon.cli(&["mailbox", "password", "ann@example.org", "--hash-stdin"], sha);
    let target = Target { sockets: daemon.sockets(), patience: Duration::from_secs(60) };
    let mut client = target.client("auth", 2);
    assert_eq!(client.login("ann@example.org", "wonderland").word, "OK");
    daemon
        .wait_for_log("hash made anew", |log| log.contains("is hashed anew user=ann@example.org"));
    let export = daemon.cli(&["export"], "");
    assert!(!export.contains(sha) && export.contains("{BLF-CRYPT}$2y$04$"), "{export}");
    assert_eq!(client.login("ann@example.org", "wonderland").word, "OK");
    assert_eq!(client.login("ann@example.org", "wrong").word, "FAIL");
}
