//! Bearer tokens: the provider of the login name's domain is asked, and no
//! other; what it says counts for that name alone.
//!
//! The order: name, network held back, mailbox and domain, services, provider,
//! auth source, token, user of the token, person. Whatever can be refused
//! without the provider is refused without asking it.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::{
    Cause, Pipeline, Reason, Verified, VerifiedBy,
    case::{Asking, Case, Stop},
    connected::{Connected, Question},
    judge::store_failed,
    mailpassword::Shown,
    newcomer::Arrived,
    person::Claimed,
    tokens::{Good, Said},
    trace::Outcome,
    turns::Seeker,
};
use crate::{
    clock::Timestamp,
    idp::{Outage, OutageCause, Refused, Step, StepOutcome},
    mailbox::{Address, AuthSource, Profile, ProviderName, provider::UnverifiedEmail},
    secret::Secret,
    store::Account,
};

/// Postfix gives up after 10 s, whatever waits for whatever.
pub(super) const PATIENCE: Duration = Duration::from_secs(9);

/// Whom one asks about an account.
pub(super) type Asks = fn(&Pipeline, &mut Case<'_>, &Account) -> Result<Arc<Connected>, Stop>;

/// Who vouches for a token.
struct Vouched {
    account: Account,
    provider: Arc<Connected>,
    good: Arc<Good>,
    /// It said so just now.
    is_new: bool,
}

impl Pipeline {
    pub(super) async fn bearer<'a>(
        &'a self,
        case: &mut Case<'a>,
        user: &Address,
        token: &Secret,
    ) -> Result<Verified, Stop> {
        self.introduce(case, user).await?;
        // The account's counter binds its main password alone.
        self.main_password_held(case, user, true)?;
        let account = match self.account_or_withdrawn(case, user).await {
            Err(Stop::Rejected(Reason::UnknownUser)) => {
                match self.newcomer_by_token(case, user, token).await? {
                    None => return Err(Stop::Rejected(Reason::UnknownUser)),
                    Some((Arrived::Made(account), provider)) => {
                        let by = VerifiedBy::Token(provider.settings.name.clone());
                        return Ok(case.verified(account, by));
                    }
                    Some((Arrived::There, _)) => self.account(case, user).await?,
                }
            }
            found => found?,
        };
        case.services(&account)?;
        let vouched = self.vouched(case, user, account, token).await?;
        let Vouched { account, provider, good, is_new } = vouched;
        self.token_user(case, user, &provider, &good).await?;
        let account = self.opened(case, account, &provider, &good, is_new).await?;
        Ok(case.verified(account, VerifiedBy::Token(provider.settings.name.clone())))
    }

    /// The mailbox, if it is the person's of whom the provider speaks, or may become so.
    /// It follows what the provider says of him, if it said so just now.
    pub(super) async fn opened<'a>(
        &'a self,
        case: &mut Case<'a>,
        account: Account,
        provider: &Arc<Connected>,
        good: &Good,
        is_new: bool,
    ) -> Result<Account, Stop> {
        let claimed = claimed(provider, good);
        let mut account = if let Some(directory) = self.directory_of(&account) {
            self.opened_besides(case, account, claimed, directory).await?
        } else {
            claimed.may_have(case, &account)?;
            self.bound(case, account, claimed).await?
        };
        // What was signed once does not show that somebody is back.
        let withdrawn = account.mailbox.policy.withdrawn.is_some();
        if is_new && (good.revocation_is_shown || !withdrawn) {
            let email = Some(account.mailbox.address.to_string());
            let profile = Profile { email, ..good.profile.clone() };
            account = self.followed(case, account, provider, &profile).await?;
        }
        case.is_back(&account)?;
        Ok(account)
    }

    /// The directory whose the mailbox is.
    fn directory_of(&self, account: &Account) -> Option<Arc<Connected>> {
        let AuthSource::Provider(name) = &account.mailbox.auth_source else { return None };
        self.registry.find(name).ok().filter(|connected| connected.directory().is_some())
    }

    /// A mailbox that belongs to somebody in a directory, opened by a token of the
    /// domain's provider. Its person is the directory's, who must be there and enabled;
    /// that it is the same one, the verified address says, at each login.
    async fn opened_besides<'a>(
        &'a self,
        case: &mut Case<'a>,
        account: Account,
        claimed: Claimed<'_>,
        directory: Arc<Connected>,
    ) -> Result<Account, Stop> {
        claimed.is_vouched_for(case)?;
        self.mailpassword_way(case, account, directory, Shown::Token).await
    }

    /// Notes who speaks for the domain before anything is refused: a challenge
    /// that names the provider for some mailboxes only would tell which exist.
    async fn introduce(&self, case: &mut Case<'_>, user: &Address) -> Result<(), Stop> {
        let domain = self.store.domain(&user.domain()).await;
        let domain = domain.map_err(|error| store_failed(case, &error))?;
        let provider = domain.and_then(|domain| domain.provider.clone());
        case.asked = provider.map(|provider| self.asking(provider, "token"));
        Ok(())
    }

    /// Notes whom one is about to ask.
    pub(super) fn asking(&self, provider: ProviderName, verifier: &'static str) -> Asking {
        let connected = self.registry.find(&provider).ok();
        Asking::new(provider, connected, verifier)
    }

    /// The provider whose tokens open this mailbox.
    pub(super) fn speaks_for(
        &self,
        case: &mut Case<'_>,
        account: &Account,
    ) -> Result<Arc<Connected>, Stop> {
        let domain = &account.domain;
        let Some(name) = &domain.provider else {
            case.trace
                .note("provider", Outcome::Refused, || format!("none speaks for {}", domain.name));
            return Err(Stop::Rejected(Reason::NoProvider));
        };
        let found = self.registry.find(name);
        let outcome = if found.is_ok() { Outcome::Ok } else { Outcome::Refused };
        case.trace.note("provider", outcome, || match &found {
            Ok(_) => format!("{name} speaks for {}", domain.name),
            Err(obstacle) => format!("{name}: {}", obstacle.detail()),
        });
        let connected =
            found.map_err(|obstacle| case.unavailable(obstacle.cause(), obstacle.detail()))?;
        let provider = connected.provider();
        let for_local = provider.is_some_and(|provider| provider.settings().tokens_for_local);
        let (opens, source) = match &account.mailbox.auth_source {
            AuthSource::Local if for_local => {
                (true, "local, which tokens_for_local opens to tokens".to_owned())
            }
            AuthSource::Local => (false, "the auth source of the mailbox is local".to_owned()),
            AuthSource::Provider(source) if source == name => (true, format!("provider {source}")),
            AuthSource::Provider(source) if self.directory_of(account).is_some() => {
                let way = if for_local { "opens" } else { "would open" };
                (for_local, format!("directory {source}, which tokens_for_local {way} to tokens"))
            }
            AuthSource::Provider(source) => {
                (false, format!("the auth source of the mailbox is provider {source}"))
            }
        };
        let outcome = if opens { Outcome::Ok } else { Outcome::Refused };
        case.trace.note("auth source", outcome, || source.clone());
        if opens { Ok(connected) } else { Err(case.refused(Reason::TokenSource, source)) }
    }

    /// The account and the provider that vouches for the token: by a fresh
    /// answer, by a new one, or while it cannot be asked by its last.
    async fn vouched<'a>(
        &'a self,
        case: &mut Case<'a>,
        user: &Address,
        account: Account,
        token: &Secret,
    ) -> Result<Vouched, Stop> {
        let give_up = Instant::now() + PATIENCE;
        let mut provider = self.speaks_for(case, &account)?;
        if let Some(said) = known(case, &provider, &account, token) {
            let good = weigh(case, said)?;
            return Ok(Vouched { account, provider, good, is_new: false });
        }
        // Kept until the mailbox is bound, so that who comes next finds it so.
        case.turn = self
            .turn(case, Seeker::Mailbox(&account), &provider, case.current.pool.deadline())
            .await?;
        let give_up = case.or_from_now(give_up, PATIENCE);
        let mut account = self.once_more(case, account, &provider, Self::speaks_for).await?;
        for _ in 0..2 {
            // Who had the turn before us may have asked the same.
            let known = known(case, &provider, &account, token);
            let mut is_new = known.is_none();
            let said = match (known, &case.turn) {
                (Some(said), _) => Some(said),
                (None, Some(_)) => ask(case, user, &provider, token, give_up).await,
                (None, None) => Some(too_many()),
            };
            let Some(said) = said else {
                provider = self.speaks_for(case, &account)?;
                continue;
            };
            is_new &= !matches!(said, Said::Unavailable(_));
            let said = or_last_good(case, &provider, &account, token, said);
            let good = weigh(case, said)?;
            account = self.once_more(case, account, &provider, Self::speaks_for).await?;
            return Ok(Vouched { account, provider, good, is_new });
        }
        Err(case.unavailable(Cause::Purged, "outdated twice while it was asked"))
    }

    /// The account as it is after something that took its time. `asked` says whom
    /// one asks about it.
    pub(super) async fn once_more(
        &self,
        case: &mut Case<'_>,
        before: Account,
        provider: &Arc<Connected>,
        asked: Asks,
    ) -> Result<Account, Stop> {
        let user = &before.mailbox.address;
        let now = self.store.account(user).await.map_err(|error| store_failed(case, &error))?;
        let same = |now: &Account| now.mailbox == before.mailbox && now.domain == before.domain;
        let in_force = self.registry.find(&provider.settings.name);
        let still_speaks = in_force.is_ok_and(|by_now| Arc::ptr_eq(&by_now, provider));
        if still_speaks && now.as_ref().is_some_and(same) {
            return Ok(before);
        }
        let account = self.account(case, user).await?;
        case.services(&account)?;
        let by_now = asked(self, case, &account)?;
        if !Arc::ptr_eq(&by_now, provider) {
            return Err(case.unavailable(Cause::Purged, "the provider changed meanwhile"));
        }
        Ok(account)
    }

    /// Whether the token is of the user who logs in.
    pub(super) async fn token_user(
        &self,
        case: &mut Case<'_>,
        user: &Address,
        provider: &Connected,
        good: &Good,
    ) -> Result<(), Stop> {
        let detail = match &good.user {
            Ok(address) if address == user => {
                case.trace.note("user", Outcome::Ok, || format!("the token is of {user}"));
                return Ok(());
            }
            Ok(address) => self.of_another(case, address, provider).await?,
            Err(why) => why.clone(),
        };
        case.trace.note("user", Outcome::Refused, || detail.clone());
        Err(case.refused(Reason::TokenUser, detail))
    }

    /// A provider that speaks of addresses outside its domains is trying
    /// something, or is not set up as its domains' administrators believe.
    async fn of_another(
        &self,
        case: &mut Case<'_>,
        address: &Address,
        provider: &Connected,
    ) -> Result<String, Stop> {
        let domain = self.store.domain(&address.domain()).await;
        let domain = domain.map_err(|error| store_failed(case, &error))?;
        let name = &provider.settings.name;
        if domain.is_some_and(|domain| domain.provider.as_ref() == Some(name)) {
            return Ok(format!("the token is of {address}"));
        }
        if !case.trace.is_on() {
            tracing::warn!(
                provider = %name, %address,
                "a token speaks of an address outside the domains of its provider"
            );
        }
        Ok(format!("the token is of {address}, which is outside the domains of {name}"))
    }
}

