//! Somebody at the pages in a real browser.

use std::{
    cell::RefCell,
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::place::{System, cache};

/// A page on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// The versions stand in `contrib/test-setup`.
const PLAYWRIGHT: &str = "playwright-core@1.65.1/node_modules/playwright-core";
const AXE: &str = "axe-core@4.14.1/node_modules/axe-core";

/// A browser of its own, with nothing in it. Whatever it cannot do ends the test.
pub struct Browser {
    child: Child,
    requests: RefCell<Option<ChildStdin>>,
    answers: Receiver<String>,
}

/// A page as somebody sees it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Seen {
    /// Of the answer that brought it; 0 where there was none.
    pub status: u16,
    /// All of its address.
    pub url: String,
    /// Path and query.
    pub path: String,
    /// Its first heading.
    pub heading: String,
    /// What is said of what was done before.
    pub notice: String,
    /// What is wrong with a form, from its summary.
    pub faults: Vec<String>,
    /// All that can be read.
    pub text: String,
}

/// An answer to a request that no page made.
#[derive(Clone, Debug, Deserialize)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub text: String,
}

/// What is missing for a browser, if anything is.
pub fn missing() -> Option<String> {
    if !System::here().has("/usr/bin/chromium") {
        return Some("Chromium is not installed".to_owned());
    }
    let packages = [(PLAYWRIGHT, "playwright-core"), (AXE, "axe-core")];
    let missing = packages.into_iter().find(|(place, _)| !cache().join(place).exists());
    missing.map(|(_, name)| format!("{name} is not there"))
}

impl Browser {
    /// Opens one for the pages at `base`. Its screenshots go into the folder `name` of
    /// `target/artefacts/web`.
    pub fn start(base: &str, name: &str) -> Self {
        Self::start_with(base, name, &[])
    }

    /// The same for somebody who lets no script run.
    pub fn without_script(base: &str, name: &str) -> Self {
        Self::start_with(base, name, &["without-script"])
    }

    fn start_with(base: &str, name: &str, options: &[&str]) -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let artefacts = here.join("target/artefacts/web").join(name);
        // Those of an earlier run would mislead.
        drop(fs::remove_dir_all(&artefacts));
        let mut child = Command::new("node")
            .arg(here.join("tests/real/web/browser.mjs"))
            .arg(base)
            .arg(artefacts)
            .args(options)
            .env("PLAYWRIGHT", cache().join(PLAYWRIGHT))
            .env("AXE", cache().join(AXE))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Node is installed");
        let (lines, answers) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        let requests = RefCell::new(child.stdin.take());
        Self { child, requests, answers }
    }

    fn tell(&self, request: &Value) -> Value {
        let mut requests = self.requests.borrow_mut();
        writeln!(requests.as_mut().expect("it is open until the end"), "{request}").unwrap();
        let answer = self.answers.recv_timeout(PATIENCE);
        let answer = answer.unwrap_or_else(|_| panic!("the browser gave no answer to {request}"));
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["error"].is_null(), "{}", answer["error"].as_str().unwrap_or_default());
        answer
    }

    fn shown(&self, request: &Value) -> Seen {
        serde_json::from_value(self.tell(request)).unwrap()
    }

    /// Goes to a path of the pages, or to any address.
    pub fn open(&self, path: &str) -> Seen {
        self.shown(&json!({ "do": "open", "path": path }))
    }

    /// What is there now.
    pub fn see(&self) -> Seen {
        self.shown(&json!({ "do": "see" }))
    }

    /// Waits until this can be read: for what a script brings.
    pub fn await_text(&self, text: &str) -> Seen {
        self.shown(&json!({ "do": "await_text", "text": text }))
    }

    /// Types into the field with this label; `#id`, `.class`, `[name=…]` and `css=…` are selectors.
    pub fn fill(&self, name: &str, value: &str) -> &Self {
        self.tell(&json!({ "do": "fill", "name": name, "value": value }));
        self
    }

    /// Chooses from a list, by its value or its words.
    pub fn choose(&self, name: &str, value: &str) -> &Self {
        self.tell(&json!({ "do": "choose", "name": name, "value": value }));
        self
    }

    /// Ticks a box, or takes the tick away.
    pub fn check(&self, name: &str, on: bool) -> &Self {
        self.tell(&json!({ "do": "check", "name": name, "on": on }));
        self
    }

    /// Clicks on the button or link of this name, which leads to a page.
    pub fn click(&self, name: &str) -> Seen {
        self.shown(&json!({ "do": "click", "name": name }))
    }

    /// The same within a part of the page (a selector), where others have that name, too.
    pub fn click_within(&self, within: &str, name: &str) -> Seen {
        self.shown(&json!({ "do": "click", "name": name, "within": within }))
    }

    /// Clicks on what leads to no other page.
    pub fn press(&self, name: &str) -> Seen {
        self.shown(&json!({ "do": "press", "name": name }))
    }

    /// Whether there is something for this selector.
    pub fn has(&self, selector: &str) -> bool {
        self.tell(&json!({ "do": "has", "selector": selector }))["has"] == true
    }

    /// Has this page's forms send also what the browser would object to.
    pub fn loosen(&self) -> &Self {
        self.tell(&json!({ "do": "loosen" }));
        self
    }

    /// What stands in a field, or is the text of something.
    pub fn value(&self, name: &str) -> String {
        let answer = self.tell(&json!({ "do": "value", "name": name }));
        answer["value"].as_str().unwrap().to_owned()
    }

    /// Where the links of this page lead, as far as that is here.
    pub fn links(&self) -> Vec<String> {
        serde_json::from_value(self.tell(&json!({ "do": "links" }))["links"].take()).unwrap()
    }

    /// Looks at the page: screenshots called `name` at two widths in light and dark.
    ///
    /// # Panics
    /// Where axe-core finds something, a phone would have to scroll sideways, or the
    /// browser complains.
    pub fn look(&self, name: &str) -> &Self {
        let wrong = self.wrong(name);
        assert!(wrong.is_empty(), "{name} at {}:\n{}", self.see().path, wrong.join("\n"));
        self
    }

    /// What is wrong with how the page looks.
    pub fn wrong(&self, name: &str) -> Vec<String> {
        let looked = self.tell(&json!({ "do": "look", "name": name }));
        let all = |key: &str| looked[key].as_array().unwrap().clone();
        let all = all("violations").into_iter().chain(all("complaints"));
        all.map(|one| one.as_str().unwrap().to_owned()).collect()
    }

    /// A request with this browser's cookies and these headers and fields, which no
    /// browser would send by itself. Redirects are not followed.
    pub fn ask(&self, method: &str, path: &str, headers: &Value, form: &Value) -> Answer {
        let form = if method == "GET" { &Value::Null } else { form };
        let mut request = json!({ "do": "ask", "method": method, "path": path });
        for (key, value) in [("headers", headers), ("form", form)] {
            if !value.is_null() {
                request[key] = value.clone();
            }
        }
        serde_json::from_value(self.tell(&request)).unwrap()
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let answer = self.tell(&json!({ "do": "cookies" }));
        let all = answer["cookies"].as_array().unwrap();
        let found = all.iter().find(|one| one["name"] == name)?;
        Some(found["value"].as_str().unwrap().to_owned())
    }

    /// Forgets the cookies of our pages alone.
    pub fn forget_ours(&self) {
        self.tell(&json!({ "do": "forget", "name": "^__Host-dovegate" }));
    }

    /// Forgets all cookies.
    pub fn forget(&self) {
        self.tell(&json!({ "do": "forget" }));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.requests.borrow_mut().take());
        drop(self.child.wait());
    }
}
