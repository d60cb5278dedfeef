//! A Dovegate with pages, for one test.

use std::{net::TcpStream, time::Duration};

use super::browser::{Browser, missing};
use crate::support::{
    dovegate::{Daemon, Dovegate},
    place::{Folder, System, free_ports},
    skip, wait_for,
};

/// Dovegate alone, with an `auth` listener and pages. Fields are dropped in this order.
pub struct Site {
    _daemon: Daemon,
    /// Its command line.
    pub dovegate: Dovegate,
    /// Where it lives.
    pub folder: Folder,
    /// Where the pages are: `http://127.0.0.1:PORT`.
    pub base: String,
}

impl Site {
    /// Starts it with further settings; `None`, with a line that says so, where it or a
    /// browser cannot run.
    pub fn start(settings: &str) -> Option<Self> {
        if let Some(why) = missing() {
            skip(&why);
            return None;
        }
        if !nix::unistd::geteuid().is_root() {
            skip("Dovegate gives up root here, so only root can start it");
            return None;
        }
        let folder = System::here().folder();
        let [port] = free_ports();
        let settings = format!(
            "{}{settings}\n[[listener]]\ntype = \"auth\"\npath = \"{}\"\n",
            http(port),
            folder.inside("auth")
        );
        let dovegate = Dovegate::prepare(&folder, "mail", &settings);
        let daemon = Daemon::start(&dovegate, &folder);
        // Ports for HTTP are opened after the admin socket.
        wait_for("the pages", Duration::from_secs(30), || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Some(Self { _daemon: daemon, dovegate, folder, base: base(port) })
    }

    /// Runs a command that must succeed; its output.
    pub fn run(&self, arguments: &[&str]) -> String {
        self.dovegate.must(&self.folder, arguments, "")
    }

    /// A mailbox with this local password.
    pub fn add_mailbox(&self, address: &str, password: &str) {
        let add = ["mailbox", "add", address, "--password-stdin"];
        self.dovegate.must(&self.folder, &add, &format!("{password}\n"));
    }

    /// A browser at these pages; its screenshots go into a folder of this name.
    pub fn browser(&self, name: &str) -> Browser {
        Browser::start(&self.base, name)
    }

    /// Somebody with a local password, signed in.
    pub fn person(&self, name: &str, address: &str, password: &str) -> Browser {
        let browser = self.browser(name);
        browser.open("/sign-in");
        browser.fill("#address", address);
        if browser.see().path != "/sign-in" || !browser.has("#password") {
            browser.click("css=main button");
        }
        browser.fill("#password", password);
        let seen = browser.click("css=main button");
        assert_eq!(seen.path, "/", "{seen:#?}");
        browser
    }

    /// Signs an administrator in by a one-time address.
    pub fn administrator(&self, name: &str) -> Browser {
        let browser = self.browser(name);
        sign_in_by_link(&browser, &self.run(&["admin", "link"]));
        browser
    }
}

/// The settings for pages at this port.
pub fn http(port: u16) -> String {
    format!("[http]\naddress = \"127.0.0.1:{port}\"\npublic_url = \"{}\"\n", base(port))
}

/// Where the pages at this port are.
pub fn base(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Signs an administrator in by what `dovegate admin link` printed.
pub fn sign_in_by_link(browser: &Browser, printed: &str) {
    let address = printed.split_whitespace().find(|word| word.contains("/admin-link/"));
    browser.open(address.expect("it prints the address"));
    let seen = browser.click("css=main button");
    assert!(seen.path.starts_with("/admin"), "{seen:#?}");
}
