//! A new domain, and changes of one.

use axum::{
    extract::{Path, State as Shared},
    http::Method,
    response::{IntoResponse as _, Redirect, Response},
};

use super::super::{
    super::{
        State,
        inputs::{Control, Filled, Input},
        page::{Faults, Frame, Section, render, render_again},
        shown::quota_field,
        texts::Texts,
        trouble::Trouble,
        visit::{Administrator, Posted},
    },
    ways::{choice, line, refusal, switch, typed_quota, way},
};
use crate::{
    api::{
        Page,
        domains::{Change, New, View},
        providers,
    },
    mailbox::{DomainName, ProviderName},
};

#[derive(askama::Template)]
#[template(path = "admin/domain_form.html")]
struct Form {
    frame: Frame,
    /// Where it is sent.
    action: String,
    /// Where one goes without sending it.
    back: String,
    is_new: bool,
    /// Of what was there when the form was made.
    version: String,
    inputs: Vec<Input>,
    faults: Faults,
}

/// What can be wrong, by the names that the API has for it.
const KEYS: [&str; 6] = [
    "name",
    "provider",
    "max_mailboxes",
    "default_quota_bytes",
    "max_quota_bytes",
    "total_quota_bytes",
];

async fn form(
    state: &State,
    administrator: &Administrator,
    name: Option<&str>,
    filled: &Filled,
    faults: Faults,
) -> Result<Form, Trouble> {
    let t = Texts::english();
    let providers: Page<providers::View> =
        state.desk.get(&administrator.caller, &["providers"]).await?;
    let title = match name {
        Some(name) => t.with("domain-edit-title", "name", &name),
        None => t.s("domain-new"),
    };
    let mut inputs = Vec::new();
    if name.is_none() {
        inputs.push(line("name", t.s("domain-name"), t.s("domain-name-help"), filled));
    }
    let nobody = (String::new(), t.s("domain-provider-none"));
    let named = providers.items.into_iter().map(|view| view.name.to_string());
    let named = [nobody].into_iter().chain(named.map(|name| (name.clone(), name)));
    let size = |key: &str, label: String| line(key, label, t.s("domain-quota-help"), filled);
    inputs.extend([
        switch("active", t.s("domain-active"), t.s("domain-active-help"), filled),
        choice("provider", t.s("domain-provider"), t.s("domain-provider-help"), named, filled),
        line("max_mailboxes", t.s("domain-max-mailboxes"), t.s("domain-empty-is-no-limit"), filled),
        size("default_quota_bytes", t.s("domain-default-quota")),
        size("max_quota_bytes", t.s("domain-max-quota")),
        size("total_quota_bytes", t.s("domain-total-quota")),
    ]);
    let back = name.map_or("/admin/domains".to_owned(), |name| way(&["admin", "domains", name]));
    Ok(Form {
        frame: Frame::new(&administrator.visit, title, Section::Domains),
        action: name.map_or("/admin/add-domain".to_owned(), |_| format!("{back}/edit")),
        back,
        is_new: name.is_none(),
        version: filled.text("version").to_owned(),
        inputs,
        faults,
    })
}

/// What was typed, as the API takes a change.
fn read(t: &Texts, filled: &Filled) -> Result<Change, Faults> {
    let mut faults = Faults::default();
    let mut size = |key| typed_quota(t, key, filled, &mut faults).unwrap_or_default();
    let default_quota_bytes = Some(size("default_quota_bytes"));
    let max_quota_bytes = Some(size("max_quota_bytes"));
    let total_quota_bytes = Some(size("total_quota_bytes"));
    let max_mailboxes = filled.text("max_mailboxes");
    let is_number = max_mailboxes.is_empty() || max_mailboxes.parse::<u64>().is_ok();
    if !is_number {
        faults.add("max_mailboxes", t.s("number-wrong"));
    }
    let provider: Option<ProviderName> = filled.text("provider").parse().ok();
    let change = Change {
        active: Some(filled.is_on("active")),
        provider: Some(provider),
        max_mailboxes: Some(max_mailboxes.parse().ok()),
        default_quota_bytes,
        max_quota_bytes,
        total_quota_bytes,
    };
    if faults.is_empty() { Ok(change) } else { Err(faults) }
}

