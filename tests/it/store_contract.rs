//! What every store does, run for each engine; and what only a store on disk
//! can do (`on_disk`).

mod admin_tokens;
mod app_passwords;
mod domains;
mod history;
mod mailboxes;
mod on_disk;
mod owners;
mod providers;
mod syncs;
mod transfer;

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use dovegate::{
    clock::Timestamp,
    mailbox::{
        Address, AppPassword, AppPasswordId, AuthSource, Binding, Domain, DomainName,
        ImportedAppPassword, MailboxId, MailboxState, ProviderName, Quota, Service, Services,
        SetBy, Template, TemplateName, domain::LimitError,
    },
    store::{
        Arrival, DomainChange, DomainUse, Error, Followers, MAX_APP_PASSWORDS, MAX_SYNC_NOTES,
        MAX_SYNC_RUNS, MailboxChange, MailboxFilter, MailboxWrite, MemoryStore, NewMailbox, Record,
        Settings, SledStore, Store, SyncAction, SyncBy, SyncLine, SyncOutcome, SyncRun, SyncScope,
        SyncStep, UseFilter, UseKey, UseRow,
    },
};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn open(path: &Path) -> SledStore {
    try_open(path).expect("the store opens")
}

/// Between fork and exec, a child that another test starts holds our lock.
fn try_open(path: &Path) -> Result<SledStore, Error> {
    SledStore::open_within(path, &Settings::default(), Duration::from_secs(10))
}

macro_rules! contract {
    ($($subject:ident { $($check:ident)* })*) => {
        mod memory {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                super::$subject::$check(std::sync::Arc::new(super::MemoryStore::new())).await;
            })*)*
        }

        mod sled {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let folder = tempfile::tempdir().unwrap();
                super::$subject::$check(std::sync::Arc::new(super::open(folder.path()))).await;
            })*)*
        }
    };
}

contract! {
    domains {
        domains_are_made_changed_and_removed
        domains_are_listed_in_pages
        a_domain_with_mailboxes_stays
        switching_a_domain_counts_its_generation_up
        templates_count_their_revisions
        a_raised_default_must_fit_those_who_follow_it
    }
    mailboxes {
        a_mailbox_needs_its_domain
        a_mailbox_takes_named_values_then_the_templates_then_defaults
        a_mailbox_exists_once
        limits_hold_for_new_mailboxes
        limits_hold_for_changed_quotas
        arrivals_are_judged_one_by_one_and_written_together
        one_hundred_at_once_make_exactly_ten
        changes_of_state_source_hash_or_services_count_the_generation_up
        an_empty_change_changes_nothing
        a_hash_is_replaced_only_while_it_is_the_one_meant
        a_template_applied_later_leaves_the_state_alone
        another_source_keeps_the_hash_and_who_comes_back_the_person
        mailboxes_are_listed_by_mask_in_pages
        mailboxes_are_searched_by_text_state_and_source
        a_removed_mailbox_leaves_nothing_behind
    }
    admin_tokens {
        admin_tokens_are_kept_used_and_removed
        there_are_no_more_than_so_many
    }
    providers {
        providers_are_made_changed_and_removed
        a_provider_that_speaks_for_a_domain_stays
        who_goes_by_a_provider_is_counted
        a_mailbox_is_bound_once
        a_successor_of_the_mailbox_is_not_bound
        of_twenty_who_bind_at_once_one_person_wins
        an_administrator_binds_anew_and_unbinds
        providers_and_bindings_are_exported_and_imported
    }
    owners {
        a_person_is_found_by_every_mailbox_of_his
        every_change_of_a_binding_is_followed
        an_import_lists_what_is_bound
        what_was_said_of_an_owner_goes_with_the_mailbox
        owners_are_written_in_pieces
    }
    syncs {
        a_page_is_carried_out_as_far_as_it_can_be
        a_mailbox_that_was_changed_meanwhile_stays
        a_rename_takes_everything_along
        a_write_outside_of_a_run_keeps_the_same_rules
        a_change_outside_of_a_run_is_of_what_was_looked_at
        of_twenty_who_make_a_mailbox_at_once_one_does
        runs_are_numbered_and_the_oldest_go
        runs_that_changed_something_are_kept_longer
        a_run_whose_provider_is_gone_writes_nothing
        lines_are_read_from_anywhere
        lines_outside_of_syncs_are_kept_in_bounds
        a_refusal_is_noted_once_in_an_hour
    }
    app_passwords {
        app_passwords_are_kept_listed_and_revoked
        an_app_passwords_id_is_taken_once
        app_passwords_have_a_limit
        what_a_mailbox_brought_along_is_kept_revoked_and_exported
        penalties_are_written_and_removed
        a_secret_is_made_once
    }
    history {
        uses_are_seen_at_once_and_counted_together
        uses_are_listed_latest_first
        uses_are_found_by_what_they_are
        uses_of_a_removed_mailbox_are_not_written
        history_keeps_what_it_should
        made_up_protocols_are_bounded
        a_clock_that_was_ahead_empties_no_history
        gathered_history_is_bounded
        old_history_of_silent_mailboxes_is_swept
    }
    transfer {
        an_export_imports_into_an_empty_store
        an_import_replaces_and_counts_anew
        an_import_is_all_or_nothing
        a_closed_store_refuses
    }
}

