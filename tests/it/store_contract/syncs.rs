//! What a sync writes, and its record.

use super::*;

fn corp() -> ProviderName {
    "corp".parse().unwrap()
}

fn line(action: SyncAction, text: &str) -> SyncLine {
    SyncLine {
        action,
        cause: None,
        address: Some(address(text)),
        subject: text.to_owned(),
        detail: String::new(),
    }
}

fn create(new: NewMailbox) -> SyncStep {
    let line = line(SyncAction::Created, new.address.as_str());
    SyncStep { write: Some(MailboxWrite::Create(Box::new(new))), line }
}

/// A change of what is there now.
async fn changed(
    store: &Under,
    text: &str,
    change: impl Fn(&mut dovegate::mailbox::Mailbox),
) -> SyncStep {
    let old = store.account(&address(text)).await.unwrap().unwrap().mailbox;
    let mut new = Box::new((*old).clone());
    change(&mut new);
    let line = line(SyncAction::Updated, text);
    SyncStep { write: Some(MailboxWrite::Replace { old, new }), line }
}

/// Action and cause of each line.
fn said(lines: &[SyncLine]) -> Vec<(&'static str, Option<&str>)> {
    lines.iter().map(|line| (line.action.name(), line.cause.as_deref())).collect()
}

pub(super) async fn a_page_is_carried_out_as_far_as_it_can_be(store: Under) {
    with_ann(&store).await;
    let limit = DomainChange {
        max_mailboxes: Some(Some(2)),
        total_quota: Some(quota(10)),
        ..DomainChange::default()
    };
    let name = DomainName::parse("example.org").unwrap();
    let sized = Some(Some(quota(1)));
    let small = MailboxChange { quota: sized, ..MailboxChange::default() };
    store.update_mailbox(&address("ann@example.org"), small, NOW).await.unwrap();
    store.update_domain(&name, limit, NOW).await.unwrap();
    let with_quota = |text: &str| NewMailbox { quota: Some(quota(5)), ..new_mailbox(text) };
    let steps = vec![
        create(with_quota("ann@example.org")),
        create(with_quota("bob@example.org")),
        create(with_quota("cleo@example.org")),
        create(with_quota("cleo@nowhere.example")),
        changed(&store, "ann@example.org", |ann| {
            ann.quota = Some(quota(9));
            "Ann".clone_into(&mut ann.display_name);
        })
        .await,
    ];
    let run = store.begin_sync(corp(), SyncBy::Hand, SyncScope::All, NOW).await.unwrap();
    let (run, lines) = store.sync_page(run, steps, NOW).await.unwrap();
    assert_eq!(
        said(&lines),
        [
            ("skipped", Some("changed_meanwhile")),
            ("created", None),
            ("skipped", Some("limit")),
            ("skipped", Some("changed_meanwhile")),
            ("updated", None),
            ("skipped", Some("limit")),
        ]
    );
    let ann = store.account(&address("ann@example.org")).await.unwrap().unwrap().mailbox;
    assert_eq!((ann.quota, &ann.display_name[..]), (Some(quota(1)), "Ann"));
    assert_eq!(used_up(&store).await, DomainUse { mailboxes: 2, quota_bytes: 6 });
    assert_eq!((run.lines, run.counts.skipped["limit"]), (6, 2));
    assert_eq!(store.sync_runs(&corp()).await.unwrap(), [run]);
}

pub(super) async fn a_mailbox_that_was_changed_meanwhile_stays(store: Under) {
    with_ann(&store).await;
    let step =
        changed(&store, "ann@example.org", |ann| "theirs".clone_into(&mut ann.display_name)).await;
    let ours = Some("ours".to_owned());
    let change = MailboxChange { display_name: ours, ..MailboxChange::default() };
    store.update_mailbox(&address("ann@example.org"), change, NOW).await.unwrap();
    let run = store.begin_sync(corp(), SyncBy::Hand, SyncScope::All, NOW).await.unwrap();
    let (_, lines) = store.sync_page(run, vec![step], NOW).await.unwrap();
    assert_eq!(said(&lines), [("skipped", Some("changed_meanwhile"))]);
    let ann = store.account(&address("ann@example.org")).await.unwrap().unwrap().mailbox;
    assert_eq!(ann.display_name, "ours");
}

fn bound_to(text: &str, subject: &str) -> MailboxWrite {
    let person = Binding { provider: corp(), subject: subject.to_owned() };
    MailboxWrite::Create(Box::new(NewMailbox { bound: Some(person), ..new_mailbox(text) }))
}

