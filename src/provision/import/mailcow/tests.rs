use super::*;

fn options(left_out: &[&str]) -> Options {
    let left_out = LeftOut::by_option(left_out.iter().map(|name| (*name).to_owned()).collect());
    Options { provider: "corp".parse().unwrap(), left_out }
}

fn read(row: &Value) -> Result<Item, String> {
    parse(&row.to_string(), &options(&[])).map(Option::unwrap)
}

fn with(mut row: Value, key: &str, value: Value) -> Value {
    row[key] = value;
    row
}

fn domain() -> Value {
    json!({
        "table": "domain", "domain": "Example.org", "mailboxes": "10", "defquota": 3072,
        "maxquota": 10240, "quota": 102_400, "active": 1,
    })
}

fn mailbox() -> Value {
    json!({
        "table": "mailbox", "username": "ann@example.org", "password": "{BLF-CRYPT}$2y$10$x",
        "name": "Ann", "quota": 1_073_741_824, "active": "1", "authsource": "mailcow",
        "mailbox_path_prefix": "/var/vmail/", "tags": ["a", "b"],
        "attributes": "{\"imap_access\":\"1\",\"pop3_access\":\"0\",\"eas_access\":0}",
    })
}

fn wanted(row: &Value) -> Result<Wanted, String> {
    match read(row)? {
        Item::Mailbox(wanted) => Ok(*wanted),
        other => panic!("{other:?}"),
    }
}

#[test]
fn domains_have_their_limits_in_mebibytes() {
    let Ok(Item::Domain(found)) = read(&domain()) else { panic!() };
    assert_eq!((found.name.as_str(), found.active), ("example.org", true));
    assert_eq!(found.max_mailboxes, Some(10));
    assert_eq!(found.default_quota.to_string(), "3G");
    assert_eq!(
        (found.max_quota.to_string(), found.total_quota.to_string()),
        ("10G".into(), "100G".into())
    );
    let lowered = with(domain(), "maxquota", json!(1024));
    assert!(
        matches!(read(&lowered), Ok(Item::Domain(found)) if found.default_quota.bytes == 1 << 30)
    );
    let left_out = options(&["domain.maxquota", "domain.quota", "domain.mailboxes"]);
    let found = parse(&domain().to_string(), &left_out).unwrap();
    let Some(Item::Domain(found)) = found else { panic!() };
    assert!(found.max_quota.is_unlimited() && found.total_quota.is_unlimited());
    assert_eq!((found.max_mailboxes, found.default_quota.to_string()), (None, "3G".into()));
    for (key, value) in [
        ("domain", json!("a b")),
        ("mailboxes", json!(-1)),
        ("maxquota", json!("much")),
        ("quota", json!(u64::MAX)),
        ("quota", json!(i64::MAX)),
        ("active", json!([])),
    ] {
        assert!(read(&with(domain(), key, value)).is_err(), "{key}");
    }
}

#[test]
fn mailboxes_have_hash_state_services_and_source() {
    let found = wanted(&mailbox()).unwrap();
    assert_eq!(found.address, "ann@example.org");
    assert_eq!(found.hash.unwrap().as_str(), "{BLF-CRYPT}$2y$10$x");
    assert_eq!(found.services.unwrap().to_string(), "imap, smtp, sieve, dav, web");
    assert_eq!(found.tags, ["a", "b"]);
    assert_eq!(found.quota_bytes.unwrap().to_string(), "1G");
    for (active, state) in [
        (json!(0), Some(MailboxState::Disabled)),
        (json!("1"), Some(MailboxState::Active)),
        (json!(2), Some(MailboxState::ReceiveOnly)),
        (json!(3), None),
        (json!(null), None),
    ] {
        let found = wanted(&with(mailbox(), "active", active)).map(|found| found.state);
        assert_eq!(found.ok().flatten(), state);
    }
    for (source, expected) in [
        ("mailcow", Some("local")),
        ("keycloak", Some("corp")),
        ("generic-oidc", Some("corp")),
        ("ldap", None),
    ] {
        let found = wanted(&with(mailbox(), "authsource", json!(source)));
        assert_eq!(found.ok().and_then(|found| found.auth_source).as_deref(), expected, "{source}");
    }
    assert_eq!(wanted(&with(mailbox(), "password", json!(""))).unwrap().hash, None);
    assert_eq!(wanted(&with(mailbox(), "tags", json!(null))).unwrap().tags, [""; 0]);
    assert!(wanted(&with(mailbox(), "mailbox_path_prefix", json!("/mnt/"))).is_err());
    assert!(wanted(&with(mailbox(), "attributes", json!("[]"))).is_err());
    let all = wanted(&with(mailbox(), "attributes", json!({}))).unwrap();
    assert_eq!(all.services, Some(Services::ALL));
}

