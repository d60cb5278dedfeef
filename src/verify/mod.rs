//! Decides who may log in.
//!
//! [`Attempt`] in, [`Decision`] out. Three verdicts, everywhere: verified,
//! rejected for a reason, or unavailable for a cause. Whatever is our fault or
//! a provider's is never a rejection: a mail client that hears "wrong password"
//! throws the user's password away.
//!
//! *Architecture invariant*: only this room makes a [`Verified`].

mod abuse;
mod answers;
mod app_password;
mod auth_token;
mod bearer;
mod binds;
mod cache;
mod case;
mod connected;
mod current;
mod flight;
mod following;
mod gate;
mod imported;
mod judge;
mod local_password;
mod mailpassword;
mod newcomer;
mod owners;
pub mod penalty;
mod people;
mod person;
mod pipeline;
mod pool;
mod preview;
mod providers;
mod purges;
mod random;
mod rechecks;
mod room;
mod sentence;
mod settings;
mod settle;
mod sign_in;
mod sign_out;
mod syncing;
mod terms;
mod tokens;
pub mod trace;
mod turns;
mod unbound;
mod upgrade;
mod watch;
mod withdrawal;
mod words;

use std::{fmt, net::IpAddr, time::Duration};

pub use self::{
    cache::CacheStatus,
    penalty::{HeldBack, HeldCounts, Subject},
    pipeline::{Error, Pipeline},
    pool::PoolStatus,
    preview::{Foreseen, Previewed},
    providers::{DirectoryReport, Origin, ProviderReport},
    settings::{MAX_DELAY, Settings},
    sign_in::{Administers, Comeback, Guest, NotSentOff, Welcomed},
    sign_out::{SignOutCounts, SignOutRefused, SignedOut},
    trace::Trace,
    withdrawal::{Withdrawal, WithdrawalFigures, Withdrawals, WithdrawnFor},
};

use crate::{
    clock::Timestamp,
    mailbox::{Address, AppPasswordId, ProviderName},
    sasl::Credentials,
    store::Account,
};

#[cfg(test)]
mod tests;

/// One question: may these credentials log in, there and from there?
#[derive(Debug)]
pub struct Attempt {
    /// What is to be checked.
    pub credentials: Credentials,
    /// Name of the mechanism, for the log.
    pub mechanism: &'static str,
    /// Protocol as the mail server names it: `imap`, `smtp`, `sieve` …
    pub protocol: String,
    /// The user's own address (`rip`, or behind a proxy the forwarded one).
    pub rip: Option<IpAddr>,
    /// The mail server's session id, for the log and the auth token.
    pub session: Option<String>,
    /// A trusted listener asks us neither to count this attempt nor to hold it
    /// back. The plain failure delay stays.
    pub no_penalty: bool,
    /// When it arrived.
    pub arrived: Timestamp,
}

/// The answer to an [`Attempt`].
#[derive(Clone, Debug)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// How long after `arrived` the answer may go out: zero for a success, at
    /// least the failure delay for a rejection, so that neither work nor order
    /// can be timed.
    pub answer_after: Duration,
    /// Whether it refuses a guess that no counter had seen before: not the same
    /// wrong password again, nor a right one in the wrong place. For the log.
    pub guess: bool,
}

/// The three verdicts.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is who it says, and may log in here.
    Verified(Verified),
    /// It may not.
    Rejected(Rejected),
    /// We cannot tell.
    Unavailable(Unavailable),
}

/// Proof that a check was passed. Made only in this room.
#[derive(Clone)]
pub struct Verified {
    account: Account,
    by: VerifiedBy,
    cached: bool,
    stale: bool,
}

/// Without the account, which has the stored hash in it: with `{PLAIN}` that is
/// the password.
impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("user", &self.user().as_str())
            .field("by", &self.by)
            .field("cached", &self.cached)
            .finish_non_exhaustive()
    }
}

