//! How soon it is noticed that somebody may log in no more: what the provider
//! tells of its people, and which times hold where it tells nothing.

use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::{
    super::{Settings, events::Recorded, words::printable},
    Probe, Tried, TriedOutcome, hints,
};
use crate::{
    clock::Span,
    mailbox::provider::{Kind, Method},
};

impl Probe<'_> {
    /// Whether our client may see people, where they are asked about.
    pub(super) async fn users(&mut self) {
        let settings = self.settings();
        if !asks_about_people(settings) {
            return;
        }
        let began = Instant::now();
        let tried = match self.provider.sees_people(self.deadline).await {
            Ok(()) => {
                let what = settings.password_attribute.as_deref().map(printable);
                let what =
                    what.map_or_else(|| "them".to_owned(), |what| format!("them and their {what}"));
                let detail = format!("\"{}\" may see {what}", hints::client_id(settings));
                Tried::new("users", TriedOutcome::Ok, detail)
            }
            Err(outage) => self.outage("users", &outage).hint(hints::users(&outage, settings)),
        };
        self.tried.push(tried.since(began));
    }

    /// Whether the groups and roles of the mapping can be listed, if it names any.
    pub(super) async fn mapping(&mut self) {
        let rules = &self.settings().provisioning;
        let number = rules.groups().chain(rules.roles()).count();
        if number == 0 || self.settings().admin.is_none() {
            return;
        }
        let began = Instant::now();
        let asked = timeout_at(self.deadline.into(), self.provider.sees_mapping()).await;
        let tried = match asked {
            Ok(Ok(())) => {
                let detail =
                    format!("all {number} groups and roles of attribute_mapping are there");
                Tried::new("mapping", TriedOutcome::Ok, detail)
            }
            // No login needs them, but each sync ends there.
            Ok(Err(outage)) => Tried::new("mapping", TriedOutcome::Warning, outage.detail),
            Err(_) => Tried::new("mapping", TriedOutcome::Warning, "no answer in time"),
        };
        self.tried.push(tried.since(began));
    }

    /// Whether changes of people are heard of.
    pub(super) async fn events(&mut self) {
        let settings = self.settings();
        let bounds = bounds(settings);
        let Some(interval) = settings.event_interval else {
            let why = match (settings.kind, settings.admin.is_some()) {
                (Kind::Oidc, _) => "kind oidc has none that can be read",
                (Kind::Keycloak, true) => "event_interval is 0s, so nobody reads them",
                (Kind::Keycloak, false) => "they are read with client_id and client_secret",
            };
            return self.skip("events", &format!("{why}: {bounds}"));
        };
        let began = Instant::now();
        let tried = match self.provider.recorded(self.deadline).await {
            Ok(recorded) => match lacking(&recorded) {
                None => {
                    let detail = format!(
                        "\"{}\" may read them, and all are recorded: changes are noticed within some {}; \
                         but a directory behind Keycloak (LDAP) raises none, and there {bounds}",
                        hints::client_id(settings),
                        span(interval.max(Duration::from_secs(1))),
                    );
                    Tried::new("events", TriedOutcome::Ok, detail)
                }
                Some(lacking) => {
                    let detail = format!("the realm does not record {lacking}: {bounds}");
                    Tried::new("events", TriedOutcome::Warning, detail)
                        .hint(hints::RECORDING.to_owned())
                }
            },
            Err(outage) => {
                let mut tried = self.outage("events", &outage);
                tried.detail = format!("{}: {bounds}", tried.detail);
                // Everything works without, only later.
                tried.outcome = TriedOutcome::Warning;
                tried.hint(hints::events(&outage, settings))
            }
        };
        self.tried.push(tried.since(began));
    }

    /// Whether the provider can say that somebody signed out. Whether it is told
    /// where to say so cannot be seen from here.
    pub(super) fn logout(&mut self) {
        let settings = self.settings();
        let tokens = tokens(settings);
        match (self.signs_out, settings.logout_audience().is_empty()) {
            (_, true) => {
                let why = format!("it needs client_id or clients: {tokens}");
                self.skip("logout", &why);
            }
            (true, false) => {
                let detail = format!(
                    "the provider can tell us who signed out; whether it does is not seen from here, and \
                     else {tokens}"
                );
                let tried = Tried::new("logout", TriedOutcome::Ok, detail);
                self.tried.push(tried.hint(hints::logout(settings)));
            }
            (false, false) => {
                let why = format!("the provider does not name back-channel logout: {tokens}");
                self.skip("logout", &why);
            }
        }
    }

    /// Whether app passwords follow their owner.
    pub(super) fn app_passwords(&mut self) {
        let settings = self.settings();
        match (settings.account_check, settings.kind) {
            (Some(time), _) => {
                let detail = format!(
                    "stop while their owner is disabled or gone, {} later at the latest",
                    span(time)
                );
                self.tried.push(Tried::new("app passwords", TriedOutcome::Ok, detail));
            }
            (None, Kind::Keycloak) => {
                let why = "account_check is off: they go on when their owner is disabled";
                let tried = Tried::new("app passwords", TriedOutcome::NotTried, why);
                self.tried.push(tried.hint(hints::account_check(settings)));
            }
            (None, Kind::Oidc) => {
                let why = "kind oidc cannot say whether their owner is disabled: they go on then";
                let tried = Tried::new("app passwords", TriedOutcome::NotTried, why);
                self.tried.push(tried.hint(hints::DISABLE.to_owned()));
            }
        }
    }

    /// There is no connection.
    pub(super) fn skip_withdrawal(&mut self, why: &str) {
        if asks_about_people(self.settings()) {
            self.skip("users", why);
        }
        self.skip("events", why);
        self.skip("logout", why);
        self.skip("sign-in", why);
    }
}

fn asks_about_people(settings: &Settings) -> bool {
    settings.admin.is_some()
        && (settings.password_attribute.is_some() || settings.account_check.is_some())
}

/// What the realm does not record.
fn lacking(recorded: &Recorded) -> Option<&'static str> {
    match (recorded.admin, recorded.user()) {
        (true, true) => None,
        (false, true) => Some("admin events"),
        (true, false) => Some("all user events that matter"),
        (false, false) => Some("events"),
    }
}

/// When a change is noticed that nobody tells of.
fn bounds(settings: &Settings) -> String {
    let mut bounds = vec![tokens(settings)];
    if settings.password_attribute.is_some() {
        let time = span(settings.mailpassword_cache);
        bounds.push(format!("a new password and a disabled user after {time}"));
    }
    if let Some(time) = settings.account_check {
        bounds.push(format!("the disabled owner of an app password after {}", span(time)));
    }
    bounds.join(", ")
}

fn tokens(settings: &Settings) -> String {
    if settings.methods == [Method::Jwt] {
        return "a revoked token counts until it is over".to_owned();
    }
    format!("a revoked token is noticed after {} at the latest", span(settings.token_cache))
}

fn span(time: Duration) -> Span {
    Span(time)
}
