//! What others wrote, made fit for a log line: bounded, printable, without the
//! secrets that were sent to them.

/// Longest text that goes on, in bytes.
const MAX_BYTES: usize = 200;
/// Longest text in which secrets are looked for, in bytes.
const MAX_LOOKED_AT_BYTES: usize = 2048;
/// A piece of a secret that long is taken for it, wherever it stands.
const MIN_PIECE: usize = 12;

/// `text` cut to what a log line bears; what is not plainly printable becomes
/// `?`.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_BYTES + 4));
    for character in text.chars() {
        let plain = character == ' ' || character.is_ascii_graphic();
        let plain = plain || (!character.is_ascii() && character.is_alphanumeric());
        let next = if plain || character == '…' { character } else { '?' };
        if out.len() + next.len_utf8() > MAX_BYTES {
            out.push('…');
            break;
        }
        out.push(next);
    }
    out
}

/// As much of a foreign text as can come to be shown, with room for secrets that
/// are cut out of it: what is beyond is not worth the time.
pub fn beginning(text: &str) -> &str {
    let mut end = text.len().min(MAX_LOOKED_AT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// `text` without `secret`: neither whole nor in pieces, as far as these are
/// long enough to be told from plain words.
pub fn without(text: &str, secret: &[u8]) -> String {
    let Ok(secret) = std::str::from_utf8(secret) else {
        return text.to_owned();
    };
    // A shorter one is found in any text.
    let text = if secret.len() < 6 { text.to_owned() } else { text.replace(secret, "…") };
    let in_piece = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = rest.find(|c| !in_piece(c)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        let is_secret = piece.len() >= MIN_PIECE && secret.contains(piece);
        out.push_str(if is_secret { "…" } else { piece });
        let between = after.find(in_piece).unwrap_or(after.len());
        out.push_str(&after[..between]);
        rest = &after[between..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_and_replaces() {
        for (text, expected) in [
            ("plain words", "plain words"),
            ("a\nb\u{1b}[0m\u{202e}", "a?b?[0m?"),
            ("Bücher", "Bücher"),
            ("", ""),
        ] {
            assert_eq!(printable(text), expected);
        }
        let long = printable(&"ü".repeat(500));
        assert!(long.len() <= MAX_BYTES + 3 && long.ends_with('…'), "{}", long.len());
    }

    #[test]
    fn only_the_beginning_is_looked_at() {
        assert_eq!(beginning("Bücher"), "Bücher");
        let long = format!("{}ü", "a".repeat(MAX_LOOKED_AT_BYTES - 1));
        assert_eq!(beginning(&long).len(), MAX_LOOKED_AT_BYTES - 1);
    }

    #[test]
    fn secrets_are_left_out() {
        let token = b"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJlLXNpZ25hdHVyZQ";
        for (text, expected) in [
            (
                "no such token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJlLXNpZ25hdHVyZQ!",
                "no such token …!",
            ),
            ("cut: eyJhbGciOiJSUzI1N", "cut: …"),
            ("payload \"eyJzdWIiOiJ4In0\"", "payload \"…\""),
            ("token=c2lnbmF0dXJlLXNp", "token=…"),
            ("signature of eyJ", "signature of eyJ"),
        ] {
            assert_eq!(without(text, token), expected, "{text}");
        }
        assert_eq!(without("wonderland is no password", b"wonderland"), "… is no password");
        assert_eq!(without("a b", b"\xff"), "a b");
    }

    proptest::proptest! {
        #[test]
        fn what_is_left_bears_a_log(text in ".{0,400}", secret in "[a-zé]{6,40}") {
            let shown = printable(&text);
            proptest::prop_assert!(shown.len() <= MAX_BYTES + 4);
            proptest::prop_assert!(!shown.chars().any(char::is_control));
            let around = format!("{text}{secret}{text}");
            proptest::prop_assert!(!without(&around, secret.as_bytes()).contains(&secret));
        }
    }
}
