//! Keycloak's Admin REST API: the person who has an address, and the hash of
//! the main password that stands among his attributes (the Mailpassword Flow).
//!
//! It is asked with a token of our own client, so a 401 or 403 here speaks of
//! that and never of the person. An account without the role `view-users` may
//! hear `200 []` whatever is asked: an empty answer is believed only from a
//! token that was seen to show people.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::header::HeaderValue;
use serde_json::{Map, Value};
use url::Url;

use super::{
    Outage, OutageCause, Provider,
    http::{Endpoint, Reply, Request},
    introspection::{self, without_secret},
    service_token::Ticket,
    settings, token,
    words::printable,
};
use crate::mailbox::{PasswordHash, Profile, provisioning::MappedBy};

/// Longest look-up altogether: Postfix gives up after 10 s.
const LIMIT: Duration = Duration::from_secs(9);
/// Longest hash, in bytes. The longest that anybody makes has some 200.
const MAX_HASH_BYTES: usize = 1024;
/// Longest id that anybody is asked for by; Keycloak's have 36, those of people
/// from elsewhere some more.
pub(super) const MAX_ID_BYTES: usize = 512;

/// Who has an address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LookedUp {
    /// This person.
    Person(Box<Person>),
    /// Nobody.
    Nobody,
    /// More than one.
    Several,
}

/// A person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Person {
    /// Who he is.
    pub profile: Profile,
    /// What his password is compared with.
    pub mailpassword: Mailpassword,
}

/// What stands in the attribute.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mailpassword {
    /// One value. It may still be no hash.
    Hash(PasswordHash),
    /// Nothing, or an empty text.
    Missing,
    /// More than one value.
    Several,
    /// More than any hash has.
    TooLong,
}

impl Provider {
    /// Who has `address`. What Keycloak finds counts only where `is_it` says so
    /// of the person's address: a search may find others, too. Takes no longer
    /// than the settings' time limits allow (9 s for all requests together).
    ///
    /// # Errors
    /// It could not be asked, or does not let us see people.
    pub async fn look_up(
        &self,
        address: &str,
        is_it: impl Fn(&str) -> bool,
    ) -> Result<LookedUp, Outage> {
        let deadline = Instant::now() + LIMIT;
        let found = self.found(address, is_it, deadline).await;
        found.map_err(|outage| self.clean(outage))
    }

    /// The person of this id; `None` if there is none such any more, by the word of
    /// a provider that was seen to show people. Takes no longer than
    /// [`Provider::look_up`].
    ///
    /// # Errors
    /// It could not be asked, or does not let us see people; or `subject` is no
    /// id that anybody can be asked for by.
    pub async fn look_up_by_id(&self, subject: &str) -> Result<Option<Person>, Outage> {
        check_id(subject)?;
        let deadline = Instant::now() + LIMIT;
        let found = self.found_by_id(subject, deadline).await;
        found.map_err(|outage| self.clean(outage))
    }

    /// `profile` with what the mapping goes by and it does not tell: a search shows
    /// neither groups nor roles, and a token what its client's mappers write. Nothing
    /// is asked for that is told already. Takes no longer than [`Provider::look_up`].
    ///
    /// # Errors
    /// As [`Provider::look_up_by_id`].
    pub async fn complete(&self, mut profile: Profile) -> Result<Profile, Outage> {
        check_id(&profile.subject)?;
        let provisioning = &self.settings().provisioning;
        let by_value = provisioning.mapping.iter().any(|one| matches!(one.by, MappedBy::Value(_)));
        if profile.template_values.is_none() && by_value {
            let person = self.look_up_by_id(&profile.subject).await?;
            // A signature does not show what became of him.
            profile.enabled &= person.as_ref().is_some_and(|person| person.profile.enabled);
            profile.template_values = person.and_then(|person| person.profile.template_values);
        }
        let deadline = Instant::now() + LIMIT;
        if profile.groups.is_none() && provisioning.groups().next().is_some() {
            let groups = self.listed_of(&profile.subject, &["groups"], "path", deadline).await;
            profile.groups = Some(groups.map_err(|outage| self.clean(outage))?);
        }
        if profile.roles.is_none() && provisioning.roles().next().is_some() {
            // With those that come by way of others and of groups.
            let path = ["role-mappings", "realm", "composite"];
            let roles = self.listed_of(&profile.subject, &path, "name", deadline).await;
            profile.roles = Some(roles.map_err(|outage| self.clean(outage))?);
        }
        Ok(profile)
    }

