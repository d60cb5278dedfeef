//! The people of the SMTP tests and what becomes of each of their logins. The
//! same for every mail server: only the code of a temporary failure differs.

use super::{dovegate::Dovegate, place::Folder, smtp::Smtp};

/// The password that is right for everybody.
pub const PASSWORD: &str = "correct horse";

/// May log in.
pub const ANN: &str = "ann@example.org";
/// Switched off.
pub const OUT: &str = "out@example.org";
/// Has a hash of a scheme that nobody knows, so that nobody can tell.
pub const ODD: &str = "odd@example.org";

/// App passwords of [`ANN`].
#[derive(Debug)]
pub struct AppPasswords {
    /// For `smtp`.
    pub sending: String,
    /// For `imap`.
    pub reading: String,
}

/// Makes them all.
pub fn make(dovegate: &Dovegate, folder: &Folder) -> AppPasswords {
    dovegate.must(folder, &["domain", "add", "example.org"], "");
    for address in [ANN, OUT] {
        let input = format!("{PASSWORD}\n");
        dovegate.must(folder, &["mailbox", "add", address, "--password-stdin"], &input);
    }
    dovegate.must(folder, &["mailbox", "set", OUT, "--state", "disabled"], "");
    // The command line takes no hash that nothing could be checked against.
    dovegate.must(folder, &["mailbox", "add", ODD], "");
    let export = dovegate.must(folder, &["export"], "");
    let odd = export.replace("\"local_hash\":null", "\"local_hash\":\"{SKEIN9}abcdef\"");
    dovegate.must(folder, &["import"], &odd);
    let app_password = |service| dovegate.app_password(folder, ANN, &["--service", service]).text;
    AppPasswords { sending: app_password("smtp"), reading: app_password("imap") }
}

/// One way of saying name and password; gives the code of the reply.
type Login = fn(&mut Smtp, &str, &str) -> u16;

/// Every kind of login that a mail server passes on, on one connection for each
/// way of saying it. `temporary` is the server's code for "try again later".
pub fn log_in_by_every_way(port: u16, temporary: u16, app: &AppPasswords) {
    let ways: [(&str, Login); 4] = [
        ("PLAIN", Smtp::plain),
        ("PLAIN in two steps", Smtp::plain_in_two),
        ("LOGIN", Smtp::login),
        ("LOGIN with the name at once", Smtp::login_with_name),
    ];
    for (name, way) in ways {
        let refused = [
            (ANN, "wrong", 535),
            ("nobody@example.org", PASSWORD, 535),
            (OUT, PASSWORD, 535),
            (ANN, app.reading.as_str(), 535),
            (ODD, PASSWORD, temporary),
        ];
        let mut client = Smtp::connect(port);
        for (user, password, code) in refused {
            assert_eq!(way(&mut client, user, password), code, "{name}: {user} with {password:?}");
        }
        // A server that was refused five times serves on.
        assert_eq!(way(&mut client, ANN, PASSWORD), 235, "{name}: the right password");
        assert_eq!(
            way(&mut Smtp::connect(port), "ANN@Example.ORG", &app.sending),
            235,
            "{name}: app password"
        );
    }
}