pub(super) async fn a_write_outside_of_a_run_keeps_the_same_rules(store: Under) {
    with_ann(&store).await;
    let limit = DomainChange { max_mailboxes: Some(Some(2)), ..DomainChange::default() };
    let name = DomainName::parse("example.org").unwrap();
    store.update_domain(&name, limit, NOW).await.unwrap();

    let rehearsed = store.rehearse(bound_to("bob@example.org", "2"), NOW).await.unwrap();
    assert!(rehearsed.changed && rehearsed.refused.is_none());
    assert!(store.account(&address("bob@example.org")).await.unwrap().is_none());
    assert_eq!(used_up(&store).await.mailboxes, 1);
    let made = store.carry_out(bound_to("bob@example.org", "2"), NOW).await.unwrap();
    let found = store.account(&address("bob@example.org")).await.unwrap().unwrap();
    assert_eq!((made.account.mailbox, made.account.domain), (found.mailbox, found.domain));

    for (write, expected) in [
        (bound_to("bob@example.org", "3"), "mailbox bob@example.org exists already"),
        (bound_to("bobby@example.org", "2"), "the person has a mailbox already"),
        (
            bound_to("cleo@example.org", "4"),
            "domain example.org has 2 of at most 2 mailboxes (max_mailboxes)",
        ),
        (bound_to("cleo@nowhere.example", "4"), "domain nowhere.example does not exist"),
    ] {
        let refused = store.rehearse(write.clone(), NOW).await.unwrap_err();
        assert_eq!(refused.to_string(), expected);
        let refused = store.carry_out(write, NOW).await.unwrap_err();
        assert!(refused.is_refusal() && refused.to_string() == expected);
    }
    assert_eq!(used_up(&store).await.mailboxes, 2);
}

pub(super) async fn a_change_outside_of_a_run_is_of_what_was_looked_at(store: Under) {
    with_ann(&store).await;
    let small = DomainChange { max_quota: Some(quota(5)), ..DomainChange::default() };
    let name = DomainName::parse("example.org").unwrap();
    store.update_domain(&name, small, NOW).await.unwrap();
    let old = store.account(&address("ann@example.org")).await.unwrap().unwrap().mailbox;
    let mut new = (*old).clone();
    "Ann".clone_into(&mut new.display_name);
    new.quota = Some(quota(9));
    new.services = Services::NONE;
    let write = MailboxWrite::Replace { old: Arc::clone(&old), new: Box::new(new) };
    let written = store.carry_out(write.clone(), NOW).await.unwrap();
    let ann = store.account(&address("ann@example.org")).await.unwrap().unwrap().mailbox;
    assert_eq!(written.account.mailbox, ann);
    assert_eq!((&ann.display_name[..], ann.quota), ("Ann", old.quota), "the rest is done");
    assert_eq!(ann.generation, old.generation + 1);
    assert!(matches!(written.refused, Some(Error::Limit(LimitError::MailboxQuota { .. }))));
    // It is another one by now.
    let refused = store.carry_out(write, NOW).await.unwrap_err();
    assert_eq!(refused.to_string(), "mailbox ann@example.org was changed meanwhile");
    let same = MailboxWrite::Replace { old: Arc::clone(&ann), new: Box::new((*ann).clone()) };
    assert!(!store.carry_out(same, NOW).await.unwrap().changed);
}

/// Whoever logs in for the first time does so with every program at once.
pub(super) async fn of_twenty_who_make_a_mailbox_at_once_one_does(store: Under) {
    with_ann(&store).await;
    let tries = (0..20).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.carry_out(bound_to("bob@example.org", "2"), NOW).await })
    });
    let mut made = 0;
    for one in tries.collect::<Vec<_>>() {
        match one.await.unwrap() {
            Ok(written) => made += u32::from(written.changed),
            Err(error) => assert!(error.is_refusal(), "{error}"),
        }
    }
    assert_eq!((made, used_up(&store).await.mailboxes), (1, 2));
}

