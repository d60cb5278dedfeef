//! The last line of `explain`: the result, and the way out where there is one.

use super::{Cause, Reason, Rejected, Verdict, VerifiedBy, connected::VERIFIER_DIRECTORY};
use crate::mailbox::Address;

/// Where everything but the password itself was checked.
pub(super) const OPEN_TO_A_RIGHT_PASSWORD: &str =
    "Nothing is in the way of the right main password.";

/// The same, and what becomes of somebody without a mailbox.
pub(super) fn with(sentence: String, arrival: Option<String>) -> String {
    match arrival {
        Some(arrival) => format!("{sentence} There is no such mailbox yet: {arrival}."),
        None => sentence,
    }
}

/// What came of a login.
pub(super) fn of_verdict(verdict: &Verdict) -> String {
    let (sentence, asked) = match verdict {
        Verdict::Rejected(rejected) => (said_of(verdict), &rejected.asked),
        Verdict::Unavailable(unavailable) => (said_of(verdict), &unavailable.asked),
        Verdict::Verified(_) => return said_of(verdict),
    };
    // The sentences know one sort of place where people are.
    match asked {
        Some(asked) if asked.verifier == VERIFIER_DIRECTORY => sentence
            .replace("dovegate provider test", "dovegate directory test")
            .replace("the provider", "the directory"),
        _ => sentence,
    }
}

fn said_of(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Verified(verified) => {
            let user = verified.user();
            match verified.by() {
                VerifiedBy::AppPassword(id) => format!("{user} logs in with app password {id}."),
                VerifiedBy::LocalPassword => format!("{user} logs in with the main password."),
                VerifiedBy::Mailpassword(provider) => {
                    format!("{user} logs in with the main password, which {provider} keeps.")
                }
                VerifiedBy::Directory(directory) => {
                    format!("{user} logs in with the main password, which {directory} knows.")
                }
                VerifiedBy::Token(provider) => {
                    format!("{user} logs in with a token of {provider}.")
                }
                VerifiedBy::SignIn(provider) => format!("{user} signs in at {provider}."),
                VerifiedBy::Certificate => format!("{user} logs in with a certificate."),
                VerifiedBy::AuthToken { .. } => format!("{user} logs in with a session's token."),
            }
        }
        Verdict::Rejected(rejected) => {
            let user = shown(rejected.user.as_ref());
            let why = told(rejected).unwrap_or_else(|| refusal(rejected.reason, &user));
            let detail = rejected.asked.as_ref().map(|asked| &asked.detail);
            let detail = detail.filter(|_| rejected.reason.is_of_provisioning());
            let why = detail.map_or(why.clone(), |detail| format!("{detail}: {why}"));
            format!("{} cannot log in because {why}", shown(rejected.user.as_ref()))
        }
        Verdict::Unavailable(unavailable) => format!(
            "{} hears \"temporary failure\" because {}",
            shown(unavailable.user.as_ref()),
            obstacle(unavailable.cause)
        ),
    }
}

/// A refusal that rests on a number, a date or a name: those, and the way out.
fn told(rejected: &Rejected) -> Option<String> {
    let user = rejected.user.as_ref()?;
    let domain = user.domain_str();
    let said = rejected.asked.as_ref().map(|asked| asked.detail.as_str());
    let fact = rejected.fact.as_deref().or(said);
    Some(match (rejected.reason, fact) {
        (Reason::UnknownDomain, _) => {
            format!("domain {domain} does not exist here. Add it: dovegate domain add {domain}.")
        }
        (Reason::DomainDisabled, _) => format!(
            "domain {domain} is switched off. Switch it on: dovegate domain set {domain} --active \
             true."
        ),
        (Reason::HeldBack, Some(fact)) => format!(
            "{fact}. Wait, or end it: \"dovegate held-back list\", \"dovegate held-back lift\"."
        ),
        (Reason::ReceiveOnly, Some(fact)) => format!(
            "the mailbox only receives: {fact}. It is switched on again with the person; to allow \
             logins all the same: dovegate mailbox set {user} --state active."
        ),
        (Reason::ServiceNotAllowed, Some(fact)) => {
            format!("{fact}. Open it: dovegate mailbox set {user} --service.")
        }
        (Reason::AppPasswordExpired, Some(fact)) => {
            format!("{fact}. Make another one: dovegate app-password create {user}.")
        }
        (Reason::AppPasswordNetwork | Reason::AppPasswordService, Some(fact)) => {
            format!("{fact}. Make one for it: dovegate app-password create {user}.")
        }
        (Reason::WrongPassword, Some(fact)) if rejected.fact.is_some() => {
            format!("the password is wrong; {fact}.")
        }
        (Reason::OwnerDisabled, Some(fact)) => {
            format!("the app password is right, and {fact}. Enable the account there.")
        }
        (Reason::OwnerGone, Some(fact)) => format!(
            "the app password is right, and {fact}. If the mailbox shall change hands: dovegate \
             mailbox set {user} --unbind; if the store shall say who may log in: --auth-source \
             local."
        ),
        (Reason::DisabledAtProvider, Some(fact)) => {
            format!("the account is {fact}. Nothing here can change that; enable it there.")
        }
        _ => return None,
    })
}

