//! `dovegate provider`, and the options that name a provider elsewhere.

use std::{fs, time::Duration};

use crate::{
    cli::{Data, dovegate, fed, json},
    support::{
        b64,
        client::Target,
        daemon::Daemon,
        provider::{CLIENT_ID, CLIENT_SECRET, FakeProvider},
    },
};

const ADD: [&str; 13] = [
    "provider",
    "add",
    "corp",
    "--kind",
    "keycloak",
    "--server-url",
    "https://keycloak.example.org",
    "--realm",
    "mail",
    "--methods",
    "jwt",
    "--clients",
    "roundcube,thunderbird",
];

fn adding<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ADD.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn provider_from_beginning_to_end() {
    let data = Data::with_ann();
    let with_client = adding(&["--client-id", "mailgate", "--client-secret-stdin"]);
    assert_eq!(data.ok(&with_client, "wonderland\n"), "Added provider corp.\n");
    assert!(data.fails(&with_client, "wonderland\n", 1).contains("provider set"));
    let shown = data.ok(&["provider", "show", "corp"], "");
    for words in [
        "declared in               the store",
        "server_url                https://keycloak.example.org",
        "client_secret             set",
        "clients                   roundcube,thunderbird",
        "state                     not asked yet",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let set = [
        "provider",
        "set",
        "corp",
        "--version",
        "26.2",
        "--scopes",
        "openid",
        "--token-cache",
        "10s",
        "--tokens-for-local",
        "true",
        "--unset",
        "clients",
    ];
    assert_eq!(data.ok(&set, ""), "Changed provider corp.\n");
    let view = json(&data.ok(&["provider", "show", "corp", "--json"], ""));
    assert_eq!((&view["version"], &view["clients"]), (&"26.2".into(), &serde_json::json!([])));
    assert_eq!((&view["tokens_for_local"], &view["realm"]), (&true.into(), &"mail".into()));
    assert_eq!(view["has_client_secret"], true);
    data.ok(&["provider", "set", "corp", "--unset", "client-secret,scopes"], "");
    let listed = data.ok(&["provider", "list"], "");
    assert!(
        listed.lines().nth(1).unwrap().starts_with("corp      keycloak  the store"),
        "{listed}"
    );
    assert_eq!(json(&data.ok(&["provider", "list", "--json"], ""))[0]["has_client_secret"], false);
    assert_eq!(data.ok(&["provider", "remove", "corp", "--quiet"], ""), "");
    assert!(data.fails(&["provider", "show", "corp"], "", 1).contains("provider add corp"));
}

#[test]
fn what_is_wrong_is_said_with_its_key() {
    let data = Data::with_ann();
    data.ok(&ADD, "");
    let wrong = ["provider", "set", "corp", "--methods", "userinfo", "--timeout", "1m"];
    let stderr = data.fails(&wrong, "", 2);
    assert!(stderr.contains("clients: is required, but its only method, userinfo"), "{stderr}");
    assert!(stderr.contains("\ntimeout: "), "{stderr}");
    assert!(data.fails(&["provider", "add", "other"], "", 2).contains("kind: expected"));
    assert!(data.fails(&adding(&["--client-secret-stdin"]), "", 2).contains("no client secret"));
    assert!(data.fails(&adding(&["--ignore-ssl-errors", "perhaps"]), "", 2).contains("perhaps"));
    for (arguments, word) in [
        (["--unset", "cafile"], "no such key"),
        (["--unset", "kind"], "kind: expected"),
        (["--client-auth", "magic"], "client_auth: unknown variant"),
    ] {
        let arguments = [&["provider", "set", "corp"][..], &arguments].concat();
        assert!(data.fails(&arguments, "", 2).contains(word), "{arguments:?}");
    }
    let both = ["provider", "set", "corp", "--realm", "x", "--unset", "realm"];
    assert!(data.fails(&both, "", 2).contains("both set and unset"));
}

#[test]
fn domains_and_mailboxes_name_a_provider() {
    let data = Data::with_ann();
    let domain = ["domain", "set", "example.org", "--provider"];
    let to = |name| [&domain[..], &[name]].concat();
    assert!(data.fails(&to("corp"), "", 1).contains("provider add corp"));
    data.ok(&ADD, "");
    data.ok(&to("corp"), "");
    assert!(data.ok(&["domain", "show", "example.org"], "").contains("provider       corp"));
    assert!(data.ok(&["domain", "list"], "").contains(" corp "));
    let stderr = data.fails(&["provider", "remove", "corp"], "", 1);
    assert!(stderr.contains("example.org"), "{stderr}");
    data.ok(&["mailbox", "set", "ann@example.org", "--auth-source", "corp"], "");
    data.ok(&["mailbox", "add", "bob@example.org", "--auth-source", "corp", "--no-password"], "");
    for person in ["ann@example.org", "bob@example.org"] {
        let shown = data.ok(&["mailbox", "show", person], "");
        assert!(shown.contains("auth source    corp"), "{shown}");
        assert!(!shown.contains("bound to"), "{shown}");
    }
    data.ok(&["mailbox", "set", "ann@example.org", "--auth-source", "local", "--unbind"], "");
    assert!(data.ok(&["mailbox", "show", "ann@example.org"], "").contains("auth source    local"));
    data.ok(&to("none"), "");
    assert!(data.ok(&["domain", "show", "example.org"], "").contains("provider       none"));
    let stderr = data.fails(&["mailbox", "set", "ann@example.org", "--auth-source", "corp"], "", 1);
    assert!(stderr.contains("dovegate domain set example.org --provider corp"), "{stderr}");
}

#[test]
fn a_bound_mailbox_is_shown_and_unbound() {
    let data = Data::with_ann();
    data.ok(&ADD, "");
    let export = data.ok(&["export"], "");
    let person = r#""bound":{"provider":"corp","subject":"a7feeb0e"}"#;
    data.ok(&["import"], &export.replace("\"bound\":null", person));
    let show = ["mailbox", "show", "ann@example.org"];
    assert!(data.ok(&show, "").contains("bound to       a7feeb0e at corp"));
    data.ok(&["mailbox", "set", "ann@example.org", "--unbind"], "");
    assert!(!data.ok(&show, "").contains("bound to"));
}

#[test]
fn a_provider_in_the_file_is_shown_and_not_changed() {
    let daemon = Daemon::start(&[
        "provider.corp.kind = \"oidc\"",
        "provider.corp.server_url = \"https://login.example.org\"",
        "provider.corp.client_id = \"mailgate\"",
        "provider.corp.client_secret = \"wonderland\"",
    ]);
    daemon.cli(&["domain", "add", "example.org", "--provider", "corp"], "");
    let shown = daemon.cli(&["provider", "show", "corp"], "");
    assert!(shown.contains("dovegate.toml") && shown.contains("example.org"), "{shown}");
    for arguments in
        [&["provider", "set", "corp", "--realm", "x"][..], &["provider", "remove", "corp"]]
    {
        let output = daemon.try_cli(arguments, "");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("is changed only there"), "{stderr}");
    }
    let added =
        ["provider", "add", "other", "--kind", "oidc", "--server-url", "https://a.example.org"];
    daemon.cli(&added, "");
    assert_eq!(json(&daemon.cli(&["provider", "list", "--json"], "")).as_array().unwrap().len(), 2);
    daemon.wait_for_log("the change with its caller", |log| log.contains("provider add"));
    let status = json(&daemon.cli(&["status", "--json"], ""));
    assert_eq!(status["providers"].as_array().unwrap().len(), 2, "{status}");
    let status = daemon.cli(&["status"], "");
    assert!(status.contains("corp      0         0         not asked yet"), "{status}");
    let said = [shown, daemon.cli(&["config", "show"], ""), daemon.log()].concat();
    assert!(!said.contains("wonderland"), "{said}");
}