pub(super) async fn a_rename_takes_everything_along(store: Under) {
    let ann = fill(&store).await;
    let to = |text: &'static str| {
        move |mailbox: &mut dovegate::mailbox::Mailbox| mailbox.address = address(text)
    };
    let run = store.begin_sync(corp(), SyncBy::Hand, SyncScope::All, NOW).await.unwrap();
    let taken = changed(&store, "ann@example.org", to("carl@example.org")).await;
    let elsewhere = changed(&store, "ann@example.org", to("ann@example.com")).await;
    let good = changed(&store, "ann@example.org", to("anna@example.org")).await;
    let (_, lines) = store.sync_page(run, vec![taken, elsewhere, good], NOW).await.unwrap();
    let conflict = ("skipped", Some("changed_meanwhile"));
    assert_eq!(said(&lines), [conflict, conflict, ("updated", None)]);
    assert!(store.account(&address("ann@example.org")).await.unwrap().is_none());
    let anna = store.account(&address("anna@example.org")).await.unwrap().unwrap().mailbox;
    assert_eq!(anna.id, ann);
    assert_eq!(store.address_of(ann).await.unwrap(), Some(address("anna@example.org")));
    assert_eq!(store.app_passwords(ann).await.unwrap().len(), 1);
    assert_eq!(store.uses(&UseFilter::of(ann), 10).await.unwrap().len(), 1);
    assert_eq!(used_up(&store).await.mailboxes, 2);
    store.remove_mailbox(&address("anna@example.org")).await.unwrap();
    assert_eq!(used_up(&store).await.mailboxes, 1);
}

pub(super) async fn runs_are_numbered_and_the_oldest_go(store: Under) {
    let ended = |run| SyncRun { outcome: SyncOutcome::Complete, ..run };
    for number in 1..=MAX_SYNC_RUNS as u64 + 3 {
        let run = store.begin_sync(corp(), SyncBy::Hand, SyncScope::All, NOW).await.unwrap();
        assert_eq!((run.number, &run.outcome), (number, &SyncOutcome::Running));
        let text = SyncStep { write: None, line: line(SyncAction::Missing, "a@example.org") };
        let (run, _) = store.sync_page(ended(run), vec![text], NOW).await.unwrap();
        assert_eq!(store.sync_lines(&corp(), run.number, 0, 9).await.unwrap().len(), 1);
    }
    let runs = store.sync_runs(&corp()).await.unwrap();
    assert_eq!((runs.len(), runs[0].number), (MAX_SYNC_RUNS, 4));
    for (number, kept) in [(3, 0), (4, 1)] {
        assert_eq!(store.sync_lines(&corp(), number, 0, 9).await.unwrap().len(), kept);
    }
    // Another provider's are its own; and one that never ended was interrupted.
    let other: ProviderName = "corp-2".parse().unwrap();
    store.begin_sync(other.clone(), SyncBy::Hand, SyncScope::All, NOW).await.unwrap();
    store.begin_sync(other.clone(), SyncBy::Hand, SyncScope::All, NOW).await.unwrap();
    let outcomes = store.sync_runs(&other).await.unwrap().into_iter().map(|run| run.outcome);
    assert_eq!(outcomes.collect::<Vec<_>>(), [SyncOutcome::Interrupted, SyncOutcome::Running]);
    assert_eq!(store.sync_runs(&corp()).await.unwrap().len(), MAX_SYNC_RUNS);
}

/// A run of this outcome, by the schedule; it did something or not.
async fn ran(store: &Under, outcome: SyncOutcome, did: bool) -> u64 {
    let (by, scope) = (SyncBy::Schedule, SyncScope::OnlyNew);
    let run = store.begin_sync(corp(), by, scope, NOW).await.unwrap();
    let text = SyncStep { write: None, line: line(SyncAction::Created, "a@example.org") };
    let run = SyncRun { outcome, ..run };
    let (run, _) =
        store.sync_page(run, did.then_some(text).into_iter().collect(), NOW).await.unwrap();
    assert_eq!((run.by, run.scope), (by, scope));
    run.number
}

pub(super) async fn runs_that_changed_something_are_kept_longer(store: Under) {
    let (complete, failed) = (SyncOutcome::Complete, SyncOutcome::Failed("no answer".to_owned()));
    let did = ran(&store, complete.clone(), true).await;
    let last_complete = ran(&store, complete, false).await;
    for _ in 0..2 * MAX_SYNC_RUNS {
        ran(&store, failed.clone(), false).await;
    }
    let kept: Vec<_> = store.sync_runs(&corp()).await.unwrap();
    let kept: Vec<_> = kept.iter().map(|run| run.number).collect();
    assert_eq!(kept.len(), MAX_SYNC_RUNS + 2, "{kept:?}");
    assert_eq!(kept[..2], [did, last_complete]);
    for _ in 0..MAX_SYNC_RUNS {
        ran(&store, SyncOutcome::Complete, true).await;
    }
    let kept = store.sync_runs(&corp()).await.unwrap();
    assert_eq!(kept.len(), 2 * MAX_SYNC_RUNS - 1, "with room for the next");
    assert!(kept.iter().all(|run| run.number > last_complete));
}

