//! Last use and history.

use super::*;

pub(super) async fn uses_are_seen_at_once_and_counted_together(store: Under) {
    let ann = with_ann(&store).await;
    for second in 0..3 {
        store.record_use(used(ann, "imap", 1, "ok"), NOW.after(Duration::from_secs(second)));
    }
    store.record_use(used(ann, "imap", 2, "ok"), NOW);
    for _ in 0..2 {
        let rows = store.uses(&UseFilter::of(ann), 10).await.unwrap();
        assert_eq!(rows.len(), 2);
        let expected = UseRow {
            mailbox: ann,
            protocol: "imap".into(),
            rip: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
            app_password: None,
            outcome: "ok".into(),
            count: 3,
            first: NOW,
            last: NOW.after(Duration::from_secs(2)),
        };
        assert_eq!(rows[0], expected);
        store.flush_uses().await.unwrap();
    }
    store.record_use(used(ann, "imap", 1, "ok"), NOW.after(DAY));
    for _ in 0..2 {
        let rows = store.uses(&UseFilter::of(ann), 10).await.unwrap();
        assert_eq!((rows.len(), rows[0].count), (2, 4));
        assert_eq!((rows[0].first, rows[0].last), (NOW, NOW.after(DAY)));
        store.flush_uses().await.unwrap();
    }
}

