//! A new mailbox, and changes of one. A change sends what differs and nothing else, since
//! whatever an administrator sets is held against the provider from then on.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    extract::{Path, State as Shared},
    http::Method,
    response::{IntoResponse as _, Redirect, Response},
};
use serde_json::json;

use super::{
    super::{
        super::{
            State,
            inputs::{Control, Filled, Input},
            page::{Faults, Frame, Section, render, render_again},
            texts::Texts,
            trouble::Trouble,
            visit::{Administrator, Posted},
        },
        ways::{
            choice, choices, line, lines, of_kind, refusal, services, sources, typed_quota, way,
        },
    },
    show::field_words,
};
use crate::{
    api::{
        Page,
        mailboxes::{Change, Detail, View},
        templates,
    },
    mailbox::{Address, Service, Services},
};

#[derive(askama::Template)]
#[template(path = "admin/mailbox_form.html")]
struct Form {
    frame: Frame,
    action: String,
    back: String,
    is_new: bool,
    /// Of what was there when the form was made.
    version: String,
    main: Vec<Input>,
    more: Vec<Input>,
    faults: Faults,
}

/// What can be wrong, by the names that the API has for it.
const KEYS: [&str; 10] = [
    "address",
    "display_name",
    "template",
    "auth_source",
    "quota_bytes",
    "tags",
    "home",
    "mail",
    "uid",
    "gid",
];

/// The templates, with the choice of none before them.
async fn template_field(
    state: &State,
    administrator: &Administrator,
    help: String,
    none: String,
    filled: &Filled,
) -> Result<Input, Trouble> {
    let all: Page<templates::View> = state.desk.get(&administrator.caller, &["templates"]).await?;
    let names = all.items.into_iter().map(|view| view.name.to_string());
    let names = names.map(|name| (name.clone(), name));
    let label = Texts::english().s("mailbox-template");
    Ok(choice("template", label, help, [(String::new(), none)].into_iter().chain(names), filled))
}

async fn new_form(
    state: &State,
    administrator: &Administrator,
    filled: &Filled,
    faults: Faults,
) -> Result<Form, Trouble> {
    let t = Texts::english();
    let sources = sources(state, administrator, None).await?;
    let none = t.s("mailbox-template-none");
    let help = t.s("mailbox-template-help");
    Ok(Form {
        frame: Frame::new(&administrator.visit, t.s("mailbox-new"), Section::Mailboxes),
        action: "/admin/add-mailbox".to_owned(),
        back: "/admin/mailboxes".to_owned(),
        is_new: true,
        version: String::new(),
        main: vec![
            line("address", t.s("mailbox-address"), t.s("mailbox-address-help"), filled),
            line("display_name", t.s("mailbox-name"), String::new(), filled),
            template_field(state, administrator, help, none, filled).await?,
            line("quota_bytes", t.s("mailbox-quota"), t.s("mailbox-quota-new-help"), filled),
            choice(
                "auth_source",
                t.s("mailbox-source"),
                t.s("mailbox-source-new-help"),
                sources,
                filled,
            ),
            of_kind(
                "password",
                "password",
                t.s("mailbox-password"),
                t.s("mailbox-password-new-help"),
                filled,
            ),
        ],
        more: Vec::new(),
        faults,
    })
}

pub(super) async fn blank(
    Shared(state): Shared<State>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let (filled, faults) = (Filled::default(), Faults::default());
    Ok(render(&new_form(&state, &administrator, &filled, faults).await?))
}

pub(super) async fn create(
    Shared(state): Shared<State>,
    administrator: Administrator,
    Posted(filled): Posted<Filled>,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let again = async |faults| -> Result<Response, Trouble> {
        Ok(render_again(&new_form(&state, &administrator, &filled, faults).await?))
    };
    let mut faults = Faults::default();
    let quota = typed_quota(t, "quota_bytes", &filled, &mut faults);
    let Ok(address) = Address::parse(&filled.text("address").to_lowercase()) else {
        faults.add("address", t.s("mailbox-address-wrong"));
        return again(faults).await;
    };
    if !faults.is_empty() {
        return again(faults).await;
    }
    let mut new = json!({ "address": address, "display_name": filled.text("display_name") });
    let given = |key: &str| Some(filled.text(key)).filter(|text| !text.is_empty());
    for key in ["template", "auth_source"] {
        if let Some(value) = given(key) {
            new[key] = value.into();
        }
    }
    if let Some(quota) = quota {
        new["quota_bytes"] = quota.bytes.into();
    }
    // As it was typed, spaces at the ends included.
    if let Some(password) = filled.all("password").next().filter(|text| !text.is_empty()) {
        new["password"] = password.into();
    }
    let asked = state.desk.ask(&administrator.caller, Method::POST, &["mailboxes"]);
    let made: View = match asked.call(&new).await {
        Ok(made) => made,
        // The other names come from lists: what is not there is the domain.
        Err(Trouble::NotFound) => {
            let why = t.with("mailbox-domain-unknown", "domain", &address.domain());
            return again(Faults::one("address", why)).await;
        }
        Err(trouble) => return again(refusal(trouble, &KEYS)?).await,
    };
    administrator.session.say(t.with("mailbox-added", "address", &made.address));
    Ok(Redirect::to(&way(&["admin", "mailboxes", made.address.as_str()])).into_response())
}

