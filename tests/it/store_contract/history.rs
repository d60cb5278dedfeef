//! Last use and history.

use super::*;

pub(super) async fn uses_are_seen_at_once_and_counted_together(store: Under) {
    let ann = with_ann(&store).await;
    for second in 0..3 {
        store.record_use(used(ann, "imap", 1, "ok"), NOW.after(Duration::from_secs(second)));
    }
    store.record_use(used(ann, "imap", 2, "ok"), NOW);
    for _ in 0..2 {
        let rows = store.uses(Some(ann), 10).await.unwrap();
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
        let rows = store.uses(Some(ann), 10).await.unwrap();
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
    let minutes = async |whose, limit| {
        let rows = store.uses(whose, limit).await.unwrap();
        rows.iter().map(|row| row.last.since(NOW).as_secs() / 60).collect::<Vec<_>>()
    };
    assert_eq!(minutes(None, 100).await, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(minutes(None, 4).await, [9, 8, 7, 6]);
    assert_eq!(minutes(Some(ann), 3).await, [8, 6, 4]);
    assert_eq!(minutes(Some(ann), 0).await, [0; 0]);
}

pub(super) async fn uses_of_a_removed_mailbox_are_not_written(store: Under) {
    let ann = with_ann(&store).await;
    store.remove_mailbox(&address("ann@example.org")).await.unwrap();
    store.record_use(used(ann, "imap", 1, "ok"), NOW);
    store.flush_uses().await.unwrap();
    assert!(store.uses(None, 10).await.unwrap().is_empty());
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
    let rows = store.uses(Some(ann), 1000).await.unwrap();
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
    let rows = store.uses(Some(ann), 1000).await.unwrap();
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
    let rows = store.uses(Some(ann), usize::MAX).await.unwrap();
    assert_eq!(rows.len(), 400);
    assert!(rows.iter().any(|row| row.rip == from(0)));
    for (mailbox, number) in (0..200).flat_map(|mailbox| (0..400).map(move |n| (mailbox, n))) {
        let key = UseKey { rip: from(number), ..used(MailboxId(mailbox), "imap", 0, "ok") };
        store.record_use(key, NOW);
    }
    assert_eq!(store.uses(None, usize::MAX).await.unwrap().len(), 50_000);
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
    assert!(store.uses(Some(ann), 1000).await.unwrap().len() <= 200);
    store.record_use(used(ann, "imap", 1, "ok"), NOW.after(40 * DAY));
    store.flush_uses().await.unwrap();
    let rows = store.uses(Some(ann), 1000).await.unwrap();
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
    assert_eq!(store.uses(Some(ann), 10).await.unwrap().len(), 3);
}

pub(super) async fn old_history_of_silent_mailboxes_is_swept(store: Under) {
    let ann = with_ann(&store).await;
    let bob = with_mailbox(&store, "bob@example.org").await;
    store.record_use(used(ann, "imap", 1, "ok"), NOW);
    store.record_use(used(ann, "imap", 2, "wrong_password"), NOW);
    store.flush_uses().await.unwrap();
    store.record_use(used(bob, "imap", 1, "ok"), NOW.after(32 * DAY));
    store.flush_uses().await.unwrap();
    let rows = store.uses(Some(ann), 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.outcome.as_str()).collect::<Vec<_>>(), ["ok"]);
}