    /// Texts of the member `name` in a list of what a person has.
    async fn listed_of(
        &self,
        subject: &str,
        path: &[&str],
        name: &str,
        deadline: Instant,
    ) -> Result<Vec<String>, Outage> {
        let segments = ["users", subject].into_iter().chain(path.iter().copied());
        let query = [("briefRepresentation", "true")];
        let url = with_query(self.admin_api()?.resource(segments), &query);
        let (reply, ticket) = self.admin(Endpoint::Users, &url, deadline).await?;
        self.granted(&reply, &ticket)?;
        let wrong = || reply.malformed(format!("no list of what has a {name}"));
        let all = reply.list()?;
        all.iter()
            .map(|one| Ok(one.get(name).and_then(Value::as_str).ok_or_else(wrong)?.to_owned()))
            .collect()
    }

    async fn found_by_id(
        &self,
        subject: &str,
        deadline: Instant,
    ) -> Result<Option<Person>, Outage> {
        let url = self.admin_api()?.resource(["users", subject]);
        let (reply, ticket) = self.admin(Endpoint::Users, &url, deadline).await?;
        if reply.status == 404 && says_no_such_person(&reply) {
            self.prove(&ticket, deadline).await?;
            return Ok(None);
        }
        self.granted(&reply, &ticket)?;
        let mut person = self.person(&reply.object()?, &reply)?;
        if person.profile.subject != subject {
            return Err(reply.malformed("it answers with another person"));
        }
        ticket.has_seen_people();
        if !person.profile.enabled {
            person.profile.enabled = self.quirk_is_only_locked_out(subject, deadline).await?;
        }
        Ok(Some(person))
    }

    /// Keycloak 26.2.5 calls somebody disabled who is locked out for a while since
    /// his password was guessed at, but only where he is asked for by his id: a
    /// search shows what an administrator has set. If that were believed, anybody
    /// who knows a name could stop that person's devices.
    async fn quirk_is_only_locked_out(
        &self,
        subject: &str,
        deadline: Instant,
    ) -> Result<bool, Outage> {
        let id = format!("id:{subject}");
        let query = [("search", id.as_str()), ("briefRepresentation", "true")];
        let url = with_query(self.admin_api()?.resource(["users"]), &query);
        let (reply, ticket) = self.admin(Endpoint::Users, &url, deadline).await?;
        let people = self.people(&reply, &ticket)?;
        let same = people.iter().filter_map(Value::as_object);
        let mut same = same.filter(|person| person.get("id").is_some_and(|id| id == subject));
        match (same.next(), same.next()) {
            (Some(person), None) => is_enabled(person, &reply),
            _ => Ok(false),
        }
    }

    /// Whether our client may see people, by a token of its own.
    pub(super) async fn sees_people(&self, deadline: Instant) -> Result<(), Outage> {
        let asked = async {
            let ticket = self.ticket(None, deadline).await?;
            self.prove(&ticket, deadline).await
        };
        asked.await.map_err(|outage| self.clean(outage))
    }

    async fn found(
        &self,
        address: &str,
        is_it: impl Fn(&str) -> bool,
        deadline: Instant,
    ) -> Result<LookedUp, Outage> {
        let query = [("email", address), ("exact", "true"), ("briefRepresentation", "false")];
        let url = with_query(self.admin_api()?.resource(["users"]), &query);
        let (reply, ticket) = self.admin(Endpoint::Users, &url, deadline).await?;
        let people = self.people(&reply, &ticket)?;
        let mut same = Vec::new();
        for person in &people {
            let person = person.as_object().ok_or_else(|| reply.malformed("no list of people"))?;
            let email = text(person, "email", &reply)?;
            if email.is_some_and(&is_it) {
                same.push(person);
            }
        }
        match same[..] {
            [] => {
                if people.is_empty() {
                    self.prove(&ticket, deadline).await?;
                }
                Ok(LookedUp::Nobody)
            }
            [person] => Ok(LookedUp::Person(self.person(person, &reply)?.into())),
            _ => Ok(LookedUp::Several),
        }
    }

    /// An outage unless this token shows people.
    pub(super) async fn prove(
        &self,
        ticket: &Arc<Ticket>,
        deadline: Instant,
    ) -> Result<(), Outage> {
        if ticket.sees_people() {
            return Ok(());
        }
        let query = [("first", "0"), ("max", "1"), ("briefRepresentation", "true")];
        let url = with_query(self.admin_api()?.resource(["users"]), &query);
        let reply = self.ask(request(Endpoint::Users, &url, ticket), deadline).await?;
        if !self.people(&reply, ticket)?.is_empty() {
            return Ok(());
        }
        let detail = format!(
            "{}: our client sees nobody at all: its service account lacks the role view-users, or \
             the realm has no people",
            reply.asked
        );
        Err(self.blind(ticket, detail))
    }

