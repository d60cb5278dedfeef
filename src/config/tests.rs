use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;
use crate::{
    mailbox::Provider,
    server::settings::{Endpoint, Kind},
};

fn load(text: &str, data: Option<&str>) -> Result<Config, String> {
    let source = Source { file: Some("d.toml".into()), data: data.map(PathBuf::from) };
    // Whoever runs the tests may be root on a machine without a user dovegate.
    let text = if text.contains("\nuser = ") {
        text.to_owned()
    } else {
        format!("user = \"root\"\n{text}")
    };
    Config::from_text(&text, Path::new("d.toml"), source, |_| {}).map_err(|error| error.to_string())
}

/// `expected` holds what each problem's line begins with.
fn check(text: &str, expected: &[&str]) {
    match load(text, None) {
        Ok(_) => assert!(expected.is_empty(), "{text} was taken"),
        Err(errors) => {
            let lines: Vec<&str> = errors.lines().collect();
            let fits = |(line, start): (&&str, &&str)| line.starts_with(*start);
            assert!(
                lines.len() == expected.len() && lines.iter().zip(expected).all(fits),
                "{text}:\n{errors}\nexpected {expected:?}"
            );
        }
    }
}

#[test]
fn problems_name_line_key_reason() {
    check("", &[]);
    check("[log]\nlevle = \"info\"", &["d.toml:3: unknown field `levle`, expected `target` or"]);
    check("[login]\nfailure_delay = \"2\"", &["d.toml:3: \"2\" is not a duration"]);
    check("[login]\nfailure_delay = 2", &["d.toml:3: invalid type"]);
    check("[login]\nfailure_delay = \"5s\"", &["d.toml:3: login.failure_delay: at most 4s"]);
    check("[login", &["d.toml:2: "]);
    check("state_dir = \"state\"", &["d.toml:2: state_dir: an absolute path"]);
    check(
        "[names]\nfurther_local_characters = \"/\"",
        &["d.toml:3: names.further_local_characters"],
    );
    check("[names]\nrecipient_delimiter = \"+@\"", &["d.toml:3: names.recipient_delimiter"]);
    check("[names]\nrecipient_delimiter = \"\"", &[]);
    check("[names]\ndefault_domain = \"a b\"", &["d.toml:3: the domain part"]);
    check("[userdb]\nuid = 0", &["d.toml:3: userdb.uid: never 0"]);
    check("[userdb]\nhome = \"/x/%q\"", &["d.toml:3: userdb.home: after %"]);
    check("[passwords]\nmax_argon2_memory = \"lots\"", &["d.toml:3: \"lots\" is not a size"]);
    check(
        "[passwords]\nhash_queue = 18446744073709551615\nhash_threads = 5000\n\
         [abuse]\nnetwork_limit = 4000000000000000000\nwindow = \"0s\"",
        &[
            "d.toml:4: passwords.hash_threads: from 0 to 1024",
            "d.toml:3: passwords.hash_queue: from 1 to 1000000",
            "d.toml:6: abuse.network_limit: from 0 to 10000",
            "d.toml:7: abuse.window: more than 0s",
        ],
    );
    check("[login]\nmax_requests = 0", &["d.toml:3: login.max_requests: from 1"]);
    check(
        "[passwords]\nverified_cache_time = \"2000000d\"",
        &["d.toml:3: \"2000000d\" is longer than a hundred years"],
    );
    check("[abuse]\ntrusted_networks = [\"x\"]", &["d.toml:3: \"x\" is not a network"]);
    check("[admin]\nusers = [\"nobody-of-that-name\"]", &["d.toml:3: admin.users: there is no"]);
    check(
        "[login]\nmechanisms = [\"GSSAPI\"]",
        &[
            "d.toml:3: login.mechanisms: unknown mechanism \"GSSAPI\": expected PLAIN, \
             LOGIN, XOAUTH2, OAUTHBEARER, EXTERNAL",
            "d.toml:3: login.mechanisms: PLAIN must",
        ],
    );
}

