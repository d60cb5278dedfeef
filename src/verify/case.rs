//! One attempt on its way through the checks: what is known of it so far, and
//! the checks that need nobody but itself.

use std::{net::IpAddr, sync::Arc};

use tokio::sync::OwnedSemaphorePermit;

use super::{
    Asked, Attempt, Cause, Reason, Rejected, Unavailable, Verdict, Verified, VerifiedBy,
    connected::{Connected, shown},
    current::Current,
    penalty::{Announced, Standing},
    trace::{Outcome, Recorder},
    turns::MyTurn,
};
use crate::{
    mailbox::{
        Address, AppPasswordId, AuthSource, Mailbox, MailboxState, ProviderName,
        policy::WithdrawnWhy,
    },
    secret::Secret,
    store::Account,
};

/// Why the way ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stop {
    Rejected(Reason),
    Unavailable(Cause),
}

/// By which door somebody wants in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Door {
    /// By a mail server's.
    Mail,
    /// By the form of the pages: whoever comes in makes app passwords, so he has to have
    /// shown more than one.
    Form {
        /// Whether a password counts that an identity provider keeps.
        provider_passwords: bool,
    },
}

impl Door {
    /// Whether the main password of mailboxes that follow `connected` counts here.
    pub(super) fn takes_password_of(self, connected: &Connected) -> bool {
        self != Self::Form { provider_passwords: false } || connected.directory().is_some()
    }
}

/// What a provider has to do with an attempt. It is put into words where the
/// attempt is not let in, and nowhere else.
pub(super) struct Asking {
    provider: ProviderName,
    connected: Option<Arc<Connected>>,
    /// What it is asked about.
    verifier: &'static str,
    /// What came of it.
    pub(super) detail: Option<String>,
}

impl Asking {
    pub(super) fn new(
        provider: ProviderName,
        connected: Option<Arc<Connected>>,
        verifier: &'static str,
    ) -> Self {
        Self { provider, connected, verifier, detail: None }
    }

    fn told(self) -> Asked {
        let provider = self.connected.as_ref().and_then(|connected| connected.provider());
        let scopes = provider.map(|provider| &provider.settings().conditions.scopes);
        let document = provider.and_then(|provider| provider.openid_configuration());
        Asked {
            scope: scopes.filter(|scopes| !scopes.is_empty()).map(|scopes| scopes.join(" ")),
            openid_configuration: document.map(str::to_owned),
            verifier: self.verifier,
            detail: self.detail.unwrap_or_else(|| "not asked".to_owned()),
            provider: self.provider,
        }
    }
}

#[expect(clippy::struct_excessive_bools, reason = "independent facts, as they turn up")]
pub(super) struct Case<'a> {
    pub(super) attempt: &'a Attempt,
    pub(super) current: &'a Current,
    /// By which door somebody wants in.
    pub(super) door: Door,
    /// The user's address; an IPv4 one that came as IPv6 is IPv4 again.
    pub(super) rip: Option<IpAddr>,
    /// The canonical name, once it has one.
    pub(super) user: Option<Address>,
    /// The name belongs to a domain that we have.
    pub(super) domain_known: bool,
    /// The mailbox, once found; also if it may not log in.
    pub(super) account: Option<Account>,
    /// The app password that was recognised.
    pub(super) app_password: Option<AppPasswordId>,
    /// Whether the answer was known before.
    pub(super) cached: bool,
    /// Whether that answer is not fresh any more.
    pub(super) stale: bool,
    /// A wrong password that is not refused, since it may be right by now.
    pub(super) guessed: bool,
    /// What a provider had to do with it.
    pub(super) asked: Option<Asking>,
    /// What the login would do for somebody without a mailbox, in words.
    pub(super) arrival: Option<String>,
    /// What a refusal for this reason rests on.
    pub(super) fact: Option<(Reason, String)>,
    /// Keeps the check of a main password announced until it is counted.
    pub(super) announced: Option<Announced<'a>>,
    /// Keeps the place in the network's gate for as long.
    pub(super) gate: Option<OwnedSemaphorePermit>,
    /// Keeps the turn at the provider.
    pub(super) turn: Option<MyTurn>,
    pub(super) trace: Recorder,
}

