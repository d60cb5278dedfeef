//! The form in which SASL clients prepare a password (`SASLprep`, RFC 4013): one
//! that looks the same is the same, however a keyboard composed it.

use zeroize::Zeroizing;

use super::unfit;

/// `password` prepared; none where that makes no other one, or none that could
/// log in.
pub(super) fn other_form(password: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if password.is_ascii() {
        return None;
    }
    let text = str::from_utf8(password).ok()?;
    let prepared = stringprep::saslprep(text).ok()?.into_owned().into_bytes();
    let prepared = Zeroizing::new(prepared);
    (*prepared != password && unfit(&prepared).is_none()).then_some(prepared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (typed, prepared) in [
            // Composed from two characters, as macOS does.
            ("Ko\u{308}nig", Some("K\u{f6}nig")),
            ("K\u{f6}nig", None),
            // RFC 4013 §3.
            ("I\u{ad}X", Some("IX")),
            ("\u{aa}", Some("a")),
            ("\u{2168}", Some("IX")),
            ("\u{627}\u{31}", None),
            // A space that is none of ASCII's.
            ("two\u{a0}words", Some("two words")),
            ("\u{ad}", None),
            ("plain", None),
            // A ligature of eighteen letters is no way round the longest password.
            (&"\u{fdfa}".repeat(100), None),
        ] {
            let found = other_form(typed.as_bytes());
            assert_eq!(found.as_deref().map(Vec::as_slice), prepared.map(str::as_bytes), "{typed}");
        }
        assert!(other_form(b"\xff\xfe").is_none());
    }
}
