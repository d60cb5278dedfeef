use std::collections::BTreeSet;

use super::*;
use crate::mailbox::{Policy, Quota, Services};

fn mailbox() -> Mailbox {
    let policy = Policy { adopted: true, ..Policy::default() };
    Mailbox { state_set_by: SetBy::Provider, policy, ..Mailbox::for_test("ann@example.org") }
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn template(tags: &[&str]) -> Template {
    Template {
        name: "Staff".parse().unwrap(),
        revision: 3,
        quota: Some(Quota { bytes: 5 }),
        state: MailboxState::ReceiveOnly,
        services: Services::NONE,
        tags: texts(tags),
        app_passwords_allowed: true,
        force_password_change: false,
        further: BTreeMap::new(),
        created: Timestamp(0),
        modified: Timestamp(0),
    }
}

/// Each value for itself: the template's, unless it is an administrator's.
#[test]
fn a_template_gives_what_is_not_overridden() {
    for field in [None].into_iter().chain(Field::ALL.map(Some)) {
        let mut given = mailbox();
        given.policy.overrides = field.into_iter().collect();
        give(&mut given, &template(&["a"]));
        let is_own = |one| field == Some(one);
        assert_eq!(given.state == MailboxState::Active, is_own(Field::State), "{field:?}");
        assert_eq!(given.services == Services::ALL, is_own(Field::Services), "{field:?}");
        assert_eq!(given.quota.is_none(), is_own(Field::Quota), "{field:?}");
        assert_eq!(given.tags.is_empty(), is_own(Field::Tags), "{field:?}");
        assert_eq!(given.template.unwrap().revision, 3);
    }
}

fn check_tags(present: &[&str], before: &[&str], now: &[&str], expected: &[&str]) {
    let mut given = mailbox();
    given.tags = texts(present);
    given.policy.template_tags = texts(before);
    give(&mut given, &template(now));
    assert_eq!(given.tags, texts(expected), "{present:?} {before:?} {now:?}");
    assert_eq!(given.policy.template_tags, texts(now));
    let again = given.clone();
    give(&mut given, &template(now));
    assert_eq!(given, again);
}

#[test]
fn tags_come_and_go_with_their_template() {
    check_tags(&[], &[], &["a", "b"], &["a", "b"]);
    check_tags(&["a", "b"], &["a", "b"], &["b", "c"], &["b", "c"]);
    // Somebody else's stay.
    check_tags(&["mine", "a"], &["a"], &[], &["mine"]);
    check_tags(&["mine"], &[], &["a"], &["mine", "a"]);
    check_tags(&["b", "a"], &["a", "b"], &["a", "b"], &["b", "a"]);
}

/// Who has switched a mailbox off holds it so, without being asked.
#[test]
fn only_what_is_on_can_be_withdrawn() {
    let cases = [
        (MailboxState::Active, SetBy::Provider, false, true),
        (MailboxState::Active, SetBy::Administrator, false, true),
        (MailboxState::Active, SetBy::Administrator, true, false),
        (MailboxState::ReceiveOnly, SetBy::Provider, false, false),
        (MailboxState::Disabled, SetBy::Administrator, false, false),
    ];
    for (state, state_set_by, overridden, expected) in cases {
        let mut one = Mailbox { state, state_set_by, ..mailbox() };
        one.policy.overrides.extend(overridden.then_some(Field::State));
        assert_eq!(can_be_withdrawn(&one), expected, "{state} {state_set_by:?} {overridden}");
    }
}

fn written(step: &SyncStep) -> Mailbox {
    match &step.write {
        Some(MailboxWrite::Replace { new, .. }) => Mailbox::clone(new),
        other => panic!("{other:?}"),
    }
}

#[test]
fn being_missing_counts_up_and_being_disabled_at_once() {
    let (first, second) = (Timestamp(10), Timestamp(20));
    let missing = withdrawn(&mailbox().into(), WithdrawnWhy::Missing, first);
    assert_eq!(missing.line.action, SyncAction::Missing);
    let once = written(&missing);
    assert_eq!(once.state, MailboxState::Active);
    assert_eq!(once.policy.missing, Some(Missing { runs: 1, since: first }));
    let twice = withdrawn(&once.into(), WithdrawnWhy::Missing, second);
    assert_eq!(twice.line.action, SyncAction::Withdrawn);
    let mut off = written(&twice);
    assert_eq!((off.state, off.state_set_by), (MailboxState::ReceiveOnly, SetBy::Provider));
    assert_eq!(off.policy.missing, None);
    restore(&mut off);
    assert_eq!((off.state, off.policy.withdrawn), (MailboxState::Active, None));
    let disabled = withdrawn(&mailbox().into(), WithdrawnWhy::Disabled, first);
    assert_eq!(written(&disabled).state, MailboxState::ReceiveOnly);
}

/// Until a provider has had a say, whatever differs from the template's values is
/// somebody's own.
#[test]
fn own_values_are_those_that_differ() {
    let own = |mailbox: &Mailbox, template: Option<&Template>| -> Vec<&'static str> {
        let own: BTreeSet<Field> = policy::own_values(mailbox, template);
        own.into_iter().map(Field::name).collect()
    };
    assert!(own(&mailbox(), None).is_empty());
    assert_eq!(own(&mailbox(), Some(&template(&[]))), ["services", "quota"]);
    let mut given = mailbox();
    give(&mut given, &template(&["a"]));
    assert!(own(&given, Some(&template(&["a"]))).is_empty());
    assert_eq!(own(&given, None), ["services", "quota", "tags"]);
    let named = Mailbox { display_name: "Ann".to_owned(), ..mailbox() };
    assert_eq!(own(&named, None), ["display_name"]);
}

#[test]
fn names_are_made_harmless() {
    assert_eq!(display_name("Ann\u{1b}[2J\nLee"), "Ann[2JLee");
    assert_eq!(display_name(&"ä".repeat(300)).chars().count(), MAX_NAME_CHARS);
}
