//! docker-mailserver's account provisioner "file": `postfix-accounts.cf` with
//! `address|{SCHEME}hash|attributes`, and `dovecot-quotas.cf` with
//! `address:limit`. Its aliases and relays are Postfix's and stay there.

use std::collections::BTreeMap;

use super::{LeftOut, dovecot_fields};
use crate::mailbox::{Quota, Wanted};

/// The accounts.
pub const ACCOUNTS: &str = "postfix-accounts.cf";
/// Their limits.
pub const QUOTAS: &str = "dovecot-quotas.cf";

/// Limits by address, in lower case.
#[derive(Clone, Debug, Default)]
pub struct Quotas(BTreeMap<String, (u64, Quota)>);

impl Quotas {
    /// Takes over a line of `dovecot-quotas.cf` with this number.
    ///
    /// # Errors
    /// Why it cannot be taken over.
    pub fn add(&mut self, number: u64, line: &str) -> Result<(), String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (address, limit) = line.split_once(':').ok_or("expected address:limit")?;
        let quota = limit.parse().map_err(|error| format!("{error}"))?;
        match self.0.insert(address.to_lowercase(), (number, quota)) {
            Some((before, _)) => Err(format!("{address} has a limit in line {before} already")),
            None => Ok(()),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lines whose account was not asked for.
    pub fn unclaimed<'q>(&'q self, claimed: &'q Claimed) -> impl Iterator<Item = (u64, &'q str)> {
        let left = self.0.iter().filter(|(address, _)| !claimed.0.contains(address.as_str()));
        left.map(|(address, (number, _))| (*number, address.as_str()))
    }
}

/// Addresses whose limit was used.
#[derive(Clone, Debug, Default)]
pub struct Claimed(std::collections::BTreeSet<String>);

/// What a line of `postfix-accounts.cf` says; `None` for one that says nothing.
///
/// # Errors
/// Why it cannot be taken over.
pub fn parse(
    line: &str,
    quotas: &Quotas,
    claimed: &mut Claimed,
    left_out: &LeftOut,
) -> Result<Option<Wanted>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let mut fields = line.splitn(3, '|');
    let mut next = || fields.next().unwrap_or_default();
    let [address, hash, attributes] = std::array::from_fn(|_| next());
    if address.is_empty() || hash.is_empty() {
        return Err("expected address|{SCHEME}hash".to_owned());
    }
    let mut wanted = Wanted { address: address.to_owned(), ..Wanted::default() };
    wanted.hash = Some(hash.to_owned().into());
    let key = address.to_lowercase();
    if let Some((_, quota)) = quotas.0.get(&key) {
        wanted.quota_bytes = Some(*quota);
        claimed.0.insert(key);
    }
    dovecot_fields::take_over(&mut wanted, attributes, left_out)?;
    Ok(Some(wanted))
}

/// The attributes at the end of a line of `postfix-accounts.cf`.
pub fn attributes(line: &str) -> &str {
    line.splitn(3, '|').nth(2).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_get_their_limits() {
        let mut quotas = Quotas::default();
        for (number, line) in (1..).zip(["# limits", "Ann@example.org:5G", "", "bob@example.org:0"])
        {
            quotas.add(number, line).unwrap();
        }
        assert!(quotas.add(5, "ann@example.org:1G").unwrap_err().contains("line 2"));
        assert!(quotas.add(6, "cleo@example.org:much").is_err());
        assert!(quotas.add(7, "cleo@example.org").is_err());
        let mut claimed = Claimed::default();
        let mut read = |line: &str| parse(line, &quotas, &mut claimed, &LeftOut::default());
        let ann = read("ann@example.org|{SHA512-CRYPT}$6$s$h|userdb_mail=maildir:~/m").unwrap();
        let ann = ann.unwrap();
        assert_eq!(ann.quota_bytes, Some(Quota { bytes: 1 << 30 }));
        assert_eq!(ann.hash.unwrap().as_str(), "{SHA512-CRYPT}$6$s$h");
        assert_eq!(ann.mail.as_deref(), Some("maildir:~/m"));
        assert_eq!(read("cleo@example.org|{PLAIN}x").unwrap().unwrap().quota_bytes, None);
        assert_eq!(read("# bob@example.org|{PLAIN}x"), Ok(None));
        for bad in
            ["bob@example.org", "|{PLAIN}x", "bob@example.org|", "b@example.org|{PLAIN}x|proxy"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        let left: Vec<_> = quotas.unclaimed(&claimed).collect();
        assert_eq!(left, [(4, "bob@example.org")]);
    }
}