fn shown(user: Option<&Address>) -> String {
    user.map_or_else(|| "this name".to_owned(), Address::to_string)
}

#[expect(clippy::too_many_lines, reason = "one sentence for each reason")]
fn refusal(reason: Reason, user: &str) -> String {
    match reason {
        Reason::BadName => "it is not an address by our rules.".to_owned(),
        Reason::UnknownDomain => {
            "there is no such domain here. Add it: dovegate domain add.".to_owned()
        }
        Reason::UnknownUser => {
            format!("there is no such mailbox. Add it: dovegate mailbox add {user}.")
        }
        Reason::DomainDisabled => {
            "the domain is switched off. Switch it on: dovegate domain set.".to_owned()
        }
        Reason::MailboxDisabled => format!(
            "the mailbox is switched off. Switch it on: dovegate mailbox set {user} --state active."
        ),
        Reason::ReceiveOnly => format!(
            "the mailbox only receives. Allow logins: dovegate mailbox set {user} --state active."
        ),
        Reason::WrongPassword => "the password is wrong.".to_owned(),
        Reason::NoPassword => format!(
            "the mailbox has no password. Set one: dovegate mailbox password {user} --password-stdin."
        ),
        Reason::BadPassword => "no password can look like this one.".to_owned(),
        Reason::ServiceNotAllowed => {
            "the mailbox opens this service to app passwords alone, if at all.".to_owned()
        }
        Reason::AppPasswordService => "this app password does not open this service.".to_owned(),
        Reason::AppPasswordNetwork => {
            "this app password may not be used from that network.".to_owned()
        }
        Reason::AppPasswordExpired => "this app password has expired. Make another one.".to_owned(),
        Reason::AppPasswordWrong => {
            "the app password with this id is another one: a character is wrong.".to_owned()
        }
        Reason::OwnerDisabled => {
            "the app password is right, and its owner is disabled at the provider. Enable the \
             account there."
                .to_owned()
        }
        Reason::OwnerGone => format!(
            "the app password is right, and its owner is not at the provider any more. If the \
             mailbox shall change hands: dovegate mailbox set {user} --unbind; if the store shall \
             say who may log in: --auth-source local."
        ),
        Reason::MasterLogin => "nobody may log in as somebody else.".to_owned(),
        Reason::HeldBack => {
            "too many wrong passwords were tried. Wait, or end it: dovegate held-back lift."
                .to_owned()
        }
        Reason::BadAuthToken => "the token does not fit.".to_owned(),
        Reason::BadResponse => "the login dialogue was malformed.".to_owned(),
        Reason::NoProvider => {
            "no provider speaks for the domain, so no token opens its mailboxes. \
             Name one: dovegate domain set --provider."
                .to_owned()
        }
        Reason::TokenSource => format!(
            "the mailbox takes no tokens of this provider. Change that: dovegate mailbox set \
             {user} --auth-source, or tokens_for_local of the provider."
        ),
        Reason::ProviderPassword => {
            "the mailbox's provider checks no passwords here; a token or an app password may."
                .to_owned()
        }
        Reason::ProviderDomain => {
            "its provider does not speak for the domain. Let it: dovegate domain set --provider."
                .to_owned()
        }
        Reason::UnknownAtProvider => {
            "the provider knows nobody with this address. Give it to the person there, or make the \
             mailbox local: dovegate mailbox set --auth-source local."
                .to_owned()
        }
        Reason::AmbiguousAtProvider => {
            "more than one person has this address at the provider. Leave it to one of them."
                .to_owned()
        }
        Reason::DisabledAtProvider => {
            "the account is disabled at the provider. Nothing here can change that; enable it there."
                .to_owned()
        }
        Reason::NoMailpassword => {
            "the provider keeps no password for mail of this person: the attribute \
             (password_attribute) is not set."
                .to_owned()
        }
        Reason::TokenMalformed => "this is no token at all.".to_owned(),
        Reason::TokenExpired => {
            "the token is over. The mail program has to get a new one.".to_owned()
        }
        Reason::TokenInactive => {
            "the provider does not know the token any more: signed out, revoked, or never its own."
                .to_owned()
        }
        Reason::TokenSignature => "the provider has not signed the token.".to_owned(),
        Reason::TokenAlgorithm => {
            "the token's signature is of a kind that proves nothing.".to_owned()
        }
        Reason::TokenType => {
            "it is no access token. The mail program sends the wrong one.".to_owned()
        }
        Reason::TokenIssuer => "the token is from another issuer.".to_owned(),
        Reason::TokenAudience => {
            "the token is for another audience than the provider's settings name.".to_owned()
        }
        Reason::TokenClient => {
            "the token was given to a client that the provider's settings do not list.".to_owned()
        }
        Reason::TokenScope => {
            "the token lacks a scope that the provider's settings require.".to_owned()
        }
        Reason::TokenUser => "the token is of another user.".to_owned(),
        Reason::SignInDeclined => "the provider signed nobody in.".to_owned(),
        Reason::SignInCode => {
            "what the browser brought from the provider is over or was used before. Sign in again."
                .to_owned()
        }
        Reason::SignInNonce => {
            "the browser brought what belongs to another sign-in. Sign in again.".to_owned()
        }
        Reason::UnverifiedEmail => {
            "the provider has not verified this address, and only a verified one takes a mailbox \
             that is nobody's yet. Have the address verified there."
                .to_owned()
        }
        Reason::ProvisionLimit => {
            "no mailbox is made. Raise the limit (dovegate domain set), or remove mailboxes."
                .to_owned()
        }
        Reason::ProvisionNoTemplate => {
            "no mailbox is made. Give the person a value, group or role of the provider's \
             attribute_mapping, or the provider a default_template."
                .to_owned()
        }
        Reason::ProvisionTemplateMissing => {
            "no mailbox is made. Add the template: dovegate template add, or name another one in \
             the provider's attribute_mapping."
                .to_owned()
        }
        Reason::ProvisionState => {
            "no mailbox is made. Let the template's be active (dovegate template set), or add the \
             mailbox: dovegate mailbox add."
                .to_owned()
        }
        Reason::ProvisionService => {
            "no mailbox is made. Open the service in the template (dovegate template set), or log \
             in by another one first."
                .to_owned()
        }
        Reason::ProvisionOtherMailbox => {
            "no second one is made. Let the mailbox follow (renames = \"follow\" of the provider), or \
             give the person the old address back."
                .to_owned()
        }
        Reason::AddressReassigned => format!(
            "the mailbox belongs to another person at the provider. If it shall change hands: \
             dovegate mailbox set {user} --unbind."
        ),
    }
}

