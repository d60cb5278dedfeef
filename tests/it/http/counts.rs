//! What is counted, against what was done.

use super::{INTERNAL, internal, value};
use crate::support::{
    http::get,
    plain,
    world::{ANN, ANN_PASSWORD, World},
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

    let metrics = get(address, "/metrics").body;
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
