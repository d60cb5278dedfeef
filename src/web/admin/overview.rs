//! Where administrators begin: what is wrong now, and figures.

use axum::{extract::State as Shared, response::Response};

use super::{
    super::{
        State,
        page::{Frame, Section, render},
        shown::{When, quota},
        texts::Texts,
        trouble::Trouble,
        visit::Administrator,
    },
    providers, sync,
};
use crate::{
    api::{
        Page, Paging, domains::View as Domain, providers::View as Provider, status::Status,
        sync::Syncing,
    },
    mailbox::{Quota, limits},
};

/// Of a hundred parts, how full a domain is when it is worth a word.
const ALMOST_FULL: u64 = 95;
/// Domains that are looked at. Whoever has more has programs that look.
const MOST_DOMAINS: usize = 1000;
/// Most that is said at once.
const MOST_WRONG: usize = 50;

#[derive(askama::Template)]
#[template(path = "admin/overview.html")]
struct Overview {
    frame: Frame,
    wrong: Vec<Wrong>,
    no_domain: bool,
    figures: Vec<(String, String)>,
    started: Option<When>,
}

/// One thing that is wrong.
struct Wrong {
    text: String,
    /// Where something can be done about it.
    address: String,
    is_bad: bool,
}

impl Wrong {
    fn bad(text: String, address: String) -> Self {
        Self { text, address, is_bad: true }
    }

    fn warning(text: String, address: String) -> Self {
        Self { text, address, is_bad: false }
    }
}

pub(super) async fn show(
    Shared(state): Shared<State>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let caller = &administrator.caller;
    let all: Page<Provider> = state.desk.get(caller, &["providers"]).await?;
    let paging = Paging { after: None, limit: Some(MOST_DOMAINS) };
    let domains: Page<Domain> = state.desk.look_up(caller, &["domains"], &paging).await?;
    // Only who administers everything is told of the server.
    let status: Option<Status> = if administrator.has_everything() {
        Some(state.desk.get(caller, &["status"]).await?)
    } else {
        None
    };
    let mut wrong: Vec<Wrong> = all.items.iter().flat_map(|one| of_provider(t, one)).collect();
    wrong.extend(status.iter().flat_map(|status| of_server(t, status)));
    wrong.extend(domains.items.iter().flat_map(|domain| of_domain(t, domain)));
    wrong.sort_by_key(|one| !one.is_bad);
    wrong.truncate(MOST_WRONG);
    let started = status.as_ref().and_then(|status| status.server.as_ref());
    Ok(render(&Overview {
        frame: Frame::new(&administrator.visit, t.s("overview"), Section::Overview),
        wrong,
        no_domain: domains.items.is_empty() && administrator.has_everything(),
        started: started.map(|server| When::new(server.started)),
        figures: status.map(|status| figures(t, &status)).unwrap_or_default(),
    }))
}

fn of_provider(t: &Texts, view: &Provider) -> Vec<Wrong> {
    let name = &view.name;
    let page = format!("/admin/providers/{name}");
    let status = &view.status;
    let mut wrong = Vec::new();
    if !view.problems.is_empty() {
        wrong.push(Wrong::bad(t.with("overview-provider-wrong", "name", name), page.clone()));
    }
    if let Some(down) = &status.down {
        let values = [("name", name.to_string()), ("why", down.clone())];
        wrong.push(Wrong::bad(t.of("overview-provider-down", &values), page.clone()));
    } else if status.left_alone.is_some() {
        let text = t.with("overview-provider-left-alone", "name", name);
        wrong.push(Wrong::warning(text, page.clone()));
    }
    if matches!(status.events.as_str(), "not_recorded" | "forbidden" | "failing") {
        let why = providers::events_words(t, &status.events);
        let values = [("name", name.to_string()), ("why", why)];
        wrong.push(Wrong::warning(t.of("overview-provider-events", &values), page));
    }
    wrong.extend(view.sync.as_ref().and_then(|syncing| of_sync(t, name.as_str(), syncing)));
    wrong
}

fn of_sync(t: &Texts, name: &str, syncing: &Syncing) -> Option<Wrong> {
    let last = syncing.last.as_ref()?;
    if !matches!(last.outcome.as_str(), "braked" | "failed") {
        return None;
    }
    let (words, _) = sync::outcome(t, &last.outcome);
    let why = match &last.reason {
        Some(reason) => format!("{words}: {reason}"),
        None => words,
    };
    let values = [("name", name.to_owned()), ("why", why)];
    Some(Wrong::bad(t.of("overview-sync", &values), format!("/admin/sync/{name}")))
}

