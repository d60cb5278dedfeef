//! What happens to a server by no client's doing: changed settings, reloads,
//! restarts, lost folders.

use std::{fs, os::unix::fs::PermissionsExt as _};

use nix::sys::signal::Signal;

use crate::support::{
    daemon::Daemon,
    world::{ANN, ANN_PASSWORD, BOB, BOB_PASSWORD, World},
};

/// A listener at `run/NAME` of this daemon, as it stands in the settings.
fn listener(daemon: &Daemon, name: &str, further: &str) -> String {
    let path = daemon.sockets().join(name);
    format!("[[listener]]\npath = {:?}\n{further}", path.display().to_string())
}

/// Writes new settings and has them read.
fn reload(daemon: &Daemon, settings: &[&str]) {
    let reloads = daemon.log().matches("reloaded").count();
    daemon.configure(settings);
    daemon.signal(Signal::SIGHUP);
    daemon.wait_for_log("reload", |log| log.matches("reloaded").count() > reloads);
}

#[test]
fn reload_that_changes_a_sockets_mode_or_type_keeps_it_open() {
    let world = World::new();
    let path = world.daemon.sockets().join("auth");
    let mode = || fs::metadata(&path).map(|found| found.permissions().mode() & 0o777).ok();
    assert_eq!(mode(), Some(0o666));
    let mut before = world.target.client("auth", 2);

    let narrowed = listener(&world.daemon, "auth", "type = \"auth\"\nmode = \"0600\"");
    reload(&world.daemon, &[&narrowed]);
    assert_eq!(mode(), Some(0o600));
    assert_eq!(world.target.client("auth", 2).login(ANN, ANN_PASSWORD).word, "OK");

    let other_type = listener(&world.daemon, "auth", "type = \"login\"\nmode = \"0600\"");
    reload(&world.daemon, &[&other_type]);
    let mut login = world.target.client("auth", 4);
    assert_eq!(login.greeting.minor, 4, "it is a login socket now");
    assert_eq!(login.login(ANN, ANN_PASSWORD).word, "OK");
    assert_eq!(before.login(ANN, ANN_PASSWORD).word, "OK");
}

#[test]
fn reload_says_what_only_a_start_changes() {
    let world = World::new();
    reload(&world.daemon, &["limits.worker_threads = 3", "limits.reserve = 10"]);
    let log = world.daemon.log();
    let waits: Vec<&str> =
        log.lines().filter(|line| line.contains("takes effect at the next start")).collect();
    assert_eq!(waits.len(), 2, "{log}");
    assert!(waits[1].contains("setting=limits.worker_threads"), "{log}");
}

/// A provider in the file whose certificate nobody checks.
const UNSAFE: [&str; 3] = [
    "provider.corp.kind = \"oidc\"",
    "provider.corp.introspection_url = \"https://127.0.0.1:1/userinfo\"",
    "provider.corp.ignore_ssl_errors = true",
];

#[test]
fn unsafe_providers_are_warned_of_at_each_start_and_reload() {
    let mut daemon = Daemon::start(&UNSAFE);
    let warnings = |daemon: &Daemon| daemon.log().matches("believes any certificate").count();
    assert_eq!(warnings(&daemon), 1);
    reload(&daemon, &UNSAFE);
    assert_eq!(warnings(&daemon), 2);
    daemon.restart();
    assert_eq!(warnings(&daemon), 3);
    reload(&daemon, &UNSAFE[..2]);
    assert_eq!(warnings(&daemon), 3);
}

#[test]
fn a_stored_provider_whose_file_is_gone_stops_no_server() {
    let mut daemon = Daemon::start(&[]);
    let secret = daemon.folder().join("secret");
    std::fs::write(&secret, "wonderland\n").expect("the secret is written");
    let path = secret.to_str().expect("a plain path");
    let add = ["provider", "add", "corp", "--kind", "oidc", "--server-url", "http://127.0.0.1:1"];
    let with_file = ["--client-id", "mail", "--client-secret-file", path];
    daemon.cli(&[&add[..], &with_file].concat(), "");
    std::fs::remove_file(&secret).expect("it was there");
    daemon.restart();
    let log = daemon.log();
    let line = log.lines().find(|line| line.contains("identity provider cannot be asked"));
    let line = line.unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("provider=corp key=client_secret_file"), "{line}");
    std::fs::write(&secret, "wonderland\n").expect("the secret is written");
    reload(&daemon, &[]);
    assert_eq!(daemon.log().matches("identity provider cannot be asked").count(), 1);
}

#[test]
fn reload_of_broken_settings_keeps_the_old_ones() {
    let world = World::new();
    let mut before = world.target.client("login", 4);
    for broken in ["login.failure_delay = \"never\"", "passwords.hash_queue = 18446744073709551615"]
    {
        let refusals = world.daemon.log().matches("settings not taken over").count();
        world.daemon.configure(&[broken]);
        world.daemon.signal(Signal::SIGHUP);
        world.daemon.wait_for_log("refusal", |log| {
            log.matches("settings not taken over").count() > refusals
        });
        assert_eq!(before.login(ANN, ANN_PASSWORD).word, "OK");
        assert_eq!(world.target.client("auth", 2).login(ANN, ANN_PASSWORD).word, "OK");
    }
}

/// Between OK and REQUEST lie seconds, and an administrator may use them.
#[test]
fn request_for_a_mailbox_that_was_switched_off_meanwhile_is_refused() {
    let world = World::new();
    let mut client = world.target.client("login", 4);
    let mut master = world.target.master("master", 4);
    let logged_in = |client: &mut crate::support::client::Client, user, password| {
        let id = client.ask(user, password);
        client.reply(id).expect("OK");
        id
    };
    let id = logged_in(&mut client, ANN, ANN_PASSWORD);
    world.daemon.cli(&["mailbox", "set", ANN, "--state", "disabled"], "");
    master.request(&client, id, "").expect("NOTFOUND");

    let id = logged_in(&mut client, BOB, BOB_PASSWORD);
    world.daemon.cli(&["mailbox", "remove", BOB], "");
    world.daemon.add_mailbox(BOB, "another person", &[]);
    master.request(&client, id, "").expect("NOTFOUND");

    let id = logged_in(&mut client, BOB, "another person");
    master.request(&client, id, "").expect("USER");
}
