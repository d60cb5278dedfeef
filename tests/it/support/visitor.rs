//! [`Visitor`]: somebody with a browser that keeps cookies and sends forms, without
//! running anything.

use std::{collections::BTreeMap, net::SocketAddr};

use url::form_urlencoded;

use super::http::{Answer, send};

/// Where the pages say they are; what is behind the port of a test.
pub(crate) const ORIGIN: &str = "https://auth.example.org";

/// Switches the pages on, at a port of the system's choice.
pub(crate) const PAGES: [&str; 2] =
    ["http.address = \"127.0.0.1:0\"", "http.public_url = \"https://auth.example.org\""];

/// A browser.
pub(crate) struct Visitor {
    address: SocketAddr,
    /// What it sends besides, line by line.
    pub(crate) headers: Vec<String>,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Visitor {
    /// With nothing kept yet.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { address, headers: Vec::new(), cookies: BTreeMap::new() }
    }

    /// A page.
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, "", "")
    }

    /// Sends a form from a page of this site.
    pub(crate) fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_from(Some(ORIGIN), path, fields)
    }

    /// Sends a form from a page of another site, or of none.
    pub(crate) fn post_from(
        &mut self,
        origin: Option<&str>,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let origin = origin.map(|origin| format!("Origin: {origin}\r\n")).unwrap_or_default();
        let head = format!(
            "{origin}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            body.len()
        );
        self.ask("POST", path, &head, &body)
    }

    /// Sends the form of the page at `page`, whose secret it has to have.
    pub(crate) fn post_from_page(
        &mut self,
        page: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let shown = self.get(page);
        let csrf = csrf(&shown.body);
        let fields: Vec<_> = fields.iter().copied().chain([("csrf", csrf.as_str())]).collect();
        self.post(path, &fields)
    }

    /// Signs in with a password.
    pub(crate) fn sign_in(&mut self, address: &str, password: &str) -> Answer {
        self.post("/sign-in", &[("address", address), ("password", password)])
    }

    fn ask(&mut self, method: &str, path: &str, head: &str, body: &str) -> Answer {
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let further: Vec<_> = self.headers.iter().map(|line| format!("{line}\r\n")).collect();
        let answer = send(
            self.address,
            format!(
                "{method} {path} HTTP/1.1\r\nHost: auth.example.org\r\nConnection: close\r\n\
                 Cookie: {}\r\n{}{head}\r\n{body}",
                cookies.join("; "),
                further.concat()
            ),
        );
        for (name, line) in &answer.headers {
            if name == "set-cookie" {
                self.keep(line);
            }
        }
        answer
    }

    fn keep(&mut self, line: &str) {
        let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
        let (name, value) = pair.split_once('=').expect("a cookie has a value");
        if attributes.contains("Max-Age=0;") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// The secret of the forms on a page.
pub(crate) fn csrf(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("a form with a secret");
    rest.split('"').next().unwrap_or_default().to_owned()
}
