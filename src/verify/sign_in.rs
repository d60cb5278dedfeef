//! Signing in with a browser: a bearer login whose token we were given ourselves.
//!
//! The order differs from a token's, since nobody has said yet who comes: network held
//! back, provider, what the browser brought, and then as for a token whose answer is of
//! this moment: domain, mailbox, services, auth source, person. Somebody whom no mailbox
//! is opened may still administer: that is the provider's word on him and no mailbox's.

use std::{net::IpAddr, sync::Arc};

use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{
    Attempt, Cause, Decision, Pipeline, Reason, Verified, VerifiedBy,
    bearer::{self, PATIENCE},
    case::{Case, Stop},
    connected::{Connected, canonical},
    judge::store_failed,
    newcomer::Arrived,
    providers::Obstacle,
    random::random,
    tokens::Good,
    trace::Recorder,
    turns::Seeker,
};
use crate::{
    clock::Timestamp,
    idp::{Departure, NotSignedIn, Return, SignedIn},
    mailbox::{Address, DomainName, OwnerState, ProviderName},
    sasl::Credentials,
    secret::Secret,
};

/// Mechanism and service of a sign-in, in the log.
const MECHANISM: &str = "OIDC";
const PROTOCOL: &str = "web";

/// A browser that is back from a provider.
#[derive(Debug)]
pub struct Comeback {
    /// From where.
    pub provider: ProviderName,
    /// What it was sent away with.
    pub departure: Departure,
    /// What it brings back.
    pub returned: Return,
    /// The visitor's own address.
    pub rip: Option<IpAddr>,
    /// When it came.
    pub arrived: Timestamp,
}

/// What a sign-in came to.
#[derive(Debug)]
pub struct Welcomed {
    /// Whether a mailbox is opened.
    pub decision: Decision,
    /// Who it is; none where the provider has not said so.
    pub guest: Option<Guest>,
}

/// Somebody whom his provider vouches for.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The provider.
    pub provider: ProviderName,
    /// Its issuer.
    pub issuer: String,
    /// Its own id of him.
    pub subject: String,
    /// His session there, where it said one.
    pub session: Option<String>,
    /// First and last name, as far as there are any.
    pub name: String,
    /// The address that it says is his.
    pub address: Option<Address>,
    /// What he may administer.
    pub administers: Administers,
    /// What shows the provider whom to sign out.
    pub id_token: Secret,
}

/// What a provider's person may administer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Administers {
    /// Nothing.
    Nothing,
    /// The domains for which the provider speaks.
    ItsDomains,
    /// Everything.
    Everything,
}

/// Why no browser is sent to a provider.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NotSentOff {
    /// There is no provider of this name.
    UnknownProvider,
    /// It cannot be told where to; in words for the log.
    Unavailable(String),
}

impl Pipeline {
    /// Where to send a browser so that its person signs in at `provider`, and what is to
    /// be kept until it is back at `redirect`.
    ///
    /// # Errors
    /// There is no such provider, or it is not known where to.
    pub async fn send_off(
        &self,
        provider: &ProviderName,
        redirect: &Url,
        hint: Option<&Address>,
    ) -> Result<(Url, Departure), NotSentOff> {
        let connected = self.registry.find(provider).map_err(|obstacle| match obstacle {
            Obstacle::NotConfigured => NotSentOff::UnknownProvider,
            Obstacle::Settings(_) => NotSentOff::Unavailable(obstacle.detail()),
        })?;
        let asked = connected.provider().ok_or(NotSentOff::UnknownProvider)?;
        let chance = [random(), random(), random()];
        let sent = asked.send_off(redirect, hint.map(Address::as_str), chance).await;
        sent.map_err(|outage| NotSentOff::Unavailable(outage.detail))
    }

    /// The provider at which people with addresses of this domain sign in with a browser;
    /// none also where that cannot be told now.
    pub async fn signs_in_for(&self, domain: &DomainName) -> Option<ProviderName> {
        let domain = self.store.domain(domain).await.inspect_err(|error| {
            tracing::error!(%error, "it cannot be told who signs people of a domain in");
        });
        let name = domain.ok()??.provider.clone()?;
        let asked = self.provider(&name)?;
        asked.settings().sign_in.is_some().then_some(name)
    }

    /// Where a browser goes to be signed out at the provider, too, with the fields of the
    /// form that it posts there.
    pub async fn way_out(
        &self,
        provider: &ProviderName,
        redirect: &Url,
        id_token: &Secret,
    ) -> Option<(Url, [(String, String); 3])> {
        self.provider(provider)?.way_out(redirect, id_token).await
    }

    /// Decides about a browser that is back, and records it. Nothing is counted: there is
    /// nothing to guess.
    pub async fn welcome(&self, comeback: Comeback) -> Welcomed {
        let attempt = Attempt {
            // Nobody has said who he is; what he brought is good once, and not kept.
            credentials: Credentials::Bearer { user: Vec::new(), token: Secret::default() },
            mechanism: MECHANISM,
            protocol: PROTOCOL.to_owned(),
            rip: comeback.rip,
            session: None,
            no_penalty: false,
            arrived: comeback.arrived,
        };
        let current = self.current();
        let mut case = Case::new(&attempt, &current, Recorder::off());
        case.asked = Some(self.asking(comeback.provider.clone(), "sign_in"));
        let mut guest = None;
        let outcome = self.judge_sign_in(&mut case, &comeback, &mut guest).await;
        self.record(&case, &outcome);
        let (answer_after, _) = self.answer_after(&case, &outcome);
        let verdict = case.verdict(outcome);
        Welcomed { decision: Decision { verdict, answer_after, guess: false }, guest }
    }

