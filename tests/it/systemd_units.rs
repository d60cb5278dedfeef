//! `contrib/systemd`: every socket unit belongs to a listener of the example
//! configurations, at the same path and with the same rights. One that did not
//! would be handed over and never served.

use std::{collections::BTreeMap, fs, path::Path};

/// Path to owner, group and mode.
type Sockets = BTreeMap<String, [String; 3]>;

#[test]
fn socket_units_and_listeners_agree() {
    let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib");
    let mut listeners = Sockets::new();
    for file in ["dovecot/own-daemon.toml", "postfix/dovegate.toml"] {
        listeners.append(&mut listeners_of(&fs::read_to_string(contrib.join(file)).unwrap()));
    }
    let mut units = Sockets::new();
    for entry in fs::read_dir(contrib.join("systemd")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "socket") {
            let unit = fs::read_to_string(&path).unwrap();
            let key = |name| value(&unit, name).to_owned();
            let rights = [key("SocketUser"), key("SocketGroup"), key("SocketMode")];
            assert_eq!(value(&unit, "Service"), "dovegate.service", "{}", path.display());
            units.insert(key("ListenStream"), rights);
        }
    }
    assert_eq!(units, listeners);
}

/// The sandbox leaves what a question to an identity provider takes: sockets of
/// both families, the resolver's own, any address, and the system's certificates.
#[test]
fn service_may_ask_identity_providers() {
    let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib");
    let unit = fs::read_to_string(contrib.join("systemd/dovegate.service")).unwrap();
    assert_eq!(value(&unit, "RestrictAddressFamilies"), "AF_UNIX AF_INET AF_INET6");
    for key in [
        "IPAddressDeny=",
        "PrivateNetwork=",
        "SocketBindDeny=",
        "InaccessiblePaths=",
        "RootDirectory=",
    ] {
        assert!(!unit.lines().any(|line| line.starts_with(key)), "{key} is in the way");
    }
}

fn listeners_of(text: &str) -> Sockets {
    let table: toml::Table = text.parse().unwrap();
    let listeners = table["listener"].as_array().unwrap();
    listeners
        .iter()
        .map(|listener| {
            let key = |name: &str| listener[name].as_str().unwrap().to_owned();
            (key("path"), [key("owner"), key("group"), key("mode")])
        })
        .collect()
}

fn value<'a>(unit: &'a str, key: &str) -> &'a str {
    let mut values = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    values.next_back().unwrap_or_else(|| panic!("no {key} in {unit}"))
}
