//! Which template somebody gets: the rows of a provider's mapping.

use axum::{
    Router,
    extract::{Path, State as Shared},
    http::Method,
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};
use serde_json::{Map, Value, json};

use super::super::{
    super::{
        State,
        inputs::{Choice, Control, Filled, Input},
        page::{Faults, Frame, Section, render, render_again},
        texts::Texts,
        trouble::Trouble,
        visit::{Administrator, Posted},
    },
    ways::refusal,
};
use crate::api::{
    Caller, Page,
    providers::{Origin, View},
    templates::View as Template,
};

pub(super) fn router() -> Router<State> {
    Router::new().route("/admin/providers/{name}/mapping", get(show).post(change))
}

/// Keys that are changed here.
pub(super) const KEYS: [&str; 6] = [
    "attribute_mapping",
    "template_attribute",
    "groups_claim",
    "roles_claim",
    "default_template",
    "default_template_updates",
];
/// Rows for entries to come.
const EMPTY_ROWS: usize = 3;
/// More are refused by the API.
const MAX_ROWS: usize = 100;
/// By what an entry fits, with the texts for it.
const BY: [(&str, &str); 3] =
    [("value", "mapping-by-value"), ("group", "mapping-by-group"), ("role", "mapping-by-role")];

#[derive(askama::Template)]
#[template(path = "admin/mapping.html")]
struct Mapping {
    frame: Frame,
    name: String,
    rows: Vec<Row>,
    inputs: Vec<Input>,
    faults: Faults,
    may_change: bool,
    has_templates: bool,
}

/// One entry.
struct Row {
    number: usize,
    by: Vec<Choice>,
    text: String,
    templates: Vec<Choice>,
}

impl Row {
    fn text_id(&self) -> String {
        format!("text-{}", self.number)
    }

    fn template_id(&self) -> String {
        format!("template-{}", self.number)
    }
}

/// An entry as it is typed.
struct Typed {
    by: String,
    text: String,
    template: String,
}

/// What the provider has, or what was typed.
struct Content {
    entries: Vec<Typed>,
    filled: Filled,
}

fn typed(filled: Filled) -> Content {
    let texts = filled.all("text").zip(filled.all("template"));
    let entries = filled.all("by").zip(texts).take(MAX_ROWS + EMPTY_ROWS);
    let entries = entries.map(|(by, (text, template))| Typed {
        by: by.to_owned(),
        text: text.trim().to_owned(),
        template: template.to_owned(),
    });
    let entries = entries.filter(|one| !one.text.is_empty() || !one.template.is_empty()).collect();
    Content { entries, filled }
}

fn of_provider(keys: &Map<String, Value>) -> Content {
    let rows = keys.get("attribute_mapping").and_then(Value::as_array);
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).map(str::to_owned);
    let entry = |row: &Value| {
        let (by, text_of_row) = BY.iter().find_map(|(by, _)| Some((*by, text(row, by)?)))?;
        let template = text(row, "template")?;
        Some(Typed { by: by.to_owned(), text: text_of_row, template })
    };
    let entries = rows.into_iter().flatten().filter_map(entry).collect();
    let mut filled = Filled::default();
    for key in KEYS {
        match keys.get(key) {
            Some(Value::String(text)) => filled.set(key, text.as_str()),
            Some(Value::Bool(is_on)) => filled.mark(key, *is_on),
            _ => {}
        }
    }
    Content { entries, filled }
}

/// The templates to choose from; one that is written and does not exist is among them.
fn choices(t: &Texts, templates: &[String], chosen: &str) -> Vec<Choice> {
    let none = Choice::new("", t.s("mapping-no-template"), chosen);
    let known = templates.iter().map(|name| Choice::new(name, name.clone(), chosen));
    let is_missing = !chosen.is_empty() && !templates.iter().any(|name| name == chosen);
    let missing = is_missing
        .then(|| Choice::new(chosen, t.with("mapping-template-missing", "name", &chosen), chosen));
    std::iter::once(none).chain(known).chain(missing).collect()
}

impl Mapping {
    fn new(
        administrator: &Administrator,
        view: &View,
        templates: &[String],
        content: &Content,
        faults: Faults,
    ) -> Self {
        let t = Texts::english();
        let title = t.with("mapping-title", "name", &view.name);
        let may_change = administrator.has_everything() && view.origin == Origin::Store;
        let row = |number: usize, entry: Option<&Typed>| Row {
            number,
            by: {
                let chosen = entry.map_or("value", |entry| entry.by.as_str());
                BY.iter().map(|(by, text)| Choice::new(by, t.s(text), chosen)).collect()
            },
            text: entry.map(|entry| entry.text.clone()).unwrap_or_default(),
            templates: choices(t, templates, entry.map_or("", |entry| entry.template.as_str())),
        };
        let entries = (1..).zip(&content.entries).map(|(number, entry)| row(number, Some(entry)));
        let next = content.entries.len() + 1;
        let empty = if may_change { EMPTY_ROWS } else { 0 };
        let rows = entries.chain((next..next + empty).map(|number| row(number, None)));
        Self {
            frame: Frame::new(&administrator.visit, title, Section::Providers),
            name: view.name.to_string(),
            rows: rows.collect(),
            inputs: inputs(t, templates, &content.filled),
            faults,
            may_change,
            has_templates: !templates.is_empty(),
        }
    }
}

