//! Masks over addresses: `*` stands for any text, `?` for one character, case
//! is ignored (`doveadm user '*@example.org'`, LIST, cache flushes).

/// A mask, made ready for many addresses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mask(String);

impl Mask {
    /// Every text is a mask.
    pub fn new(text: &str) -> Self {
        Self(text.to_lowercase())
    }

    /// The one text that it matches, if it has neither star nor question mark.
    pub fn exact(&self) -> Option<&str> {
        (!self.0.contains(['*', '?'])).then_some(self.0.as_str())
    }

    /// Whether a canonical address matches. Takes at most as many steps as
    /// mask and address have bytes, multiplied.
    pub fn matches(&self, address: &str) -> bool {
        let (mask, address) = (self.0.as_bytes(), address.as_bytes());
        let (mut at, mut seen) = (0, 0);
        // Where to go on when what follows the last star does not fit.
        let mut retry: Option<(usize, usize)> = None;
        while seen < address.len() {
            match mask.get(at) {
                Some(b'*') => {
                    at += 1;
                    retry = Some((at, seen));
                }
                Some(byte) if *byte == b'?' || *byte == address[seen] => {
                    at += 1;
                    seen += 1;
                }
                _ => {
                    let Some((behind_star, start)) = retry else { return false };
                    retry = Some((behind_star, start + 1));
                    (at, seen) = (behind_star, start + 1);
                }
            }
        }
        mask[at..].iter().all(|byte| *byte == b'*')
    }

    /// The one domain of every address that can match, and how their local
    /// part begins; `None` where the mask leaves the domain open.
    pub fn range(&self) -> Option<(&str, &str)> {
        let (local, domain) = self.0.rsplit_once('@')?;
        let fixed = local.split(['*', '?']).next().unwrap_or_default();
        (!domain.contains(['*', '?'])).then_some((domain, fixed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mask: &str, expected: bool) {
        assert_eq!(Mask::new(mask).matches("ann.b@example.org"), expected, "{mask}");
    }

    #[test]
    fn masks_match_like_dovecots() {
        check("*", true);
        check("ann.b@example.org", true);
        check("ANN.b@Example.ORG", true);
        check("*@example.org", true);
        check("*@*.org", true);
        check("a*b@*", true);
        check("ann??@example.org", true);
        check("**ann**", true);
        check("", false);
        check("?", false);
        check("ann", false);
        check("*@example.com", false);
        check("ann?@example.org", false);
        check("*z*", false);
        check("ann.b@example.org?", false);
        check("ann.b@example.org*", true);
    }

    #[test]
    fn ranges_hold_every_match() {
        for (mask, expected) in [
            ("*@Example.org", Some(("example.org", ""))),
            ("An*b@example.org", Some(("example.org", "an"))),
            ("?n*@example.org", Some(("example.org", ""))),
            ("ann@example.org", Some(("example.org", "ann"))),
            ("*@*.org", None),
            ("*", None),
            ("ann", None),
        ] {
            assert_eq!(Mask::new(mask).range(), expected, "{mask}");
        }
    }

    #[test]
    fn many_stars_end_in_time() {
        let mask = Mask::new(&"*a".repeat(200));
        assert!(!mask.matches(&"a".repeat(199)));
        assert!(mask.matches(&"a".repeat(320)));
    }
}