pub(super) async fn a_run_whose_provider_is_gone_writes_nothing(store: Under) {
    with_domain(&store).await;
    store.create_provider(providers::provider("corp")).await.unwrap();
    let run = store.begin_sync(corp(), SyncBy::Hand, SyncScope::All, NOW).await.unwrap();
    store.remove_provider(&corp()).await.unwrap();
    let steps = vec![create(new_mailbox("ann@example.org"))];
    let refused = store.sync_page(run, steps, NOW).await.unwrap_err();
    assert!(refused.to_string().contains("provider corp was removed"), "{refused}");
    assert!(store.account(&address("ann@example.org")).await.unwrap().is_none());
    assert!(store.sync_runs(&corp()).await.unwrap().is_empty());
}

pub(super) async fn lines_are_read_from_anywhere(store: Under) {
    let mut run = store.begin_sync(corp(), SyncBy::Hand, SyncScope::All, NOW).await.unwrap();
    for page in 0..5 {
        let step = |number| SyncStep {
            write: None,
            line: line(SyncAction::Missing, &format!("p{}@example.org", page * 7 + number)),
        };
        run = store.sync_page(run, (0..7).map(step).collect(), NOW).await.unwrap().0;
    }
    for (first, limit, expected) in
        [(0, 3, 0..3), (5, 10, 5..15), (13, 1, 13..14), (30, 99, 30..35), (35, 9, 0..0)]
    {
        let lines = store.sync_lines(&corp(), run.number, first, limit).await.unwrap();
        let found: Vec<_> = lines.into_iter().map(|line| line.subject).collect();
        let expected: Vec<_> = expected.map(|number| format!("p{number}@example.org")).collect();
        assert_eq!(found, expected, "from {first}");
    }
    assert!(store.sync_lines(&corp(), run.number + 1, 0, 9).await.unwrap().is_empty());
}

pub(super) async fn lines_outside_of_syncs_are_kept_in_bounds(store: Under) {
    let noted = async |name: ProviderName| -> Vec<String> {
        let notes = store.sync_notes(&name).await.unwrap();
        notes.into_iter().map(|note| note.line.subject).collect()
    };
    let provider = providers::provider("corp");
    store.create_provider(provider.clone()).await.unwrap();
    assert!(noted(corp()).await.is_empty());
    for number in 0..MAX_SYNC_NOTES + 5 {
        let text = format!("p{number}@example.org");
        store.note_sync_line(&corp(), line(SyncAction::Created, &text), NOW).await.unwrap();
    }
    let found = noted(corp()).await;
    assert_eq!(found.len(), MAX_SYNC_NOTES);
    assert_eq!((&found[0][..], &found[999][..]), ("p1004@example.org", "p5@example.org"));
    assert!(noted("corp-2".parse().unwrap()).await.is_empty());
    // The next one of the name begins with nothing.
    store.remove_provider(&corp()).await.unwrap();
    store.create_provider(provider).await.unwrap();
    assert!(noted(corp()).await.is_empty());
    store.note_sync_line(&corp(), line(SyncAction::Updated, "b@example.org"), NOW).await.unwrap();
    assert_eq!(noted(corp()).await, ["b@example.org"]);
}

pub(super) async fn a_refusal_is_noted_once_in_an_hour(store: Under) {
    let refused = |text: &str, cause: &str| SyncLine {
        cause: Some(cause.to_owned()),
        ..line(SyncAction::Skipped, text)
    };
    let minutes = |number: u64| NOW.after(std::time::Duration::from_secs(number * 60));
    for (text, cause, at, kept) in [
        ("ann@example.org", "limit", 0, 1),
        ("ann@example.org", "limit", 59, 1),
        ("ann@example.org", "no_template", 59, 2),
        ("bob@example.org", "limit", 59, 3),
        ("ann@example.org", "limit", 60, 4),
        // The clock was set back.
        ("ann@example.org", "no_template", 10, 5),
    ] {
        store.note_sync_line(&corp(), refused(text, cause), minutes(at)).await.unwrap();
        let notes = store.sync_notes(&corp()).await.unwrap();
        assert_eq!(notes.len(), kept, "{text} {cause} at {at}");
        let latest = notes.iter().find(|note| note.at == minutes(at));
        assert!(at == 59 || latest.is_some(), "{text} {cause} at {at}");
    }
    for _ in 0..2 {
        store
            .note_sync_line(&corp(), line(SyncAction::Updated, "x@example.org"), NOW)
            .await
            .unwrap();
    }
    assert_eq!(store.sync_notes(&corp()).await.unwrap().len(), 7);
}
