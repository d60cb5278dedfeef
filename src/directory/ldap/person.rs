//! A person out of an entry: his id, addresses, name, groups, and whether he is
//! switched off.

use std::{borrow::Cow, collections::BTreeSet, fmt::Write as _};

use super::{connection::Entry, filter};
use crate::{
    directory::{Dn, Settings, settings},
    mailbox::{Address, DomainName, NameRules, Profile},
};

/// Operational at OpenLDAP, so it is asked for by name.
const GROUPS: &str = "memberOf";
/// Sixteen bytes of Active Directory's, which may happen to be text.
const BINARY_IDS: [&str; 2] = ["objectGUID", "GUID"];

/// How entries are read.
#[derive(Debug)]
pub(super) struct Reading {
    domains: BTreeSet<DomainName>,
    names: NameRules,
    address: String,
    id: String,
    name: Vec<String>,
    template: String,
    groups: bool,
    off: Vec<Off>,
    /// All of the above.
    attributes: Vec<String>,
}

/// What says that somebody is switched off.
#[derive(Debug)]
struct Off {
    attribute: String,
    by: OffBy,
}

#[derive(Debug)]
enum OffBy {
    Any,
    Values(Vec<String>),
    /// Some of these bits.
    Bits(u32),
}

impl Reading {
    pub(super) fn by(directory: &Settings, ldap: &settings::Ldap) -> Self {
        let groups = directory.provisioning.groups().next().is_some();
        let off = match &ldap.disabled {
            Some((attribute, values)) => vec![Off::written(attribute, values)],
            None => Off::customary(),
        };
        let mut attributes = vec![
            ldap.username_attribute.clone(),
            ldap.id_attribute.clone(),
            directory.provisioning.template_attribute.clone(),
        ];
        attributes.extend(ldap.name_attributes.iter().cloned());
        attributes.extend(off.iter().map(|off| off.attribute.clone()));
        attributes.extend(groups.then(|| GROUPS.to_owned()));
        Self {
            domains: directory.domains.clone(),
            // What else is allowed in a login name was checked where that came from.
            names: NameRules {
                default_domain: directory.default_domain.clone(),
                further_local_bytes: (b'!'..=b'~').collect(),
                ..NameRules::default()
            },
            address: ldap.username_attribute.clone(),
            id: ldap.id_attribute.clone(),
            name: ldap.name_attributes.clone(),
            template: directory.provisioning.template_attribute.clone(),
            groups,
            off,
            attributes,
        }
    }

    /// What is asked for.
    pub(super) fn attributes(&self) -> &[String] {
        &self.attributes
    }

    /// Whether the address is one of the entry's.
    pub(super) fn has(&self, entry: &Entry, address: &Address) -> bool {
        self.addresses(entry).any(|(_, one)| one == *address)
    }

    /// The person of an entry. Of several addresses the one that was asked for is
    /// his, else the first for which the directory speaks.
    ///
    /// # Errors
    /// Nobody can say who he is, in words.
    pub(super) fn person(&self, entry: &Entry, asked: Option<&Address>) -> Result<Profile, String> {
        let cut_off = |(name, _): &(String, _)| name.to_ascii_lowercase().contains(";range=");
        if entry.attributes.iter().any(cut_off) {
            return Err(format!("{}: has more values than the server gives out", entry.dn));
        }
        let subject = self.subject(entry)?;
        let mut addresses: Vec<(String, Address)> = self.addresses(entry).collect();
        let is_his = |(_, one): &(String, Address)| match asked {
            Some(address) => one == address,
            None => self.domains.contains(&one.domain()),
        };
        let first = addresses.iter().position(is_his).unwrap_or(0);
        // What is no address at all is told as it came, so that it can be named.
        let email = if addresses.is_empty() {
            texts(entry, &self.address).next()
        } else {
            Some(addresses.remove(first).0)
        };
        Ok(Profile {
            subject,
            enabled: !self.off.iter().any(|off| off.is_said(entry)),
            email,
            further_emails: addresses.into_iter().map(|(text, _)| text).collect(),
            // Who can write it looks after the directory.
            email_is_verified: true,
            name: self.name.iter().find_map(|name| texts(entry, name).next()).unwrap_or_default(),
            template_values: Some(texts(entry, &self.template).collect()),
            groups: self.groups.then(|| texts(entry, GROUPS).collect()),
            ..Profile::default()
        })
    }