fn inputs(t: &Texts, templates: &[String], filled: &Filled) -> Vec<Input> {
    let line = |key: &'static str, label: String, help: String| Input {
        key: key.to_owned(),
        label,
        help,
        code: key,
        control: Control::Line { kind: "text", value: filled.text(key).to_owned() },
    };
    vec![
        Input {
            key: "default_template".to_owned(),
            label: t.s("mapping-default"),
            help: t.s("mapping-default-help"),
            code: "default_template",
            control: Control::Choice(choices(t, templates, filled.text("default_template"))),
        },
        Input {
            key: "default_template_updates".to_owned(),
            label: t.s("mapping-default-updates"),
            help: t.s("mapping-default-updates-help"),
            code: "default_template_updates",
            control: Control::Switch(filled.is_on("default_template_updates")),
        },
        line("template_attribute", t.s("mapping-attribute"), t.s("mapping-attribute-help")),
        line("groups_claim", t.s("mapping-groups-claim"), t.s("mapping-groups-claim-help")),
        line("roles_claim", t.s("mapping-roles-claim"), t.s("mapping-roles-claim-help")),
    ]
}

/// What the form says, as a merge patch.
fn patch(content: &Content) -> Map<String, Value> {
    let entry =
        |Typed { by, text, template }: &Typed| json!({ by.as_str(): text, "template": template });
    let entries: Vec<Value> = content.entries.iter().map(entry).collect();
    let filled = &content.filled;
    let text = |key: &str| match filled.text(key) {
        "" => Value::Null,
        text => text.into(),
    };
    let updates = filled.is_on("default_template_updates");
    Map::from_iter([
        ("attribute_mapping".to_owned(), entries.into()),
        ("template_attribute".to_owned(), text("template_attribute")),
        ("groups_claim".to_owned(), text("groups_claim")),
        ("roles_claim".to_owned(), text("roles_claim")),
        ("default_template".to_owned(), text("default_template")),
        ("default_template_updates".to_owned(), updates.into()),
    ])
}

/// Entries that are only half filled in, or of no kind.
fn half(t: &Texts, content: &Content) -> Faults {
    let mut faults = Faults::default();
    for (number, entry) in (1..).zip(&content.entries) {
        if entry.text.is_empty() || !BY.iter().any(|(by, _)| *by == entry.by) {
            faults.add(&format!("text-{number}"), t.with("mapping-text-wrong", "number", &number));
        } else if entry.template.is_empty() {
            let why = t.with("mapping-template-wrong", "number", &number);
            faults.add(&format!("template-{number}"), why);
        }
    }
    faults
}

async fn templates(state: &State, caller: &Caller) -> Result<Vec<String>, Trouble> {
    let page: Page<Template> = state.desk.get(caller, &["templates"]).await?;
    Ok(page.items.iter().map(|template| template.name.to_string()).collect())
}

async fn show(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let caller = administrator.caller.clone();
    let view: View = state.desk.get(&caller, &["providers", &name]).await?;
    let templates = templates(&state, &caller).await?;
    let content = of_provider(&view.written);
    Ok(render(&Mapping::new(&administrator, &view, &templates, &content, Faults::default())))
}

async fn change(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
    Posted(filled): Posted<Filled>,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let caller = administrator.caller.clone();
    let view: View = state.desk.get(&caller, &["providers", &name]).await?;
    let templates = templates(&state, &caller).await?;
    let content = typed(filled);
    let again =
        |faults| render_again(&Mapping::new(&administrator, &view, &templates, &content, faults));
    let faults = half(t, &content);
    if !faults.is_empty() {
        return Ok(again(faults));
    }
    let asked = state.desk.ask(&caller, Method::PATCH, &["providers", &name]);
    match asked.order(&patch(&content)).await {
        Ok(()) => {
            administrator.session.say(t.s("mapping-changed"));
            Ok(Redirect::to(&format!("/admin/providers/{name}/mapping")).into_response())
        }
        Err(trouble) => Ok(again(refusal(trouble, &KEYS)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_there_and_back() {
        let keys = json!({
            "attribute_mapping": [
                { "value": "staff", "template": "Staff" },
                { "group": "/board", "template": "Gold" },
            ],
            "default_template": "Plain", "default_template_updates": true,
        });
        let Value::Object(keys) = keys else { panic!() };
        let patch = patch(&of_provider(&keys));
        for (key, value) in &keys {
            assert_eq!(patch[key], *value);
        }
        assert_eq!(patch["roles_claim"], Value::Null);
    }

    #[test]
    fn empty_rows_are_none_and_half_ones_are_wrong() {
        let content = |form: &str| typed(serde_html_form::from_str(form).unwrap());
        let t = Texts::english();
        let good = content("by=value&text=+staff+&template=Staff&by=role&text=&template=");
        assert_eq!(
            patch(&good)["attribute_mapping"],
            json!([{ "value": "staff", "template": "Staff" }])
        );
        assert!(half(t, &good).is_empty());
        for (form, field) in [
            ("by=value&text=staff&template=", "template-1"),
            ("by=role&text=&template=Staff", "text-1"),
            ("by=template&text=x&template=Staff", "text-1"),
        ] {
            assert!(half(t, &content(form)).at(field).is_some(), "{form}");
        }
    }
}
