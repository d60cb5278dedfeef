//! "What would this person get?", by the mapping as it is now.

use axum::{
    Router,
    extract::{Path, State as Shared},
    http::Method,
    response::Response,
    routing::get,
};
use serde::Deserialize;
use serde_json::json;

use super::super::{
    super::{
        State,
        page::{Faults, Frame, Section, render, render_again},
        texts::Texts,
        trouble::Trouble,
        visit::{Administrator, Posted},
    },
    ways::{quota_words, services_words, state_words},
};
use crate::{
    api::preview::{Outcome, View},
    mailbox::ProviderName,
};

pub(super) fn router() -> Router<State> {
    Router::new().route("/admin/try/{name}", get(ask).post(show))
}

#[derive(askama::Template)]
#[template(path = "admin/preview.html")]
struct Preview {
    frame: Frame,
    name: String,
    address: String,
    faults: Faults,
    found: Option<Found>,
}

/// What was found.
struct Found {
    sentence: String,
    tone: &'static str,
    /// What the person is, by the provider's word: name and value.
    person: Vec<(String, String)>,
    mailbox: Vec<(String, String)>,
    refused: Vec<String>,
}

fn page(administrator: &Administrator, name: String, address: String) -> Preview {
    let title = Texts::english().with("preview-title", "name", &name);
    let frame = Frame::new(&administrator.visit, title, Section::Providers);
    Preview { frame, name, address, faults: Faults::default(), found: None }
}

async fn ask(Path(name): Path<String>, administrator: Administrator) -> Result<Response, Trouble> {
    Ok(render(&page(&administrator, known(name)?, String::new())))
}

/// The name, if it is one: a link with another text in its place would have the form sent
/// to any page of ours.
fn known(name: String) -> Result<String, Trouble> {
    match name.parse::<ProviderName>() {
        Ok(_) => Ok(name),
        Err(_) => Err(Trouble::NotFound),
    }
}

#[derive(Deserialize)]
struct Asked {
    address: String,
}

async fn show(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
    Posted(Asked { address }): Posted<Asked>,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let name = known(name)?;
    let path = ["providers", name.as_str(), "preview"];
    let asked = state.desk.ask(&administrator.caller, Method::POST, &path);
    let found = asked.call::<View>(&json!({ "address": address.trim() })).await;
    let mut page = page(&administrator, name, address);
    match found {
        Ok(view) => page.found = Some(found_by(t, &view)),
        Err(Trouble::Api(problem)) => {
            page.faults = Faults::one("address", problem.detail.clone());
            return Ok(render_again(&page));
        }
        // Somebody else's domain looks the same.
        Err(Trouble::NotFound) => {
            page.faults = Faults::one("address", t.s("preview-elsewhere"));
            return Ok(render_again(&page));
        }
        Err(trouble) => return Err(trouble),
    }
    Ok(render(&page))
}

fn sentence(t: &Texts, view: &View) -> (String, &'static str) {
    let template = view.mailbox.as_ref().and_then(|mailbox| mailbox.template.as_ref());
    match view.outcome {
        Outcome::Nobody => (t.s("preview-nobody"), "warn"),
        Outcome::Several => (t.s("preview-several"), "bad"),
        Outcome::Refused => (t.s("preview-refused"), "bad"),
        Outcome::Unchanged => (t.s("preview-unchanged"), "good"),
        Outcome::Changed => {
            let change = view.change.as_deref().unwrap_or_default();
            (t.with("preview-changed", "change", &change), "good")
        }
        Outcome::Created => {
            let how = match (view.at_login, view.at_sync) {
                (true, true) => t.s("preview-at-both"),
                (true, false) => t.s("preview-at-login"),
                (false, true) => t.s("preview-at-sync"),
                (false, false) => t.s("preview-at-none"),
            };
            let made = match template {
                Some(template) => t.with("preview-created", "template", template),
                None => t.s("preview-created-without"),
            };
            let tone = if view.at_login || view.at_sync { "good" } else { "warn" };
            (format!("{made} {how}"), tone)
        }
    }
}

fn found_by(t: &Texts, view: &View) -> Found {
    let (sentence, tone) = sentence(t, view);
    let refused = view.refused.iter().map(|one| one.detail.clone()).collect();
    Found { sentence, tone, person: person(t, view), mailbox: mailbox(t, view), refused }
}

fn person(t: &Texts, view: &View) -> Vec<(String, String)> {
    let Some(person) = &view.person else { return Vec::new() };
    let yes_or_no = |is_so: bool| if is_so { t.s("yes") } else { t.s("no") };
    let texts = |all: &Option<Vec<String>>| match all {
        None => t.s("preview-not-asked"),
        Some(all) if all.is_empty() => t.s("none"),
        Some(all) => all.join(", "),
    };
    let mut facts = vec![
        (t.s("preview-name"), person.name.clone()),
        (t.s("preview-id"), person.id.clone()),
        (t.s("preview-enabled"), yes_or_no(person.enabled)),
        (t.s("preview-verified"), yes_or_no(person.email_is_verified)),
        (t.s("preview-values"), texts(&person.template_values)),
        (t.s("preview-groups"), texts(&person.groups)),
        (t.s("preview-roles"), texts(&person.roles)),
    ];
    let entry = match view.entry {
        Some(place) => t.with("preview-entry-number", "number", &(place + 1)),
        None => t.s("preview-entry-none"),
    };
    facts.push((t.s("preview-entry"), entry));
    facts
}

fn mailbox(t: &Texts, view: &View) -> Vec<(String, String)> {
    let Some(mailbox) = &view.mailbox else { return Vec::new() };
    let template = mailbox.template.as_ref().map(ToString::to_string);
    vec![
        (t.s("address"), mailbox.address.to_string()),
        (t.s("preview-template"), template.unwrap_or_else(|| t.s("none"))),
        (t.s("template-quota"), quota_words(t, Some(mailbox.quota_bytes))),
        (t.s("template-services"), services_words(t, mailbox.services)),
        (t.s("template-state"), state_words(t, mailbox.state)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_link_leads_the_form_elsewhere() {
        assert!(known("corp".to_owned()).is_ok());
        for name in ["../providers/corp/remove", "corp/..", "corp?x", "", "."] {
            assert!(known(name.to_owned()).is_err(), "{name}");
        }
    }
}
