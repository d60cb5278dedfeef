//! `/import/mailboxes` and `/import/app-passwords`: what another mail system has.

use axum::{Json, extract::State as Shared};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Caller, Error, State,
    error::Code,
    extract::Body,
    mailboxes::{self, check_places},
    rights::Territory,
    text,
};
use crate::{
    clock::Timestamp,
    mailbox::{
        Address, AppPasswordId, AuthSource, ImportedAppPassword, Mailbox, MailboxState,
        PasswordHash, SetBy,
    },
    password::{self, Caps, Stored},
    provision::import::{Difference, Wanted, WantedAppPassword, compare, compare_app_password},
    store::{Arrival, MailboxChange, NewMailbox},
    verify::WithdrawnFor,
};

/// Most mailboxes of one request: they are written in one transaction.
pub const MAX_ARRIVALS: usize = 500;
/// Largest body of one request.
pub const MAX_ARRIVALS_BYTES: usize = 8 * 1024 * 1024;

/// Mailboxes to be taken in.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MailboxBatch")]
pub struct Batch {
    /// Check and compare only.
    #[serde(default)]
    pub dry_run: bool,
    /// Change what is there and differs; else it stays as it is.
    #[serde(default)]
    pub update: bool,
    /// As the other system has them.
    pub mailboxes: Vec<Wanted>,
}

/// App passwords to be taken in.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AppPasswordBatch {
    /// Check and compare only.
    #[serde(default)]
    pub dry_run: bool,
    /// Change what is there and differs; else it stays as it is.
    #[serde(default)]
    pub update: bool,
    /// As the other system has them.
    pub app_passwords: Vec<WantedAppPassword>,
}

/// What became of each of them, in the same order.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[schemars(rename = "ImportResults")]
pub struct Results {
    /// One for each mailbox.
    pub results: Vec<Arrived>,
}

/// What became of one mailbox, or would.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Arrived {
    /// Its canonical address, if it has one.
    pub address: Option<Address>,
    /// What was done.
    pub outcome: Outcome,
    /// What was not the same here and there.
    #[serde(default)]
    pub differences: Vec<Difference>,
    /// Why it was refused.
    #[serde(default)]
    pub reason: Option<String>,
    /// Scheme of the password, if it has one.
    #[serde(default)]
    pub scheme: Option<String>,
    /// Setting of `[passwords]` without which nobody logs in with it.
    #[serde(default)]
    pub needs: Option<String>,
    /// It needs a mailbox that is not there (yet).
    #[serde(default)]
    pub no_mailbox: bool,
}

/// What was done, or would be.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ImportOutcome")]
pub enum Outcome {
    /// Made.
    Created,
    /// There already, and the same.
    Unchanged,
    /// There already and not the same; left as it is.
    Different,
    /// There already, and made the same.
    Updated,
    /// Nothing, for the reason that is given.
    Refused,
}

impl Outcome {
    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Unchanged => "unchanged",
            Self::Different => "different",
            Self::Updated => "updated",
            Self::Refused => "refused",
        }
    }
}

impl Arrived {
    /// Refused for this reason.
    pub fn refused(address: Option<Address>, reason: String) -> Self {
        let outcome = Outcome::Refused;
        Self {
            address,
            outcome,
            differences: Vec::new(),
            reason: Some(reason),
            scheme: None,
            needs: None,
            no_mailbox: false,
        }
    }
}

pub(super) async fn take_in(
    Shared(state): Shared<State>,
    caller: Caller,
    Body(batch): Body<Batch>,
) -> Result<Json<Results>, Error> {
    if batch.mailboxes.len() > MAX_ARRIVALS {
        let most = format!("more than {MAX_ARRIVALS} mailboxes in one request");
        return Err(Error::new(Code::TooLarge, most));
    }
    let mut judged = Vec::with_capacity(batch.mailboxes.len());
    for wanted in batch.mailboxes {
        judged.push(state.judge_arrival(wanted, batch.update, batch.dry_run).await?);
    }
    state.carry_out(&caller, judged, batch.dry_run, "mailboxes").await
}

pub(super) async fn take_in_app_passwords(
    Shared(state): Shared<State>,
    caller: Caller,
    Body(batch): Body<AppPasswordBatch>,
) -> Result<Json<Results>, Error> {
    if batch.app_passwords.len() > MAX_ARRIVALS {
        let most = format!("more than {MAX_ARRIVALS} app passwords in one request");
        return Err(Error::new(Code::TooLarge, most));
    }
    let mut judged = Vec::with_capacity(batch.app_passwords.len());
    for wanted in batch.app_passwords {
        judged.push(state.judge_app_password(wanted, batch.update).await?);
    }
    state.carry_out(&caller, judged, batch.dry_run, "app passwords").await
}

/// What to say of something that arrives, and what to do with it.
type Judged = (Arrived, Option<Arrival>);