/// What convinced us.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum VerifiedBy {
    /// An app password.
    AppPassword(AppPasswordId),
    /// The local password.
    LocalPassword,
    /// A password whose hash this provider keeps.
    Mailpassword(ProviderName),
    /// A password that this directory knows.
    Directory(ProviderName),
    /// A bearer token that this provider vouches for.
    Token(ProviderName),
    /// This provider signed him in, in his browser.
    SignIn(ProviderName),
    /// A certificate that the mail server verified.
    Certificate,
    /// A token of an earlier login, for this service.
    AuthToken {
        /// The service of the login that the token stands for.
        service: String,
    },
}

impl Verified {
    /// Who logged in.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The canonical name.
    pub fn user(&self) -> &Address {
        &self.account.mailbox.address
    }

    /// What convinced us.
    pub fn by(&self) -> &VerifiedBy {
        &self.by
    }

    /// Whether a slow hash or a question to the provider was spared because the
    /// answer was known from before.
    pub fn cached(&self) -> bool {
        self.cached
    }

    /// Whether it rides on an answer that is not fresh any more, because the
    /// provider cannot be asked.
    pub fn stale(&self) -> bool {
        self.stale
    }
}

#[cfg(test)]
impl Verified {
    /// A proof of nothing, for tests of rooms that are handed one.
    pub(crate) fn for_test(address: &str, by: VerifiedBy) -> Self {
        use std::sync::Arc;

        use crate::mailbox::{Domain, Mailbox};

        let mailbox = Mailbox::for_test(address);
        let domain = Domain::for_test(mailbox.address.domain_str());
        let account = Account { mailbox: Arc::new(mailbox), domain: Arc::new(domain) };
        Self { account, by, cached: false, stale: false }
    }
}

/// A refusal.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// The canonical name, where the name had one.
    pub user: Option<Address>,
    /// The true reason: for the log and `explain`, never for the client.
    pub reason: Reason,
    /// The app password that was recognised, if one was.
    pub app_password: Option<AppPasswordId>,
    /// What a provider had to do with it.
    pub asked: Option<Box<Asked>>,
    /// What of here it rests on, with its number, date or name: for the log and
    /// `explain`.
    pub fact: Option<String>,
}

/// What a provider had to do with a refusal or an outage.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The provider.
    pub provider: ProviderName,
    /// What about: `token`, `mailpassword`, `directory`, or the owner of an `app_password`.
    pub verifier: &'static str,
    /// What it said, in words: for the log and `explain`.
    pub detail: String,
    /// Scopes that tokens need, for the mechanism's error challenge.
    pub scope: Option<String>,
    /// Address of its discovery document, where it has one: for the challenge.
    pub openid_configuration: Option<String>,
}

/// We cannot tell.
#[derive(Clone, Debug)]
pub struct Unavailable {
    /// The canonical name, where the name had one.
    pub user: Option<Address>,
    /// What is in the way: for the log and `explain`, never for the client.
    pub cause: Cause,
    /// What a provider had to do with it.
    pub asked: Option<Box<Asked>>,
}

