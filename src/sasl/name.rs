//! The mechanisms there are: their names, how they are announced, how they begin.

use super::{
    Mechanism, dovecot_token::DovecotToken, external::External, login::Login,
    oauthbearer::Oauthbearer, plain::Plain, xoauth2::Xoauth2,
};

/// A mechanism by name.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MechanismName {
    /// RFC 4616. IMAP's LOGIN and POP3's USER/PASS come as this, too.
    Plain,
    /// draft-murchison-sasl-login: two questions.
    Login,
    /// Google's: a bearer token.
    Xoauth2,
    /// RFC 7628: a bearer token.
    Oauthbearer,
    /// RFC 4422 appendix A: the TLS certificate proves who it is.
    External,
    /// Dovecot's own: a token that an earlier login was given.
    DovecotToken,
}

impl MechanismName {
    /// Every mechanism.
    pub const ALL: [Self; 6] = [
        Self::Plain,
        Self::Login,
        Self::Xoauth2,
        Self::Oauthbearer,
        Self::External,
        Self::DovecotToken,
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::Xoauth2 => "XOAUTH2",
            Self::Oauthbearer => "OAUTHBEARER",
            Self::External => "EXTERNAL",
            Self::DovecotToken => "DOVECOT-TOKEN",
        }
    }

    /// What MECH says of it. Mail servers hide `plaintext` from connections
    /// without TLS, and `private` from everybody. A bearer token is as good as a
    /// password to whoever overhears it.
    pub fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Plain | Self::Login | Self::Xoauth2 | Self::Oauthbearer => &["plaintext"],
            Self::External => &[],
            Self::DovecotToken => &["private"],
        }
    }

    /// Whether it brings a bearer token, which only a provider can check.
    pub fn is_bearer(self) -> bool {
        matches!(self, Self::Xoauth2 | Self::Oauthbearer)
    }

    /// The mechanism of this name, however it is spelt: Postfix passes the mail
    /// client's spelling on.
    pub fn find(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// A new dialogue. `certificate` is the name in the mail client's verified
    /// certificate, where there is one that may be believed.
    pub fn begin(self, certificate: Option<&[u8]>) -> Box<dyn Mechanism> {
        match self {
            Self::Plain => Box::new(Plain),
            Self::Login => Box::new(Login::default()),
            Self::Xoauth2 => Box::new(Xoauth2),
            Self::Oauthbearer => Box::new(Oauthbearer),
            Self::External => Box::new(External::new(certificate)),
            Self::DovecotToken => Box::new(DovecotToken),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_in_any_spelling() {
        for known in MechanismName::ALL {
            let lower = known.name().to_ascii_lowercase();
            assert_eq!(MechanismName::find(lower.as_bytes()), Some(known));
            assert_eq!(MechanismName::find(known.name().as_bytes()), Some(known));
        }
        for unknown in [&b""[..], b"PLAI", b"PLAINX", b"CRAM-MD5", b"plain\0", b"\xff"] {
            assert_eq!(MechanismName::find(unknown), None);
        }
    }
}
