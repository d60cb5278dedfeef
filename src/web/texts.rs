//! What the pages say, by key: one file for each language, in Fluent's form.

use std::sync::LazyLock;

use fluent_bundle::{FluentArgs, FluentResource, concurrent::FluentBundle};
use unic_langid::LanguageIdentifier;

/// What the pages say in one language.
pub(super) struct Texts(FluentBundle<FluentResource>);

static ENGLISH: LazyLock<Texts> = LazyLock::new(|| {
    let english: LanguageIdentifier = "en".parse().expect("a language");
    let resource = FluentResource::try_new(include_str!("texts/en.ftl").to_owned());
    let resource = resource.expect("a test reads it");
    let mut bundle = FluentBundle::new_concurrent(vec![english]);
    // Marks around each value would stand in what people copy.
    bundle.set_use_isolating(false);
    bundle.add_resource(resource).expect("no key stands there twice: a test reads it");
    Texts(bundle)
});

impl Texts {
    /// The one language that there is.
    pub(super) fn english() -> &'static Self {
        &ENGLISH
    }

    /// The text of a key.
    pub(super) fn s(&self, key: &str) -> String {
        self.text(key, None)
    }

    /// The text of a key with one value in it.
    pub(super) fn with(&self, key: &str, name: &str, value: &dyn std::fmt::Display) -> String {
        self.of(key, &[(name, value.to_string())])
    }

    /// The text of a key with a number in it, which may decide about its form.
    pub(super) fn count(&self, key: &str, number: impl TryInto<u32>) -> String {
        let mut args = FluentArgs::new();
        args.set("count", number.try_into().unwrap_or(u32::MAX));
        self.text(key, Some(&args))
    }

    /// The text of a key with values in it.
    pub(super) fn of(&self, key: &str, values: &[(&str, String)]) -> String {
        let mut args = FluentArgs::new();
        for (name, value) in values {
            args.set(*name, value.as_str());
        }
        self.text(key, Some(&args))
    }

    fn text(&self, key: &str, args: Option<&FluentArgs<'_>>) -> String {
        let pattern = self.0.get_message(key).and_then(|message| message.value());
        // A test looks for every key; whoever is shown one can at least say which.
        pattern.map_or_else(
            || key.to_owned(),
            |pattern| self.0.format_pattern(pattern, args, &mut Vec::new()).into_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    /// What stands in quotes in the sources and templates of this room.
    fn quoted(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                quoted(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs" || end == "html") {
                let text = fs::read_to_string(&path).unwrap();
                found.extend(text.split('"').map(str::to_owned));
            }
        }
    }

    fn keys() -> BTreeSet<String> {
        let is_key = |line: &&str| line.starts_with(|first: char| first.is_ascii_lowercase());
        let lines = include_str!("texts/en.ftl").lines().filter(is_key);
        lines.filter_map(|line| line.split_once(" =").map(|(key, _)| key.to_owned())).collect()
    }

    #[test]
    fn every_text_is_said_somewhere() {
        let mut said = BTreeSet::new();
        quoted(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web"), &mut said);
        let unsaid: Vec<_> = keys().difference(&said).cloned().collect();
        assert!(unsaid.is_empty(), "in texts/en.ftl, and on no page: {unsaid:?}");
    }

    #[test]
    fn every_key_has_its_text() {
        let keys = keys();
        let mut missing = Vec::new();
        let mut look = |text: &str, call: &str| {
            for rest in text.split(call).skip(1) {
                let key = rest.split('"').next().unwrap_or_default();
                if !keys.contains(key) {
                    missing.push(key.to_owned());
                }
            }
        };
        each_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web"), &mut |text| {
            for call in ["t.s(\"", "t.with(\"", "t.of(\"", "t.count(\""] {
                look(text, call);
            }
        });
        assert!(missing.is_empty(), "said on a page, and not in texts/en.ftl: {missing:?}");
    }

    fn each_file(folder: &Path, look: &mut dyn FnMut(&str)) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                each_file(&path, look);
            } else if path.extension().is_some_and(|end| end == "rs" || end == "html")
                && !path.ends_with("texts.rs")
            {
                look(&fs::read_to_string(&path).unwrap());
            }
        }
    }
}
