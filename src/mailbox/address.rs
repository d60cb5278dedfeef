//! Names: the one function that makes the canonical address.
//!
//! Every key (store, cache, counter, log line) is built from an [`Address`] or
//! a [`DomainName`], and the only way to one is [`NameRules::canonical`],
//! [`Address::parse`] or [`DomainName::parse`]: default domain, allowed bytes,
//! lower case, IDNA form of the domain.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Longest login name that is looked at, in bytes (Dovecot's limit for SASL
/// names).
pub const MAX_NAME_BYTES: usize = 1024;
/// Longest canonical address, in bytes: 64 + `@` + 255 (RFC 5321 §4.5.3.1).
pub const MAX_ADDRESS_BYTES: usize = 320;

/// Why a name is not an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NameError {
    /// No bytes at all.
    #[error("the name is empty")]
    Empty,
    /// Longer than [`MAX_NAME_BYTES`], or than an address can be.
    #[error("the name is too long")]
    TooLong,
    /// A byte outside the allowed ones.
    #[error("the name has a byte that is not allowed in names")]
    ForbiddenByte,
    /// More than one `@`, or nothing before it, or an empty part between dots.
    #[error("the name is not of the form local-part@domain")]
    Malformed,
    /// No `@`, and no default domain is configured.
    #[error("the name has no domain, and no default domain is configured")]
    NoDomain,
    /// The part behind `@` is no domain name.
    #[error("the domain part is not a valid domain name")]
    BadDomain,
}

/// A domain in lower case and IDNA (ASCII) form.
#[derive(Clone, Debug, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd)]
pub struct DomainName(#[schemars(extend("format" = "hostname"))] Arc<str>);

impl DomainName {
    /// Makes `name` canonical. Accepts Unicode (UTF-8) labels.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        if name.is_empty() {
            return Err(NameError::BadDomain);
        }
        let ascii = if is_plain_domain(name.as_bytes()) {
            name.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii_strict(name).map_err(|_| NameError::BadDomain)?
        };
        let well_formed = ascii.len() <= 253
            && ascii.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            });
        if well_formed { Ok(Self(ascii.into())) } else { Err(NameError::BadDomain) }
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether IDNA would leave the name alone but for its case. (`xn--` labels
/// are left to the library, which checks what they encode.)
fn is_plain_domain(name: &[u8]) -> bool {
    let plain = name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    plain && !name.windows(4).any(|four| four.eq_ignore_ascii_case(b"xn--"))
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DomainName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::parse(name)
    }
}

