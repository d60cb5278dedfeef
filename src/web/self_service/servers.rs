//! The servers that mail programs are told, in words.

use crate::web::{
    settings::{Client, MailServer, Security},
    texts::Texts,
};

/// A line of "how to set up a mail program".
pub(super) struct Server {
    /// What it is for.
    pub(super) purpose: String,
    /// Its name.
    pub(super) host: String,
    /// Its port.
    pub(super) port: u16,
    /// How TLS begins.
    pub(super) security: String,
}

/// All of them, in the order in which programs ask for them.
pub(super) fn servers(t: &Texts, client: &Client) -> Vec<Server> {
    let all = [
        (&client.imap, t.s("server-imap")),
        (&client.smtp, t.s("server-smtp")),
        (&client.pop3, t.s("server-pop3")),
        (&client.sieve, t.s("server-sieve")),
    ];
    let line = |(server, purpose): (&Option<MailServer>, String)| {
        let MailServer { host, port, security } = server.clone()?;
        let security = match security {
            Security::Tls => t.s("server-tls"),
            Security::Starttls => t.s("server-starttls"),
        };
        Some(Server { purpose, host, port, security })
    };
    all.into_iter().filter_map(line).collect()
}
