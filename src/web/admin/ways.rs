//! What the pages of mailboxes, domains and logins have in common: addresses of pages,
//! fields, and who may check passwords.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::super::{
    State,
    inputs::{Choice, Control, Filled, Input},
    page::Faults,
    shown::{self, quota},
    texts::Texts,
    trouble::Trouble,
    visit::Administrator,
};
use crate::{
    api::{Code, Page, Paging, directories, domains, providers},
    mailbox::{DomainName, MailboxState, Quota, Service, Services},
};

/// What stands in an address as it is, so that people can read it.
const OPAQUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'@').remove(b'.').remove(b'-').remove(b'_');
/// Most domains that a field offers.
const MOST_DOMAINS: usize = 1000;

/// The address of a page, by the segments of its path.
pub(super) fn way(segments: &[&str]) -> String {
    segments.iter().fold(String::new(), |way, segment| {
        format!("{way}/{}", utf8_percent_encode(segment, OPAQUE))
    })
}

/// The address of a page with a query.
pub(super) fn asking(path: &str, query: &impl Serialize) -> String {
    match serde_html_form::to_string(query) {
        Ok(query) if !query.is_empty() => format!("{path}?{query}"),
        _ => path.to_owned(),
    }
}

/// What the API refuses, for the form; other trouble is the page's.
pub(super) fn refusal(trouble: Trouble, fields: &[&str]) -> Result<Faults, Trouble> {
    match trouble {
        Trouble::Api(problem) if problem.code == Code::Changed => {
            Ok(Faults::one("", Texts::english().s("changed-meanwhile")))
        }
        Trouble::Api(problem) => Ok(Faults::of(&problem, fields)),
        other => Err(other),
    }
}

/// A field of one line.
pub(super) fn line(key: &str, label: String, help: String, filled: &Filled) -> Input {
    of_kind("text", key, label, help, filled)
}

/// A field of one line, of this type.
pub(super) fn of_kind(
    kind: &'static str,
    key: &str,
    label: String,
    help: String,
    filled: &Filled,
) -> Input {
    // What is secret does not come back, not even to who typed it.
    let value = if kind == "password" { "" } else { filled.text(key) };
    let control = Control::Line { kind, value: value.to_owned() };
    Input { key: key.to_owned(), label, help, code: "", control }
}

/// A field of several lines.
pub(super) fn lines(key: &str, label: String, help: String, filled: &Filled) -> Input {
    let control = Control::Lines(filled.text(key).to_owned());
    Input { key: key.to_owned(), label, help, code: "", control }
}

/// A mark.
pub(super) fn switch(key: &str, label: String, help: String, filled: &Filled) -> Input {
    let control = Control::Switch(filled.is_on(key));
    Input { key: key.to_owned(), label, help, code: "", control }
}

/// One of several: values with what they are called.
pub(super) fn choice(
    key: &str,
    label: String,
    help: String,
    values: impl IntoIterator<Item = (String, String)>,
    filled: &Filled,
) -> Input {
    let choices =
        values.into_iter().map(|(value, label)| Choice::new(&value, label, filled.text(key)));
    let control = Control::Choice(choices.collect());
    Input { key: key.to_owned(), label, help, code: "", control }
}

/// Any of several.
pub(super) fn choices(
    key: &str,
    label: String,
    help: String,
    values: impl IntoIterator<Item = (String, String)>,
    filled: &Filled,
) -> Input {
    let choices = values.into_iter().map(|(value, label)| {
        let is_chosen = filled.all(key).any(|chosen| chosen == value);
        Choice { value, label, is_chosen }
    });
    let control = Control::Choices(choices.collect());
    Input { key: key.to_owned(), label, help, code: "", control }
}

/// The services, as people know them.
pub(super) fn services(t: &Texts) -> Vec<(String, String)> {
    let named = |service: Service| (service.name().to_owned(), shown::service(t, service));
    Service::ALL.into_iter().map(named).collect()
}

/// The states of a mailbox, as people know them.
pub(super) fn states(t: &Texts) -> Vec<(String, String)> {
    let named = |state: MailboxState| (state.name().to_owned(), state_words(t, state));
    [MailboxState::Active, MailboxState::ReceiveOnly, MailboxState::Disabled].map(named).into()
}

/// A state, as people know it.
pub(super) fn state_words(t: &Texts, state: MailboxState) -> String {
    match state {
        MailboxState::Active => t.s("state-active"),
        MailboxState::ReceiveOnly => t.s("state-receive-only"),
        MailboxState::Disabled => t.s("state-disabled"),
    }
}

/// The services of a password, as people know them.
pub(super) fn services_words(t: &Texts, services: Services) -> String {
    match services {
        Services::ALL => t.s("services-all"),
        Services::NONE => t.s("services-none"),
        some => some.to_string(),
    }
}

/// Who checks passwords, as people know it.
pub(super) fn source_words(t: &Texts, source: &str) -> String {
    if source == "local" { t.s("source-local") } else { source.to_owned() }
}

/// A limit that may be left to the domain.
pub(super) fn quota_words(t: &Texts, of_mailbox: Option<Quota>) -> String {
    of_mailbox.map_or_else(|| t.s("quota-of-domain"), quota)
}

/// A limit that was typed; `None` where the field is empty.
pub(super) fn typed_quota(
    t: &Texts,
    key: &str,
    filled: &Filled,
    faults: &mut Faults,
) -> Option<Quota> {
    let text = filled.text(key);
    if text.is_empty() {
        return None;
    }
    let quota = text.parse().ok();
    if quota.is_none() {
        faults.add(key, t.s("quota-wrong"));
    }
    quota
}

/// The domains that he administers, with names alone.
pub(super) async fn domains(
    state: &State,
    administrator: &Administrator,
) -> Result<Vec<DomainName>, Trouble> {
    let paging = Paging { after: None, limit: Some(MOST_DOMAINS) };
    let page: Page<domains::View> =
        state.desk.look_up(&administrator.caller, &["domains"], &paging).await?;
    Ok(page.items.into_iter().map(|view| view.name).collect())
}

/// Who may check passwords of mailboxes of this domain, or of any: value and name of each.
pub(super) async fn sources(
    state: &State,
    administrator: &Administrator,
    domain: Option<&domains::View>,
) -> Result<Vec<(String, String)>, Trouble> {
    let caller = administrator.caller.clone();
    let mut names = Vec::new();
    if let Some(domain) = domain {
        names.extend(domain.provider.as_ref().map(ToString::to_string));
    } else {
        let all: Page<providers::View> = state.desk.get(&caller, &["providers"]).await?;
        names.extend(all.items.into_iter().map(|view| view.name.to_string()));
    }
    if administrator.has_everything() {
        let all: Page<directories::View> = state.desk.get(&caller, &["directories"]).await?;
        let speak = all.items.into_iter().filter(|directory| {
            domain.is_none_or(|domain| directory.domains.contains(&domain.name))
        });
        names.extend(speak.map(|view| view.name.to_string()));
    }
    let t = Texts::english();
    let local = ("local".to_owned(), t.s("source-local"));
    Ok([local].into_iter().chain(names.into_iter().map(|name| (name.clone(), name))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_to_another_page() {
        assert_eq!(
            way(&["admin", "mailboxes", "ann@example.org"]),
            "/admin/mailboxes/ann@example.org"
        );
        assert_eq!(way(&["a", "b/../c?d#e%20f"]), "/a/b%2F..%2Fc%3Fd%23e%2520f");
        assert_eq!(
            asking("/admin/logins", &[("address", "a&b=c@example.org")]),
            "/admin/logins?address=a%26b%3Dc%40example.org"
        );
    }
}