type Under = Arc<dyn Store>;

fn domain(name: &str) -> Domain {
    Domain::new(DomainName::parse(name).unwrap(), NOW)
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn named(text: &str) -> TemplateName {
    text.parse().unwrap()
}

fn quota(bytes: u64) -> Quota {
    Quota { bytes }
}

fn new_mailbox(text: &str) -> NewMailbox {
    NewMailbox::at(address(text))
}

fn template(name: &str) -> Template {
    Template {
        name: named(name),
        revision: 0,
        quota: Some(quota(50)),
        state: MailboxState::ReceiveOnly,
        services: Services::NONE.with(Service::Imap),
        tags: vec!["staff".into()],
        app_passwords_allowed: true,
        force_password_change: false,
        further: [].into(),
        created: NOW,
        modified: NOW,
    }
}

fn app_password(id: u32, created: u64) -> AppPassword {
    AppPassword {
        id: AppPasswordId::from_bits(id),
        name: "Phone".into(),
        digest: [7; 32],
        services: Services::ALL,
        networks: vec!["192.0.2.0/24".parse().unwrap()],
        expires: None,
        created: Timestamp(created),
    }
}

fn used(mailbox: MailboxId, protocol: &str, last_byte: u8, outcome: &str) -> UseKey {
    UseKey {
        mailbox,
        protocol: protocol.into(),
        rip: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last_byte))),
        app_password: None,
        outcome: outcome.into(),
    }
}

async fn with_domain(store: &Under) {
    store.create_domain(domain("example.org")).await.unwrap();
}

async fn with_mailbox(store: &Under, text: &str) -> MailboxId {
    let account = store.create_mailbox_within_limits(new_mailbox(text), NOW).await.unwrap();
    account.mailbox.id
}

async fn with_ann(store: &Under) -> MailboxId {
    with_domain(store).await;
    with_mailbox(store, "ann@example.org").await
}

async fn used_up(store: &Under) -> DomainUse {
    store.domain_use(&DomainName::parse("example.org").unwrap()).await.unwrap()
}

async fn exported(store: &Under, page: usize) -> Vec<Record> {
    let mut records = Vec::new();
    let mut after = None;
    loop {
        let part = store.export(after, page).await.unwrap();
        assert!(part.records.len() <= page);
        records.extend(part.records);
        after = part.next;
        if after.is_none() {
            return records;
        }
    }
}

async fn fill(store: &Under) -> MailboxId {
    let ann = with_ann(store).await;
    store.create_domain(domain("example.com")).await.unwrap();
    store.put_template(template("Staff")).await.unwrap();
    with_mailbox(store, "bob@example.com").await;
    let sized = NewMailbox { quota: Some(quota(5)), ..new_mailbox("carl@example.org") };
    store.create_mailbox_within_limits(sized, NOW).await.unwrap();
    store.add_app_password(&address("ann@example.org"), app_password(1, 0)).await.unwrap();
    store.record_use(used(ann, "imap", 1, "ok"), NOW);
    store.flush_uses().await.unwrap();
    ann
}
