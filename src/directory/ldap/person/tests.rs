use super::*;
use crate::{directory::Written, mailbox::ProviderName};

fn reading(keys: &str) -> Reading {
    let written = format!(
        "kind = \"ldap\"\ndomains = [\"example.org\"]\nurls = [\"ldaps://ldap.example.org\"]\n\
         base_dn = \"dc=example,dc=org\"\n{keys}"
    );
    let written: Written = toml::from_str(&written).unwrap();
    let settings = Settings::mean(&"staff".parse::<ProviderName>().unwrap(), &written).unwrap();
    let settings::Kind::Ldap(ldap) = &settings.kind else { panic!("it says ldap") };
    Reading::by(&settings, ldap)
}

fn entry(attributes: &[(&str, &[&[u8]])]) -> Entry {
    let attributes = attributes.iter().map(|(name, values)| {
        (name.to_string(), values.iter().map(|value| value.to_vec()).collect())
    });
    Entry { dn: "uid=ada,dc=example,dc=org".to_owned(), attributes: attributes.collect() }
}

const ID: (&str, &[&[u8]]) = ("entryUUID", &[b"7b0f"]);

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

#[test]
fn one_of_his_addresses_is_his() {
    let reading = reading("");
    let ada = entry(&[ID, ("mail", &[b"ada@old.example", b"Ada@Example.ORG", b"al@example.org"])]);
    for (text, has) in [
        ("ada@example.org", true),
        ("al@example.org", true),
        ("ada@old.example", true),
        ("bob@example.org", false),
    ] {
        assert_eq!(reading.has(&ada, &address(text)), has, "{text}");
    }
    let listed = reading.person(&ada, None).unwrap();
    assert_eq!(listed.email.as_deref(), Some("Ada@Example.ORG"));
    assert_eq!(listed.further_emails, ["ada@old.example", "al@example.org"]);
    let asked = reading.person(&ada, Some(&address("al@example.org"))).unwrap();
    assert_eq!(asked.email.as_deref(), Some("al@example.org"));
    let none = reading.person(&entry(&[ID, ("mail", &[b"nonsense"])]), None).unwrap();
    assert_eq!((none.email.as_deref(), none.further_emails.len()), (Some("nonsense"), 0));
    assert_eq!(reading.person(&entry(&[ID]), None).unwrap().email, None);
}

#[test]
fn an_id_is_one_text_or_hexadecimal() {
    let subject = |keys: &str, attributes: &[(&str, &[&[u8]])]| {
        reading(keys).person(&entry(attributes), None).map(|person| person.subject)
    };
    assert_eq!(subject("", &[("ENTRYuuid", &[b"7b0f"])]).unwrap(), "7b0f");
    subject("", &[]).unwrap_err();
    subject("", &[("entryUUID", &[b""])]).unwrap_err();
    subject("", &[("entryUUID", &[b"\xff"])]).unwrap_err();
    subject("", &[("entryUUID", &[b"a", b"b"])]).unwrap_err();
    let guid = "id_attribute = \"objectGUID\"";
    assert_eq!(subject(guid, &[("objectGUID", &[b"\x00abc\xff"])]).unwrap(), "00616263ff");
    let found = reading(guid).filter_for("(cn=*)", "00ff").unwrap();
    assert_eq!(found, r"(&(cn=*)(objectGUID=\00\ff))");
    assert_eq!(reading(guid).filter_for("(cn=*)", "zz"), None);
    assert_eq!(reading(guid).filter_for("(cn=*)", "0"), None);
    assert_eq!(reading(guid).filter_for("(cn=*)", "+1"), None);
    assert_eq!(reading("").filter_for("(cn=*)", "a)").unwrap(), r"(&(cn=*)(entryUUID=a\29))");
}

#[test]
fn who_is_switched_off() {
    let enabled = |keys: &str, attributes: &[(&str, &[&[u8]])]| {
        let attributes = [&[ID], attributes].concat();
        reading(keys).person(&entry(&attributes), None).unwrap().enabled
    };
    for (attribute, value, expected) in [
        ("nsAccountLock", "true", false),
        ("nsaccountlock", "FALSE", true),
        ("pwdAccountLockedTime", "000001010000Z", false),
        // After too many guesses, for a while.
        ("pwdAccountLockedTime", "20260101000000Z", true),
        ("userAccountControl", "512", true),
        ("userAccountControl", "514", false),
        ("userAccountControl", "66050", false),
        ("loginShell", "/usr/sbin/nologin", true),
    ] {
        assert_eq!(
            enabled("", &[(attribute, &[value.as_bytes()])]),
            expected,
            "{attribute}={value}"
        );
    }
    assert!(enabled("", &[]));
    let keys = "disabled_attribute = \"loginShell\"\ndisabled_values = [\"/usr/sbin/nologin\"]";
    assert!(!enabled(keys, &[("loginShell", &[b"/usr/sbin/nologin"])]));
    assert!(enabled(keys, &[("loginShell", &[b"/bin/sh"])]));
    assert!(enabled(keys, &[("nsAccountLock", &[b"TRUE"])]), "what is set is instead");
    let any = "disabled_attribute = \"shadowFlag\"";
    assert!(!enabled(any, &[("shadowFlag", &[b"0"])]));
    assert!(enabled(any, &[]));
}

#[test]
fn groups_are_asked_for_where_the_mapping_names_some() {
    assert!(!reading("").attributes().contains(&GROUPS.to_owned()));
    let group = "cn=staff,dc=example,dc=org";
    let keys = format!("attribute_mapping = [{{ group = \"{group}\", template = \"staff\" }}]");
    let reading = reading(&keys);
    assert!(reading.attributes().contains(&GROUPS.to_owned()));
    let ada = entry(&[ID, ("memberof", &[group.as_bytes()])]);
    let person = reading.person(&ada, None).unwrap();
    assert_eq!(person.groups, Some(vec![group.to_owned()]));
    assert_eq!(reading.person(&entry(&[ID]), None).unwrap().groups, Some(Vec::new()));
    let part = entry(&[ID, ("memberOf;range=0-1499", &[b"cn=a"])]);
    assert!(reading.person(&part, None).unwrap_err().contains("more values"));
}

#[test]
fn names_come_from_the_first_attribute_that_is_there() {
    let name = |attributes: &[(&str, &[&[u8]])]| {
        reading("").person(&entry(&[&[ID], attributes].concat()), None).unwrap().name
    };
    assert_eq!(
        name(&[("cn", &[b"A. L."]), ("displayName", &["Ada Łovelace".as_bytes()])]),
        "Ada Łovelace"
    );
    assert_eq!(name(&[("cn", &[b"A. L."])]), "A. L.");
    assert_eq!(name(&[]), "");
}