#[test]
fn app_passwords_open_what_their_flags_say() {
    let row = json!({
        "table": "app_passwd", "mailbox": "ann@example.org", "name": "Phone",
        "password": "{BLF-CRYPT}$2y$10$x", "created": 1_700_000_000, "imap_access": 1,
        "smtp_access": "1", "dav_access": 0, "eas_access": 0, "pop3_access": 0,
        "sieve_access": 0, "active": 1,
    });
    let Ok(Item::AppPassword(found)) = read(&row) else { panic!() };
    assert_eq!(found.services.to_string(), "imap, smtp");
    assert_eq!(found.created, 1_700_000_000_000);
    for (key, value) in [("active", 0), ("imap_access", 0)] {
        let row = with(with(row.clone(), "smtp_access", json!(0)), key, json!(value));
        assert!(matches!(read(&row), Ok(Item::Note(_))), "{key}");
    }
    assert!(read(&with(row, "created", json!("yesterday"))).is_err());
}

#[test]
fn templates_keep_what_has_no_field_of_its_own() {
    let row = json!({
        "table": "templates", "type": "mailbox", "template": "Staff",
        "attributes": {"quota": "1024", "active": "2", "tags": ["a"], "imap_access": "1",
            "pop3_access": "0", "sogo_access": "1", "rl_value": 5, "acl_app_passwds": "0"},
    });
    let Ok(Item::Template(found)) = read(&row) else { panic!() };
    let expected = json!({
        "name": "Staff", "quota_bytes": 1024, "state": "receive_only", "tags": ["a"],
        "services": ["imap", "smtp", "sieve", "dav", "eas", "web"],
        "app_passwords_allowed": false, "force_password_change": false,
        "further": {"sogo_access": "1", "rl_value": "5"},
    });
    assert_eq!(Value::Object(found), expected);
    assert!(matches!(read(&with(row, "type", json!("domain"))), Ok(Item::Note(_))));
}

#[test]
fn the_identity_provider_keeps_its_settings() {
    let row = json!({
        "table": "identity_provider", "settings": {
            "authsource": "keycloak", "server_url": "https://keycloak.example.org",
            "realm": "mail", "client_id": "mailcow", "client_secret": "s3cret",
            "version": "26", "mailpassword_flow": "1", "ignore_ssl_error": "0",
            "import_users": "1", "periodic_sync": "1", "default_template": "Staff",
            "mappers": "[\"it\",\"hr\"]", "templates": "[\"Staff\",\"Default\"]",
        },
    });
    let Ok(Item::Provider(found, left)) = read(&row) else { panic!() };
    let expected = json!({
        "name": "corp", "kind": "keycloak", "server_url": "https://keycloak.example.org",
        "realm": "mail", "client_id": "mailcow", "client_secret": "s3cret", "version": "26",
        "mailpassword_flow": true, "ignore_ssl_errors": false, "import_users": true,
        "default_template": "Staff", "attribute_mapping": [
            {"value": "it", "template": "Staff"}, {"value": "hr", "template": "Default"},
        ],
    });
    assert_eq!(Value::Object(found), expected);
    assert_eq!(left, ["periodic_sync"]);
    let ldap = with(row, "settings", json!({"authsource": "ldap"}));
    assert!(read(&ldap).unwrap_err().contains("--leave-out identity_provider"));
    let left_out = parse(&ldap.to_string(), &options(&["identity_provider"]));
    assert!(matches!(left_out, Ok(Some(Item::Note(_)))));
}

#[test]
fn what_is_no_row_is_said() {
    assert_eq!(parse("  ", &options(&[])), Ok(None));
    for line in
        ["{", "[]", "1", "{}", "{\"table\":\"users\"}", "{\"table\":7}", "{\"table\":\"domain\"}"]
    {
        assert!(parse(line, &options(&[])).is_err(), "{line}");
    }
    let deep = "[".repeat(10_000);
    assert!(parse(&deep, &options(&[])).is_err());
}