#[test]
fn a_wrong_provider_in_the_file_is_named_by_its_line() {
    let folder = tempfile::TempDir::with_prefix("dovegate-cli-").unwrap();
    let file = folder.path().join("dovegate.toml");
    let text = "state_dir = \"/srv\"\nuser = \"root\"\n\n[provider.corp]\nkind = \"oidc\"\n\
                server_url = \"https://login.example.org\"\naudience = [\"mail\"]\n";
    fs::write(&file, text).unwrap();
    let output = fed(dovegate(&["--config", file.to_str().unwrap(), "config", "check"]), "");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    let expected =
        "dovegate.toml:7: provider.corp.audience: is required, but its only method, userinfo,";
    assert!(stderr.contains(expected), "{stderr}");
}

#[test]
fn explaining_a_token() {
    let data = Data::with_ann();
    let explain = ["explain", "ann@example.org", "--token-stdin"];
    let output = data.run(&explain, "wonderland\n");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(stdout.contains("REFUSED") && stdout.contains("domain set --provider"), "{stdout}");
    assert!(!stdout.contains("wonderland"));
    let both = ["explain", "ann@example.org", "--token-stdin", "--password-file", "/dev/null"];
    data.fails(&both, "x", 2);
}

/// Whoever asks a running server need not be able to read what its providers'
/// settings name. Without one there is nobody else to use them.
#[test]
fn files_of_providers_are_the_servers_to_read() {
    let folder = tempfile::TempDir::with_prefix("dovegate-cli-").unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, "wonderland\n").unwrap();
    let secret = format!("provider.corp.client_secret_file = {:?}", file.to_str().unwrap());
    let mut daemon = Daemon::start(&[
        "provider.corp.kind = \"oidc\"",
        "provider.corp.server_url = \"https://login.example.org\"",
        "provider.corp.client_id = \"mailgate\"",
        &secret,
    ]);
    fs::remove_file(&file).unwrap();
    daemon.cli(&["domain", "add", "example.org", "--provider", "corp"], "");
    daemon.cli(&["status"], "");
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    while daemon.is_running() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let output = daemon.try_cli(&["domain", "list"], "");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("client_secret_file"), "{stderr}");
}

