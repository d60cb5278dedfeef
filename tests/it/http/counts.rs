//! What is counted, against what was done.

use dovegate::telemetry::metrics::{Kind, TABLE};

use super::{INTERNAL, internal, metrics, value};
use crate::support::{
    b64,
    client::Client,
    daemon::Daemon,
    http::get,
    plain,
    provider::{Behaviour, FakeProvider, INTROSPECTION, people::somebody},
    world::{ANN, ANN_PASSWORD, ANN_TOKEN, World},
};

#[test]
fn logins_are_counted_as_the_log_has_them() {
    let world = World::with(&[INTERNAL]);
    let address = internal(&world.daemon);
    let mut client = world.target.client("auth", 2);
    for (protocol, password) in [
        ("imap", ANN_PASSWORD),
        ("imap", ANN_PASSWORD),
        ("submission", ANN_PASSWORD),
        ("imap", "wrong"),
        ("x\"} 1", ANN_PASSWORD),
    ] {
        let fields = format!("secured\tresp={}", plain(ANN, password));
        let id = client.auth_for(protocol, "PLAIN", &fields);
        client.reply(id);
    }
    let id = client.auth_for("pop3", "PLAIN", "secured\tresp=????");
    client.reply(id).expect("FAIL");
    let id = client.auth_for("pop3", "LOGIN", "secured\tresp=AA==");
    client.reply(id).expect("FAIL");

    let metrics = metrics(address);
    for (verdict, reason, service, mechanism, count) in [
        ("verified", "-", "imap", "PLAIN", 2),
        ("verified", "-", "smtp", "PLAIN", 1),
        ("verified", "-", "other", "PLAIN", 1),
        ("rejected", "wrong_password", "imap", "PLAIN", 1),
        ("rejected", "bad_response", "pop3", "PLAIN", 1),
    ] {
        let labels = format!(
            "verdict=\"{verdict}\",reason=\"{reason}\",service=\"{service}\",mechanism=\"{mechanism}\""
        );
        let sample = format!("dovegate_logins_total{{{labels}}}");
        assert_eq!(value(&metrics, &sample), count, "{sample}\n{metrics}");
    }
    let verified = |answer| {
        format!("dovegate_logins_verified_total{{verifier=\"local_password\",answer=\"{answer}\"}}")
    };
    assert_eq!(value(&metrics, &verified("new")), 1, "{metrics}");
    assert_eq!(value(&metrics, &verified("cached")), 3, "{metrics}");
    assert_eq!(value(&metrics, "dovegate_login_seconds_count{verdict=\"verified\"}"), 4);
    // One line of the log is one login here.
    let counted = metrics.lines().filter(|line| line.starts_with("dovegate_logins_total{"));
    let counted = counted.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok());
    let counted: usize = counted.sum();
    assert_eq!(counted, 7, "{metrics}");
    let lines = |log: &str| log.matches(" login verdict=").count() == counted;
    world.daemon.wait_for_log("line for each login", lines);
}

fn log_in(client: &mut Client, token: &str) -> String {
    let message = b64(format!("n,a={ANN},\x01auth=Bearer {token}\x01\x01"));
    let id = client.auth("OAUTHBEARER", &format!("secured\tfinal-resp-ok\tresp={message}"));
    client.reply(id).word
}

#[test]
fn every_metric_of_the_table_is_there() {
    let world = World::with_providers(&[INTERNAL]);
    let metrics = metrics(internal(&world.daemon));
    for metric in TABLE {
        let (family, kind) = match metric.kind {
            Kind::Counter => (metric.name.trim_end_matches("_total"), "counter"),
            Kind::Gauge => (metric.name, "gauge"),
            Kind::Histogram => (metric.name, "histogram"),
            Kind::Info => (metric.name.trim_end_matches("_info"), "info"),
        };
        let head = format!("# TYPE {family} {kind}\n");
        assert_eq!(metrics.matches(&head).count(), 1, "{head}{metrics}");
    }
    assert_eq!(metrics.matches("# TYPE ").count(), TABLE.len());
}

#[test]
fn questions_to_a_provider_are_counted() {
    let world = World::with_providers(&[INTERNAL]);
    let corp = world.corp.as_ref().unwrap();
    let address = internal(&world.daemon);
    let mut client = world.target.client("login", 2);
    let before = metrics(address);
    assert_eq!(value(&before, "dovegate_provider_up{provider=\"corp\"}"), 1);
    assert_eq!(log_in(&mut client, ANN_TOKEN), "OK");
    assert_eq!(log_in(&mut client, ANN_TOKEN), "OK");
    corp.behave(INTROSPECTION, Behaviour::status(503));
    assert_eq!(log_in(&mut client, "another"), "FAIL");
    let after = metrics(address);
    let corps = "provider=\"corp\"";
    for (sample, number) in [
        (format!("dovegate_provider_up{{{corps}}}"), 0),
        (format!("dovegate_provider_breaker{{{corps},state=\"closed\"}}"), 1),
        (format!("dovegate_provider_breaker{{{corps},state=\"open\"}}"), 0),
        (format!("dovegate_provider_events{{{corps},state=\"not_asked\"}}"), 1),
        (requests("introspection", "answered"), 1),
        (requests("introspection", "failed"), 1),
        (
            format!(
                "dovegate_provider_request_seconds_count{{{corps},endpoint=\"introspection\"}}"
            ),
            2,
        ),
        ("dovegate_cache_hits_total{cache=\"tokens\"}".to_owned(), 1),
        ("dovegate_cache_entries{cache=\"tokens\"}".to_owned(), 1),
        ("dovegate_hash_refused_total".to_owned(), 0),
        ("dovegate_held_back{kind=\"network\"}".to_owned(), 0),
        ("dovegate_ready".to_owned(), 1),
        ("dovegate_store_failing".to_owned(), 0),
    ] {
        assert!(after.contains(&format!("\n{sample} ")), "no {sample} in\n{after}");
        assert_eq!(value(&after, &sample), number, "{sample}\n{after}");
    }
    assert!(value(&after, "process_resident_memory_bytes") > 1 << 20, "{after}");
    assert!(value(&after, "process_open_fds") > 10, "{after}");
}