impl State {
    /// Writes what is to be done, unless it is a dry run, and says what came of it.
    async fn carry_out(
        &self,
        caller: &Caller,
        judged: Vec<Judged>,
        dry_run: bool,
        what: &str,
    ) -> Result<Json<Results>, Error> {
        let (mut results, mut places, mut arrivals) = (Vec::new(), Vec::new(), Vec::new());
        for (place, (arrived, arrival)) in judged.into_iter().enumerate() {
            results.push(arrived);
            if let Some(arrival) = arrival.filter(|_| !dry_run) {
                places.push(place);
                arrivals.push(arrival);
            }
        }
        if arrivals.is_empty() {
            return Ok(Json(Results { results }));
        }
        let taken = self.store.take_in(arrivals, Timestamp::now()).await?;
        let mut number = 0;
        for (place, taken) in places.into_iter().zip(taken) {
            match taken {
                Ok(account) => {
                    number += 1;
                    self.follow_up(&results[place], &account.mailbox);
                }
                Err(refusal) => {
                    let address = results[place].address.clone();
                    results[place] = Arrived::refused(address, refusal.to_string());
                }
            }
        }
        caller.changed("import", &format_args!("{number} {what}"));
        Ok(Json(Results { results }))
    }

    /// Who was switched off by it is withdrawn, as when an administrator types it.
    fn follow_up(&self, arrived: &Arrived, mailbox: &Mailbox) {
        let active = MailboxState::Active.name();
        let mut differences = arrived.differences.iter();
        if differences.any(|one| one.field == "state" && one.here == active)
            && let Some(why) = WithdrawnFor::by_state(mailbox.state)
        {
            self.pipeline.withdraw(&mailbox.address, why);
        }
    }

    async fn judge_app_password(
        &self,
        wanted: WantedAppPassword,
        update: bool,
    ) -> Result<Judged, Error> {
        let address = match self.address(&wanted.address) {
            Ok(address) => address,
            Err(problem) => return Ok((Arrived::refused(None, problem.detail()), None)),
        };
        let refused = |reason| Ok((Arrived::refused(Some(address.clone()), reason), None));
        if let Err(problem) = text::label("the name", &wanted.name) {
            return refused(problem.detail());
        }
        let caps = self.settings.load().caps;
        let (scheme, needs) = match fitness(&wanted.hash, &caps) {
            Ok(fit) => fit,
            Err(error) => return refused(error.to_string()),
        };
        let account = self.store.account(&address).await?;
        let here = match &account {
            None => Vec::new(),
            Some(account) => self.store.imported_app_passwords(account.mailbox.id).await?,
        };
        let here = here.iter().find(|here| here.hash == wanted.hash);
        let differences = here.map_or_else(Vec::new, |here| compare_app_password(&wanted, here));
        let outcome = match here {
            None => Outcome::Created,
            Some(_) if differences.is_empty() => Outcome::Unchanged,
            Some(_) if update => Outcome::Updated,
            Some(_) => Outcome::Different,
        };
        let writes = matches!(outcome, Outcome::Created | Outcome::Updated);
        let arrival = writes.then(|| {
            let WantedAppPassword { name, hash, services, created, .. } = wanted;
            // The store gives it an id.
            let (id, created) = (AppPasswordId::from_bits(0), Timestamp(created));
            let one = ImportedAppPassword { id, name, hash, services, created };
            Arrival::AppPassword(address.clone(), Box::new(one))
        });
        let arrived = Arrived {
            address: Some(address),
            outcome,
            differences,
            reason: None,
            scheme: Some(scheme),
            needs,
            no_mailbox: account.is_none(),
        };
        Ok((arrived, arrival))
    }

    /// What is to be done with a mailbox, and what to say of it.
    async fn judge_arrival(
        &self,
        wanted: Wanted,
        update: bool,
        dry_run: bool,
    ) -> Result<Judged, Error> {
        let address = match self.address(&wanted.address) {
            Ok(address) => address,
            Err(problem) => return Ok((Arrived::refused(None, problem.detail()), None)),
        };
        let refused = |reason| Ok((Arrived::refused(Some(address.clone()), reason), None));
        if let Err(problem) = check(&wanted) {
            return refused(problem.detail());
        }
        let caps = self.settings.load().caps;
        let (scheme, needs) = match wanted.hash.as_ref().map(|hash| fitness(hash, &caps)) {
            None => (None, None),
            Some(Ok((scheme, needs))) => (Some(scheme), needs),
            Some(Err(error)) => return refused(error.to_string()),
        };
        let source = match self.source_of_arrival(&address, &wanted, dry_run).await? {
            Ok(source) => source,
            Err(reason) => return refused(reason),
        };
        let account = self.store.account(&address).await?;
        let no_mailbox = account.is_none();
        let unfit = self.pipeline.names().unfit_for_mailbox(&address).filter(|_| no_mailbox);
        if let Some(why) = unfit {
            return refused(why);
        }
        let (outcome, differences, arrival) = match account {
            None => (Outcome::Created, Vec::new(), Some(self.newcomer(&address, source, wanted))),
            Some(account) => changed(&wanted, source, &account.mailbox, update),
        };
        let arrived = Arrived {
            address: Some(address),
            outcome,
            differences,
            reason: None,
            scheme,
            needs,
            no_mailbox,
        };
        Ok((arrived, arrival))
    }