fn of_server(t: &Texts, status: &Status) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    for directory in &status.directories {
        let (why, tone) = providers::directory_words(t, &directory.state);
        if matches!(tone, "bad" | "warn") {
            let values = [("name", directory.name.to_string()), ("why", why)];
            let page = format!("/admin/directories/{}", directory.name);
            wrong.push(Wrong::bad(t.of("overview-directory", &values), page));
        }
    }
    let lost = status.withdrawals.failed + status.withdrawals.dropped;
    if lost > 0 {
        let page = "/admin/mailboxes".to_owned();
        wrong.push(Wrong::warning(t.count("overview-withdrawals", lost), page));
    }
    if status.held_back > 0 {
        let page = "/admin/held-back".to_owned();
        wrong.push(Wrong::warning(t.count("overview-held-back", status.held_back), page));
    }
    wrong
}

fn is_almost(used: u64, most: u64) -> bool {
    most > 0 && used.saturating_mul(100) >= most.saturating_mul(ALMOST_FULL)
}

fn of_domain(t: &Texts, domain: &Domain) -> Vec<Wrong> {
    let page = format!("/admin/domains/{}", domain.name);
    let mut wrong = Vec::new();
    let mut say = |key: &str, used: String, most: String, is_full: bool| {
        let values = [("name", domain.name.to_string()), ("used", used), ("most", most)];
        let text = t.of(key, &values);
        wrong.push(Wrong { text, address: page.clone(), is_bad: is_full });
    };
    if let Some(most) = domain.max_mailboxes.filter(|most| is_almost(domain.mailboxes, *most)) {
        let (used, is_full) = (domain.mailboxes, domain.mailboxes >= most);
        say("overview-domain-mailboxes", used.to_string(), most.to_string(), is_full);
    }
    let Quota { bytes: most } = domain.total_quota_bytes;
    let used = domain.used_quota_bytes;
    if is_almost(used, most) {
        let words = [Quota { bytes: used }, Quota { bytes: most }].map(quota);
        let [given, of] = words;
        say("overview-domain-quota", given, of, used >= most);
    }
    wrong
}

fn figures(t: &Texts, status: &Status) -> Vec<(String, String)> {
    let mut figures = Vec::new();
    if let Some(server) = &status.server {
        let logins = &server.logins;
        figures.extend([
            (t.s("overview-verified"), logins.verified.to_string()),
            (t.s("overview-rejected"), logins.rejected.to_string()),
            (t.s("overview-unavailable"), logins.unavailable.to_string()),
        ]);
    }
    figures.extend(status.store_bytes.map(|bytes| (t.s("overview-store"), limits::size(bytes))));
    figures.push((t.s("overview-version"), status.version.clone()));
    figures
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn domain(mailboxes: u64, most: Option<u64>, given: u64, total: u64) -> Domain {
        serde_json::from_value(json!({
            "name": "example.org", "active": true, "mailboxes": mailboxes,
            "max_mailboxes": most, "default_quota_bytes": 0, "max_quota_bytes": 0,
            "used_quota_bytes": given, "total_quota_bytes": total,
            "created": "2026-01-01T00:00:00Z", "modified": "2026-01-01T00:00:00Z",
        }))
        .unwrap()
    }

    #[test]
    fn domains_that_are_full() {
        let t = Texts::english();
        let found = |domain: Domain| -> Vec<bool> {
            of_domain(t, &domain).iter().map(|wrong| wrong.is_bad).collect()
        };
        assert!(found(domain(94, Some(100), 0, 0)).is_empty());
        assert_eq!(found(domain(95, Some(100), 0, 0)), [false]);
        assert_eq!(found(domain(100, Some(100), 1, 1)), [true, true]);
        assert!(found(domain(1_000_000, None, u64::MAX, 0)).is_empty());
        // A domain without room for anybody is meant so.
        assert!(found(domain(0, Some(0), 0, 0)).is_empty());
    }

    #[test]
    fn a_sync_that_was_held_is_said() {
        let t = Texts::english();
        let syncing = |outcome: &str| -> Syncing {
            serde_json::from_value(json!({
                "under_way": false, "last_complete": null, "next": null,
                "last": {
                    "provider": "corp", "run": 3, "phase": "ended", "expected": null,
                    "started": "2026-01-01T00:00:00Z", "ended": "2026-01-01T00:00:00Z",
                    "outcome": outcome, "reason": "30 of 100 would be switched off", "people": 70,
                    "unchanged": 70, "done": {}, "skipped": {}, "lines": 0, "by": "schedule",
                    "scope": "all",
                },
            }))
            .unwrap()
        };
        let said = of_sync(t, "corp", &syncing("braked")).unwrap();
        assert!(said.text.contains("30 of 100") && said.address == "/admin/sync/corp");
        assert!(of_sync(t, "corp", &syncing("complete")).is_none());
    }
}
