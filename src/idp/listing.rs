//! Everybody whom a Keycloak has, page by page (`GET users?first&max`).
//!
//! `first` is an offset, so people who come and go meanwhile shift the pages.
//! Who is listed twice is known by his id. So that nobody falls between two
//! pages, each begins with the last person of the one before: if none of a page
//! was seen before, more people went than the overlap holds, and the listing
//! goes back by a page. Somebody who changes his place in the list himself can
//! still be missed; so being missing here is a reason to ask for him by his id,
//! and nothing more.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use serde_json::Value;
use url::Url;

use super::{
    Outage, OutageCause, Provider,
    http::{Endpoint, Reply},
    keycloak::{profile, with_query},
};
use crate::mailbox::Profile;

/// People of one page. Keycloak 26.2.5 takes 24 s for 17,000 by a hundred, 20 s by
/// five hundred, and 55 s by two thousand.
const PAGE: usize = 100;
/// Longest wait for a page with all that it needs, such as a token.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// How often one listing goes back.
const MAX_STEPS_BACK: u32 = 1000;

/// People, each by a digest of his id: so few bytes that all of a realm's can be
/// kept.
#[derive(Clone, Debug, Default)]
pub struct Ids(HashSet<[u8; 16]>);

impl Ids {
    fn digest(subject: &str) -> [u8; 16] {
        let digest = blake3::hash(subject.as_bytes());
        *digest.as_bytes().first_chunk().expect("a digest has 32 bytes")
    }

    /// Whether he is among them.
    pub fn has(&self, subject: &str) -> bool {
        self.0.contains(&Self::digest(subject))
    }

    /// Whether he was not there before.
    pub fn add(&mut self, subject: &str) -> bool {
        self.0.insert(Self::digest(subject))
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These as well.
    pub(super) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }
}

/// How far a listing is.
#[derive(Clone, Debug)]
pub struct Listing {
    first: usize,
    size: usize,
    /// The page begins with somebody who was seen already.
    overlaps: bool,
    steps_back: u32,
}

impl Default for Listing {
    fn default() -> Self {
        Self { first: 0, size: PAGE, overlaps: false, steps_back: 0 }
    }
}

/// What comes of a page.
pub(super) enum Turn<T> {
    /// These are next.
    Page(Vec<T>),
    /// It has to be asked for again, in another way.
    Again,
    /// There are no more.
    End,
}

impl Listing {
    /// From which one on the next page is asked for, and how many.
    pub(super) fn place(&self) -> (usize, usize) {
        (self.first, self.size)
    }

    /// Goes by what came of that. `id` is that by which `seen` knows what came
    /// before.
    pub(super) fn take<T>(
        &mut self,
        page: Result<Vec<T>, Outage>,
        seen: &(dyn Fn(&str) -> bool + Sync),
        id: impl Fn(&T) -> &str,
    ) -> Result<Turn<T>, Outage> {
        match page {
            // What cannot be read or waited for at once may be in pieces.
            Err(outage)
                if matches!(outage.cause, OutageCause::Malformed | OutageCause::Slow)
                    && self.shrink() =>
            {
                Ok(Turn::Again)
            }
            Err(outage) => Err(outage),
            Ok(page) if self.overlaps && !page.iter().any(|one| seen(id(one))) => {
                if self.step_back() {
                    return Ok(Turn::Again);
                }
                let detail = "people come and go faster than they can be listed";
                Err(Outage::new(OutageCause::Slow, detail))
            }
            Ok(page) if page.is_empty() => Ok(Turn::End),
            Ok(page) => {
                self.go_on(page.len());
                Ok(Turn::Page(page))
            }
        }
    }

    /// Asks for less at a time, if that is possible.
    fn shrink(&mut self) -> bool {
        let can = self.size > 2;
        self.size = (self.size / 2).max(2);
        can
    }

    /// False if it has gone back too often.
    fn step_back(&mut self) -> bool {
        self.first = self.first.saturating_sub(self.size - 1);
        self.overlaps = self.first > 0;
        self.steps_back += 1;
        self.steps_back <= MAX_STEPS_BACK
    }

    fn go_on(&mut self, came: usize) {
        // A page that is not full is the last one, or people on it are hidden from
        // us; what the next page begins with is not known then.
        self.overlaps = came == self.size;
        self.first += if self.overlaps { self.size - 1 } else { self.size };
        self.size = (self.size * 2).min(PAGE);
    }
}

impl Provider {
    /// The next people of a listing; `None` at its end. Who was on a page before,
    /// by the word of `seen`, may come again.
    ///
    /// # Errors
    /// They cannot be asked for, or our client may not see people.
    pub async fn list_people(
        &self,
        listing: &mut Listing,
        seen: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Option<Vec<Profile>>, Outage> {
        loop {
            let (first, size) = listing.place();
            let page = self.people_page(first, size).await;
            match listing.take(page, seen, |person| &person.subject)? {
                Turn::Page(page) => return Ok(Some(page)),
                Turn::Again => {}
                Turn::End => return Ok(None),
            }
        }
    }

    /// How many people there are, for a progress bar.
    ///
    /// # Errors
    /// It cannot be asked for.
    pub async fn count_people(&self) -> Result<u64, Outage> {
        let deadline = Instant::now() + PATIENCE;
        let counted = async {
            let url = self.admin_api()?.resource(["users", "count"]);
            let (reply, ticket) = self.admin(Endpoint::Listing, &url, deadline).await?;
            self.granted(&reply, &ticket)?;
            let number = std::str::from_utf8(&reply.body).ok();
            let number = number.and_then(|text| text.trim().parse().ok());
            number.ok_or_else(|| reply.malformed("no number of people"))
        };
        counted.await.map_err(|outage| self.clean(outage))
    }

    async fn people_page(&self, first: usize, size: usize) -> Result<Vec<Profile>, Outage> {
        let deadline = Instant::now() + PATIENCE;
        let page = async {
            let url = page_of(self.admin_api()?.resource(["users"]), first, size, "false");
            let (reply, ticket) = self.admin(Endpoint::Listing, &url, deadline).await?;
            let people = self.people(&reply, &ticket)?;
            if people.is_empty() {
                self.prove(&ticket, deadline).await?;
            }
            let attribute = &self.settings().provisioning.template_attribute;
            let people = people.iter().map(|person| read(person, attribute, &reply));
            people.collect::<Result<Vec<_>, Outage>>()
        };
        page.await.map_err(|outage| self.clean(outage))
    }
}

/// The address of a page, brief or not.
pub(super) fn page_of(url: Url, first: usize, size: usize, brief: &str) -> Url {
    let (first, size) = (first.to_string(), size.to_string());
    with_query(url, &[("first", &first), ("max", &size), ("briefRepresentation", brief)])
}

fn read(person: &Value, attribute: &str, reply: &Reply) -> Result<Profile, Outage> {
    let person = person.as_object().ok_or_else(|| reply.malformed("no list of people"))?;
    profile(person, attribute, reply)
}
