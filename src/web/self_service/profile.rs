//! A configuration profile for an iPhone, iPad or Mac (Apple's "Configuration Profile
//! Reference", payload `com.apple.mail.managed`): account, servers and app password in
//! one file.

use std::io::Cursor;

use plist::{Dictionary, Value};

use crate::{
    api::app_passwords::View,
    mailbox::{Service, Services},
    web::settings::{Client, MailServer},
};

/// Whose profile it is.
pub(super) struct Account<'a> {
    /// What the pages are called.
    pub(super) title: &'a str,
    pub(super) address: &'a str,
    /// His name, may be empty.
    pub(super) name: &'a str,
    pub(super) app_password: &'a View,
    /// The app password itself.
    pub(super) text: &'a str,
}

/// Whether there can be one: mail is read and sent, and the app password does both.
pub(super) fn is_possible(client: &Client, services: Services) -> bool {
    servers(client).is_some()
        && services.contains(Service::Imap)
        && services.contains(Service::Smtp)
}

fn servers(client: &Client) -> Option<(&MailServer, &MailServer)> {
    client.imap.as_ref().zip(client.smtp.as_ref())
}

/// The profile, as XML; none where no servers are known.
pub(super) fn write(client: &Client, account: &Account<'_>) -> Option<Vec<u8>> {
    let (imap, smtp) = servers(client)?;
    let Account { title, address, name, app_password, text } = account;
    let identifier = format!("dovegate.{}.{}", address.replace('@', ".at."), app_password.id);
    let made = app_password.created.0.to_string();
    // The same profile again takes the place of the one before.
    let id = |part: &str| uuid(&[address, &app_password.id, &made, part]);
    let mail = dictionary([
        ("PayloadType", "com.apple.mail.managed".into()),
        ("PayloadVersion", 1.into()),
        ("PayloadIdentifier", format!("{identifier}.mail").into()),
        ("PayloadUUID", id("mail").into()),
        ("PayloadDisplayName", (*address).into()),
        ("EmailAccountType", "EmailTypeIMAP".into()),
        ("EmailAccountDescription", (*address).into()),
        ("EmailAccountName", if name.is_empty() { *address } else { *name }.into()),
        ("EmailAddress", (*address).into()),
        ("IncomingMailServerAuthentication", "EmailAuthPassword".into()),
        ("IncomingMailServerHostName", imap.host.as_str().into()),
        ("IncomingMailServerPortNumber", imap.port.into()),
        ("IncomingMailServerUseSSL", true.into()),
        ("IncomingMailServerUsername", (*address).into()),
        ("IncomingPassword", (*text).into()),
        ("OutgoingMailServerAuthentication", "EmailAuthPassword".into()),
        ("OutgoingMailServerHostName", smtp.host.as_str().into()),
        ("OutgoingMailServerPortNumber", smtp.port.into()),
        ("OutgoingMailServerUseSSL", true.into()),
        ("OutgoingMailServerUsername", (*address).into()),
        ("OutgoingPasswordSameAsIncomingPassword", true.into()),
    ]);
    let profile = dictionary([
        ("PayloadType", "Configuration".into()),
        ("PayloadVersion", 1.into()),
        ("PayloadIdentifier", identifier.into()),
        ("PayloadUUID", id("profile").into()),
        ("PayloadDisplayName", format!("{title}: {address}").into()),
        ("PayloadOrganization", (*title).into()),
        ("PayloadRemovalDisallowed", false.into()),
        ("PayloadContent", Value::Array(vec![mail])),
    ]);
    let mut xml = Cursor::new(Vec::new());
    profile.to_writer_xml(&mut xml).ok()?;
    Some(xml.into_inner())
}

fn dictionary<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let entries = entries.into_iter().map(|(key, value)| (key.to_owned(), value));
    Value::Dictionary(entries.collect::<Dictionary>())
}

/// An id in the form of RFC 9562 §5.8, of one's own making: always the same for the same.
fn uuid(parts: &[&str]) -> String {
    let mut digest = blake3::Hasher::new();
    for part in parts {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finalize().as_bytes()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = format!("{:032X}", u128::from_be_bytes(bytes));
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::Moment, clock::Timestamp, web::settings::Security};

    fn server(host: &str, port: u16) -> MailServer {
        MailServer { host: host.to_owned(), port, security: Security::Tls }
    }

    fn client() -> Client {
        let (imap, smtp) = (server("imap.example.org", 993), server("smtp.example.org", 465));
        Client { imap: Some(imap), smtp: Some(smtp), ..Client::default() }
    }

    fn view() -> View {
        View {
            id: "7K2M".to_owned(),
            name: "Phone".to_owned(),
            services: Services::ALL,
            networks: Vec::new(),
            expires: None,
            created: Moment(Timestamp(1_800_000_000_000)),
            last_used: None,
            imported: None,
        }
    }

    fn profile(name: &str) -> Value {
        let account = Account {
            title: "Mail & more",
            address: "mara@example.org",
            name,
            app_password: &view(),
            text: "7K2M-9QXT",
        };
        let xml = write(&client(), &account).unwrap();
        Value::from_reader_xml(Cursor::new(xml)).unwrap()
    }

    #[test]
    fn an_account_that_a_phone_can_set_up() {
        let profile = profile("<script>");
        let top = profile.as_dictionary().unwrap();
        assert_eq!(top["PayloadType"].as_string(), Some("Configuration"));
        assert_eq!(top["PayloadOrganization"].as_string(), Some("Mail & more"));
        let mail = top["PayloadContent"].as_array().unwrap()[0].as_dictionary().unwrap();
        for (key, value) in [
            ("EmailAddress", "mara@example.org"),
            ("EmailAccountName", "<script>"),
            ("IncomingMailServerHostName", "imap.example.org"),
            ("IncomingPassword", "7K2M-9QXT"),
            ("OutgoingMailServerHostName", "smtp.example.org"),
        ] {
            assert_eq!(mail[key].as_string(), Some(value), "{key}");
        }
        assert_eq!(mail["IncomingMailServerPortNumber"].as_unsigned_integer(), Some(993));
        assert_eq!(mail["OutgoingPasswordSameAsIncomingPassword"].as_boolean(), Some(true));
    }

    #[test]
    fn made_again_it_is_the_same() {
        assert_eq!(profile("a"), profile("a"));
        let id = uuid(&["a", "b"]);
        assert_eq!((id.len(), &id[14..15]), (36, "8"), "{id}");
        assert_ne!(id, uuid(&["ab", ""]));
    }

    #[test]
    fn only_where_mail_is_read_and_sent() {
        let reads: Services = [Service::Imap].into_iter().collect();
        assert!(is_possible(&client(), Services::ALL));
        assert!(!is_possible(&client(), reads));
        assert!(!is_possible(&Client { smtp: None, ..client() }, Services::ALL));
    }
}
