//! Lists of the words for refusals and outages: who counts them needs them all.

use super::{Cause, Reason};

/// Lists an enum's variants. One that is missing here does not compile.
macro_rules! all {
    ($name:ident: $($variant:ident)*) => {
        impl $name {
            /// All of them, in the order in which they are declared: `ALL[i]` has
            /// the number `i`.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
        }

        const _: fn($name) = |one| match one {
            $($name::$variant => ()),*
        };
    };
}

all! { Reason:
    BadName UnknownDomain UnknownUser DomainDisabled MailboxDisabled ReceiveOnly WrongPassword
    NoPassword BadPassword ServiceNotAllowed AppPasswordService AppPasswordNetwork
    AppPasswordExpired OwnerDisabled OwnerGone AppPasswordWrong MasterLogin HeldBack BadAuthToken
    BadResponse NoProvider TokenSource ProviderPassword ProviderDomain UnknownAtProvider AmbiguousAtProvider
    DisabledAtProvider NoMailpassword TokenMalformed TokenExpired TokenInactive TokenSignature
    TokenAlgorithm TokenType TokenIssuer TokenAudience TokenClient TokenScope TokenUser
    SignInDeclined SignInCode SignInNonce
    UnverifiedEmail AddressReassigned ProvisionLimit ProvisionNoTemplate ProvisionTemplateMissing
    ProvisionState ProvisionService ProvisionOtherMailbox
}

all! { Cause:
    Store Overloaded CorruptHash UnknownScheme WeakScheme CostAboveCap NoSuchProvider
    ProviderUnreachable ProviderTls ProviderSlow ProviderStatus ProviderMalformed
    ProviderCredentials ProviderRights SeveralMailpasswords ProviderSettings ProviderBusy
    ProviderDown Purged Internal Stopping
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_are_places_and_words_are_apart() {
        for (place, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, place, "{reason:?}");
        }
        for (place, cause) in Cause::ALL.iter().enumerate() {
            assert_eq!(*cause as usize, place, "{cause:?}");
        }
        let words = Reason::ALL.iter().map(|reason| reason.name());
        let words: BTreeSet<_> = words.chain(Cause::ALL.iter().map(|cause| cause.name())).collect();
        assert_eq!(words.len(), Reason::ALL.len() + Cause::ALL.len());
    }
}