    /// Asks with our client's token, and once more with a new one where it is
    /// refused.
    pub(super) async fn admin(
        &self,
        endpoint: Endpoint,
        url: &Url,
        deadline: Instant,
    ) -> Result<(Reply, Arc<Ticket>), Outage> {
        let ticket = self.ticket(None, deadline).await?;
        let reply = self.ask(request(endpoint, url, &ticket), deadline).await?;
        if reply.status != 401 {
            return Ok((reply, ticket));
        }
        let ticket = self.ticket(Some(&ticket), deadline).await?;
        let reply = self.ask(request(endpoint, url, &ticket), deadline).await?;
        Ok((reply, ticket))
    }

    /// The list in an answer to what was asked with `ticket`.
    pub(super) fn people(&self, reply: &Reply, ticket: &Ticket) -> Result<Vec<Value>, Outage> {
        self.granted(reply, ticket)?;
        let people = reply.list()?;
        if !people.is_empty() {
            ticket.has_seen_people();
        }
        Ok(people)
    }

    /// An outage unless what was asked with `ticket` was answered.
    pub(super) fn granted(&self, reply: &Reply, ticket: &Ticket) -> Result<(), Outage> {
        match reply.status {
            200 => Ok(()),
            401 => {
                let detail =
                    format!("{}: status 401: the token of our client is refused", reply.asked);
                Err(Outage::new(OutageCause::Credentials, detail))
            }
            403 => {
                let detail = format!(
                    "{}: status 403: the service account of our client lacks the role view-users",
                    reply.asked
                );
                Err(self.blind(ticket, detail))
            }
            404 | 405 => Err(reply.no_such_endpoint()),
            _ => Err(reply.unusable()),
        }
    }

    /// Our own mistake, which nobody would notice by what users hear of it.
    fn blind(&self, ticket: &Ticket, detail: String) -> Outage {
        if ticket.complain() {
            let provider = &self.settings().name;
            tracing::error!(%provider, detail, "main passwords cannot be checked");
        }
        Outage::new(OutageCause::Rights, detail)
    }

    async fn ticket(
        &self,
        refused: Option<&Arc<Ticket>>,
        deadline: Instant,
    ) -> Result<Arc<Ticket>, Outage> {
        self.service.get(refused, deadline, async || self.new_ticket(deadline).await).await
    }

    /// RFC 6749 §4.4.
    async fn new_ticket(&self, deadline: Instant) -> Result<Ticket, Outage> {
        let url = &self.admin_api()?.token;
        let client = self.settings().client.as_ref().ok_or_else(no_client)?;
        let asked = Instant::now();
        let fields = [("grant_type", "client_credentials")];
        let request = introspection::by_client(Endpoint::Token, url, client, &fields);
        let reply = self.ask(request, deadline).await?;
        match reply.status {
            200 => {}
            400 | 401 | 403 => return Err(no_token(&reply)),
            404 | 405 => return Err(reply.no_such_endpoint()),
            _ => return Err(reply.unusable()),
        }
        let answer = reply.object()?;
        let token = answer.get("access_token").and_then(Value::as_str);
        let token = token.and_then(|text| token::text(text.as_bytes()));
        let token = token.ok_or_else(|| reply.malformed("it has no access_token"))?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
            .expect("a token by RFC 6750 is plain ASCII");
        bearer.set_sensitive(true);
        let lifetime = answer.get("expires_in").and_then(Value::as_u64).map(Duration::from_secs);
        Ok(Ticket::new(bearer, asked, lifetime))
    }

    pub(super) fn admin_api(&self) -> Result<&settings::AdminApi, Outage> {
        self.settings().admin.as_ref().ok_or_else(no_client)
    }

    fn person(&self, person: &Map<String, Value>, reply: &Reply) -> Result<Person, Outage> {
        let settings = self.settings();
        let mailpassword = match &settings.password_attribute {
            Some(attribute) => mailpassword(person, attribute, reply)?,
            // Where nobody asks for the hash, none is found.
            None => Mailpassword::Missing,
        };
        let profile = profile(person, &settings.provisioning.template_attribute, reply)?;
        Ok(Person { profile, mailpassword })
    }

    pub(super) fn clean(&self, outage: Outage) -> Outage {
        let Some(client) = &self.settings().client else { return outage };
        Outage { detail: without_secret(&outage.detail, client), ..outage }
    }
}

/// Whether somebody can be asked for by this id.
fn check_id(subject: &str) -> Result<(), Outage> {
    // The dots would vanish from the path, and leave that of another resource.
    if matches!(subject, "" | "." | "..") || subject.len() > MAX_ID_BYTES {
        return Err(Outage::new(OutageCause::Malformed, "that is no id of a person"));
    }
    Ok(())
}