pub(super) async fn blank(
    Shared(state): Shared<State>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let mut filled = Filled::default();
    filled.mark("active", true);
    Ok(render(&form(&state, &administrator, None, &filled, Faults::default()).await?))
}

pub(super) async fn create(
    Shared(state): Shared<State>,
    administrator: Administrator,
    Posted(filled): Posted<Filled>,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let again = async |faults| -> Result<Response, Trouble> {
        Ok(render_again(&form(&state, &administrator, None, &filled, faults).await?))
    };
    let Ok(name) = DomainName::parse(filled.text("name")) else {
        return again(Faults::one("name", t.s("domain-name-wrong"))).await;
    };
    let limits = match read(t, &filled) {
        Ok(limits) => limits,
        Err(faults) => return again(faults).await,
    };
    let new = New {
        name: name.to_string(),
        active: filled.is_on("active"),
        provider: limits.provider.flatten(),
        max_mailboxes: limits.max_mailboxes.flatten(),
        default_quota_bytes: limits.default_quota_bytes.unwrap_or_default(),
        max_quota_bytes: limits.max_quota_bytes.unwrap_or_default(),
        total_quota_bytes: limits.total_quota_bytes.unwrap_or_default(),
    };
    let asked = state.desk.ask(&administrator.caller, Method::POST, &["domains"]);
    if let Err(trouble) = asked.order(&new).await {
        return again(refusal(trouble, &KEYS)?).await;
    }
    administrator.session.say(t.with("domain-added", "name", &name));
    Ok(Redirect::to(&way(&["admin", "domains", name.as_str()])).into_response())
}

/// A domain as its form has it.
fn filled_with(view: &View) -> Filled {
    let mut filled = Filled::default();
    filled.mark("active", view.active);
    filled.set("provider", view.provider.as_ref().map(ToString::to_string).unwrap_or_default());
    let most = view.max_mailboxes.map(|most| most.to_string());
    filled.set("max_mailboxes", most.unwrap_or_default());
    filled.set("default_quota_bytes", quota_field(view.default_quota_bytes));
    filled.set("max_quota_bytes", quota_field(view.max_quota_bytes));
    filled.set("total_quota_bytes", quota_field(view.total_quota_bytes));
    filled
}

pub(super) async fn edit(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let (view, version): (View, _) =
        state.desk.get_with_version(&administrator.caller, &["domains", &name]).await?;
    let mut filled = filled_with(&view);
    filled.set("version", version);
    let name = Some(view.name.as_str());
    Ok(render(&form(&state, &administrator, name, &filled, Faults::default()).await?))
}

pub(super) async fn change(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
    Posted(filled): Posted<Filled>,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let again = async |faults| -> Result<Response, Trouble> {
        Ok(render_again(&form(&state, &administrator, Some(&name), &filled, faults).await?))
    };
    let change = match read(t, &filled) {
        Ok(change) => change,
        Err(faults) => return again(faults).await,
    };
    let asked = state.desk.ask(&administrator.caller, Method::PATCH, &["domains", &name]);
    let asked = asked.if_match(Some(filled.text("version").to_owned()));
    if let Err(trouble) = asked.order(&change).await {
        return again(refusal(trouble, &KEYS)?).await;
    }
    administrator.session.say(t.with("domain-changed", "name", &name));
    Ok(Redirect::to(&way(&["admin", "domains", &name])).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_limits() {
        let t = Texts::english();
        let typed = |text| -> Filled { serde_html_form::from_str(text).unwrap() };
        let change =
            read(t, &typed("active=on&provider=&max_mailboxes=&max_quota_bytes=5G")).unwrap();
        assert_eq!((change.active, change.max_mailboxes), (Some(true), Some(None)));
        assert_eq!(change.provider, Some(None));
        assert_eq!(change.max_quota_bytes.unwrap().bytes, 5 << 30);
        assert!(change.total_quota_bytes.unwrap().is_unlimited());
        let faults = read(t, &typed("max_mailboxes=many&total_quota_bytes=much")).unwrap_err();
        assert!(faults.at("max_mailboxes").is_some() && faults.at("total_quota_bytes").is_some());
    }
}
