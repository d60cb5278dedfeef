//! Templates by group and role: who is listed in them has them, and nobody loses
//! one because nobody could say who is in it.

use super::*;

fn entry(group: Option<&str>, role: Option<&str>, template: &str) -> MappedTemplate {
    MappedTemplate {
        value: None,
        group: group.map(str::to_owned),
        role: role.map(str::to_owned),
        template: template.parse().unwrap(),
    }
}

/// A realm whose mapping goes by these.
async fn mapped(mapping: &[MappedTemplate], names: &[&str]) -> Realm {
    let realm = Realm::with(|corp| {
        corp.attribute_mapping = mapping.to_vec();
        corp.default_template_updates = true;
    })
    .await;
    realm.fake.people(|people| people.extend(names.iter().map(|name| somebody(name))));
    realm
}

/// Who has which template: "Gold ann bob, Plain cleo".
async fn templates(realm: &Realm) -> String {
    let mut by_template: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for mailbox in realm.all().await {
        let template = mailbox.template.as_ref().unwrap().name.to_string();
        by_template.entry(template).or_default().push(mailbox.address.local_part().to_owned());
    }
    let said = by_template.iter().map(|(template, all)| format!("{template} {}", all.join(" ")));
    said.collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn who_is_in_the_very_group() {
    let mapping = [entry(Some("/board"), None, "Gold"), entry(Some("staff"), None, "Silver")];
    let realm = mapped(&mapping, &["ann", "bob", "cleo", "dora"]).await;
    realm.fake.group("/board", &["ann"]);
    realm.fake.group("/board/inner", &["bob"]);
    realm.fake.group("/staff", &["ann", "cleo"]);
    realm.plans_and_does("created 4").await;
    assert_eq!(templates(&realm).await, "Gold ann, Plain bob dora, Silver cleo");
    realm.does("unchanged 4").await;
    realm.fake.group("/board", &["dora"]);
    realm.plans_and_does("updated 2, unchanged 2").await;
    assert_eq!(templates(&realm).await, "Gold dora, Plain bob, Silver ann cleo");
}

#[tokio::test]
async fn however_somebody_has_a_role() {
    let realm =
        mapped(&[entry(None, Some("mail"), "Gold")], &["ann", "bob", "cleo", "dora", "emil"]).await;
    realm.fake.group("/staff", &["bob"]);
    realm.fake.group("/staff/berlin", &["cleo"]);
    realm.fake.role("mail", &["ann"], &["/staff"], &[]);
    realm.fake.role("all", &["dora"], &[], &["mail", "other"]);
    realm.fake.role("other", &["emil"], &[], &[]);
    realm.plans_and_does("created 5").await;
    assert_eq!(templates(&realm).await, "Gold ann bob cleo dora, Plain emil");
}

/// Members on several pages, also where all of one page leave.
#[tokio::test]
async fn all_pages_of_members_are_read() {
    let names: Vec<String> = (0..250).map(|number| format!("p{number:05}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let realm = mapped(&[entry(Some("/board"), None, "Gold")], &names).await;
    realm.fake.group("/board", &names[..249]);
    realm.does("created 250").await;
    assert_eq!(
        realm.get("p00249@example.org").await.template.as_ref().unwrap().name.as_str(),
        "Plain"
    );
    let gold = realm.all().await;
    let gold = gold.iter().filter(|one| one.template.as_ref().unwrap().name.as_str() == "Gold");
    assert_eq!(gold.count(), 249);
    // One list for all of them, and nothing about any single person.
    let asked = |path: &str| realm.fake.seen(path).len();
    assert_eq!(asked("/admin/realms/mail/users/id-of-p00001"), 0);
}

/// A typo, or a right that is missing.
#[tokio::test]
async fn what_cannot_be_listed_stops_the_run() {
    let mapping = [entry(Some("/board"), None, "Gold"), entry(None, Some("mail"), "Silver")];
    let realm = mapped(&mapping, &["ann", "bob"]).await;
    realm.fake.group("/board", &["ann"]);
    realm.fake.role("mail", &["bob"], &[], &[]);
    realm.does("created 2").await;
    let stops = async |words: &str| {
        let progress = realm.run().await;
        let SyncOutcome::Failed(why) = &progress.run.outcome else { panic!("{progress:?}") };
        assert!(why.contains(words), "{why}");
        assert_eq!(templates(&realm).await, "Gold ann, Silver bob");
    };
    for (path, words) in [
        ("group-by-path/board", "may not see group /board"),
        ("groups/id-of-board/members", "take the role view-users"),
        ("roles", "view-realm"),
        ("roles/mail/users", "roles take view-realm"),
        ("roles/mail/groups", "groups with the role mail"),
    ] {
        realm.fake.forbid(&[path]);
        stops(words).await;
    }
    realm.fake.forbid(&[]);
    let realm = mapped(&[entry(Some("/no/such"), None, "Gold")], &["ann"]).await;
    let progress = realm.run().await;
    let SyncOutcome::Failed(why) = &progress.run.outcome else { panic!("{progress:?}") };
    assert!(why.contains("attribute_mapping: the realm has no group /no/such"), "{why}");
}