/// Whether a 404 is Keycloak's word on the person. A proxy whose server is away
/// says 404, too, and a realm that is not there, and nobody is gone by that.
fn says_no_such_person(reply: &Reply) -> bool {
    let said = reply.object().ok();
    let word = said.as_ref().and_then(|object| object.get("error")?.as_str());
    word.is_some_and(|word| word.eq_ignore_ascii_case("user not found"))
}

fn request<'a>(endpoint: Endpoint, url: &'a Url, ticket: &Ticket) -> Request<'a> {
    let mut request = Request::get(endpoint, url);
    request.authorization = Some(ticket.bearer.clone());
    request
}

pub(super) fn with_query(mut url: Url, query: &[(&str, &str)]) -> Url {
    url.query_pairs_mut().extend_pairs(query);
    url
}

fn no_client() -> Outage {
    let detail = "people are asked about at a keycloak alone, with client_id and client_secret";
    Outage::new(OutageCause::Settings, detail)
}

/// Our client gets no token.
fn no_token(reply: &Reply) -> Outage {
    let said = reply.object().ok();
    let word = |name: &str| {
        let text = said.as_ref().and_then(|object| object.get(name)?.as_str());
        text.map(printable).unwrap_or_default()
    };
    let detail = format!(
        "{} (status {}: {} {}): our client gets no token of its own",
        reply.asked,
        reply.status,
        word("error"),
        word("error_description")
    );
    Outage::new(OutageCause::Credentials, detail)
}

/// Who somebody is; `attribute` names his template.
pub(super) fn profile(
    person: &Map<String, Value>,
    attribute: &str,
    reply: &Reply,
) -> Result<Profile, Outage> {
    let subject = text(person, "id", reply)?;
    let fit =
        |id: &&str| !id.is_empty() && id.len() <= MAX_ID_BYTES && !id.chars().any(char::is_control);
    let subject = subject.filter(fit).ok_or_else(|| reply.malformed("a person without an id"))?;
    let names = [text(person, "firstName", reply)?, text(person, "lastName", reply)?];
    let names: Vec<&str> = names.into_iter().flatten().map(str::trim).collect();
    let values = attribute_values(person, attribute, reply)?;
    Ok(Profile {
        further_emails: Vec::new(),
        subject: subject.to_owned(),
        enabled: is_enabled(person, reply)?,
        email: text(person, "email", reply)?.map(str::to_owned),
        email_is_verified: flag(person, "emailVerified", reply)?.unwrap_or(false),
        name: names.join(" ").trim().to_owned(),
        template_values: Some(values.into_iter().map(str::to_owned).collect()),
        groups: None,
        roles: None,
        own: None,
    })
}

fn is_enabled(person: &Map<String, Value>, reply: &Reply) -> Result<bool, Outage> {
    let enabled = flag(person, "enabled", reply)?;
    enabled.ok_or_else(|| reply.malformed("it does not say whether the person is enabled"))
}

fn mailpassword(
    person: &Map<String, Value>,
    attribute: &str,
    reply: &Reply,
) -> Result<Mailpassword, Outage> {
    Ok(match attribute_values(person, attribute, reply)?[..] {
        [] | [""] => Mailpassword::Missing,
        [text] if text.len() > MAX_HASH_BYTES => Mailpassword::TooLong,
        [text] => Mailpassword::Hash(text.to_owned().into()),
        _ => Mailpassword::Several,
    })
}

fn attribute_values<'a>(
    person: &'a Map<String, Value>,
    attribute: &str,
    reply: &Reply,
) -> Result<Vec<&'a str>, Outage> {
    let wrong = || reply.malformed("attributes are no lists of texts");
    // Without any, the member is missing.
    let attributes = match person.get("attributes") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(attributes) => attributes.as_object().ok_or_else(wrong)?,
    };
    let Some(values) = attributes.get(attribute) else { return Ok(Vec::new()) };
    let values = values.as_array().ok_or_else(wrong)?.iter();
    values.map(|value| value.as_str().ok_or_else(wrong)).collect()
}

pub(super) fn flag(
    person: &Map<String, Value>,
    name: &str,
    reply: &Reply,
) -> Result<Option<bool>, Outage> {
    match person.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(reply.malformed(format!("{name} is neither true nor false"))),
    }
}

pub(super) fn text<'a>(
    person: &'a Map<String, Value>,
    name: &str,
    reply: &Reply,
) -> Result<Option<&'a str>, Outage> {
    match person.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(reply.malformed(format!("{name} is no text"))),
    }
}
