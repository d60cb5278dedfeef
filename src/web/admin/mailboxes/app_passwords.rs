//! App passwords of a mailbox, for who asks an administrator for one.

use std::net::IpAddr;

use axum::{
    extract::{Path, State as Shared},
    http::Method,
    response::{IntoResponse as _, Redirect, Response},
};
use ipnet::IpNet;

use super::super::{
    super::{
        State,
        inputs::{Control, Filled, Input},
        page::{Faults, Frame, Section, render, render_again},
        shown::end_of_day,
        texts::Texts,
        trouble::Trouble,
        visit::{Administrator, Posted},
    },
    ways::{choices, line, lines, of_kind, refusal, services, services_words, way},
};
use crate::{
    api::app_passwords::{Created, New},
    mailbox::{Service, Services},
};

#[derive(askama::Template)]
#[template(path = "admin/app_password_form.html")]
struct Form {
    frame: Frame,
    way: String,
    main: Vec<Input>,
    more: Vec<Input>,
    faults: Faults,
}

fn form(administrator: &Administrator, address: &str, filled: &Filled, faults: Faults) -> Form {
    let t = Texts::english();
    let title = t.with("mailbox-app-password-title", "address", &address);
    let (name, expires) = (t.s("mailbox-app-password-name"), t.s("mailbox-app-password-expires"));
    Form {
        frame: Frame::new(&administrator.visit, title, Section::Mailboxes),
        way: way(&["admin", "mailboxes", address]),
        main: vec![
            line("name", name, t.s("mailbox-app-password-name-help"), filled),
            choices(
                "services",
                t.s("mailbox-app-password-services"),
                String::new(),
                services(t),
                filled,
            ),
        ],
        more: vec![
            of_kind("date", "expires", expires, t.s("mailbox-app-password-expires-help"), filled),
            lines("networks", t.s("mailbox-networks"), t.s("mailbox-networks-help"), filled),
        ],
        faults,
    }
}

pub(super) async fn ask(Path(address): Path<String>, administrator: Administrator) -> Response {
    let mut filled = Filled::default();
    for service in [Service::Imap, Service::Smtp] {
        filled.set("services", service.name());
    }
    render(&form(&administrator, &address, &filled, Faults::default()))
}

/// What was typed.
fn read(t: &Texts, filled: &Filled) -> Result<New, Faults> {
    let mut faults = Faults::default();
    if filled.text("name").is_empty() {
        faults.add("name", t.s("mailbox-app-password-name-missing"));
    }
    let services: Services =
        filled.all("services").filter_map(|name| name.parse::<Service>().ok()).collect();
    if services == Services::NONE {
        faults.add("services", t.s("mailbox-app-password-services-missing"));
    }
    let expires = end_of_day(filled.text("expires"));
    if expires.is_none() && !filled.text("expires").is_empty() {
        faults.add("expires", t.s("date-wrong"));
    }
    let mut networks = Vec::new();
    for word in filled.words("networks") {
        match word.parse::<IpNet>().or_else(|_| word.parse::<IpAddr>().map(IpNet::from)) {
            Ok(network) => networks.push(network),
            Err(_) => faults.add("networks", t.with("network-wrong", "text", &word)),
        }
    }
    let name = filled.text("name").to_owned();
    let new = New { name, services, networks, expires };
    if faults.is_empty() { Ok(new) } else { Err(faults) }
}

#[derive(askama::Template)]
#[template(path = "admin/app_password_made.html")]
struct Made {
    frame: Frame,
    way: String,
    password: String,
    services: String,
}

pub(super) async fn create(
    Shared(state): Shared<State>,
    Path(address): Path<String>,
    administrator: Administrator,
    Posted(filled): Posted<Filled>,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let again = |faults| render_again(&form(&administrator, &address, &filled, faults));
    let new = match read(t, &filled) {
        Ok(new) => new,
        Err(faults) => return Ok(again(faults)),
    };
    let path = ["mailboxes", &address, "app-passwords"];
    let asked = state.desk.ask(&administrator.caller, Method::POST, &path);
    let created: Created = match asked.call(&new).await {
        Ok(created) => created,
        Err(trouble) => return Ok(again(refusal(trouble, &["name", "expires"])?)),
    };
    let values = [("name", created.view.name), ("address", created.address.to_string())];
    let title = t.of("mailbox-app-password-made", &values);
    Ok(render(&Made {
        frame: Frame::new(&administrator.visit, title, Section::Mailboxes),
        way: way(&["admin", "mailboxes", created.address.as_str()]),
        password: created.password,
        services: services_words(t, created.view.services),
    }))
}

pub(super) async fn revoke(
    Shared(state): Shared<State>,
    Path((address, id)): Path<(String, String)>,
    administrator: Administrator,
    Posted(_): Posted<Filled>,
) -> Result<Response, Trouble> {
    let path = ["mailboxes", &address, "app-passwords", &id];
    state.desk.ask(&administrator.caller, Method::DELETE, &path).done().await?;
    administrator.session.say(Texts::english().s("mailbox-app-password-revoked"));
    Ok(Redirect::to(&way(&["admin", "mailboxes", &address])).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_an_app_password() {
        let t = Texts::english();
        let typed = |text| -> Filled { serde_html_form::from_str(text).unwrap() };
        let good = "name=Phone&services=imap&services=smtp&expires=2099-01-01&networks=192.0.2.1%0A2001:db8::/32";
        let new = read(t, &typed(good)).unwrap();
        assert_eq!((new.services.to_string(), new.networks.len()), ("imap, smtp".to_owned(), 2));
        assert_eq!(new.networks[0].to_string(), "192.0.2.1/32");
        assert!(new.expires.is_some());
        let faults = read(t, &typed("name=&expires=soon&networks=home")).unwrap_err();
        for field in ["name", "services", "expires", "networks"] {
            assert!(faults.at(field).is_some(), "{field}");
        }
    }
}
