//! `WWW-Authenticate` (RFC 9110 §11.6.1), as far as it tells a refused token
//! (RFC 6750 §3) from something between us and the provider.

/// Most challenges that are read; nobody sends so many.
const MAX_CHALLENGES: usize = 16;

/// One challenge.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Challenge {
    scheme: String,
    params: Vec<(String, String)>,
}

impl Challenge {
    /// Everything that `header` asks for. What is not by the grammar is skipped.
    pub(super) fn read(header: &str) -> Vec<Self> {
        let mut challenges: Vec<Self> = Vec::new();
        let mut rest = header;
        while challenges.len() < MAX_CHALLENGES {
            rest = rest.trim_start_matches([' ', '\t', ',', '=']);
            let Some(first) = rest.chars().next() else { break };
            let end = rest.find(|c| !is_token(c)).unwrap_or(rest.len());
            if end == 0 {
                rest = &rest[first.len_utf8()..];
                continue;
            }
            let (word, after) = rest.split_at(end);
            let word = word.to_ascii_lowercase();
            if let Some(value) = after.trim_start().strip_prefix('=') {
                let (value, after) = value_of(value.trim_start());
                if let Some(challenge) = challenges.last_mut() {
                    challenge.params.push((word, value));
                }
                rest = after;
            } else {
                challenges.push(Self { scheme: word, params: Vec::new() });
                rest = after;
            }
        }
        challenges
    }

    /// Whether it asks for a token, or at least for nothing that only a proxy
    /// would ask for.
    pub(super) fn is_of_a_proxy(&self) -> bool {
        matches!(self.scheme.as_str(), "basic" | "digest" | "negotiate" | "ntlm")
    }

    /// A parameter of a `Bearer` challenge.
    pub(super) fn bearer(&self, name: &str) -> Option<&str> {
        let mut params = self.params.iter().filter(|_| self.scheme == "bearer");
        params.find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(c)
}

/// A value, quoted or not, and what follows it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c| !is_token(c)).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return (value, &quoted[at + 1..]),
            c => {
                value.push(c);
                escaped = false;
            }
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_providers_send() {
        let keycloak = Challenge::read(
            r#"Bearer realm="mail", error="invalid_token", error_description="Token verification failed""#,
        );
        assert_eq!(keycloak.len(), 1);
        assert_eq!(keycloak[0].bearer("error"), Some("invalid_token"));
        assert_eq!(keycloak[0].bearer("error_description"), Some("Token verification failed"));
        assert!(!keycloak[0].is_of_a_proxy());

        let two = Challenge::read(r#"Basic realm="a, b=\"c\"", charset=UTF-8, DPoP algs="ES256""#);
        let schemes: Vec<_> = two.iter().map(|challenge| challenge.scheme.as_str()).collect();
        assert_eq!(schemes, ["basic", "dpop"]);
        assert_eq!(two[0].params[0].1, "a, b=\"c\"");
        assert!(two[0].is_of_a_proxy() && !two[1].is_of_a_proxy());
        assert_eq!(two[0].bearer("realm"), None, "not of a Bearer challenge");
    }

    #[test]
    fn bears_anything() {
        let long = "a ".repeat(10_000);
        for text in
            ["", ",", "=", "=\"", "Bearer =", "Bearer error=\"", "\\\"é,", "Negotiate YQ==", &long]
        {
            assert!(Challenge::read(text).len() <= MAX_CHALLENGES, "{text:.20}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(header in ".{0,200}", quoted in r#"[Bearo ="\\\\,é]{0,60}"#) {
            for text in [header, quoted] {
                let read = Challenge::read(&text);
                proptest::prop_assert!(read.len() <= MAX_CHALLENGES);
            }
        }
    }
}