/// A mailbox as its form has it.
fn filled_with(view: &View) -> Filled {
    let mut filled = Filled::default();
    filled.set("display_name", view.display_name.as_str());
    filled.set("quota_bytes", view.quota_bytes.map(|quota| quota.to_string()).unwrap_or_default());
    for service in view.services.iter() {
        filled.set("services", service.name());
    }
    filled.set("tags", view.tags.join(", "));
    filled.set("home", view.home.clone().unwrap_or_default());
    filled.set("mail", view.mail.clone().unwrap_or_default());
    for (key, id) in [("uid", view.uid), ("gid", view.gid)] {
        filled.set(key, id.map(|id| id.to_string()).unwrap_or_default());
    }
    let fields = view.extra_fields.iter().map(|(key, value)| format!("{key}={value}"));
    filled.set("extra_fields", fields.collect::<Vec<_>>().join("\n"));
    filled
}

async fn edit_form(
    state: &State,
    administrator: &Administrator,
    view: &View,
    filled: &Filled,
    faults: Faults,
) -> Result<Form, Trouble> {
    let t = Texts::english();
    let address = view.address.as_str();
    let back = way(&["admin", "mailboxes", address]);
    let none = t.s("mailbox-template-leave");
    let help = t.s("mailbox-template-apply-help");
    let mut main = vec![
        line("display_name", t.s("mailbox-name"), String::new(), filled),
        line("quota_bytes", t.s("mailbox-quota"), t.s("mailbox-quota-help"), filled),
        choices(
            "services",
            t.s("mailbox-services"),
            t.s("mailbox-services-help"),
            services(t),
            filled,
        ),
        line("tags", t.s("mailbox-tags"), t.s("mailbox-tags-help"), filled),
        template_field(state, administrator, help, none, filled).await?,
    ];
    if !view.overrides.is_empty() {
        let kept =
            view.overrides.iter().map(|field| (field.name().to_owned(), field_words(t, *field)));
        let (label, help) = (t.s("mailbox-release"), t.s("mailbox-release-help"));
        main.push(choices("release", label, help, kept, filled));
    }
    Ok(Form {
        frame: Frame::new(
            &administrator.visit,
            t.with("mailbox-edit-title", "address", &address),
            Section::Mailboxes,
        ),
        action: format!("{back}/edit"),
        back,
        is_new: false,
        version: filled.text("version").to_owned(),
        main,
        more: vec![
            line("home", t.s("mailbox-home"), t.s("mailbox-home-help"), filled),
            line("mail", t.s("mailbox-mail"), t.s("mailbox-mail-help"), filled),
            line("uid", t.s("mailbox-uid"), t.s("mailbox-id-help"), filled),
            line("gid", t.s("mailbox-gid"), t.s("mailbox-id-help"), filled),
            lines("extra_fields", t.s("mailbox-fields"), t.s("mailbox-fields-help"), filled),
        ],
        faults,
    })
}

pub(super) async fn edit(
    Shared(state): Shared<State>,
    Path(address): Path<String>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let path = ["mailboxes", &address];
    let (Detail { mailbox, .. }, version) =
        state.desk.get_with_version(&administrator.caller, &path).await?;
    let mut filled = filled_with(&mailbox);
    filled.set("version", version);
    let faults = Faults::default();
    Ok(render(&edit_form(&state, &administrator, &mailbox, &filled, faults).await?))
}

pub(super) async fn change(
    Shared(state): Shared<State>,
    Path(address): Path<String>,
    administrator: Administrator,
    Posted(filled): Posted<Filled>,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let caller = &administrator.caller;
    let detail: Detail = state.desk.get(caller, &["mailboxes", &address]).await?;
    let view = detail.mailbox;
    let again = async |faults| -> Result<Response, Trouble> {
        Ok(render_again(&edit_form(&state, &administrator, &view, &filled, faults).await?))
    };
    let change = match read(t, &view, &filled) {
        Ok(change) => change,
        Err(faults) => return again(faults).await,
    };
    let asked = state.desk.ask(caller, Method::PATCH, &["mailboxes", &address]);
    let asked = asked.if_match(Some(filled.text("version").to_owned()));
    if let Err(trouble) = asked.order(&change).await {
        return again(refusal(trouble, &KEYS)?).await;
    }
    administrator.session.say(t.s("mailbox-changed"));
    Ok(Redirect::to(&way(&["admin", "mailboxes", view.address.as_str()])).into_response())
}