impl<'a> Case<'a> {
    pub(super) fn new(attempt: &'a Attempt, current: &'a Current, trace: Recorder) -> Self {
        Self {
            attempt,
            current,
            door: Door::Mail,
            rip: attempt.rip.map(|rip| rip.to_canonical()),
            user: None,
            domain_known: false,
            account: None,
            app_password: None,
            cached: false,
            stale: false,
            guessed: false,
            asked: None,
            arrival: None,
            fact: None,
            announced: None,
            gate: None,
            turn: None,
            trace,
        }
    }

    /// The canonical name. Acting as somebody else is nobody's right, whoever
    /// both are.
    pub(super) fn name(&mut self, name: &[u8], acting_as: Option<&[u8]>) -> Result<Address, Stop> {
        let rules = &self.current.settings.names;
        let user = match rules.canonical(name) {
            Ok(user) => user,
            Err(error) => {
                self.trace.note("name", Outcome::Refused, || error.to_string());
                return Err(Stop::Rejected(Reason::BadName));
            }
        };
        self.user = Some(user.clone());
        let other = acting_as.filter(|other| !other.is_empty());
        if other.is_some_and(|other| rules.canonical(other).as_ref() != Ok(&user)) {
            self.trace.note("name", Outcome::Refused, || format!("{user}, to act as another"));
            return Err(Stop::Rejected(Reason::MasterLogin));
        }
        self.trace.note("name", Outcome::Ok, || user.to_string());
        Ok(user)
    }

    /// Whether the network is held back, or the account. The latter binds its
    /// main password alone: `true`, where the caller has to look further. `other`
    /// where it may be something else that logs in.
    pub(super) fn held_back(&mut self, standing: Standing, other: bool) -> Result<bool, Stop> {
        let abuse = &self.current.settings.abuse;
        let window = abuse.window.as_secs() / 60;
        if let Some(until) = standing.network.held_until {
            let after = format!("after {} guesses, until {until}", abuse.network_limit);
            self.trace.note("held back", Outcome::Refused, || format!("the network, {after}"));
            let fact = format!("its network is held back {after}");
            return Err(self.rests_on(Reason::HeldBack, fact));
        }
        if let Some(until) = standing.account.held_until {
            let outcome = if other { Outcome::NotApplicable } else { Outcome::Refused };
            let after = format!("after {} guesses, until {until}", abuse.account_limit);
            self.trace.note("held back", outcome, || {
                format!("the main password, {after}; not app passwords and tokens")
            });
            self.fact = Some((Reason::HeldBack, format!("its main password is held back {after}")));
            return Ok(true);
        }
        self.trace.note("held back", Outcome::Ok, || {
            format!(
                "no ({} guesses at the account in {window} min, limit {}; {} from the network, limit {})",
                standing.account.guesses,
                abuse.account_limit,
                standing.network.guesses,
                abuse.network_limit,
            )
        });
        Ok(false)
    }

    /// Whether mailbox and domain are switched on.
    pub(super) fn state(&mut self, account: &Account) -> Result<(), Stop> {
        let (mailbox, domain) = (&account.mailbox, &account.domain);
        let refusal = match mailbox.state {
            _ if !domain.active => Some(Reason::DomainDisabled),
            MailboxState::Active => None,
            MailboxState::ReceiveOnly => Some(Reason::ReceiveOnly),
            MailboxState::Disabled => Some(Reason::MailboxDisabled),
        };
        let outcome = if refusal.is_none() { Outcome::Ok } else { Outcome::Refused };
        let withdrawn = refusal.and_then(|_| withdrawn(mailbox));
        self.trace.note("mailbox", outcome, || {
            let domain_state = if domain.active { "active" } else { "switched off" };
            let withdrawn = withdrawn.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            format!(
                "{}{withdrawn}, made {}, domain {} {domain_state}",
                mailbox.state, mailbox.created, domain.name
            )
        });
        let Some(reason) = refusal else { return Ok(()) };
        self.fact = withdrawn.map(|why| (Reason::ReceiveOnly, format!("it was {why}")));
        Err(Stop::Rejected(reason))
    }