fn requests(endpoint: &str, outcome: &str) -> String {
    format!(
        "dovegate_provider_requests_total{{provider=\"corp\",endpoint=\"{endpoint}\",outcome=\"{outcome}\"}}"
    )
}

/// A collector takes a counter that goes back for a restart, and is told of
/// requests that nobody made.
#[test]
fn counters_of_a_provider_never_go_back() {
    let world = World::with_providers(&[INTERNAL]);
    let address = internal(&world.daemon);
    world.daemon.cli(
        &[
            "provider",
            "add",
            "other",
            "--kind",
            "oidc",
            "--server-url",
            "http://127.0.0.1:1",
            "--tokens-for-local",
            "true",
        ],
        "",
    );
    world.daemon.cli(&["domain", "set", "example.org", "--provider", "other"], "");
    let mut client = world.target.client("login", 2);
    let sample = "dovegate_provider_requests_total{provider=\"other\",endpoint=\"discovery\",outcome=\"unreachable\"}";
    assert_eq!(log_in(&mut client, "x"), "FAIL");
    let first = value(&metrics(address), sample);
    assert!(first > 0);
    world.daemon.cli(&["provider", "set", "other", "--timeout", "4s"], "");
    assert_eq!(value(&metrics(address), sample), first, "other settings");
    world.daemon.cli(&["domain", "set", "example.org", "--provider", "none"], "");
    world.daemon.cli(&["provider", "remove", "other"], "");
    assert!(!metrics(address).contains("provider=\"other\""));
    world.daemon.cli(
        &[
            "provider",
            "add",
            "other",
            "--kind",
            "oidc",
            "--server-url",
            "http://127.0.0.1:1",
            "--tokens-for-local",
            "true",
        ],
        "",
    );
    world.daemon.cli(&["domain", "set", "example.org", "--provider", "other"], "");
    assert_eq!(log_in(&mut client, "y"), "FAIL");
    assert!(value(&metrics(address), sample) > first, "there again");
}

#[test]
fn a_text_is_given_out_for_a_second() {
    let world = World::with(&[INTERNAL]);
    let address = internal(&world.daemon);
    let began = std::time::Instant::now();
    let texts: Vec<String> = (0..20).map(|_| get(address, "/metrics").body).collect();
    let different: std::collections::BTreeSet<&String> = texts.iter().collect();
    assert!(
        different.len() as u128 <= 1 + began.elapsed().as_millis() / 1000,
        "{}",
        different.len()
    );
}

/// How a provider's syncs went, and how often they come.
#[test]
fn syncs_are_counted() {
    let fake = FakeProvider::start();
    fake.people(|people| people.extend(["ann", "bob"].map(somebody)));
    let mut lines = fake.as_keycloak("corp");
    lines.push("provider.corp.import_users = true".to_owned());
    lines.push("provider.corp.sync_interval = 30".to_owned());
    lines.push("provider.corp.default_template = \"Plain\"".to_owned());
    lines.push(INTERNAL.to_owned());
    let daemon = Daemon::start(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    daemon.cli(&["domain", "add", "example.org", "--provider", "corp"], "");
    daemon.cli(&["template", "add", "Plain"], "");
    let before = metrics(internal(&daemon));
    assert!(before.contains("dovegate_sync_interval_seconds{provider=\"corp\"} 1800"), "{before}");
    for absent in ["dovegate_sync_last{", "dovegate_sync_complete_age_seconds{"] {
        assert!(!before.contains(absent), "{before}");
    }
    daemon.cli(&["sync", "run", "corp"], "");
    fake.people(Vec::clear);
    assert_ne!(daemon.try_cli(&["sync", "run", "corp"], "").status.code(), Some(0));
    // A text is given out for a second again.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let after = metrics(internal(&daemon));
    for (series, expected) in [
        ("dovegate_syncs_total{provider=\"corp\",outcome=\"complete\"}", 1),
        ("dovegate_syncs_total{provider=\"corp\",outcome=\"braked\"}", 1),
        ("dovegate_sync_mailboxes_total{provider=\"corp\",action=\"created\"}", 2),
        ("dovegate_sync_last{provider=\"corp\",outcome=\"braked\"}", 1),
        ("dovegate_sync_last{provider=\"corp\",outcome=\"complete\"}", 0),
    ] {
        assert_eq!(value(&after, series), expected, "{series}\n{after}");
    }
    assert!(after.contains("dovegate_sync_complete_age_seconds{provider=\"corp\"} "), "{after}");
}