/// What was typed and differs from what is there.
fn read(t: &Texts, view: &View, filled: &Filled) -> Result<Change, Faults> {
    let mut faults = Faults::default();
    let mut change = Change::default();
    let is_typed = |key: &str| filled.all(key).next().is_some();
    let name = filled.text("display_name");
    change.display_name = differs(&view.display_name, name.to_owned());
    let quota = typed_quota(t, "quota_bytes", filled, &mut faults);
    change.quota_bytes = differs(&view.quota_bytes, quota);
    let services: Services =
        filled.all("services").filter_map(|name| name.parse::<Service>().ok()).collect();
    change.services = differs(&view.services, services);
    let tags = filled.text("tags").split(',').map(str::trim).filter(|tag| !tag.is_empty());
    let tags: BTreeSet<String> = tags.map(str::to_owned).collect();
    let had: BTreeSet<String> = view.tags.iter().cloned().collect();
    change.tags = differs(&had, tags).map(|tags| tags.into_iter().collect());
    change.template = filled.text("template").parse().ok();
    let released = |field: &&crate::mailbox::policy::Field| {
        filled.all("release").any(|name| name == field.name())
    };
    change.release = view.overrides.iter().filter(released).copied().collect();
    if is_typed("home") {
        let text = |key: &str| Some(filled.text(key).to_owned()).filter(|text| !text.is_empty());
        change.home = differs(&view.home, text("home"));
        change.mail = differs(&view.mail, text("mail"));
        let mut id = |key: &str| match filled.text(key) {
            "" => None,
            text => {
                let id = text.parse::<u32>().ok();
                if id.is_none() {
                    faults.add(key, t.s("number-wrong"));
                }
                id
            }
        };
        change.uid = differs(&view.uid, id("uid"));
        change.gid = differs(&view.gid, id("gid"));
        change.extra_fields = fields(t, view, filled.text("extra_fields"), &mut faults);
    }
    if faults.is_empty() { Ok(change) } else { Err(faults) }
}

/// The new value, if it is another one.
fn differs<T: PartialEq>(old: &T, new: T) -> Option<T> {
    (*old != new).then_some(new)
}

/// Lines of KEY=VALUE as a change: what is not there any more is taken away.
fn fields(
    t: &Texts,
    view: &View,
    text: &str,
    faults: &mut Faults,
) -> Option<BTreeMap<String, Option<String>>> {
    let mut typed = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                typed.insert(key.trim().to_owned(), value.to_owned());
            }
            _ => faults.add("extra_fields", t.with("mailbox-fields-wrong", "line", &line)),
        }
    }
    let gone = view.extra_fields.keys().filter(|key| !typed.contains_key(*key));
    let mut changes: BTreeMap<String, Option<String>> =
        gone.map(|key| (key.clone(), None)).collect();
    let new = typed.into_iter().filter(|(key, value)| view.extra_fields.get(key) != Some(value));
    changes.extend(new.map(|(key, value)| (key, Some(value))));
    (!changes.is_empty()).then_some(changes)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;

    fn view() -> View {
        let mut view = json!({
            "id": "1", "address": "ann@example.org", "display_name": "Ann", "state": "active",
            "state_set_by": "provider", "auth_source": "corp", "password_scheme": null,
            "services": ["imap", "smtp"], "quota_bytes": 5_368_709_120_u64, "tags": ["staff"],
            "template": "Default", "template_revision": 2, "uid": null, "gid": null,
            "home": "/var/vmail/example.org/ann", "mail": null,
            "extra_fields": { "note": "old", "class": "a" }, "overrides": ["quota"],
            "created": "2026-11-22T12:00:00Z", "modified": "2026-11-22T12:00:00Z",
        });
        serde_json::from_value(view.take()).unwrap()
    }

    #[test]
    fn what_is_left_as_it_is_is_not_sent() {
        let change = read(Texts::english(), &view(), &filled_with(&view())).unwrap();
        assert_eq!(serde_json::to_value(&change).unwrap(), Value::Object(Map::new()));
    }

    #[test]
    fn what_differs_is_sent() {
        let form = "display_name=Ann+B&quota_bytes=&services=imap&tags=staff,+new&release=quota\
            &template=Big&home=/x&mail=&uid=5000&gid=&extra_fields=note%3Dnew";
        let filled: Filled = serde_html_form::from_str(form).unwrap();
        let change = read(Texts::english(), &view(), &filled).unwrap();
        assert_eq!(
            serde_json::to_value(&change).unwrap(),
            json!({
                "display_name": "Ann B", "quota_bytes": null, "services": ["imap"],
                "tags": ["new", "staff"], "release": ["quota"], "template": "Big", "home": "/x",
                "uid": 5000, "extra_fields": { "note": "new", "class": null },
            })
        );
    }

    #[test]
    fn what_is_wrong_stands_beside_its_field() {
        let form = "quota_bytes=much&home=&uid=root&extra_fields=nothing";
        let filled: Filled = serde_html_form::from_str(form).unwrap();
        let faults = read(Texts::english(), &view(), &filled).unwrap_err();
        for field in ["quota_bytes", "uid", "extra_fields"] {
            assert!(faults.at(field).is_some(), "{field}");
        }
    }
}
