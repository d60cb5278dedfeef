//! Search filters (RFC 4515): what stands in the settings, with a login name in it.

use std::fmt::Write as _;

use crate::mailbox::Address;

/// `template` with `%u`, `%n` and `%d` filled in: the address, what stands before its
/// `@`, and what stands behind it. Whatever is filled in stays one value.
pub(super) fn for_address(template: &str, address: &Address) -> String {
    let mut filter = String::with_capacity(template.len() + address.as_str().len());
    let mut rest = template;
    while let Some(at) = rest.find('%') {
        filter.push_str(&rest[..at]);
        let value = match rest[at + 1..].chars().next() {
            Some('u') => address.as_str(),
            Some('n') => address.local_part(),
            Some('d') => address.domain_str(),
            _ => {
                filter.push('%');
                rest = &rest[at + 1..];
                continue;
            }
        };
        filter.push_str(&escaped(value.as_bytes()));
        rest = &rest[at + 2..];
    }
    filter.push_str(rest);
    filter
}

/// Who fits `filter` and has this value of the attribute.
pub(super) fn with_value(filter: &str, attribute: &str, value: &[u8]) -> String {
    format!("(&{filter}({attribute}={}))", escaped(value))
}

/// A value for a filter. Whatever is not known to be harmless is escaped, which RFC
/// 4515 §3 allows for every byte.
fn escaped(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'@' | b'+') {
            text.push(char::from(*byte));
        } else {
            write!(text, "\\{byte:02x}").expect("a String takes everything");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::NameRules;

    fn check(template: &str, address: &str, expected: &str) {
        // As many bytes as any settings can allow.
        let names = NameRules { further_local_bytes: (0..=255).collect(), ..NameRules::default() };
        let address = names.canonical(address.as_bytes()).unwrap();
        let filter = for_address(template, &address);
        assert_eq!(filter, expected);
        ldap3::parse_filter(&filter).unwrap();
    }

    #[test]
    fn names_are_filled_in() {
        check("(mail=%u)", "Ada@Example.org", "(mail=ada@example.org)");
        check("(&(uid=%n)(o=%d))", "ada@example.org", "(&(uid=ada)(o=example.org))");
        check("(mail=%u)", "a+b@example.org", "(mail=a+b@example.org)");
        check("(cn=100%)", "ada@example.org", "(cn=100%)");
        check("(cn=%ü%u)", "ada@example.org", "(cn=%üada@example.org)");
    }

    #[test]
    fn no_name_ends_its_value() {
        check("(mail=%u)", "x)(uid=1@example.org", r"(mail=x\29\28uid\3d1@example.org)");
        check("(mail=%u)", r"a\2a@example.org", r"(mail=a\5c2a@example.org)");
        check("(mail=%u)", r"a\28\00@example.org", r"(mail=a\5c28\5c00@example.org)");
    }

    #[test]
    fn any_bytes_can_be_a_value() {
        let filter = with_value("(objectClass=user)", "objectGUID", &[0, b'*', 0xff, b'a']);
        assert_eq!(filter, r"(&(objectClass=user)(objectGUID=\00\2a\ffa))");
        ldap3::parse_filter(&filter).unwrap();
    }

    proptest::proptest! {
        #[test]
        fn what_is_escaped_is_one_value(value in proptest::collection::vec(0_u8.., 1..40)) {
            let text = escaped(&value);
            proptest::prop_assert!(!text.contains(['(', ')', '*', '\0']));
            let unescaped = text.split('\\').enumerate().fold(Vec::new(), |mut all, (i, part)| {
                let (byte, rest) = if i == 0 { ("", part) } else { part.split_at(2) };
                all.extend(u8::from_str_radix(byte, 16));
                all.extend(rest.bytes());
                all
            });
            proptest::prop_assert_eq!(unescaped, value);
        }
    }
}
