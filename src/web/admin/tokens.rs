//! Admin tokens: for programs that ask the API.

use std::collections::BTreeSet;

use axum::{
    Router,
    extract::{Path, State as Shared},
    http::Method,
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};

use super::{
    super::{
        State,
        inputs::{Control, Filled, Input},
        page::{Faults, Frame, Section, render, render_again},
        shown::{When, end_of_day},
        texts::Texts,
        trouble::Trouble,
        visit::{Administrator, Posted},
    },
    ways::{choices, line, lines, of_kind, refusal, switch, way},
};
use crate::{
    api::{
        Page,
        admin_tokens::{Created, New, View},
    },
    mailbox::{DomainName, Scope},
};

pub(super) fn router() -> Router<State> {
    Router::new()
        .route("/admin/tokens", get(list))
        .route("/admin/add-token", get(blank).post(create))
        .route("/admin/tokens/{id}/revoke", post(revoke))
}

#[derive(askama::Template)]
#[template(path = "admin/tokens.html")]
struct List {
    frame: Frame,
    tokens: Vec<Token>,
}

struct Token {
    id: String,
    revoke: String,
    name: String,
    scopes: String,
    reach: String,
    is_expired: bool,
    expires: Option<When>,
    created: When,
    created_by: String,
    last: Option<LastUse>,
}

struct LastUse {
    when: When,
    rip: String,
}

impl Token {
    fn new(t: &Texts, view: View) -> Self {
        let scopes: Vec<_> = view.scopes.iter().map(|scope| scope.name()).collect();
        let reach = view.domains.map_or_else(
            || t.s("token-everything"),
            |domains| domains.iter().map(DomainName::as_str).collect::<Vec<_>>().join(", "),
        );
        Self {
            revoke: way(&["admin", "tokens", view.id.as_str(), "revoke"]),
            id: view.id.to_string(),
            name: view.name,
            scopes: scopes.join(", "),
            reach,
            is_expired: view.expired,
            expires: view.expires.map(When::new),
            created: When::new(view.created),
            created_by: view.created_by,
            last: view
                .last_used
                .map(|last| LastUse { when: When::new(last.at), rip: last.rip.to_string() }),
        }
    }
}

async fn list(
    Shared(state): Shared<State>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let page: Page<View> = state.desk.get(&administrator.caller, &["admin-tokens"]).await?;
    Ok(render(&List {
        frame: Frame::new(&administrator.visit, t.s("tokens"), Section::Tokens),
        tokens: page.items.into_iter().map(|view| Token::new(t, view)).collect(),
    }))
}

#[derive(askama::Template)]
#[template(path = "admin/token_form.html")]
struct Form {
    frame: Frame,
    inputs: Vec<Input>,
    faults: Faults,
}

fn scope_words(t: &Texts, scope: Scope) -> String {
    match scope {
        Scope::Read => t.s("token-scope-read"),
        Scope::Mailboxes => t.s("token-scope-mailboxes"),
        Scope::Settings => t.s("token-scope-settings"),
        Scope::Sync => t.s("token-scope-sync"),
        Scope::Operate => t.s("token-scope-operate"),
        Scope::Transfer => t.s("token-scope-transfer"),
        // No token has the rest.
        other => other.name().to_owned(),
    }
}

fn form(administrator: &Administrator, filled: &Filled, faults: Faults) -> Form {
    let t = Texts::english();
    let scopes = Scope::OF_TOKENS.map(|scope| (scope.name().to_owned(), scope_words(t, scope)));
    let (expires, help) = (t.s("token-expires"), t.s("token-expires-help"));
    Form {
        frame: Frame::new(&administrator.visit, t.s("token-new"), Section::Tokens),
        inputs: vec![
            line("name", t.s("token-name"), t.s("token-name-help"), filled),
            choices("scopes", t.s("token-scopes"), t.s("token-scopes-help"), scopes, filled),
            lines("domains", t.s("token-domains"), t.s("token-domains-help"), filled),
            of_kind("date", "expires", expires, help, filled),
            switch("never", t.s("token-never"), String::new(), filled),
        ],
        faults,
    }
}