    /// The auth source, if one is named. In a dry run its domain may still be to
    /// be made, and whoever asks knows of that.
    async fn source_of_arrival(
        &self,
        address: &Address,
        wanted: &Wanted,
        dry_run: bool,
    ) -> Result<Result<Option<AuthSource>, String>, Error> {
        let Some(name) = &wanted.auth_source else { return Ok(Ok(None)) };
        let source = match self.store.domain(&address.domain()).await? {
            Some(domain) => self.auth_source(name, &domain, &Territory::Everything),
            None => Err(Error::not_found("domain", address.domain_str())),
        };
        Ok(match source {
            Ok(source) => Ok(Some(source)),
            Err(_) if dry_run => match name.parse() {
                Ok(name) => Ok(Some(AuthSource::Provider(name))),
                Err(_) => Ok(Some(AuthSource::Local)),
            },
            Err(problem) => Err(problem.detail()),
        })
    }

    fn newcomer(&self, address: &Address, source: Option<AuthSource>, wanted: Wanted) -> Arrival {
        let home = wanted.home.unwrap_or_else(|| self.home_of(address));
        Arrival::New(Box::new(NewMailbox {
            address: address.clone(),
            display_name: wanted.display_name.unwrap_or_default(),
            template: None,
            state: wanted.state,
            set_by: SetBy::Administrator,
            auth_source: source.unwrap_or_default(),
            bound: None,
            local_hash: wanted.hash,
            services: wanted.services,
            quota: wanted.quota_bytes,
            tags: wanted.tags,
            home: Some(home),
            uid: wanted.uid,
            gid: wanted.gid,
            mail: wanted.mail,
            extra_fields: wanted.extra_fields,
        }))
    }
}

fn changed(
    wanted: &Wanted,
    source: Option<AuthSource>,
    mailbox: &Mailbox,
    update: bool,
) -> (Outcome, Vec<Difference>, Option<Arrival>) {
    let (mut differences, mut change): (_, MailboxChange) = compare(wanted, mailbox);
    if let Some(source) = source.filter(|source| *source != mailbox.auth_source) {
        let name = |source: &AuthSource| mailboxes::source_name(source).to_owned();
        let (here, there) = (name(&mailbox.auth_source), name(&source));
        differences.push(Difference { field: "auth source".to_owned(), here, there });
        change.auth_source = Some(source);
    }
    if differences.is_empty() {
        return (Outcome::Unchanged, differences, None);
    }
    if !update {
        return (Outcome::Different, differences, None);
    }
    let arrival = Arrival::Change(mailbox.address.clone(), Box::new(change));
    (Outcome::Updated, differences, Some(arrival))
}

/// The same bounds as for what an administrator types.
fn check(wanted: &Wanted) -> Result<(), Error> {
    text::label("the display name", wanted.display_name.as_deref().unwrap_or_default())?;
    text::tags(&wanted.tags)?;
    text::fields(&wanted.extra_fields)?;
    check_places(wanted.uid, wanted.gid, wanted.home.as_deref(), wanted.mail.as_deref())
}

/// The scheme of a hash, and the setting without which it is of no use. A hash
/// that no setting makes usable is refused.
fn fitness(hash: &PasswordHash, caps: &Caps) -> Result<(String, Option<String>), password::Error> {
    if hash.as_str().len() > MAX_HASH_BYTES || hash.as_str().chars().any(char::is_control) {
        return Err(password::Error::Corrupt("too long, or with a control character"));
    }
    let stored = Stored::parse(hash.as_str())?.of("x@example.org");
    let needs = match stored.check(caps) {
        Err(password::Error::CostAboveCap { what, found, .. }) => Some(cap_setting(what, found)),
        other => {
            other?;
            let off = stored.is_weak() && !caps.weak_schemes;
            off.then(|| "allow_weak_schemes = true".to_owned())
        }
    };
    Ok((stored.scheme_name().to_ascii_uppercase(), needs))
}

/// Far more than any hash has.
const MAX_HASH_BYTES: usize = 1024;

/// The line of `[passwords]` that allows this cost.
fn cap_setting(what: &str, found: u64) -> String {
    match what {
        "bcrypt cost" => format!("max_bcrypt_cost = {found}"),
        "rounds" => format!("max_sha_crypt_rounds = {found}"),
        "Argon2 memory in bytes" => format!("max_argon2_memory = \"{}\"", in_mib(found)),
        "Argon2 passes" => format!("max_argon2_passes = {found}"),
        "Argon2 lanes" => format!("max_argon2_lanes = {found}"),
        "PBKDF2 rounds" => format!("max_pbkdf2_rounds = {found}"),
        "yescrypt memory in bytes" => format!("max_yescrypt_memory = \"{}\"", in_mib(found)),
        other => format!("another password: {found} {other} are more than is ever run"),
    }
}

fn in_mib(bytes: u64) -> String {
    format!("{}M", bytes.div_ceil(1 << 20))
}
