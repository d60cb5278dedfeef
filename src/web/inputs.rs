//! Fields of long forms, as a table describes them, and what came of them.

use serde::Deserialize;

use super::page::Faults;

/// A field as it is shown.
pub(super) struct Input {
    /// Its id and name.
    pub(super) key: String,
    /// What it is called.
    pub(super) label: String,
    /// What it is about; may be empty.
    pub(super) help: String,
    /// Its name in files, on the command line and in the API; empty where that says
    /// nothing.
    pub(super) code: &'static str,
    /// How it is filled in.
    pub(super) control: Control,
}

/// How a field is filled in.
pub(super) enum Control {
    /// In one line, of this type.
    Line { kind: &'static str, value: String },
    /// In several lines.
    Lines(String),
    /// By a mark.
    Switch(bool),
    /// One of these.
    Choice(Vec<Choice>),
    /// Any of these.
    Choices(Vec<Choice>),
    /// Goes in and never comes out.
    Secret { is_set: bool },
    /// Can be taken away here, and not set.
    Fixed(String),
}

/// One of several.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) is_chosen: bool,
}

impl Choice {
    pub(super) fn new(value: &str, label: String, chosen: &str) -> Self {
        Self { value: value.to_owned(), label, is_chosen: value == chosen }
    }
}

impl Input {
    /// Ids of what is said about it.
    pub(super) fn described(&self, faults: &Faults) -> String {
        let help = (!self.help.is_empty() || !self.code.is_empty()).then_some("help");
        let fault = faults.at(&self.key).map(|_| "fault");
        let ids = help.into_iter().chain(fault).map(|end| format!("{}-{end}", self.key));
        ids.collect::<Vec<_>>().join(" ")
    }

    /// Whether its label stands behind it.
    pub(super) fn is_switch(&self) -> bool {
        matches!(self.control, Control::Switch(_))
    }

    /// Whether it is a group of fields.
    pub(super) fn is_group(&self) -> bool {
        matches!(self.control, Control::Choices(_))
    }
}

/// What was filled in: names with values, in the form's order.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Filled(Vec<(String, String)>);

impl Filled {
    /// What was typed; empty where nothing was.
    pub(super) fn text(&self, key: &str) -> &str {
        let mut found = self.0.iter().filter(|(name, _)| name == key);
        found.next().map_or("", |(_, value)| value.trim())
    }

    /// All values of one name.
    pub(super) fn all<'f>(&'f self, key: &'f str) -> impl Iterator<Item = &'f str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Whether a mark is set.
    pub(super) fn is_on(&self, key: &str) -> bool {
        self.all(key).next().is_some()
    }

    /// Adds a value.
    pub(super) fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.push((key.to_owned(), value.into()));
    }

    /// Sets a mark.
    pub(super) fn mark(&mut self, key: &str, is_on: bool) {
        if is_on {
            self.set(key, "on");
        }
    }

    /// Words, with spaces, commas or line ends between them.
    pub(super) fn words(&self, key: &str) -> Vec<String> {
        let words = self.text(key).split(|one: char| one == ',' || one.is_whitespace());
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_filled_in() {
        let form = "a=+x+&b=1&b=2&words=p%2C+q%0D%0Ar&on=on";
        let filled: Filled = serde_html_form::from_str(form).unwrap();
        assert_eq!(filled.text("a"), "x");
        assert_eq!(filled.text("none"), "");
        assert_eq!(filled.all("b").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(filled.words("words"), ["p", "q", "r"]);
        assert!(filled.is_on("on") && !filled.is_on("off"));
    }
}
