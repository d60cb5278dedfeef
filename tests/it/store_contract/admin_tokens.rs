//! Admin tokens.

use dovegate::{
    mailbox::{AdminToken, AdminTokenId, AdminTokenUse, Scope},
    store::MAX_ADMIN_TOKENS,
};

use super::*;

fn token(bits: u64) -> AdminToken {
    AdminToken {
        id: AdminTokenId::from_bits(bits),
        name: "Panel".to_owned(),
        digest: [7; 32],
        scopes: [Scope::Read, Scope::Mailboxes].into(),
        domains: Some([DomainName::parse("example.org").unwrap()].into()),
        expires: Some(NOW.after(DAY)),
        created: NOW,
        created_by: "user 0 of this machine".to_owned(),
        last_used: None,
    }
}

pub(super) async fn admin_tokens_are_kept_used_and_removed(store: Under) {
    let (one, two) = (token(1), AdminToken { domains: None, expires: None, ..token(2) });
    store.create_admin_token(one.clone()).await.unwrap();
    store.create_admin_token(two.clone()).await.unwrap();
    let again = store.create_admin_token(AdminToken { name: String::new(), ..one.clone() }).await;
    assert!(matches!(again, Err(Error::Exists { what: "admin token", .. })), "{again:?}");
    assert_eq!(store.admin_token(&one.id).await.unwrap(), Some(one.clone()));
    assert_eq!(store.admin_tokens().await.unwrap().len(), 2);
    let last = AdminTokenUse { at: NOW, rip: Ipv4Addr::LOCALHOST.into() };
    store.admin_token_used(&two.id, last).await.unwrap();
    let used = AdminToken { last_used: Some(last), ..two.clone() };
    assert_eq!(store.admin_token(&two.id).await.unwrap(), Some(used));
    store.remove_admin_token(&two.id).await.unwrap();
    // A use that is written down late brings nothing back.
    store.admin_token_used(&two.id, last).await.unwrap();
    assert_eq!(store.admin_token(&two.id).await.unwrap(), None);
    let gone = store.remove_admin_token(&two.id).await;
    assert!(matches!(gone, Err(Error::NotFound { what: "admin token", .. })), "{gone:?}");
    // What is revoked later must not come back by an import.
    let records = store.export(None, 100).await.unwrap().records;
    assert_eq!(records.len(), 1, "{records:?}");
}

pub(super) async fn there_are_no_more_than_so_many(store: Under) {
    for number in 0..MAX_ADMIN_TOKENS as u64 {
        store.create_admin_token(token(number)).await.unwrap();
    }
    let more = store.create_admin_token(token(u64::MAX)).await;
    assert!(matches!(more, Err(Error::Conflict(_))), "{more:?}");
}