/// A fresh answer. Not one that would bind the mailbox: who is to be bound has
/// to be vouched for now, or a mailbox that was taken from somebody could go
/// back to him by what was said before.
fn known(
    case: &mut Case<'_>,
    provider: &Connected,
    account: &Account,
    token: &Secret,
) -> Option<Said> {
    if case.trace.is_on() {
        return None;
    }
    let key = provider.tokens.key(token.expose());
    let said = provider.tokens.fresh(&key, case.attempt.arrived)?.said;
    if let Said::Good(good) = &said {
        let mailbox = &account.mailbox;
        // Nor one that would not say whether he is back.
        if mailbox.policy.withdrawn.is_some() {
            return None;
        }
        if mailbox.bound.is_none() && good.is_of(&mailbox.address) && may_bind(provider, good) {
            return None;
        }
    }
    provider.tokens.count_hit(&said);
    case.cached = true;
    Some(said)
}

/// A fresh answer that does not let in.
pub(super) fn known_refused(
    case: &mut Case<'_>,
    provider: &Connected,
    token: &Secret,
) -> Option<Said> {
    let key = provider.tokens.key(token.expose());
    let known = provider.tokens.fresh(&key, case.attempt.arrived)?;
    let refused = matches!(known.said, Said::Refused(_)) && !case.trace.is_on();
    refused.then(|| {
        provider.tokens.count_hit(&known.said);
        case.cached = true;
        known.said
    })
}