/// What is run for addresses that others choose reads them as nothing else.
#[test]
fn on_withdrawal_is_a_program_that_gets_the_address_whole() {
    let on = |words: &str| format!("[login]\non_withdrawal = [{words}]");
    for good in [
        "",
        r#""/bin/sh", "/etc/kick", "%u""#,
        r#""/bin/sh", "-c", "kick \"$1\"", "sh", "%u""#,
        r#""/usr/bin/env", "kick", "--user=%u""#,
    ] {
        check(&on(good), &[]);
    }
    for (bad, reason) in [
        (r#""doveadm", "kick", "%u""#, "the program needs an absolute path"),
        (r#""/nowhere/doveadm", "%u""#, "there is no program /nowhere/doveadm"),
        (r#""/etc", "%u""#, "there is no program /etc"),
        (r#""/etc/passwd", "%u""#, "/etc/passwd cannot be executed"),
        (r#""/bin/sh", "kick""#, "no argument has %u"),
        (r#""/bin/sh", "-c", "kick %u""#, "a shell would read the address"),
        (r#""/bin/sh", "-ec", "kick '%u'""#, "a shell would read the address"),
        (r#""/usr/bin/env", "-i", "/bin/bash", "-c", "kick %u""#, "a shell would read"),
    ] {
        check(&on(bad), &[&format!("d.toml:3: login.on_withdrawal: {reason}")]);
    }
    let key = "login.on_withdrawal_limit";
    check("[login]\non_withdrawal_limit = \"0s\"", &[&format!("d.toml:3: {key}: more than 0s")]);
    check("[login]\non_withdrawal_limit = \"6m\"", &[&format!("d.toml:3: {key}: more than 0s")]);
    let written = on(r#""/bin/sh", "/etc/kick", "--", "%u""#) + "\non_withdrawal_limit = \"3s\"";
    let command = load(&written, None).unwrap().server.on_withdrawal.unwrap();
    assert_eq!(command.program, Path::new("/bin/sh"));
    assert_eq!(command.arguments, ["/etc/kick", "--", "%u"]);
    assert_eq!(command.limit, std::time::Duration::from_secs(3));
}

#[test]
fn every_problem_is_named_at_once() {
    check(
        "[userdb]\nuid = 0\n[login]\nfailure_delay = \"9s\"\nmax_requests = 0",
        &["d.toml:5: login.failure_delay", "d.toml:6: login.max_requests", "d.toml:3: userdb.uid"],
    );
}

#[test]
fn listeners_are_checked() {
    let path = "[[listener]]\ntype = \"auth\"\npath = \"/run/a\"\n";
    check(path, &[]);
    check(&format!("{path}{path}"), &["d.toml:7: listener.path: another listener has it"]);
    check(&format!("{path}mode = \"9\""), &["d.toml:5: \"9\" is not a mode"]);
    check(
        &format!("{path}owner = \"nobody-of-that-name\""),
        &["d.toml:5: listener.owner: there is"],
    );
    check(&format!("{path}address = \"127.0.0.1:1\""), &["d.toml:4: listener.path: exactly one"]);
    check("[[listener]]\ntype = \"auth\"", &["d.toml:2: listener.path: exactly one"]);
    check(
        "[[listener]]\ntype = \"imap\"\npath = \"/run/a\"",
        &["d.toml:3: unknown variant `imap`"],
    );
    let tcp = |kind: &str, address: &str| {
        format!("[[listener]]\ntype = \"{kind}\"\naddress = \"{address}\"\n")
    };
    check(&tcp("auth", "127.0.0.1:12345"), &[]);
    check(&tcp("auth", "[::1]:12345"), &[]);
    check(&tcp("auth", "192.0.2.1:12345"), &["d.toml:4: listener.address: passwords would cross"]);
    check(&(tcp("auth", "0.0.0.0:12345") + "allow_remote_cleartext = true"), &[]);
    check(&tcp("socketmap", "127.0.0.1:12345"), &[]);
    check(&tcp("socketmap", "192.0.2.1:1"), &["d.toml:4: listener.address: whoever reaches it"]);
    check(&tcp("master", "127.0.0.1:1"), &["d.toml:4: listener.address: only listeners of type"]);
    check(&format!("{}{}", path, tcp("auth", "0.0.0.0:1")), &["d.toml:7: listener.address"]);
    check(
        &format!("[[listener]]\ntype = \"auth\"\npath = \"/{}\"", "x".repeat(107)),
        &["d.toml:4: listener.path: at most 107 bytes"],
    );
}

#[test]
fn ports_for_http_are_checked() {
    let internal = |address: &str| format!("[http.internal]\naddress = \"{address}\"\n");
    check(&internal("127.0.0.1:9417"), &[]);
    check(&internal("[::1]:9417"), &[]);
    check(&internal("0.0.0.0:9417"), &["d.toml:3: http.internal.address: it would cross the"]);
    check(&(internal("0.0.0.0:9417") + "allow_remote_cleartext = true"), &[]);
    check(&internal("localhost:9417"), &["d.toml:3: invalid socket address"]);
    let listener = "[[listener]]\ntype = \"auth\"\naddress = \"127.0.0.1:9417\"\n";
    let public = "[http]\naddress = \"0.0.0.0:9418\"\ncertificate_file = \"/c.pem\"\n";
    check(&format!("{public}key_file = \"/k.pem\""), &[]);
    let alone = ["http.key_file: certificate_file and key_file go together"];
    let found = load(public, None).unwrap_err();
    assert!(found.contains(alone[0]) && found.contains("it would cross the network"), "{found}");
    let taken = ["d.toml:3: http.internal.address: a [[listener]] has it already"];
    check(&(internal("127.0.0.1:9417") + listener), &taken);
    let both = |public: &str, internal: &str| {
        format!("[http]\naddress = \"{public}\"\n[http.internal]\naddress = \"{internal}\"")
    };
    check(&both("127.0.0.1:9418", "127.0.0.1:9417"), &[]);
    check(&both("127.0.0.1:0", "127.0.0.1:0"), &[]);
    let twice = ["d.toml:5: http.internal.address: [http] has it already"];
    check(&both("[::1]:9417", "[::1]:9417"), &twice);
    check(&both("192.0.2.1:9418", "[::1]:9417"), &["d.toml:3: http.address: it would cross"]);
}

#[test]
fn a_data_folder_needs_no_file() {
    let source = Source { file: None, data: Some("/srv/d".into()) };
    let config = Config::load(&source).unwrap();
    assert_eq!(config.store_dir(), Path::new("/srv/d/state/store"));
    assert_eq!(config.admin_socket(), Path::new("/srv/d/run/admin"));
    assert_eq!(config.server.rights, None);
    let names: Vec<&str> =
        config.server.listeners.iter().map(|listener| listener.kind.name()).collect();
    let expected =
        ["login", "auth", "userdb", "token-login", "token", "socketmap", "master", "admin"];
    assert_eq!(names, expected);
    let modes: Vec<u32> =
        config.server.listeners.iter().map(|listener| mode(&listener.endpoint)).collect();
    assert_eq!(modes, [0o666, 0o666, 0o666, 0o666, 0o666, 0o660, 0o600, 0o600]);
}

fn mode(endpoint: &Endpoint) -> u32 {
    match endpoint {
        Endpoint::Unix { mode, .. } => *mode,
        Endpoint::Tcp(_) => 0,
    }
}

#[test]
fn a_data_folder_wins_over_the_file() {
    let text = "state_dir = \"/a\"\n[[listener]]\ntype = \"auth\"\npath = \"/run/a\"";
    let config = load(text, Some("/srv/d")).unwrap();
    assert_eq!(config.server.state_dir, Path::new("/srv/d/state"));
    let kinds: Vec<Kind> = config.server.listeners.iter().map(|listener| listener.kind).collect();
    assert_eq!(kinds, [Kind::Auth, Kind::Admin]);
}

#[test]
fn a_missing_file_says_what_to_do() {
    let source = Source { file: Some("/nowhere/d.toml".into()), data: None };
    let error = Config::load(&source).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/d.toml cannot be read: No such file"), "{error}");
    assert!(error.contains("--data DIR needs none"), "{error}");
}

#[test]
fn the_example_is_the_default() {
    let default = load("", None).unwrap().show();
    let example = load(EXAMPLE, None).unwrap().show();
    assert_eq!(example, default);
}

/// The example with the keys that it comments out.
fn example_in_full() -> String {
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(rest)
            if rest.starts_with(|first: char| first.is_ascii_lowercase() || first == '[') =>
        {
            rest.to_owned()
        }
        _ => line.to_owned(),
    };
    EXAMPLE.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_lists_every_key() {
    let text = example_in_full();
    toml::from_str::<File>(&text).unwrap();
    let example: toml::Table = toml::from_str(&text).unwrap();
    check_keys(&example, "", "");
    for section in ["log", "names", "login", "passwords", "abuse", "userdb", "limits", "admin"] {
        check_keys(example[section].as_table().unwrap(), section, &format!("[{section}]\n"));
    }
    let web = example["web"].as_table().unwrap();
    check_keys(web, "web", "[web]\n");
    check_keys(web["client"].as_table().unwrap(), "web.client", "[web.client]\n");
    let http = example["http"].as_table().unwrap();
    check_keys(http, "http", "[http]\n");
    check_keys(http["internal"].as_table().unwrap(), "http.internal", "[http.internal]\n");
    let mut listener = toml::Table::new();
    for one in example["listener"].as_array().unwrap() {
        listener.extend(one.as_table().unwrap().clone());
    }
    check_keys(&listener, "listener", "[[listener]]\ntype = \"auth\"\n");
    let mut provider = toml::Table::new();
    for one in example["provider"].as_table().unwrap().values() {
        provider.extend(one.as_table().unwrap().clone());
    }
    check_keys(&provider, "provider", "[provider.corp]\nkind = \"oidc\"\n");
    let mut directory = toml::Table::new();
    for one in example["directory"].as_table().unwrap().values() {
        directory.extend(one.as_table().unwrap().clone());
    }
    check_keys(&directory, "directory", "[directory.staff]\nkind = \"ldap\"\n");
}

/// A file with an unknown key is answered with the names of all known ones.
fn check_keys(example: &toml::Table, section: &str, head: &str) {
    let error = toml::from_str::<File>(&format!("{head}no_such_key = 1")).unwrap_err();
    let known = error.message().split("expected").nth(1).unwrap();
    let mut known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let mut listed: Vec<&str> = example.keys().map(String::as_str).collect();
    known.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, known, "section [{section}]");
}

/// The defaults that the example names for a provider are those that hold: taken
/// out, nothing changes.
#[test]
fn the_example_names_the_defaults_of_a_provider() {
    const BARE: &str = "[provider.corp]\nkind = \"keycloak\"\n\
                        server_url = \"https://keycloak.example.org\"\nrealm = \"mail\"\n\
                        client_id = \"mailgate\"\nclient_secret = \"x\"\n";
    const DEFAULTS: [&str; 20] = [
        "issuer",
        "client_auth",
        "ignore_ssl_errors",
        "methods",
        "untyped_tokens",
        "user_claim",
        "user_claim_is_trusted",
        "unverified_email",
        "tokens_for_local",
        "sign_in_scopes",
        "mailpassword_flow",
        "password_attribute",
        "token_cache",
        "mailpassword_cache",
        "unknown_cache",
        "recheck_interval",
        "stale_limit",
        "event_interval",
        "connect_timeout",
        "timeout",
    ];
    let lines = EXAMPLE.lines().filter_map(|line| line.strip_prefix('#'));
    let corp =
        lines.skip_while(|line| *line != "[provider.corp]").take_while(|line| !line.is_empty());
    let corp: Vec<&str> = corp.collect();
    let named = DEFAULTS.map(|key| {
        let line = corp.iter().find(|line| line.split(" =").next() == Some(key));
        *line.unwrap_or_else(|| panic!("the example does not name {key}"))
    });
    let meant = |text: &str| {
        let mut corp = load(text, None).unwrap().verify.providers.remove(0);
        // What it is meant as, and not how it is written.
        Arc::make_mut(&mut corp).written = Provider::new(corp.kind);
        format!("{corp:?}")
    };
    assert_eq!(meant(&format!("{BARE}{}", named.join("\n"))), meant(BARE));
}

#[test]
fn providers_are_checked() {
    let keycloak = "[provider.corp]\nkind = \"keycloak\"\n\
                    server_url = \"https://keycloak.example.org\"\nrealm = \"mail\"\n";
    check(keycloak, &[]);
    check(
        &format!("{keycloak}methods = [\"userinfo\"]\naudience = [\"mail\"]"),
        &["d.toml:7: provider.corp.audience: is required, but its only method, userinfo, cannot"],
    );
    check("[provider.corp]", &["d.toml:2: missing field `kind`"]);
    check("[provider.Corp]\nkind = \"oidc\"", &["d.toml:2: a provider's name has"]);
    check("[provider.local]\nkind = \"oidc\"", &["d.toml:2: \"local\" means the store"]);
    check("[provider.corp]\nkind = \"ldap\"", &["d.toml:3: unknown variant `ldap`"]);
    check(
        "[provider.corp]\nkind = \"oidc\"\n[login]\nfailure_delay = \"9s\"\n\
         [provider.\"other\"]\nkind = \"keycloak\"\nserver_url = \"ftp://example.org\"",
        &[
            "d.toml:5: login.failure_delay",
            "d.toml:2: provider.corp.server_url: needed, unless userinfo_url is set",
            "d.toml:8: provider.other.server_url: \"ftp://example.org\" is not an http",
            "d.toml:6: provider.other.realm: kind keycloak needs it",
        ],
    );
    check(
        &format!("{keycloak}client_id = \"a\"\nclient_secret_file = \"/nowhere/secret\""),
        &["d.toml:7: provider.corp.client_secret_file: /nowhere/secret: No such file"],
    );
}

#[test]
fn directories_are_checked() {
    let file = "[directory.accounts]\nkind = \"passwd-file\"\n";
    let whole = format!("{file}domains = [\"example.org\"]\npath = \"/etc/dovecot/users\"\n");
    check(&whole, &[]);
    check(
        file,
        &[
            "d.toml:2: directory.accounts.domains: name those",
            "d.toml:2: directory.accounts.path: kind passwd-file needs it",
        ],
    );
    for (line, expected) in [
        ("quota_path = \"/q\"", "quota_path: goes with format = \"docker-mailserver\""),
        ("base_dn = \"dc=example\"", "base_dn: kind passwd-file has none: it is for kind ldap"),
        ("sync_interval = 0", "sync_interval: minutes: 1 at least"),
        ("default_scheme = \"{PLAIN}\"", "default_scheme: the name of a scheme"),
        (
            "attribute_mapping = [{ group = \"g\", template = \"T\" }]",
            "attribute_mapping: a file knows no groups",
        ),
    ] {
        let expected = format!("d.toml:6: directory.accounts.{expected}");
        check(&format!("{whole}{line}"), &[&expected]);
    }
    check(
        &format!("{whole}[provider.accounts]\nkind = \"oidc\"\nserver_url = \"https://x.example\""),
        &["d.toml:3: directory.accounts.kind: a provider has this name"],
    );
    let ldap = "[directory.staff]\nkind = \"ldap\"\ndomains = [\"example.org\"]\n\
                urls = [\"ldaps://ldap.example.org\"]\nbase_dn = \"dc=example,dc=org\"\n";
    check(ldap, &[]);
    for (line, expected) in [
        ("path = \"/x\"", "path: kind ldap has none"),
        ("bind_dn = \"cn=x\"", "bind_password: bind_dn needs one"),
        ("bind_password = \"x\"", "bind_dn: there is a password, and no bind_dn"),
        ("timeout = \"9s\"", "timeout: more than 0s, and at most 8s"),
    ] {
        let line_of_it =
            if line.starts_with("bind_dn") || line.starts_with("bind_p") { 2 } else { 7 };
        let expected = format!("d.toml:{line_of_it}: directory.staff.{expected}");
        check(&format!("{ldap}{line}"), &[&expected]);
    }
}

#[test]
fn a_secret_is_not_shown() {
    let text = "[provider.corp]\nkind = \"oidc\"\nserver_url = \"https://login.example.org\"\n\
                client_id = \"mailgate\"\nclient_secret = \"wonderland\"";
    let config = load(text, None).unwrap();
    let shown = config.show();
    assert!(shown.contains("client_secret = \"(not shown)\""), "{shown}");
    assert!(!format!("{shown}{config:?}").contains("wonderland"));
}

#[test]
fn what_is_shown_reads_back() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("file");
    let certificate = rcgen::generate_simple_self_signed(Vec::new()).unwrap().cert;
    let pem = STANDARD.encode(certificate.der());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{pem}\n-----END CERTIFICATE-----\n");
    std::fs::write(&file, pem).unwrap();
    let file = file.to_str().unwrap();
    let text = example_in_full()
        .replace("dovenull", "root")
        .replace("\"dovegate\"", "\"root\"")
        .replace("/etc/dovegate/corp-ca.pem", file)
        .replace("/etc/dovegate/other-secret", file);
    let shown = load(&text, None).unwrap().show();
    assert_eq!(load(&shown, None).unwrap().show(), shown);
}