    async fn judge_sign_in<'a>(
        &'a self,
        case: &mut Case<'a>,
        comeback: &Comeback,
        guest: &mut Option<Guest>,
    ) -> Result<Verified, Stop> {
        self.network_held(case)?;
        let provider = self.registry.find(&comeback.provider);
        let provider =
            provider.map_err(|obstacle| case.unavailable(obstacle.cause(), obstacle.detail()))?;
        let (good, id_token, is_administrator) = self.signed_in(case, comeback, &provider).await?;
        let administers = match provider.provider().map(|asked| asked.settings().administrators) {
            Some(true) if is_administrator => Administers::Everything,
            Some(false) if is_administrator => Administers::ItsDomains,
            _ => Administers::Nothing,
        };
        *guest = Some(Guest {
            provider: comeback.provider.clone(),
            issuer: provider
                .provider()
                .and_then(|asked| asked.settings().issuer.clone())
                .unwrap_or_default(),
            subject: good.subject.clone(),
            session: good.session.clone(),
            name: good.profile.name.clone(),
            address: good.user.as_ref().ok().cloned(),
            administers,
            id_token,
        });
        let user = match &good.user {
            Ok(user) => user.clone(),
            Err(why) => return Err(case.refused(Reason::TokenUser, why.clone())),
        };
        case.user = Some(user.clone());
        self.speaks_of_its_own(case, &user, &provider).await?;
        self.mailbox_of(case, &user, &provider, &good).await
    }

    /// Whom the provider signed in.
    async fn signed_in(
        &self,
        case: &mut Case<'_>,
        comeback: &Comeback,
        provider: &Arc<Connected>,
    ) -> Result<(Good, Secret, bool), Stop> {
        let give_up = Instant::now() + PATIENCE;
        let Some(asked) = provider.provider() else {
            return Err(case.unavailable(Cause::NoSuchProvider, "not configured"));
        };
        // Anybody can bring made-up codes.
        case.turn =
            self.turn(case, Seeker::Stranger, provider, case.current.pool.deadline()).await?;
        if case.turn.is_none() {
            return Err(case.unavailable(Cause::ProviderBusy, "too many come back at a time"));
        }
        let give_up = case.or_from_now(give_up, PATIENCE);
        let number = provider.owners.question();
        let Comeback { departure, returned, arrived, .. } = comeback;
        let welcome = timeout_at(give_up, asked.welcome(departure, returned, *arrived)).await;
        let SignedIn { person, is_administrator, id_token } = match welcome {
            Ok(Ok(signed_in)) => signed_in,
            Ok(Err(NotSignedIn::Refused(refusal))) => {
                return Err(case.refused(bearer::reason(refusal.why), refusal.detail));
            }
            Ok(Err(NotSignedIn::Unavailable(outage))) => {
                return Err(case.unavailable(bearer::cause(outage.cause), outage.detail));
            }
            Err(_) => {
                let detail = format!("no answer within {} s", PATIENCE.as_secs());
                return Err(case.unavailable(Cause::ProviderSlow, detail));
            }
        };
        let names = Arc::clone(&case.current.names);
        let good = Good::new(person, |claim| canonical(asked.settings(), claim, &names));
        let good = good.map_err(|why| case.unavailable(Cause::ProviderMalformed, why))?;
        provider.owners.learn(&good.subject, OwnerState::Enabled, *arrived, number);
        Ok((good, id_token, is_administrator))
    }

    /// A provider's word on addresses outside its domains counts nothing.
    async fn speaks_of_its_own(
        &self,
        case: &mut Case<'_>,
        user: &Address,
        provider: &Connected,
    ) -> Result<(), Stop> {
        let domain = self.store.domain(&user.domain()).await;
        let domain = domain.map_err(|error| store_failed(case, &error))?;
        let name = &provider.settings.name;
        case.domain_known = domain.is_some();
        if domain.is_some_and(|domain| domain.provider.as_ref() == Some(name)) {
            return Ok(());
        }
        tracing::warn!(
            provider = %name, address = %user,
            "a sign-in is of an address outside the domains of its provider"
        );
        let detail = format!("the person is {user}, which is outside the domains of {name}");
        Err(case.refused(Reason::ProviderDomain, detail))
    }

    /// The mailbox that is his, or becomes so.
    async fn mailbox_of<'a>(
        &'a self,
        case: &mut Case<'a>,
        user: &Address,
        provider: &Arc<Connected>,
        good: &Good,
    ) -> Result<Verified, Stop> {
        let by = VerifiedBy::SignIn(provider.settings.name.clone());
        let account = match self.account_or_withdrawn(case, user).await {
            Err(Stop::Rejected(Reason::UnknownUser)) => {
                match self.newcomer_signed_in(case, user, provider, good).await? {
                    None => return Err(Stop::Rejected(Reason::UnknownUser)),
                    Some(Arrived::Made(account)) => return Ok(case.verified(account, by)),
                    Some(Arrived::There) => self.account(case, user).await?,
                }
            }
            found => found?,
        };
        case.services(&account)?;
        let speaks = self.speaks_for(case, &account)?;
        if !Arc::ptr_eq(&speaks, provider) {
            return Err(case.unavailable(Cause::Purged, "the provider changed meanwhile"));
        }
        let account = self.opened(case, account, provider, good, true).await?;
        Ok(case.verified(account, by))
    }
}
