//! One mailbox: its state and why, who checks its password, its app passwords, its
//! last logins.

use axum::{
    extract::{Path, State as Shared},
    response::Response,
};

use super::super::{
    super::{
        State,
        inputs::{Control, Filled, Input},
        page::{Faults, Frame, Section, render, render_again},
        shown::{When, quota},
        texts::Texts,
        trouble::Trouble,
        visit::Administrator,
    },
    logins::{self, Login},
    ways::{asking, choice, quota_words, services_words, source_words, sources, way},
};
use crate::{
    api::{
        Page, app_passwords, domains, login_log,
        mailboxes::{Detail, OwnerView},
    },
    mailbox::{
        MailboxState, OwnerState, SetBy,
        policy::{Field, WithdrawnWhy},
    },
};

/// Logins that are shown; all of them have a page of their own.
const LAST_LOGINS: usize = 10;

#[derive(askama::Template)]
#[template(path = "admin/mailbox.html")]
struct Show {
    frame: Frame,
    /// Its page.
    way: String,
    /// What state it is in and why, in sentences.
    standing: Vec<String>,
    is_well: bool,
    /// States that it can be given, with what it says on the button.
    steps: Vec<(&'static str, String)>,
    facts: Vec<Fact>,
    times: [(String, When); 2],
    /// Who checks its password.
    source: Input,
    source_what: String,
    has_password: bool,
    is_bound: bool,
    faults: Faults,
    app_passwords: Vec<AppPassword>,
    logins: Vec<Login>,
    all_logins: String,
    explain: String,
}

/// Something that is known of it: what, and the words.
struct Fact {
    name: String,
    words: String,
}

/// An app password as a row.
struct AppPassword {
    id: String,
    name: String,
    services: String,
    from: String,
    expires: Option<When>,
    last: Option<LastUse>,
    created: When,
}

struct LastUse {
    when: When,
    what: String,
}

impl AppPassword {
    fn new(t: &Texts, view: app_passwords::View) -> Self {
        let networks: Vec<_> = view.networks.iter().map(ToString::to_string).collect();
        Self {
            id: view.id,
            name: view.name,
            services: services_words(t, view.services),
            from: networks.join(", "),
            expires: view.expires.map(When::new),
            last: view.last_used.map(|last| LastUse {
                when: When::new(last.at),
                what: logins::by_and_from(&last.protocol, last.rip),
            }),
            created: When::new(view.created),
        }
    }
}

pub(super) async fn show(
    Shared(state): Shared<State>,
    Path(address): Path<String>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    Ok(render(&page(&state, &administrator, &address, Faults::default()).await?))
}

/// The page again, with what was wrong.
pub(super) async fn show_again(
    state: &State,
    administrator: &Administrator,
    address: &str,
    faults: Faults,
) -> Result<Response, Trouble> {
    Ok(render_again(&page(state, administrator, address, faults).await?))
}

async fn page(
    state: &State,
    administrator: &Administrator,
    address: &str,
    faults: Faults,
) -> Result<Show, Trouble> {
    let t = Texts::english();
    let caller = &administrator.caller;
    let detail: Detail = state.desk.get(caller, &["mailboxes", address]).await?;
    let mailbox = &detail.mailbox;
    let address = mailbox.address.as_str();
    let domain: domains::View =
        state.desk.get(caller, &["domains", mailbox.address.domain_str()]).await?;
    let made: Page<app_passwords::View> =
        state.desk.get(caller, &["mailboxes", address, "app-passwords"]).await?;
    let last = login_log::Filter {
        address: Some(address.to_owned()),
        limit: Some(LAST_LOGINS),
        ..login_log::Filter::default()
    };
    let last: Page<login_log::View> = state.desk.look_up(caller, &["login-log"], &last).await?;
    let way = way(&["admin", "mailboxes", address]);
    Ok(Show {
        frame: Frame::new(&administrator.visit, address.to_owned(), Section::Mailboxes),
        standing: standing(t, &detail),
        is_well: mailbox.state == MailboxState::Active && detail.domain_active,
        steps: steps(t, mailbox.state),
        facts: facts(t, &detail),
        times: [
            (t.s("created"), When::new(mailbox.created)),
            (t.s("modified"), When::new(mailbox.modified)),
        ],
        source: source_field(state, administrator, &detail, &domain).await?,
        source_what: source_what(t, &detail),
        has_password: mailbox.password_scheme.is_some(),
        is_bound: mailbox.bound.is_some(),
        faults,
        app_passwords: made.items.into_iter().map(|view| AppPassword::new(t, view)).collect(),
        logins: last.items.into_iter().map(|view| Login::new(t, view)).collect(),
        all_logins: asking("/admin/logins", &[("address", address)]),
        explain: asking("/admin/explain", &[("address", address)]),
        way,
    })
}

/// What state it is in and why.
fn standing(t: &Texts, detail: &Detail) -> Vec<String> {
    let mailbox = &detail.mailbox;
    let state = match mailbox.state {
        MailboxState::Active if detail.domain_active => t.s("mailbox-active"),
        MailboxState::Active => t.s("mailbox-active-domain-off"),
        MailboxState::ReceiveOnly => t.s("mailbox-receives-only"),
        MailboxState::Disabled => t.s("mailbox-disabled"),
    };
    let mut sentences = vec![state];
    let source = source_words(t, &mailbox.auth_source);
    if let Some(withdrawn) = &mailbox.withdrawn {
        let since = When::new(withdrawn.since).full;
        let values = [("source", source.clone()), ("since", since)];
        sentences.push(match withdrawn.why {
            WithdrawnWhy::Missing => t.of("mailbox-missing-there", &values),
            WithdrawnWhy::Disabled => t.of("mailbox-disabled-there", &values),
        });
    } else if mailbox.state != MailboxState::Active {
        sentences.push(match mailbox.state_set_by {
            SetBy::Administrator => t.s("mailbox-set-by-administrator"),
            SetBy::Provider => t.with("mailbox-set-by-provider", "source", &source),
        });
    }
    if let Some(owner) = &detail.owner {
        sentences.extend(owner_words(t, *owner, &source));
    }
    sentences
}

fn owner_words(t: &Texts, owner: OwnerView, source: &str) -> Option<String> {
    let asked = owner.asked.map(|asked| When::new(asked).near)?;
    let values = [("source", source.to_owned()), ("asked", asked)];
    match owner.state {
        OwnerState::Disabled => Some(t.of("mailbox-owner-disabled", &values)),
        OwnerState::Gone => Some(t.of("mailbox-owner-gone", &values)),
        OwnerState::Enabled | OwnerState::Unknown => None,
    }
}

fn steps(t: &Texts, now: MailboxState) -> Vec<(&'static str, String)> {
    let all = [
        (MailboxState::Active, t.s("mailbox-make-active")),
        (MailboxState::ReceiveOnly, t.s("mailbox-make-receive-only")),
        (MailboxState::Disabled, t.s("mailbox-make-disabled")),
    ];
    let others = all.into_iter().filter(|(state, _)| *state != now);
    others.map(|(state, words)| (state.name(), words)).collect()
}

fn facts(t: &Texts, detail: &Detail) -> Vec<Fact> {
    let mailbox = &detail.mailbox;
    let of_domain =
        || t.with("mailbox-quota-of-domain", "quota", &quota(detail.effective_quota_bytes));
    let limit = match mailbox.quota_bytes {
        None => of_domain(),
        some => quota_words(t, some),
    };
    let template = mailbox.template.as_ref().map(|name| {
        let revision = mailbox.template_revision.unwrap_or_default().to_string();
        t.of("mailbox-template-applied", &[("name", name.to_string()), ("revision", revision)])
    });
    let kept: Vec<_> = mailbox.overrides.iter().map(|field| field_words(t, *field)).collect();
    let fields = mailbox.extra_fields.iter().map(|(key, value)| format!("{key}={value}"));
    let ids = [mailbox.uid, mailbox.gid].map(|id| id.map(|id| id.to_string()));
    let [uid, gid] = ids;
    let all = [
        (t.s("mailbox-name"), Some(mailbox.display_name.clone())),
        (t.s("mailbox-quota"), Some(limit)),
        (t.s("mailbox-services"), Some(services_words(t, mailbox.services))),
        (t.s("mailbox-tags"), Some(mailbox.tags.join(", "))),
        (t.s("mailbox-template"), template),
        (
            t.s("mailbox-bound"),
            mailbox.bound.as_ref().map(|bound| {
                t.of(
                    "mailbox-bound-to",
                    &[("subject", bound.subject.clone()), ("provider", bound.provider.to_string())],
                )
            }),
        ),
        (t.s("mailbox-kept"), Some(kept.join(", "))),
        (t.s("mailbox-home"), mailbox.home.clone()),
        (t.s("mailbox-mail"), mailbox.mail.clone()),
        (t.s("mailbox-uid"), uid),
        (t.s("mailbox-gid"), gid),
        (t.s("mailbox-fields"), Some(fields.collect::<Vec<_>>().join(", "))),
    ];
    let known = all.into_iter().filter_map(|(name, words)| Some((name, words?)));
    let known = known.filter(|(_, words)| !words.is_empty());
    known.map(|(name, words)| Fact { name, words }).collect()
}

/// A value that an administrator can hold against a provider.
pub(super) fn field_words(t: &Texts, field: Field) -> String {
    match field {
        Field::DisplayName => t.s("mailbox-name"),
        Field::State => t.s("mailbox-state"),
        Field::Services => t.s("mailbox-services"),
        Field::Quota => t.s("mailbox-quota"),
        Field::Tags => t.s("mailbox-tags"),
    }
}

async fn source_field(
    state: &State,
    administrator: &Administrator,
    detail: &Detail,
    domain: &domains::View,
) -> Result<Input, Trouble> {
    let t = Texts::english();
    let now = &detail.mailbox.auth_source;
    let mut all = sources(state, administrator, Some(domain)).await?;
    if !all.iter().any(|(source, _)| source == now) {
        all.push((now.clone(), now.clone()));
    }
    let mut filled = Filled::default();
    filled.set("auth_source", now.as_str());
    Ok(choice("auth_source", t.s("mailbox-source"), t.s("mailbox-source-help"), all, &filled))
}

fn source_what(t: &Texts, detail: &Detail) -> String {
    let mailbox = &detail.mailbox;
    let is_local = mailbox.auth_source == "local";
    match (&mailbox.password_scheme, is_local) {
        (Some(scheme), true) => t.with("mailbox-password-local", "scheme", scheme),
        (None, true) => t.s("mailbox-password-none"),
        (Some(scheme), false) => t.of(
            "mailbox-password-kept",
            &[("source", mailbox.auth_source.clone()), ("scheme", scheme.clone())],
        ),
        (None, false) => t.with("mailbox-password-elsewhere", "source", &mailbox.auth_source),
    }
}
