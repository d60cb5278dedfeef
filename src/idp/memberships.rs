//! Who is in the groups and has the roles that the mapping names: their members
//! are listed once for a sync, never asked for person by person.
//!
//! **Groups**: who is in the very group, as tokens and a person's own groups say;
//! who is only in a group below it is not.
//!
//! **Roles**: realm roles, however somebody has them: by himself, by a group of his
//! or one above it, and by another realm role of which they are part. Keycloak's
//! lists of who has a role name only those who have it by themselves, so the others
//! are put together here. Not found are those who have it by way of a client's role.
//!
//! A group or a role that cannot be listed ends the sync: nobody loses a template
//! because nobody could say who is in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use serde_json::Value;
use url::Url;

use super::{
    Outage, OutageCause, Provider,
    http::{Endpoint, Reply},
    keycloak::text,
    listing::{Ids, Listing, PATIENCE, Turn, page_of},
};
use crate::mailbox::Profile;

/// Members of all groups and roles together: some 60 MB.
const MAX_MEMBERS: usize = 2_000_000;
/// Groups that are gone through for the roles, and roles of a realm.
const MAX_PARTS: usize = 10_000;

/// Whom each group and role of the mapping has.
#[derive(Debug, Default)]
pub struct Memberships {
    groups: BTreeMap<String, Ids>,
    roles: BTreeMap<String, Ids>,
}

impl Memberships {
    /// Says of somebody in which of the groups he is, and which of the roles he has;
    /// nothing of what the mapping does not go by.
    pub fn tell(&self, person: &mut Profile) {
        let of = |all: &BTreeMap<String, Ids>| {
            let his = all.iter().filter(|(_, ids)| ids.has(&person.subject));
            (!all.is_empty()).then(|| his.map(|(name, _)| name.clone()).collect())
        };
        let (groups, roles) = (of(&self.groups), of(&self.roles));
        person.groups = groups.or(person.groups.take());
        person.roles = roles.or(person.roles.take());
    }

    fn len(&self) -> usize {
        self.groups.values().chain(self.roles.values()).map(Ids::len).sum()
    }
}

/// Something with an id and a name: a group or a role.
struct Part {
    id: String,
    name: String,
    is_composite: bool,
}

impl Provider {
    /// Who is in the groups and has the roles of the mapping.
    ///
    /// # Errors
    /// One of them does not exist, or cannot be listed.
    pub async fn memberships(&self) -> Result<Memberships, Outage> {
        let listed = self.list_memberships().await;
        listed.map_err(|outage| self.clean(outage))
    }

    /// Whether the groups and roles that the mapping names are there, and show who
    /// has them.
    pub(super) async fn sees_mapping(&self) -> Result<(), Outage> {
        let seen = async {
            let rules = &self.settings().provisioning;
            for name in rules.groups() {
                self.group(name).await?;
            }
            for name in rules.roles() {
                let url = self.admin_api()?.resource(["roles", name, "users"]);
                self.listed(&page_of(url, 0, 1, "true"), &format!("role {name}")).await?;
            }
            Ok(())
        };
        seen.await.map_err(|outage: Outage| self.clean(outage))
    }

    async fn list_memberships(&self) -> Result<Memberships, Outage> {
        let rules = &self.settings().provisioning;
        let mut found = Memberships::default();
        for name in rules.groups().collect::<BTreeSet<_>>() {
            let id = self.group(name).await?;
            let members = self.members(["groups", &id, "members"], found.len()).await?;
            found.groups.insert(name.to_owned(), members);
        }
        let wanted: BTreeSet<&str> = rules.roles().collect();
        if wanted.is_empty() {
            return Ok(found);
        }
        let wholes = self.wholes().await?;
        for name in wanted {
            let mut members = Ids::default();
            for role in with_wholes(name, &wholes) {
                let before = found.len() + members.len();
                members.extend(self.members(["roles", &role, "users"], before).await?);
                for group in self.groups_with(&role).await? {
                    let before = found.len() + members.len();
                    members.extend(self.members(["groups", &group, "members"], before).await?);
                }
            }
            found.roles.insert(name.to_owned(), members);
        }
        Ok(found)
    }

