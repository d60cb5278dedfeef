//! Templates: what a mailbox gets when it is made, and by its provider's word later.

use std::collections::BTreeMap;

use axum::{
    Router,
    extract::{Path, State as Shared},
    http::Method,
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use serde_json::{Map, Value};

use super::{
    super::{
        State,
        inputs::{Choice, Control, Filled, Input},
        page::{Faults, Frame, Section, render, render_again},
        texts::Texts,
        trouble::Trouble,
        visit::{Administrator, Posted},
    },
    ways::{
        choice, choices, line, quota_words, refusal, services, services_words, state_words, states,
        switch, typed_quota, way,
    },
};
use crate::{
    api::{Page, templates::View},
    mailbox::{
        MailboxState, Service, TemplateName,
        template::{FURTHER, FurtherField, Values},
    },
};

pub(super) fn router() -> Router<State> {
    Router::new()
        .route("/admin/templates", get(list))
        .route("/admin/add-template", get(blank).post(create))
        .route("/admin/templates/{name}", get(show).post(change))
        .route("/admin/templates/{name}/remove", post(remove))
}

/// What stands on more than one page: the fields, by the names that the API has for them.
const KEYS: [&str; 7] =
    ["name", "quota_bytes", "state", "services", "tags", "app_passwords_allowed", "further"];

/// What mailcow's further fields are called, in the order of [`FURTHER`].
const FURTHER_TEXTS: [&str; FURTHER.len()] = [
    "template-force-tfa",
    "template-tls-enforce-in",
    "template-tls-enforce-out",
    "template-rl-value",
    "template-rl-frame",
    "template-sogo-access",
    "template-tagged-mail-handler",
    "template-quarantine-notification",
    "template-quarantine-category",
    "template-acl-spam-alias",
    "template-acl-tls-policy",
    "template-acl-spam-score",
    "template-acl-spam-policy",
    "template-acl-delimiter-action",
    "template-acl-syncjobs",
    "template-acl-eas-reset",
    "template-acl-sogo-profile-reset",
    "template-acl-pushover",
    "template-acl-quarantine",
    "template-acl-quarantine-attachments",
    "template-acl-quarantine-notification",
    "template-acl-quarantine-category",
    "template-acl-pw-reset",
];

/// What the words are called that a further field can be.
const WORD_TEXTS: [(&str, &str); 14] = [
    ("s", "word-per-second"),
    ("m", "word-per-minute"),
    ("h", "word-per-hour"),
    ("d", "word-per-day"),
    ("none", "word-none"),
    ("subject", "word-subject"),
    ("subfolder", "word-subfolder"),
    ("never", "word-never"),
    ("hourly", "word-hourly"),
    ("daily", "word-daily"),
    ("weekly", "word-weekly"),
    ("add_header", "word-add-header"),
    ("reject", "word-reject"),
    ("all", "word-all"),
];

#[derive(askama::Template)]
#[template(path = "admin/templates.html")]
struct List {
    frame: Frame,
    templates: Vec<Row>,
    may_change: bool,
}

struct Row {
    name: String,
    address: String,
    quota: String,
    state: String,
    services: String,
}

fn row(t: &Texts, template: &View) -> Row {
    Row {
        name: template.name.to_string(),
        address: way(&["admin", "templates", template.name.as_str()]),
        quota: quota_words(t, template.quota_bytes),
        state: state_words(t, template.state),
        services: services_words(t, template.services),
    }
}

async fn list(
    Shared(state): Shared<State>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let page: Page<View> = state.desk.get(&administrator.caller, &["templates"]).await?;
    let frame = Frame::new(&administrator.visit, t.s("templates"), Section::Templates);
    let templates = page.items.iter().map(|template| row(t, template)).collect();
    let may_change = administrator.has_everything();
    Ok(render(&List { frame, templates, may_change }))
}

#[derive(askama::Template)]
#[template(path = "admin/template.html")]
struct Form {
    frame: Frame,
    /// Where it is sent.
    action: String,
    /// Its name is typed, too.
    is_new: bool,
    main: Vec<Input>,
    further: Vec<Input>,
    faults: Faults,
    may_change: bool,
}

impl Form {
    fn new(administrator: &Administrator, name: Option<&str>, filled: &Filled) -> Self {
        let t = Texts::english();
        let title = match name {
            Some(name) => t.with("template-title", "name", &name),
            None => t.s("template-new"),
        };
        let frame = Frame::new(&administrator.visit, title, Section::Templates);
        let mut main = main_inputs(t, filled);
        if name.is_none() {
            main.insert(0, line("name", t.s("template-name"), String::new(), filled));
        }
        let further = FURTHER.iter().zip(FURTHER_TEXTS);
        Self {
            frame,
            action: match name {
                Some(name) => way(&["admin", "templates", name]),
                None => "/admin/add-template".to_owned(),
            },
            is_new: name.is_none(),
            main,
            further: further.map(|(field, text)| further_input(t, field, text, filled)).collect(),
            faults: Faults::default(),
            may_change: administrator.has_everything(),
        }
    }
}

fn main_inputs(t: &Texts, filled: &Filled) -> Vec<Input> {
    let quota = (t.s("template-quota"), t.s("template-quota-help"));
    let state = (t.s("template-state"), t.s("template-state-help"));
    let of = (t.s("template-services"), t.s("template-services-help"));
    let allowed = (t.s("template-app-passwords"), t.s("template-app-passwords-help"));
    let force = (t.s("template-force-change"), t.s("template-force-change-help"));
    let tags = (t.s("template-tags"), t.s("template-tags-help"));
    vec![
        line("quota_bytes", quota.0, quota.1, filled),
        choice("state", state.0, state.1, states(t), filled),
        choices("services", of.0, of.1, services(t), filled),
        switch("app_passwords_allowed", allowed.0, allowed.1, filled),
        switch("force_password_change", force.0, force.1, filled),
        line("tags", tags.0, tags.1, filled),
    ]
}

fn further_input(t: &Texts, field: &FurtherField, text: &str, filled: &Filled) -> Input {
    let value = filled.text(field.name);
    let control = match field.values {
        Values::Flag => Control::Switch(matches!(value, "1" | "on")),
        Values::Number => Control::Line { kind: "text", value: value.to_owned() },
        Values::Words(words) => {
            let known = |word: &str| {
                WORD_TEXTS
                    .iter()
                    .find(|(one, _)| *one == word)
                    .map_or_else(|| word.to_owned(), |(_, text)| t.s(text))
            };
            let choices = words.iter().map(|word| Choice::new(word, known(word), value));
            Control::Choice(choices.collect())
        }
    };
    let (key, label) = (field.name.to_owned(), t.s(text));
    Input { key, label, help: String::new(), code: field.name, control }
}

/// A template as its form has it.
fn filled_with(template: &View) -> Filled {
    let mut filled = Filled::default();
    let quota = match template.quota_bytes {
        Some(quota) => quota.to_string(),
        None => String::new(),
    };
    filled.set("quota_bytes", quota);
    filled.set("state", template.state.name());
    for service in template.services.iter() {
        filled.set("services", service.name());
    }
    filled.set("tags", template.tags.join(", "));
    filled.mark("app_passwords_allowed", template.app_passwords_allowed);
    filled.mark("force_password_change", template.force_password_change);
    for (name, value) in &template.handed_out {
        filled.set(name, value.as_str());
    }
    filled
}

/// As a new one has it before anything is filled in.
fn untouched() -> Filled {
    let mut filled = Filled::default();
    filled.set("state", MailboxState::Active.name());
    for service in Service::ALL {
        filled.set("services", service.name());
    }
    filled.mark("app_passwords_allowed", true);
    for field in FURTHER {
        filled.set(field.name, field.default);
    }
    filled
}

/// What the form says, in the API's words. A field with mailcow's default is not
/// written down.
fn written(t: &Texts, filled: &Filled) -> Result<Map<String, Value>, Faults> {
    let mut faults = Faults::default();
    let quota = typed_quota(t, "quota_bytes", filled, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let further: BTreeMap<&str, Value> = FURTHER
        .iter()
        .map(|field| {
            let value = match field.values {
                Values::Flag if filled.is_on(field.name) => "1",
                Values::Flag => "0",
                Values::Number | Values::Words(_) => filled.text(field.name),
            };
            let is_default = value == field.default;
            (field.name, if is_default { Value::Null } else { value.into() })
        })
        .collect();
    let services: Vec<&str> = filled.all("services").collect();
    let tags = filled.text("tags").split(',').map(str::trim).filter(|tag| !tag.is_empty());
    let tags: Vec<&str> = tags.collect();
    Ok(Map::from_iter([
        ("quota_bytes".to_owned(), quota.map(|quota| quota.bytes).into()),
        ("state".to_owned(), filled.text("state").into()),
        ("services".to_owned(), services.into()),
        ("tags".to_owned(), tags.into()),
        ("app_passwords_allowed".to_owned(), filled.is_on("app_passwords_allowed").into()),
        ("force_password_change".to_owned(), filled.is_on("force_password_change").into()),
        ("further".to_owned(), serde_json::json!(further)),
    ]))
}

async fn blank(administrator: Administrator) -> Response {
    render(&Form::new(&administrator, None, &untouched()))
}

async fn create(
    Shared(state): Shared<State>,
    administrator: Administrator,
    Posted(filled): Posted<Filled>,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let again = |faults| render_again(&Form { faults, ..Form::new(&administrator, None, &filled) });
    let name = filled.text("name");
    if name.parse::<TemplateName>().is_err() {
        return Ok(again(Faults::one("name", t.s("template-name-wrong"))));
    }
    let mut keys = match written(t, &filled) {
        Ok(keys) => keys,
        Err(faults) => return Ok(again(faults)),
    };
    keys.retain(|_, value| !value.is_null());
    keys.insert("name".to_owned(), name.into());
    let asked = state.desk.ask(&administrator.caller, Method::POST, &["templates"]);
    match asked.order(&keys).await {
        Ok(()) => {
            administrator.session.say(t.with("template-added", "name", &name));
            Ok(Redirect::to("/admin/templates").into_response())
        }
        Err(trouble) => Ok(again(refusal(trouble, &KEYS)?)),
    }
}

async fn show(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let template: View = state.desk.get(&administrator.caller, &["templates", &name]).await?;
    Ok(render(&Form::new(&administrator, Some(&name), &filled_with(&template))))
}

async fn change(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
    Posted(filled): Posted<Filled>,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let again =
        |faults| render_again(&Form { faults, ..Form::new(&administrator, Some(&name), &filled) });
    let keys = match written(t, &filled) {
        Ok(keys) => keys,
        Err(faults) => return Ok(again(faults)),
    };
    let asked = state.desk.ask(&administrator.caller, Method::PATCH, &["templates", &name]);
    match asked.order(&keys).await {
        Ok(()) => {
            administrator.session.say(t.with("template-changed", "name", &name));
            Ok(Redirect::to("/admin/templates").into_response())
        }
        Err(trouble) => Ok(again(refusal(trouble, &KEYS)?)),
    }
}

async fn remove(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
    Posted(_): Posted<Filled>,
) -> Result<Response, Trouble> {
    let asked = state.desk.ask(&administrator.caller, Method::DELETE, &["templates", &name]);
    asked.done().await?;
    administrator.session.say(Texts::english().with("template-removed", "name", &name));
    Ok(Redirect::to("/admin/templates").into_response())
}