/// Why a login was refused. [`Reason::name`] is the stable word in logs,
/// history and metrics.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Reason {
    /// The name is no address by our rules.
    BadName,
    /// No such domain here.
    UnknownDomain,
    /// No such mailbox.
    UnknownUser,
    /// The domain is switched off.
    DomainDisabled,
    /// The mailbox is switched off.
    MailboxDisabled,
    /// The mailbox receives only.
    ReceiveOnly,
    /// Wrong password.
    WrongPassword,
    /// The mailbox has no password that could be checked.
    NoPassword,
    /// The password has a byte that no password may have, or is too long.
    BadPassword,
    /// The main password is not for this service.
    ServiceNotAllowed,
    /// An app password, but not for this service.
    AppPasswordService,
    /// An app password, but not from this network.
    AppPasswordNetwork,
    /// An app password that has expired.
    AppPasswordExpired,
    /// A right app password, whose owner is disabled at the provider.
    OwnerDisabled,
    /// A right app password, whose owner is not at the provider any more.
    OwnerGone,
    /// Has the form of an app password with a known id, and is not it.
    AppPasswordWrong,
    /// Acting as somebody else is nobody's right here.
    MasterLogin,
    /// Account or network is held back after guesses.
    HeldBack,
    /// An auth token that does not fit.
    BadAuthToken,
    /// The dialogue broke the mechanism's grammar.
    BadResponse,
    /// No provider speaks for the domain, so no token opens its mailboxes.
    NoProvider,
    /// The mailbox's auth source is not the domain's provider.
    TokenSource,
    /// The mailbox's passwords are checked by a provider that checks none.
    ProviderPassword,
    /// The mailbox's provider does not speak for its domain.
    ProviderDomain,
    /// The provider knows nobody with this address.
    UnknownAtProvider,
    /// The provider has more than one person with this address.
    AmbiguousAtProvider,
    /// The person is switched off at the provider.
    DisabledAtProvider,
    /// The provider keeps no password of this person for mail.
    NoMailpassword,
    /// Has not the form of a token.
    TokenMalformed,
    /// A token that is over.
    TokenExpired,
    /// A token that the provider refuses: revoked, signed out, unknown.
    TokenInactive,
    /// A token that the provider did not sign.
    TokenSignature,
    /// A token whose signature proves nothing.
    TokenAlgorithm,
    /// No access token: an ID token, a refresh token.
    TokenType,
    /// A token of another issuer.
    TokenIssuer,
    /// A token for another audience.
    TokenAudience,
    /// A token of a client that may not.
    TokenClient,
    /// A token without a required scope.
    TokenScope,
    /// A token of another user.
    TokenUser,
    /// The provider signed nobody in: the person or it did not want to.
    SignInDeclined,
    /// A browser brought a code that is over, was used before, or is another's.
    SignInCode,
    /// A browser brought what belongs to another sign-in.
    SignInNonce,
    /// The mailbox is not bound yet, and the provider has not verified the
    /// address.
    UnverifiedEmail,
    /// The mailbox belongs to another person at the provider, or at another one.
    AddressReassigned,
    /// No mailbox is made: a limit of the domain.
    ProvisionLimit,
    /// No mailbox is made: no template is for this person.
    ProvisionNoTemplate,
    /// No mailbox is made: the template does not exist.
    ProvisionTemplateMissing,
    /// No mailbox is made: by its template nobody could log in.
    ProvisionState,
    /// No mailbox is made: by its template this service would not be open.
    ProvisionService,
    /// No mailbox is made: the person has one, under another address.
    ProvisionOtherMailbox,
}

impl Reason {
    /// Whether the refusal says "wrong" to somebody who may be guessing. A right
    /// app password in the wrong place is no guess.
    fn is_guess(self) -> bool {
        !matches!(
            self,
            Self::AppPasswordService
                | Self::AppPasswordNetwork
                | Self::AppPasswordExpired
                | Self::OwnerDisabled
                | Self::OwnerGone
        )
    }

    /// Whether somebody with the right proof got no mailbox.
    fn is_of_provisioning(self) -> bool {
        matches!(
            self,
            Self::ProvisionLimit
                | Self::ProvisionNoTemplate
                | Self::ProvisionTemplateMissing
                | Self::ProvisionState
                | Self::ProvisionService
                | Self::ProvisionOtherMailbox
        )
    }