    /// The id of the group of this path; a slash at its beginning may be left out.
    async fn group(&self, path: &str) -> Result<String, Outage> {
        let segments = path.split('/').filter(|segment| !segment.is_empty());
        let url = self.admin_api()?.resource(["group-by-path"].into_iter().chain(segments));
        let what = format!("group {path}");
        let reply = self.listed(&url, &what).await?;
        let group = reply.object()?;
        let id = text(&group, "id", &reply)?.filter(|id| !id.is_empty());
        Ok(id.ok_or_else(|| reply.malformed("a group without an id"))?.to_owned())
    }

    /// Realm roles, each with those of which it is part.
    async fn wholes(&self) -> Result<BTreeMap<String, Vec<String>>, Outage> {
        let mut wholes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let roles = self.parts(["roles"], "the realm's roles").await?;
        for whole in roles.into_iter().filter(|role| role.is_composite) {
            let path = ["roles-by-id", &whole.id, "composites", "realm"];
            let url = self.admin_api()?.resource(path);
            let reply = self.listed(&url, &format!("role {}", whole.name)).await?;
            for part in parts(&reply)? {
                wholes.entry(part.name).or_default().push(whole.name.clone());
            }
        }
        Ok(wholes)
    }

    /// Groups whose members have this role by being in them.
    async fn groups_with(&self, role: &str) -> Result<BTreeSet<String>, Outage> {
        let what = format!("groups with the role {role}");
        let mut open: Vec<String> = Vec::new();
        open.extend(
            self.parts(["roles", role, "groups"], &what).await?.into_iter().map(|one| one.id),
        );
        let mut found = BTreeSet::new();
        while let Some(id) = open.pop() {
            // Whoever is in a group below has it, too.
            let below = self.parts(["groups", &id, "children"], &what).await?;
            if found.insert(id) {
                open.extend(below.into_iter().map(|one| one.id));
            }
            if found.len() > MAX_PARTS {
                return Err(too_many(&format!("more than {MAX_PARTS} {what}")));
            }
        }
        Ok(found)
    }

    /// All people of a list of members; `before` are others that are kept.
    async fn members<const N: usize>(&self, path: [&str; N], before: usize) -> Result<Ids, Outage> {
        let url = self.admin_api()?.resource(path);
        let what = format!("{} {}", path[0].trim_end_matches('s'), path[1]);
        let mut listing = Listing::default();
        let mut found = Ids::default();
        loop {
            let page = self.page(&url, &listing, &what).await;
            let page = page.and_then(|reply| ids(&reply));
            match listing.take(page, &|id| found.has(id), String::as_str)? {
                Turn::Page(page) => page.iter().for_each(|id| _ = found.add(id)),
                Turn::Again => {}
                Turn::End => return Ok(found),
            }
            if before + found.len() > MAX_MEMBERS {
                let most = format!("more than {MAX_MEMBERS} members of groups and roles");
                return Err(too_many(&most));
            }
        }
    }

    /// All groups or roles of a list.
    async fn parts<const N: usize>(
        &self,
        path: [&str; N],
        what: &str,
    ) -> Result<Vec<Part>, Outage> {
        let url = self.admin_api()?.resource(path);
        let mut listing = Listing::default();
        let mut found: BTreeMap<String, Part> = BTreeMap::new();
        loop {
            let page = self.page(&url, &listing, what).await;
            let page = page.and_then(|reply| parts(&reply));
            match listing.take(page, &|id| found.contains_key(id), |part: &Part| &part.id)? {
                Turn::Page(page) => {
                    found.extend(page.into_iter().map(|part| (part.id.clone(), part)));
                }
                Turn::Again => {}
                Turn::End => return Ok(found.into_values().collect()),
            }
            if found.len() > MAX_PARTS {
                return Err(too_many(&format!("more than {MAX_PARTS} of {what}")));
            }
        }
    }

    async fn page(&self, url: &Url, listing: &Listing, what: &str) -> Result<Reply, Outage> {
        let (first, size) = listing.place();
        self.listed(&page_of(url.clone(), first, size, "true"), what).await
    }