/// A canonical address: `local-part@domain`, lower case, ASCII.
#[derive(Clone, Debug, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd)]
pub struct Address(#[schemars(extend("format" = "email"))] Arc<str>);

impl Address {
    /// Makes `text` canonical by the default rules and without a default
    /// domain: for addresses that an administrator or a file names.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        NameRules::default().canonical(text.as_bytes())
    }

    /// What was an address once is one whatever the present rules are: they may
    /// have had other `further_local_bytes`.
    fn parse_stored(text: &str) -> Result<Self, NameError> {
        let rules =
            NameRules { further_local_bytes: (b'!'..=b'~').collect(), ..NameRules::default() };
        rules.canonical(text.as_bytes())
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    pub fn local_part(&self) -> &str {
        self.split().0
    }

    /// What stands behind the `@`, as text.
    pub fn domain_str(&self) -> &str {
        self.split().1
    }

    /// What stands behind the `@`.
    pub fn domain(&self) -> DomainName {
        DomainName(self.domain_str().into())
    }

    /// The address without what stands behind the first of these delimiters in
    /// its local part; `None` if there is none. Nothing is left of an address
    /// that begins with one, so that is none.
    pub fn without_extension(&self, delimiters: &str) -> Option<Self> {
        let (local, domain) = self.split();
        let at = local.find(|character| delimiters.contains(character)).filter(|at| *at > 0)?;
        Self::parse_stored(&format!("{}@{domain}", &local[..at])).ok()
    }

    fn split(&self) -> (&str, &str) {
        self.0.split_once('@').expect("an address is made with exactly one @")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Address {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl Borrow<str> for Address {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// How login names become addresses.
#[derive(Clone, Debug, Default)]
pub struct NameRules {
    /// Completes a name without `@`; without it such a name is refused.
    pub default_domain: Option<DomainName>,
    /// Bytes allowed in a local part beyond ASCII letters, digits and `.-_+`,
    /// Dovecot's default `auth_username_chars` plus the `+` of real addresses.
    /// Only printable ASCII without `@`, `/`, `%`, `*` and `?` takes effect:
    /// those have a meaning in paths, patterns and masks.
    pub further_local_bytes: Vec<u8>,
    /// Characters of which the first in a local part begins an extension, as Postfix
    /// and Dovecot have it; empty for none.
    pub recipient_delimiter: String,
}

impl NameRules {
    /// The same rules with another default domain: a source of people has its own.
    #[must_use]
    pub fn completing_with(&self, default_domain: Option<DomainName>) -> Self {
        Self { default_domain, ..self.clone() }
    }

    /// Why no mailbox shall have this address, if so. Dovecot's LMTP cuts an
    /// extension off whoever has the address with it, so that mailbox's mail would
    /// lie in another one.
    pub fn unfit_for_mailbox(&self, address: &Address) -> Option<String> {
        let is_delimiter = |character: &char| self.recipient_delimiter.contains(*character);
        let found = address.local_part().chars().find(is_delimiter)?;
        Some(format!(
            "{address} has the recipient delimiter {found:?} (names.recipient_delimiter), so its \
             mail would be delivered to the mailbox without what follows"
        ))
    }

    /// The canonical address for a name as a client sent it.
    pub fn canonical(&self, name: &[u8]) -> Result<Address, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > MAX_NAME_BYTES {
            return Err(NameError::TooLong);
        }
        let (local, domain) = match name.iter().position(|byte| *byte == b'@') {
            Some(at) => (&name[..at], Some(&name[at + 1..])),
            None => (name, None),
        };
        let local = self.canonical_local_part(local)?;
        let domain = match domain {
            None => self.default_domain.clone().ok_or(NameError::NoDomain)?,
            Some(domain) => {
                let text = std::str::from_utf8(domain).map_err(|_| NameError::ForbiddenByte)?;
                if text.contains('@') {
                    return Err(NameError::Malformed);
                }
                DomainName::parse(text)?
            }
        };
        let address = format!("{local}@{domain}");
        if address.len() > MAX_ADDRESS_BYTES {
            return Err(NameError::TooLong);
        }
        Ok(Address(address.into()))
    }

    /// Lower case, allowed bytes only, and a dot-atom (RFC 5321 §4.1.2): an
    /// empty part between dots could otherwise climb out of a home folder
    /// pattern as `..`.
    fn canonical_local_part(&self, local: &[u8]) -> Result<String, NameError> {
        if !local.iter().all(|byte| self.allows(*byte)) {
            return Err(NameError::ForbiddenByte);
        }
        if local.split(|byte| *byte == b'.').any(<[u8]>::is_empty) {
            return Err(NameError::Malformed);
        }
        Ok(local.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect())
    }

    fn allows(&self, byte: u8) -> bool {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'-' | b'_' | b'+')
            || (byte.is_ascii_graphic()
                && !matches!(byte, b'@' | b'/' | b'%' | b'*' | b'?')
                && self.further_local_bytes.contains(&byte))
    }
}

macro_rules! serde_as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}
serde_as_text!(Address);
serde_as_text!(DomainName);

impl<'de> Deserialize<'de> for DomainName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse_stored(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &[u8], expected: Result<&str, NameError>) {
        let rules = NameRules {
            default_domain: Some(DomainName::parse("Example.ORG").unwrap()),
            further_local_bytes: vec![b'=', b'/', b'@', 0, b'\t'],
            ..NameRules::default()
        };
        let got = rules.canonical(name);
        assert_eq!(got.as_ref().map(Address::as_str), expected.as_ref().copied(), "{name:?}");
    }

    #[test]
    fn names_become_canonical_or_are_refused() {
        check(b"ann@example.org", Ok("ann@example.org"));
        check(b"Ann.B+tag_x-1@EXAMPLE.org", Ok("ann.b+tag_x-1@example.org"));
        check(b"ann", Ok("ann@example.org"));
        check(b"a=b@example.org", Ok("a=b@example.org"));
        check("ann@bücher.example".as_bytes(), Ok("ann@xn--bcher-kva.example"));
        check("ann@BÜCHER.example".as_bytes(), Ok("ann@xn--bcher-kva.example"));
        check(b"ann@xn--bcher-kva.example", Ok("ann@xn--bcher-kva.example"));
        check(b"", Err(NameError::Empty));
        check(b"@example.org", Err(NameError::Malformed));
        check(b"ann@", Err(NameError::BadDomain));
        check(b"ann@a@b", Err(NameError::Malformed));
        check(b"..@example.org", Err(NameError::Malformed));
        check(b".ann@example.org", Err(NameError::Malformed));
        check(b"ann.@example.org", Err(NameError::Malformed));
        check(b"an n@example.org", Err(NameError::ForbiddenByte));
        check(b"an/n@example.org", Err(NameError::ForbiddenByte));
        check(b"an*@example.org", Err(NameError::ForbiddenByte));
        check(b"an%n@example.org", Err(NameError::ForbiddenByte));
        check(b"ann\0@example.org", Err(NameError::ForbiddenByte));
        check(b"ann\t@example.org", Err(NameError::ForbiddenByte));
        check("änn@example.org".as_bytes(), Err(NameError::ForbiddenByte));
        check(b"ann@exa mple.org", Err(NameError::BadDomain));
        check(b"ann@example..org", Err(NameError::BadDomain));
        check(b"ann@-example.org", Err(NameError::BadDomain));
        check(b"ann@../x", Err(NameError::BadDomain));
        check(b"ann@\xff\xfe", Err(NameError::ForbiddenByte));
        check(&[b'a'; 1025], Err(NameError::TooLong));
        check(&[b'a'; 400], Err(NameError::TooLong));
    }

    #[test]
    fn without_a_default_domain_a_bare_name_is_refused() {
        assert_eq!(NameRules::default().canonical(b"ann"), Err(NameError::NoDomain));
    }

    #[test]
    fn parts() {
        let address = Address::parse("ann@example.org").unwrap();
        assert_eq!(address.local_part(), "ann");
        assert_eq!(address.domain().as_str(), "example.org");
    }

    #[test]
    fn no_mailbox_has_an_extension() {
        let check = |address: &str, delimiters: &str, fits: bool| {
            let recipient_delimiter = delimiters.to_owned();
            let rules = NameRules { recipient_delimiter, ..NameRules::default() };
            let unfit = rules.unfit_for_mailbox(&Address::parse(address).unwrap());
            assert_eq!(unfit.is_none(), fits, "{address} {delimiters}: {unfit:?}");
        };
        check("ann+own@example.org", "+", false);
        check("ann+@example.org", "+", false);
        check("+own@example.org", "+", false);
        check("ann-own@example.org", "+-", false);
        check("ann-own@example.org", "+", true);
        check("ann+own@example.org", "", true);
        check("ann@example-x.org", "-", true);
    }

    #[test]
    fn extensions() {
        let check = |address: &str, delimiters: &str, expected: Option<&str>| {
            let found = Address::parse(address).unwrap().without_extension(delimiters);
            assert_eq!(found.as_ref().map(Address::as_str), expected, "{address} {delimiters}");
        };
        check("ann+x@example.org", "+", Some("ann@example.org"));
        check("ann+x+y-z@example.org", "+", Some("ann@example.org"));
        check("ann-x+y@example.org", "+-", Some("ann@example.org"));
        check("ann+@example.org", "+", Some("ann@example.org"));
        check("ann-x@example.org", "+", None);
        check("ann+x@example.org", "", None);
        check("+x@example.org", "+", None);
        check("ann@example-x.org", "-", None);
        // What is left is no address.
        check("a.+x@example.org", "+", None);
    }

    #[test]
    fn survives_postcard_and_json() {
        let address = Address::parse("ann@example.org").unwrap();
        let bytes = postcard::to_allocvec(&address).unwrap();
        assert_eq!(postcard::from_bytes::<Address>(&bytes).unwrap(), address);
        let json = serde_json::to_string(&address).unwrap();
        assert_eq!(serde_json::from_str::<Address>(&json).unwrap(), address);
    }
}