pub(super) async fn uses_are_listed_latest_first(store: Under) {
    let ann = with_ann(&store).await;
    let bob = with_mailbox(&store, "bob@example.org").await;
    for minute in 0..10_u8 {
        let whose = if minute % 2 == 0 { ann } else { bob };
        let now = NOW.after(Duration::from_secs(60 * u64::from(minute)));
        store.record_use(used(whose, "imap", minute, "ok"), now);
        if minute < 7 {
            store.flush_uses().await.unwrap();
        }
    }
    let minutes = async |mailbox, limit| {
        let filter = UseFilter { mailbox, ..UseFilter::default() };
        let rows = store.uses(&filter, limit).await.unwrap();
        rows.iter().map(|row| row.last.since(NOW).as_secs() / 60).collect::<Vec<_>>()
    };
    assert_eq!(minutes(None, 100).await, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(minutes(None, 4).await, [9, 8, 7, 6]);
    assert_eq!(minutes(Some(ann), 3).await, [8, 6, 4]);
    assert_eq!(minutes(Some(ann), 0).await, [0; 0]);
}

pub(super) async fn uses_are_found_by_what_they_are(store: Under) {
    let ann = with_ann(&store).await;
    let minute = |minute: u64| NOW.after(Duration::from_secs(60 * minute));
    let phone = AppPasswordId::from_bits(7);
    store.record_use(used(ann, "imap", 1, "ok"), minute(0));
    store.record_use(used(ann, "imap", 1, "ok"), minute(4));
    store.record_use(used(ann, "submission", 2, "wrong_password"), minute(2));
    store.record_use(used(ann, "gopher", 200, "held_back"), minute(3));
    let by_phone = UseKey { app_password: Some(phone), ..used(ann, "smtp", 3, "ok") };
    store.record_use(by_phone, minute(1));
    let check = async |filter: UseFilter, expected: &[&str]| {
        let rows = store.uses(&filter, 100).await.unwrap();
        let found: Vec<_> = rows.iter().map(|row| row.protocol.as_str()).collect();
        assert_eq!(found, expected, "{filter:?}");
    };
    let all = UseFilter::default;
    for flushed in [false, true] {
        if flushed {
            store.flush_uses().await.unwrap();
        }
        check(all(), &["imap", "gopher", "submission", "smtp"]).await;
        check(UseFilter { since: Some(minute(3)), ..all() }, &["imap", "gopher"]).await;
        // One of those that a row counts lies before.
        check(UseFilter { until: Some(minute(2)), ..all() }, &["imap", "smtp"]).await;
        let between = UseFilter { since: Some(minute(2)), until: Some(minute(3)), ..all() };
        check(between, &["imap", "submission"]).await;
        check(UseFilter { failed: true, ..all() }, &["gopher", "submission"]).await;
        let outcome = |word: &str| UseFilter { outcome: Some(word.to_owned()), ..all() };
        check(outcome("held_back"), &["gopher"]).await;
        check(outcome("ok"), &["imap", "smtp"]).await;
        let protocol = |word: &str| UseFilter { protocol: Some(word.to_owned()), ..all() };
        check(protocol("smtp"), &["submission", "smtp"]).await;
        check(protocol("submission"), &["submission", "smtp"]).await;
        check(protocol("gopher"), &["gopher"]).await;
        check(protocol("other"), &[]).await;
        let from = |text: &str| UseFilter { network: Some(text.parse().unwrap()), ..all() };
        check(from("192.0.2.0/25"), &["imap", "submission", "smtp"]).await;
        check(from("192.0.2.200/32"), &["gopher"]).await;
        check(from("2001:db8::/32"), &[]).await;
        check(UseFilter { app_password: Some(phone), ..all() }, &["smtp"]).await;
        check(UseFilter { failed: true, ..protocol("imap") }, &[]).await;
    }
}

pub(super) async fn uses_of_a_removed_mailbox_are_not_written(store: Under) {
    let ann = with_ann(&store).await;
    store.remove_mailbox(&address("ann@example.org")).await.unwrap();
    store.record_use(used(ann, "imap", 1, "ok"), NOW);
    store.flush_uses().await.unwrap();
    assert!(store.uses(&UseFilter::default(), 10).await.unwrap().is_empty());
}

pub(super) async fn history_keeps_what_it_should(store: Under) {
    let ann = with_ann(&store).await;
    store.record_use(used(ann, "pop3", 1, "ok"), NOW);
    store.record_use(used(ann, "pop3", 2, "ok"), NOW.after(DAY));
    store.record_use(used(ann, "imap", 1, "ok"), NOW);
    store.record_use(used(ann, "imap", 1, "wrong_password"), NOW);
    let later = NOW.after(40 * DAY);
    for network in 0..=250 {
        store.record_use(used(ann, "imap", network, "wrong_password"), later);
    }
    store.flush_uses().await.unwrap();
    let rows = store.uses(&UseFilter::of(ann), 1000).await.unwrap();
    let of = |protocol: &str, outcome: &str| {
        rows.iter().filter(|row| row.protocol == protocol && row.outcome == outcome).count()
    };
    assert_eq!(of("imap", "wrong_password"), 100);
    assert_eq!((of("imap", "ok"), of("pop3", "ok")), (1, 1));
    assert!(rows.iter().any(|row| row.protocol == "pop3" && row.last == NOW.after(DAY)));

    for network in 0..=250 {
        store.record_use(used(ann, "imap", network, "ok"), later.after(DAY));
    }
    store.flush_uses().await.unwrap();
    let rows = store.uses(&UseFilter::of(ann), 1000).await.unwrap();
    assert!(rows.iter().filter(|row| row.outcome == "ok").count() >= 200);
    assert!(rows.len() <= 202, "{}", rows.len());
    assert!(rows.iter().any(|row| row.protocol == "pop3"));
}

pub(super) async fn gathered_history_is_bounded(store: Under) {
    let ann = with_ann(&store).await;
    let from = |number: u32| Some(IpAddr::V4(Ipv4Addr::from_bits(number)));
    for number in 0..60_000 {
        store.record_use(UseKey { rip: from(number), ..used(ann, "imap", 0, "ok") }, NOW);
    }
    let rows = store.uses(&UseFilter::of(ann), usize::MAX).await.unwrap();
    assert_eq!(rows.len(), 400);
    assert!(rows.iter().any(|row| row.rip == from(0)));
    for (mailbox, number) in (0..200).flat_map(|mailbox| (0..400).map(move |n| (mailbox, n))) {
        let key = UseKey { rip: from(number), ..used(MailboxId(mailbox), "imap", 0, "ok") };
        store.record_use(key, NOW);
    }
    assert_eq!(store.uses(&UseFilter::default(), usize::MAX).await.unwrap().len(), 50_000);
}

/// What a mail server calls the protocol is kept, and cannot fill the disk.
pub(super) async fn made_up_protocols_are_bounded(store: Under) {
    let ann = with_ann(&store).await;
    for second in 0..10 {
        let now = NOW.after(Duration::from_secs(second));
        for number in 0..100 {
            let name = format!("protocol-{second}-{number}");
            store.record_use(used(ann, &name, 1, "ok"), now);
        }
        store.flush_uses().await.unwrap();
    }
    assert!(store.uses(&UseFilter::of(ann), 1000).await.unwrap().len() <= 200);
    store.record_use(used(ann, "imap", 1, "ok"), NOW.after(40 * DAY));
    store.flush_uses().await.unwrap();
    let rows = store.uses(&UseFilter::of(ann), 1000).await.unwrap();
    assert_eq!((rows.len(), rows[0].protocol.as_str()), (32, "imap"));
}

pub(super) async fn a_clock_that_was_ahead_empties_no_history(store: Under) {
    let ann = with_ann(&store).await;
    let bob = with_mailbox(&store, "bob@example.org").await;
    store.record_use(used(bob, "imap", 1, "ok"), NOW.after(5000 * DAY));
    store.flush_uses().await.unwrap();
    for network in 0..3 {
        store.record_use(used(ann, "imap", network, "wrong_password"), NOW);
    }
    store.flush_uses().await.unwrap();
    assert_eq!(store.uses(&UseFilter::of(ann), 10).await.unwrap().len(), 3);
}

pub(super) async fn old_history_of_silent_mailboxes_is_swept(store: Under) {
    let ann = with_ann(&store).await;
    let bob = with_mailbox(&store, "bob@example.org").await;
    store.record_use(used(ann, "imap", 1, "ok"), NOW);
    store.record_use(used(ann, "imap", 2, "wrong_password"), NOW);
    store.flush_uses().await.unwrap();
    store.record_use(used(bob, "imap", 1, "ok"), NOW.after(32 * DAY));
    store.flush_uses().await.unwrap();
    let rows = store.uses(&UseFilter::of(ann), 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.outcome.as_str()).collect::<Vec<_>>(), ["ok"]);
}