    /// The answer about `what`, which must be there and visible.
    async fn listed(&self, url: &Url, what: &str) -> Result<Reply, Outage> {
        let deadline = Instant::now() + PATIENCE;
        let (reply, _) = self.admin(Endpoint::Listing, url, deadline).await?;
        match reply.status {
            200 => Ok(reply),
            403 => {
                let detail = format!(
                    "our client may not see {what} (attribute_mapping): groups take the role \
                     view-users, roles take view-realm, too ({}: status 403)",
                    reply.asked
                );
                Err(Outage::new(OutageCause::Rights, detail))
            }
            404 if names_nothing(&reply) => {
                let detail = format!("attribute_mapping: the realm has no {what}");
                Err(Outage::new(OutageCause::Settings, detail))
            }
            404 | 405 => Err(reply.no_such_endpoint()),
            _ => Err(reply.unusable()),
        }
    }
}

/// Whether a 404 is Keycloak's own word.
fn names_nothing(reply: &Reply) -> bool {
    reply.object().is_ok_and(|object| object.contains_key("error"))
}

fn too_many(what: &str) -> Outage {
    Outage::new(OutageCause::Malformed, what)
}

/// The role, and those of which it is part, whatever lies between.
fn with_wholes(name: &str, wholes: &BTreeMap<String, Vec<String>>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![name.to_owned()];
    while let Some(role) = open.pop() {
        open.extend(wholes.get(&role).into_iter().flatten().cloned());
        if !found.insert(role) {
            open.retain(|role| !found.contains(role));
        }
    }
    found
}

/// Ids of the people in a list.
fn ids(reply: &Reply) -> Result<Vec<String>, Outage> {
    let wrong = || reply.malformed("no list of people");
    let all = reply.list()?;
    all.iter()
        .map(|one| Ok(one.get("id").and_then(Value::as_str).ok_or_else(wrong)?.to_owned()))
        .collect()
}

fn parts(reply: &Reply) -> Result<Vec<Part>, Outage> {
    let wrong = || reply.malformed("no list of groups or roles");
    let all = reply.list()?;
    all.iter()
        .map(|one| {
            let one = one.as_object().ok_or_else(wrong)?;
            let of = |name| Ok(text(one, name, reply)?.ok_or_else(wrong)?.to_owned());
            let is_composite = super::keycloak::flag(one, "composite", reply)?.unwrap_or(false);
            Ok(Part { id: of("id")?, name: of("name")?, is_composite })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_comes_with_those_of_which_it_is_part() {
        let of = |wholes: &[(&str, &[&str])]| -> String {
            let texts = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
            let wholes = wholes.iter().map(|(part, all)| ((*part).to_owned(), texts(all)));
            with_wholes("mail", &wholes.collect()).into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(&[]), "mail");
        assert_eq!(of(&[("other", &["staff"])]), "mail");
        assert_eq!(
            of(&[("mail", &["staff", "board"]), ("staff", &["all"])]),
            "all board mail staff"
        );
        // Keycloak lets roles be part of each other.
        assert_eq!(of(&[("mail", &["staff", "mail"]), ("staff", &["mail"])]), "mail staff");
    }

    #[test]
    fn what_the_mapping_does_not_go_by_is_not_told() {
        let mut memberships = Memberships::default();
        let mut ann = Profile { subject: "ann".to_owned(), ..Profile::default() };
        memberships.tell(&mut ann);
        assert_eq!((&ann.groups, &ann.roles), (&None, &None));
        let mut board = Ids::default();
        board.add("ann");
        memberships.groups =
            [("/board".to_owned(), board), ("/other".to_owned(), Ids::default())].into();
        memberships.tell(&mut ann);
        assert_eq!((&ann.groups, &ann.roles), (&Some(vec!["/board".to_owned()]), &None));
        let mut bob = Profile { subject: "bob".to_owned(), ..Profile::default() };
        memberships.tell(&mut bob);
        assert_eq!(bob.groups, Some(Vec::new()));
    }
}
