//! Whose a mailbox is, seen from the person; and what was said of him.

use dovegate::mailbox::{Binding, Owner, OwnerState};

use super::*;

const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";

fn person(provider: &str, subject: &str) -> Binding {
    Binding { provider: provider.parse().unwrap(), subject: subject.to_owned() }
}

fn said(subject: &str, state: OwnerState) -> Owner {
    Owner { person: person("corp", subject), state, asked: NOW, off_since: None }
}

async fn of(store: &Under, provider: &str, subject: &str) -> Vec<String> {
    let found = store.mailboxes_of(&person(provider, subject)).await.unwrap();
    let mut found: Vec<_> = found.iter().map(Address::to_string).collect();
    found.sort();
    found
}

async fn bind(store: &Under, text: &str, subject: &str) {
    let id = store.account(&address(text)).await.unwrap().unwrap().mailbox.id;
    store.bind_mailbox(&address(text), id, person("corp", subject), NOW).await.unwrap();
}

async fn rebind(store: &Under, text: &str, bound: Option<Binding>) {
    let change = MailboxChange { bound: Some(bound), ..MailboxChange::default() };
    store.update_mailbox(&address(text), change, NOW).await.unwrap();
}

pub(super) async fn a_person_is_found_by_every_mailbox_of_his(store: Under) {
    with_ann(&store).await;
    with_mailbox(&store, BOB).await;
    assert_eq!(of(&store, "corp", "1").await, [""; 0]);
    bind(&store, ANN, "1").await;
    bind(&store, ANN, "1").await;
    assert_eq!(of(&store, "corp", "1").await, [ANN]);
    bind(&store, BOB, "1").await;
    assert_eq!(of(&store, "corp", "1").await, [ANN, BOB]);
    // Who has it says nothing of who has the same id elsewhere.
    for other in ["2", "", "1\u{0}", "11"] {
        assert_eq!(of(&store, "corp", other).await, [""; 0], "{other:?}");
    }
    assert_eq!(of(&store, "cor", "p1").await, [""; 0]);
    assert_eq!(of(&store, "other", "1").await, [""; 0]);
}

pub(super) async fn every_change_of_a_binding_is_followed(store: Under) {
    with_ann(&store).await;
    with_mailbox(&store, BOB).await;
    bind(&store, ANN, "1").await;
    bind(&store, BOB, "1").await;
    rebind(&store, ANN, Some(person("corp", "2"))).await;
    assert_eq!(
        (of(&store, "corp", "1").await, of(&store, "corp", "2").await),
        (vec![BOB.to_owned()], vec![ANN.to_owned()])
    );
    rebind(&store, ANN, Some(person("other", "2"))).await;
    assert_eq!(of(&store, "corp", "2").await, [""; 0]);
    assert_eq!(of(&store, "other", "2").await, [ANN]);
    rebind(&store, ANN, None).await;
    assert_eq!(of(&store, "other", "2").await, [""; 0]);
    store.remove_mailbox(&address(BOB)).await.unwrap();
    assert_eq!(of(&store, "corp", "1").await, [""; 0]);
    // A successor at the address is nobody's.
    with_mailbox(&store, BOB).await;
    assert_eq!(of(&store, "corp", "1").await, [""; 0]);
}

pub(super) async fn an_import_lists_what_is_bound(store: Under) {
    let source: Under = Arc::new(MemoryStore::new());
    with_ann(&source).await;
    with_mailbox(&source, BOB).await;
    bind(&source, ANN, "1").await;
    bind(&source, BOB, "1").await;
    let records = exported(&source, 100).await;
    for _ in 0..2 {
        store.import(records.clone()).await.unwrap();
        assert_eq!(of(&store, "corp", "1").await, [ANN, BOB]);
    }
    // In the place of a mailbox that is somebody else's, with the same id and with
    // another.
    rebind(&store, ANN, Some(person("corp", "2"))).await;
    store.remove_mailbox(&address(BOB)).await.unwrap();
    with_mailbox(&store, BOB).await;
    bind(&store, BOB, "3").await;
    store.import(records).await.unwrap();
    assert_eq!(of(&store, "corp", "1").await, [ANN, BOB]);
    assert_eq!(of(&store, "corp", "2").await, [""; 0]);
    assert_eq!(of(&store, "corp", "3").await, [""; 0]);
}

pub(super) async fn what_was_said_of_an_owner_goes_with_the_mailbox(store: Under) {
    let ann = with_ann(&store).await;
    let bob = with_mailbox(&store, BOB).await;
    let enabled = said("1", OwnerState::Enabled);
    // Nobody's yet.
    store.save_owners(vec![enabled.clone()]).await.unwrap();
    assert_eq!(store.owner(ann).await.unwrap(), None);
    bind(&store, ANN, "1").await;
    bind(&store, BOB, "1").await;
    store.save_owners(vec![enabled.clone(), said("2", OwnerState::Gone)]).await.unwrap();
    assert_eq!(store.owner(ann).await.unwrap(), Some(enabled.clone()));
    assert_eq!(store.owner(bob).await.unwrap(), Some(enabled.clone()));
    rebind(&store, ANN, Some(person("corp", "2"))).await;
    let gone = said("2", OwnerState::Gone);
    store.save_owners(vec![gone.clone(), enabled.clone()]).await.unwrap();
    assert_eq!(store.owner(ann).await.unwrap(), Some(gone.clone()));
    assert_eq!(store.owner(bob).await.unwrap(), Some(enabled.clone()));
    // It stands among the history and is no row of it, nor of an export.
    store.record_use(used(ann, "imap", 1, "ok"), NOW);
    store.flush_uses().await.unwrap();
    assert_eq!(store.uses(&UseFilter::default(), 10).await.unwrap().len(), 1);
    let records = exported(&store, 2).await;
    assert_eq!(records.len(), 5, "{records:?}");
    store.remove_mailbox(&address(ANN)).await.unwrap();
    assert_eq!(store.owner(ann).await.unwrap(), None);
    // Nor does it come back by what was gathered before.
    store.save_owners(vec![gone, enabled]).await.unwrap();
    assert_eq!(store.owner(ann).await.unwrap(), None);
    assert!(store.owner(bob).await.unwrap().is_some());
}

/// More than are written in one piece.
pub(super) async fn owners_are_written_in_pieces(store: Under) {
    with_domain(&store).await;
    let mut ids = Vec::new();
    let owner = |number: usize| said(&number.to_string(), OwnerState::Enabled);
    for number in 0..600 {
        let text = format!("u{number}@example.org");
        ids.push(with_mailbox(&store, &text).await);
        bind(&store, &text, &number.to_string()).await;
    }
    store.save_owners((0..600).map(owner).collect()).await.unwrap();
    for (number, id) in ids.into_iter().enumerate() {
        assert_eq!(store.owner(id).await.unwrap(), Some(owner(number)));
    }
}