/// The way of the README, from nothing to a login, beside a running server.
#[test]
fn from_a_new_provider_to_a_login() {
    let fake = FakeProvider::start();
    let daemon = Daemon::start(&[]);
    daemon.cli(&["domain", "add", "example.org"], "");
    daemon.cli(&["mailbox", "add", "ann@example.org", "--no-password"], "");
    let url = fake.url();
    let add = ["provider", "add", "corp", "--kind", "oidc", "--server-url", &url, "--client-id"];
    let more = [CLIENT_ID, "--client-secret-stdin", "--clients", "roundcube"];
    daemon.cli(&[&add[..], &more].concat(), CLIENT_SECRET);
    daemon.cli(&["provider", "test", "corp"], "");
    daemon.cli(&["domain", "set", "example.org", "--provider", "corp"], "");
    daemon.cli(&["mailbox", "set", "ann@example.org", "--auth-source", "corp"], "");

    let token = fake.token(serde_json::json!({}));
    let explained = daemon.cli(&["explain", "ann@example.org", "--token-stdin"], &token);
    assert!(explained.contains("ACCEPTED") && explained.contains("introspection"), "{explained}");
    assert!(!explained.contains(&token));
    let mailbox = ["mailbox", "show", "ann@example.org"];
    assert!(!daemon.cli(&mailbox, "").contains("bound to"), "a question binds nobody");

    let target = Target { sockets: daemon.sockets(), patience: Duration::from_secs(60) };
    let mut client = target.client("auth", 2);
    let response = b64(format!("user=ann@example.org\x01auth=Bearer {token}\x01\x01"));
    for _ in 0..2 {
        let id = client.auth("XOAUTH2", &format!("secured\tresp={response}"));
        assert_eq!(client.reply(id).word, "OK");
    }
    assert!(daemon.cli(&mailbox, "").contains("bound to       a7feeb0e at corp"));
    let status = json(&daemon.cli(&["status", "--json"], ""));
    // One by explain, one by the first login; the second one was spared.
    assert_eq!(status["providers"][0]["requests"]["introspection"], 2, "{status}");
    let tokens = &status["caches"][4];
    assert_eq!(tokens["name"], "tokens");
    assert_eq!((&tokens["entries"], &tokens["hits"]), (&1.into(), &1.into()));
    assert!(daemon.cli(&["provider", "list"], "").contains("answers"));
    daemon.cli(&["mailbox", "set", "ann@example.org", "--unbind"], "");
    assert!(!daemon.cli(&mailbox, "").contains("bound to"));
    assert!(!daemon.log().contains(&token) && !daemon.log().contains(CLIENT_SECRET));
}