/// A new answer; none if it was outdated when it came. To be explained, it is
/// asked for by itself and not kept.
pub(super) async fn ask(
    case: &mut Case<'_>,
    user: &Address,
    provider: &Arc<Connected>,
    token: &Secret,
    give_up: Instant,
) -> Option<Said> {
    let names = Arc::clone(&case.current.names);
    let question = Question { token, user, names, now: case.attempt.arrived };
    if !case.trace.is_on() {
        let heard = timeout_at(give_up, provider.ask(question)).await;
        return heard.unwrap_or_else(|_| Some(too_slow()));
    }
    let Ok(heard) = timeout_at(give_up, provider.try_out(question)).await else {
        return Some(too_slow());
    };
    for Step { name, detail, outcome } in heard.steps {
        let outcome = match outcome {
            StepOutcome::Ok => Outcome::Ok,
            StepOutcome::Failed => Outcome::Refused,
            StepOutcome::NotApplicable => Outcome::NotApplicable,
        };
        case.trace.note(name, outcome, || detail);
    }
    Some(heard.said)
}

/// In the place of an outage, the last good answer, if it counts so long and
/// lets in. For a refusal it is too old, and to bind a mailbox.
fn or_last_good(
    case: &mut Case<'_>,
    provider: &Connected,
    account: &Account,
    token: &Secret,
    said: Said,
) -> Said {
    let Said::Unavailable(outage) = said else { return said };
    // That we ask enough already says nothing of the provider, and anybody can
    // bring it about: also he whose token was revoked just now.
    if outage.cause == OutageCause::Busy {
        return Said::Unavailable(outage);
    }
    let (key, mailbox) = (provider.tokens.key(token.expose()), &account.mailbox);
    let lets_in = |(good, _): &(Arc<Good>, Timestamp)| {
        good.is_of(&mailbox.address) && claimed(provider, good).is_bound_to(account)
    };
    let last = provider.tokens.last(&key, case.attempt.arrived).filter(lets_in);
    let Some((good, asked)) = last else { return Said::Unavailable(outage) };
    case.stale = true;
    if !case.trace.is_on() {
        provider.tokens.count_stale();
    }
    case.trace.note("token", Outcome::NotApplicable, || {
        format!("{outage}; what was said at {asked} still counts")
    });
    Said::Good(good)
}