    /// Whether a secret was compared and found wrong, or would have been if the
    /// name existed. The others may have come with the right one.
    fn is_wrong(self) -> bool {
        matches!(
            self,
            Self::UnknownDomain | Self::UnknownUser | Self::WrongPassword | Self::AppPasswordWrong
        )
    }

    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadName => "bad_name",
            Self::UnknownDomain => "unknown_domain",
            Self::UnknownUser => "unknown_user",
            Self::DomainDisabled => "domain_disabled",
            Self::MailboxDisabled => "mailbox_disabled",
            Self::ReceiveOnly => "receive_only",
            Self::WrongPassword => "wrong_password",
            Self::NoPassword => "no_password",
            Self::BadPassword => "bad_password",
            Self::ServiceNotAllowed => "service_not_allowed",
            Self::AppPasswordService => "app_password_service",
            Self::AppPasswordNetwork => "app_password_network",
            Self::AppPasswordExpired => "app_password_expired",
            Self::AppPasswordWrong => "app_password_wrong",
            Self::OwnerDisabled => "owner_disabled",
            Self::OwnerGone => "owner_gone",
            Self::MasterLogin => "master_login",
            Self::HeldBack => "held_back",
            Self::BadAuthToken => "bad_auth_token",
            Self::BadResponse => "bad_response",
            Self::NoProvider => "no_provider",
            Self::TokenSource => "token_source",
            Self::ProviderPassword => "provider_password",
            Self::ProviderDomain => "provider_domain",
            Self::UnknownAtProvider => "unknown_at_provider",
            Self::AmbiguousAtProvider => "ambiguous_at_provider",
            Self::DisabledAtProvider => "disabled_at_provider",
            Self::NoMailpassword => "no_mailpassword",
            Self::TokenMalformed => "token_malformed",
            Self::TokenExpired => "token_expired",
            Self::TokenInactive => "token_inactive",
            Self::TokenSignature => "token_signature",
            Self::TokenAlgorithm => "token_algorithm",
            Self::TokenType => "token_type",
            Self::TokenIssuer => "token_issuer",
            Self::TokenAudience => "token_audience",
            Self::TokenClient => "token_client",
            Self::TokenScope => "token_scope",
            Self::TokenUser => "token_user",
            Self::SignInDeclined => "sign_in_declined",
            Self::SignInCode => "sign_in_code",
            Self::SignInNonce => "sign_in_nonce",
            Self::UnverifiedEmail => "unverified_email",
            Self::AddressReassigned => "address_reassigned",
            Self::ProvisionLimit => "provision_limit",
            Self::ProvisionNoTemplate => "provision_no_template",
            Self::ProvisionTemplateMissing => "provision_template_missing",
            Self::ProvisionState => "provision_state",
            Self::ProvisionService => "provision_service",
            Self::ProvisionOtherMailbox => "provision_other_mailbox",
        }
    }
}

/// Why we cannot tell. [`Cause::name`] is the stable word.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Cause {
    /// The store failed.
    Store,
    /// The hash pool is full.
    Overloaded,
    /// The stored hash cannot be read.
    CorruptHash,
    /// The stored hash has a scheme that we don't know.
    UnknownScheme,
    /// The stored hash has a weak scheme, and those are switched off.
    WeakScheme,
    /// The stored hash would cost more than the configured cap.
    CostAboveCap,
    /// The auth source of the mailbox is not configured.
    NoSuchProvider,
    /// The provider cannot be reached.
    ProviderUnreachable,
    /// No TLS with the provider.
    ProviderTls,
    /// The provider did not answer in time.
    ProviderSlow,
    /// The provider says that it cannot.
    ProviderStatus,
    /// The provider's answer is not what the protocol asks for.
    ProviderMalformed,
    /// The provider refuses our own client.
    ProviderCredentials,
    /// The provider does not let our own client see people.
    ProviderRights,
    /// The person has more than one hash at the provider.
    SeveralMailpasswords,
    /// Our settings do not fit the provider.
    ProviderSettings,
    /// The provider is asked as much as it may be.
    ProviderBusy,
    /// The provider failed just now, and is not asked for a moment.
    ProviderDown,
    /// The answer was outdated while it came, twice.
    Purged,
    /// A fault of the program itself.
    Internal,
    /// We are stopping.
    Stopping,
}

impl Cause {
    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Overloaded => "overloaded",
            Self::CorruptHash => "corrupt_hash",
            Self::UnknownScheme => "unknown_scheme",
            Self::WeakScheme => "weak_scheme",
            Self::CostAboveCap => "cost_above_cap",
            Self::NoSuchProvider => "no_such_provider",
            Self::ProviderUnreachable => "provider_unreachable",
            Self::ProviderTls => "provider_tls",
            Self::ProviderSlow => "provider_slow",
            Self::ProviderStatus => "provider_status",
            Self::ProviderMalformed => "provider_malformed",
            Self::ProviderCredentials => "provider_credentials",
            Self::ProviderRights => "provider_rights",
            Self::SeveralMailpasswords => "several_mailpasswords",
            Self::ProviderSettings => "provider_settings",
            Self::ProviderBusy => "provider_busy",
            Self::ProviderDown => "provider_down",
            Self::Purged => "purged",
            Self::Internal => "internal",
            Self::Stopping => "stopping",
        }
    }
}