fn obstacle(cause: Cause) -> &'static str {
    match cause {
        Cause::Store => "the store failed; the log has its error.",
        Cause::Overloaded => "more is being checked than may be at a time.",
        Cause::CorruptHash => "the stored password hash cannot be read. Set the password anew.",
        Cause::UnknownScheme => "the stored password has a scheme that is not supported.",
        Cause::WeakScheme => {
            "the stored password has a weak scheme, and those are switched off ([passwords] \
             allow_weak_schemes). Set the password anew."
        }
        Cause::CostAboveCap => {
            "the stored password hash is dearer than the configuration allows ([passwords] max_…)."
        }
        Cause::NoSuchProvider => "the mailbox's auth source is not configured.",
        Cause::ProviderUnreachable => "the provider cannot be reached: dovegate provider test.",
        Cause::ProviderTls => "there is no TLS with the provider: dovegate provider test.",
        Cause::ProviderSlow => "the provider did not answer in time.",
        Cause::ProviderStatus => "the provider says that it cannot.",
        Cause::ProviderMalformed => "the provider's answer makes no sense: dovegate provider test.",
        Cause::ProviderCredentials => {
            "the provider refuses our own client: dovegate provider test."
        }
        Cause::ProviderRights => {
            "the provider does not let our own client see people: dovegate provider test."
        }
        Cause::SeveralMailpasswords => {
            "the attribute with the password's hash has more than one value at the provider. Leave \
             one."
        }
        Cause::ProviderSettings => "our settings do not fit the provider: dovegate provider test.",
        Cause::ProviderBusy => "the provider is asked as much as it may be already.",
        Cause::ProviderDown => "the provider failed just now, and is asked again in a moment.",
        Cause::Purged => "the provider's answer was outdated while it came, twice.",
        Cause::Internal => "of a fault in the program; the log has it.",
        Cause::Stopping => "the server is stopping.",
    }
}
