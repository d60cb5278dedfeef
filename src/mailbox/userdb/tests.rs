use super::*;

fn settings() -> Settings {
    Settings {
        uid: 5000,
        gid: 5001,
        home: "/var/vmail/%d/%n".to_owned(),
        mail: "maildir:~/Maildir".to_owned(),
        fields: BTreeMap::new(),
    }
}

fn domain() -> Domain {
    Domain { default_quota: Quota { bytes: 5 << 30 }, ..Domain::for_test("example.org") }
}

fn check(mailbox: &Mailbox, minor: u32, expected: &str) {
    let fields = fields(mailbox, &domain(), &settings(), minor).unwrap();
    let text: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(text.join(" "), expected);
}

#[test]
fn both_generations_get_their_own_keys() {
    let ann = Mailbox::for_test("ann@example.org");
    let old = "uid=5000 gid=5001 home=/var/vmail/example.org/ann mail=maildir:~/Maildir \
               quota_rule=*:bytes=5368709120";
    let new = "uid=5000 gid=5001 home=/var/vmail/example.org/ann mail_driver=maildir \
               mail_path=~/Maildir quota_storage_size=5G";
    for minor in [0, 1, 2] {
        check(&ann, minor, old);
    }
    for minor in [3, 4, 9] {
        check(&ann, minor, new);
    }
}

#[test]
fn a_mailbox_has_its_own_way() {
    let mut ann = Mailbox::for_test("ann@example.org");
    ann.uid = Some(7);
    ann.gid = Some(8);
    ann.home = Some("/home/%d".to_owned());
    ann.mail = Some("mdbox:~/m:INDEX=/i".to_owned());
    ann.quota = Some(Quota::UNLIMITED);
    ann.extra_fields.insert("nice".to_owned(), "5".to_owned());
    ann.extra_fields.insert("uid".to_owned(), "0".to_owned());
    check(&ann, 2, "uid=7 gid=8 home=/home/%d mail=mdbox:~/m:INDEX=/i nice=5");
    check(
        &ann,
        3,
        "uid=7 gid=8 home=/home/%d mail_driver=mdbox mail_path=~/m mail_index_path=/i nice=5",
    );
}

#[test]
fn root_and_what_nobody_could_read_are_refused() {
    let mut ann = Mailbox::for_test("ann@example.org");
    ann.uid = Some(0);
    assert_eq!(fields(&ann, &domain(), &settings(), 3), Err(Error::Root));
    ann.uid = None;
    ann.extra_fields.insert("x".to_owned(), "y".repeat(7000));
    assert_eq!(fields(&ann, &domain(), &settings(), 3), Err(Error::TooLong));
    ann.extra_fields.clear();
    ann.mail = Some("maildir".to_owned());
    assert!(matches!(fields(&ann, &domain(), &settings(), 3), Err(Error::MailLocation(_))));
}

#[test]
fn variables_are_replaced_once() {
    let address = Address::parse("ann@example.org").unwrap();
    for (pattern, expected) in [
        ("/m/%d/%n", "/m/example.org/ann"),
        ("%u", "ann@example.org"),
        ("100%%n", "100%n"),
        ("", ""),
    ] {
        assert_eq!(expand(pattern, &address), expected);
    }
}

#[test]
fn settings_that_cannot_work_are_named() {
    for (change, key) in [
        ((|s: &mut Settings| s.home = "vmail".to_owned()) as fn(&mut Settings), "home"),
        (|s| s.home = "/%x".to_owned(), "home"),
        (|s| s.home = "/50%".to_owned(), "home"),
        (|s| s.mail = "maildir".to_owned(), "mail"),
        (|s| s.mail = "maildir:~/M:COLOUR=red".to_owned(), "mail"),
        (|s| drop(s.fields.insert("a b".to_owned(), String::new())), "fields"),
        (|s| drop(s.fields.insert("uid".to_owned(), "0".to_owned())), "fields"),
        (|s| drop(s.fields.insert("x".to_owned(), "a\tb".to_owned())), "fields"),
    ] {
        let mut settings = settings();
        assert!(settings.problems().is_empty());
        change(&mut settings);
        let keys: Vec<&str> = settings.problems().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [key]);
    }
}

#[test]
fn disabled_is_there_for_those_who_look_after_it() {
    let mut ann = Mailbox::for_test("ann@example.org");
    for (state, protocol, expected) in [
        (MailboxState::Active, "lmtp", true),
        (MailboxState::ReceiveOnly, "lmtp", true),
        (MailboxState::Disabled, "lmtp", false),
        (MailboxState::Disabled, "lda", false),
        (MailboxState::Disabled, "imap", false),
        (MailboxState::Disabled, "doveadm", true),
        (MailboxState::Disabled, "", true),
    ] {
        ann.state = state;
        assert_eq!(is_found(&ann, protocol), expected, "{state} {protocol}");
    }
}
