//! `/login-log`: the history of logins, equal ones in one row.

use std::{net::IpAddr, sync::Arc};

use axum::{Json, extract::State as Shared};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Error, Moment, Page, State,
    extract::{Params, shown},
    page::bounded,
    rights::Territory,
};
use crate::{
    mailbox::{Address, MailboxId},
    store::{UseFilter, UseRow},
    verify::Reason,
};

/// Equal uses of one mailbox.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "LoginLogRow")]
pub struct View {
    /// Whose; null if the mailbox is gone.
    pub address: Option<Address>,
    /// Protocol as the mail server names it.
    pub protocol: String,
    /// The user's address.
    pub rip: Option<IpAddr>,
    /// The app password that was used or tried.
    pub app_password: Option<String>,
    /// `ok`, or why it was refused.
    pub outcome: String,
    /// How many.
    pub count: u64,
    /// The first one.
    pub first: Moment,
    /// The last one.
    pub last: Moment,
}

impl View {
    fn new(row: UseRow, address: Option<Address>) -> Self {
        Self {
            address,
            protocol: row.protocol,
            rip: row.rip,
            app_password: row.app_password.map(|id| id.to_string()),
            outcome: row.outcome,
            count: row.count,
            first: row.first.into(),
            last: row.last.into(),
        }
    }
}

/// Which rows: those that meet all that is said. A row stands for equal logins
/// from its first to its last one, and is in a span of time if any of that is.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "LoginLogFilter")]
pub struct Filter {
    /// Only of this mailbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Only of this moment and later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Moment>,
    /// Only of before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
    /// Only `ok`, or only refusals for this reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Only refusals.
    #[serde(default)]
    pub failed: bool,
    /// Only of this service, or of a protocol that belongs to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Only from this address or network (CIDR).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rip: Option<String>,
    /// Only with the app password of this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_password: Option<String>,
    /// Most rows, the latest ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

pub(super) async fn list(
    Shared(state): Shared<State>,
    territory: Territory,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<View>>, Error> {
    let limit = bounded(filter.limit);
    let mailbox = match (&filter.address, &territory) {
        (Some(address), _) => {
            territory.check_mailbox(&state.address(address)?)?;
            Some(state.account(address).await?.mailbox)
        }
        (None, Territory::Own(account)) => Some(Arc::clone(&account.mailbox)),
        (None, _) => None,
    };
    let domains = match territory {
        Territory::Within(within) => Some(within.domains.clone()),
        _ => None,
    };
    let wanted = meant(filter, mailbox.as_ref().map(|mailbox| mailbox.id))?;
    let wanted = UseFilter { domains, ..wanted };
    let rows = state.store.uses(&wanted, limit).await?;
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        let address = match &mailbox {
            Some(mailbox) => Some(mailbox.address.clone()),
            None => state.store.address_of(row.mailbox).await?,
        };
        views.push(View::new(row, address));
    }
    Ok(Json(Page::whole(views)))
}

/// The filter as the store takes it.
fn meant(filter: Filter, mailbox: Option<MailboxId>) -> Result<UseFilter, Error> {
    let Filter { since, until, outcome, failed, service, rip, app_password, .. } = filter;
    if let Some(unknown) = outcome.as_deref().filter(|word| !is_outcome(word)) {
        return Err(Error::bad_request(format!(
            "outcome: {} is none; \"ok\", or the reason of a refusal as the log names it",
            shown(unknown)
        )));
    }
    let network = rip.map(|text| network(&text)).transpose()?;
    let app_password = app_password.map(|text| {
        text.parse()
            .map_err(|_| Error::bad_request(format!("app_password: {} is no id", shown(&text))))
    });
    Ok(UseFilter {
        mailbox,
        since: since.map(|moment| moment.0),
        until: until.map(|moment| moment.0),
        outcome,
        failed,
        protocol: service,
        network,
        app_password: app_password.transpose()?,
        domains: None,
    })
}

fn is_outcome(word: &str) -> bool {
    word == "ok" || Reason::ALL.iter().any(|reason| reason.name() == word)
}

fn network(text: &str) -> Result<IpNet, Error> {
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| {
        let shown = shown(text);
        Error::bad_request(format!("rip: {shown} is neither an address nor a network (CIDR)"))
    })
}