/// What an answer means for the login.
pub(super) fn weigh(case: &mut Case<'_>, said: Said) -> Result<Arc<Good>, Stop> {
    match said {
        Said::Good(good) => {
            case.trace.note("token", Outcome::Ok, || match good.expires {
                Some(expires) => format!("good until {expires}"),
                None => "good; its end is not known".to_owned(),
            });
            Ok(good)
        }
        // To be explained, it was asked for just now, and its steps end with this.
        Said::Refused(refusal) => Err(case.refused(reason(refusal.why), refusal.detail.clone())),
        Said::Unavailable(outage) => {
            case.trace.note("token", Outcome::Refused, || outage.detail.clone());
            Err(case.unavailable(cause(outage.cause), outage.detail.clone()))
        }
    }
}

/// Whether the user claim may be believed far enough to bind a mailbox.
fn may_bind(provider: &Connected, good: &Good) -> bool {
    good.user_is_verified || provider.settings.unverified_email == UnverifiedEmail::Accept
}

fn claimed<'p>(provider: &'p Connected, good: &'p Good) -> Claimed<'p> {
    Claimed {
        provider: &provider.settings.name,
        subject: &good.subject,
        may_bind: may_bind(provider, good),
        by: "the token",
    }
}

fn too_slow() -> Said {
    let detail = format!("no answer within {} s", PATIENCE.as_secs());
    Said::Unavailable(Outage { cause: OutageCause::Slow, detail }.into())
}

pub(super) fn too_many() -> Said {
    let detail = "too many tokens of this mailbox or network are being checked".to_owned();
    Said::Unavailable(Outage { cause: OutageCause::Busy, detail }.into())
}

pub(super) fn reason(refused: Refused) -> Reason {
    match refused {
        Refused::Malformed => Reason::TokenMalformed,
        Refused::Expired => Reason::TokenExpired,
        Refused::Inactive => Reason::TokenInactive,
        Refused::Signature => Reason::TokenSignature,
        Refused::Algorithm => Reason::TokenAlgorithm,
        Refused::Type => Reason::TokenType,
        Refused::Issuer => Reason::TokenIssuer,
        Refused::Audience => Reason::TokenAudience,
        Refused::Client => Reason::TokenClient,
        Refused::Scope => Reason::TokenScope,
        Refused::Declined => Reason::SignInDeclined,
        Refused::Code => Reason::SignInCode,
        Refused::Nonce => Reason::SignInNonce,
    }
}

pub(super) fn cause(outage: OutageCause) -> Cause {
    match outage {
        OutageCause::Unreachable => Cause::ProviderUnreachable,
        OutageCause::Tls => Cause::ProviderTls,
        OutageCause::Slow => Cause::ProviderSlow,
        OutageCause::Status => Cause::ProviderStatus,
        OutageCause::Malformed => Cause::ProviderMalformed,
        OutageCause::Credentials => Cause::ProviderCredentials,
        OutageCause::Rights => Cause::ProviderRights,
        OutageCause::Settings => Cause::ProviderSettings,
        OutageCause::Busy => Cause::ProviderBusy,
        OutageCause::Down => Cause::ProviderDown,
    }
}