    /// Finds the person of an id again.
    pub(super) fn filter_for(&self, filter: &str, subject: &str) -> Option<String> {
        let value = if self.is_binary() {
            Cow::Owned(from_hex(subject)?)
        } else {
            Cow::Borrowed(subject.as_bytes())
        };
        Some(filter::with_value(filter, &self.id, &value))
    }

    fn subject(&self, entry: &Entry) -> Result<String, String> {
        let values: Vec<&[u8]> = values(entry, &self.id).collect();
        let [value] = values[..] else {
            let count = values.len();
            return Err(format!(
                "{}: id_attribute {} has {count} values, where one is needed",
                entry.dn, self.id
            ));
        };
        if self.is_binary() {
            return Ok(hex(value));
        }
        match std::str::from_utf8(value) {
            Ok(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(format!("{}: id_attribute {} is no text", entry.dn, self.id)),
        }
    }

    fn is_binary(&self) -> bool {
        BINARY_IDS.iter().any(|name| name.eq_ignore_ascii_case(&self.id))
    }

    /// What are addresses, as they came and by our own form.
    fn addresses(&self, entry: &Entry) -> impl Iterator<Item = (String, Address)> {
        texts(entry, &self.address).filter_map(|text| {
            let address = self.names.canonical(text.as_bytes()).ok()?;
            Some((text, address))
        })
    }
}

impl Off {
    fn written(attribute: &str, values: &[String]) -> Self {
        let by = if values.is_empty() { OffBy::Any } else { OffBy::Values(values.to_vec()) };
        Self { attribute: attribute.to_owned(), by }
    }

    /// What servers have for it: 389 Directory Server and FreeIPA; OpenLDAP's
    /// password policy, whose other values stand for a while only; Active Directory's
    /// `ACCOUNTDISABLE`.
    fn customary() -> Vec<Self> {
        let values = |attribute, value: &str| Self::written(attribute, &[value.to_owned()]);
        vec![
            values("nsAccountLock", "TRUE"),
            values("pwdAccountLockedTime", "000001010000Z"),
            Self { attribute: "userAccountControl".to_owned(), by: OffBy::Bits(2) },
        ]
    }

    fn is_said(&self, entry: &Entry) -> bool {
        texts(entry, &self.attribute).any(|text| match &self.by {
            OffBy::Any => true,
            OffBy::Values(values) => values.iter().any(|value| value.eq_ignore_ascii_case(&text)),
            OffBy::Bits(bits) => text.parse::<u32>().is_ok_and(|flags| flags & bits != 0),
        })
    }
}

/// The name by which an entry is bound.
pub(super) fn dn(entry: &Entry) -> Result<Dn, String> {
    // RFC 4513 §5.1.1: without a name it is nobody's bind, and no error.
    if entry.dn.is_empty() {
        Err("an entry without a name".to_owned())
    } else {
        Ok(Dn(entry.dn.clone()))
    }
}

fn values<'e>(entry: &'e Entry, name: &'e str) -> impl Iterator<Item = &'e [u8]> {
    let named = entry.attributes.iter().filter(move |(one, _)| one.eq_ignore_ascii_case(name));
    named.flat_map(|(_, values)| values).map(Vec::as_slice)
}

fn texts(entry: &Entry, name: &str) -> impl Iterator<Item = String> {
    let texts = values(entry, name).filter_map(|value| std::str::from_utf8(value).ok());
    texts.map(str::to_owned).collect::<Vec<_>>().into_iter()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    // What it wrote, not all that reads as a number.
    if text.len() % 2 == 1 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = text.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}

#[cfg(test)]
mod tests;