async fn blank(administrator: Administrator) -> Response {
    let mut filled = Filled::default();
    filled.set("scopes", Scope::Read.name());
    render(&form(&administrator, &filled, Faults::default()))
}

/// What was typed.
fn read(t: &Texts, filled: &Filled) -> Result<New, Faults> {
    let mut faults = Faults::default();
    if filled.text("name").is_empty() {
        faults.add("name", t.s("token-name-missing"));
    }
    let scopes: BTreeSet<Scope> =
        filled.all("scopes").filter_map(|name| name.parse().ok()).collect();
    if scopes.is_empty() {
        faults.add("scopes", t.s("token-scopes-missing"));
    }
    let mut domains = BTreeSet::new();
    for word in filled.words("domains") {
        match DomainName::parse(&word) {
            Ok(name) => drop(domains.insert(name)),
            Err(_) => faults.add("domains", t.with("token-domain-wrong", "text", &word)),
        }
    }
    let day = filled.text("expires");
    let last = end_of_day(day);
    if last.is_none() && !day.is_empty() {
        faults.add("expires", t.s("date-wrong"));
    }
    let expires = if filled.is_on("never") { Some(None) } else { last.map(Some) };
    let name = filled.text("name").to_owned();
    let domains = (!domains.is_empty()).then_some(domains);
    let new = New { name, scopes, domains, expires };
    if faults.is_empty() { Ok(new) } else { Err(faults) }
}

#[derive(askama::Template)]
#[template(path = "admin/token_made.html")]
struct Made {
    frame: Frame,
    token: String,
}

async fn create(
    Shared(state): Shared<State>,
    administrator: Administrator,
    Posted(filled): Posted<Filled>,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let again = |faults| render_again(&form(&administrator, &filled, faults));
    let new = match read(t, &filled) {
        Ok(new) => new,
        Err(faults) => return Ok(again(faults)),
    };
    let asked = state.desk.ask(&administrator.caller, Method::POST, &["admin-tokens"]);
    let created: Created = match asked.call(&new).await {
        Ok(created) => created,
        Err(Trouble::NotFound) => {
            return Ok(again(Faults::one("domains", t.s("token-domain-unknown"))));
        }
        Err(trouble) => {
            let fields = ["name", "scopes", "domains", "expires"];
            return Ok(again(refusal(trouble, &fields)?));
        }
    };
    let title = t.with("token-made", "name", &created.view.name);
    Ok(render(&Made {
        frame: Frame::new(&administrator.visit, title, Section::Tokens),
        token: created.token,
    }))
}

async fn revoke(
    Shared(state): Shared<State>,
    Path(id): Path<String>,
    administrator: Administrator,
    Posted(_): Posted<Filled>,
) -> Result<Response, Trouble> {
    let path = ["admin-tokens", &id];
    state.desk.ask(&administrator.caller, Method::DELETE, &path).done().await?;
    administrator.session.say(Texts::english().s("token-revoked"));
    Ok(Redirect::to("/admin/tokens").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Result<New, Faults> {
        read(Texts::english(), &serde_html_form::from_str(text).unwrap())
    }

    #[test]
    fn what_is_typed_becomes_a_token() {
        let new = typed("name=Panel&scopes=read&scopes=sync&domains=example.org&expires=").unwrap();
        assert_eq!(new.scopes, [Scope::Read, Scope::Sync].into());
        assert_eq!((new.domains.unwrap().len(), new.expires), (1, None), "the API says when");
        let new = typed("name=Panel&scopes=read&domains=&expires=2099-01-01&never=on").unwrap();
        assert!(new.domains.is_none() && new.expires == Some(None));
        let new = typed("name=Panel&scopes=read&expires=2099-01-01").unwrap();
        assert!(new.expires.flatten().is_some());
    }

    #[test]
    fn what_is_wrong_stands_beside_its_field() {
        let faults = typed("name=&scopes=root&domains=a+b@c&expires=soon").unwrap_err();
        for field in ["name", "scopes", "domains", "expires"] {
            assert!(faults.at(field).is_some(), "{field}");
        }
    }
}