    /// Whether a mailbox that a provider's word had switched off is on again.
    pub(super) fn is_back(&mut self, account: &Account) -> Result<(), Stop> {
        if account.mailbox.state == MailboxState::Active { Ok(()) } else { self.state(account) }
    }

    /// Whether the mailbox opens this protocol to what is no app password.
    pub(super) fn services(&mut self, account: &Account) -> Result<(), Stop> {
        let services = account.mailbox.services;
        let allowed = services.allows_protocol(&self.attempt.protocol);
        let outcome = if allowed { Outcome::Ok } else { Outcome::Refused };
        self.trace.note("services", outcome, || format!("without an app password, {services}"));
        if allowed {
            return Ok(());
        }
        let asked = shown(&self.attempt.protocol);
        let fact = format!("{asked} is off; without an app password the mailbox opens {services}");
        Err(self.rests_on(Reason::ServiceNotAllowed, fact))
    }

    /// A refusal, and what it rests on.
    pub(super) fn rests_on(&mut self, reason: Reason, fact: String) -> Stop {
        self.fact = Some((reason, fact));
        Stop::Rejected(reason)
    }

    /// Whether a token is the one that its parts have.
    pub(super) fn auth_token(&mut self, expected: &str, token: &Secret) -> Result<(), Stop> {
        let right = token.ct_eq(expected.as_bytes());
        let outcome = if right { Outcome::Ok } else { Outcome::Refused };
        self.trace.note("auth token", outcome, || if right { "right" } else { "wrong" }.to_owned());
        if right { Ok(()) } else { Err(Stop::Rejected(Reason::BadAuthToken)) }
    }

    /// Ends the way with a refusal, and keeps what the provider has to do with it.
    pub(super) fn refused(&mut self, reason: Reason, detail: impl Into<String>) -> Stop {
        self.say(detail.into());
        Stop::Rejected(reason)
    }

    /// Ends the way without a verdict.
    pub(super) fn unavailable(&mut self, cause: Cause, detail: impl Into<String>) -> Stop {
        self.say(detail.into());
        Stop::Unavailable(cause)
    }

    fn say(&mut self, detail: String) {
        if let Some(asked) = &mut self.asked {
            asked.detail = Some(detail);
        }
    }

    /// The proof: called where a check was passed, and nowhere else.
    pub(super) fn verified(&self, account: Account, by: VerifiedBy) -> Verified {
        Verified { account, by, cached: self.cached, stale: self.stale }
    }

    pub(super) fn verdict(self, outcome: Result<Verified, Stop>) -> Verdict {
        let Self { user, app_password, asked, fact, .. } = self;
        let asked = || asked.map(|asked| Box::new(asked.told()));
        match outcome {
            Ok(verified) => Verdict::Verified(verified),
            Err(Stop::Rejected(reason)) => {
                let fact = fact.filter(|(of, _)| *of == reason).map(|(_, fact)| fact);
                Verdict::Rejected(Rejected { user, reason, app_password, asked: asked(), fact })
            }
            Err(Stop::Unavailable(cause)) => {
                Verdict::Unavailable(Unavailable { user, cause, asked: asked() })
            }
        }
    }
}

/// What a provider's word has switched off, and since when.
fn withdrawn(mailbox: &Mailbox) -> Option<String> {
    let withdrawn = mailbox.policy.withdrawn?;
    let at = match &mailbox.auth_source {
        AuthSource::Provider(name) => name.as_str(),
        AuthSource::Local => "its provider",
    };
    let why = match withdrawn.why {
        WithdrawnWhy::Missing => format!("the person is missing at {at}"),
        WithdrawnWhy::Disabled => format!("the person is disabled at {at}"),
    };
    Some(format!("switched off on {}, since {why}", withdrawn.since))
}
