//! What a source of people (an identity provider, a directory) says of somebody,
//! as far as his mailbox follows it.

use std::collections::BTreeMap;

use super::Quota;

/// Longest id of a person, in bytes (OpenID Connect Core §2, `sub`).
const MAX_SUBJECT_BYTES: usize = 255;

/// What is wrong with a person's id, if anything is.
pub fn unfit_subject(subject: &str) -> Option<&'static str> {
    if subject.is_empty() {
        return Some("the person's id is empty");
    }
    if subject.len() > MAX_SUBJECT_BYTES {
        return Some("the person's id is longer than 255 bytes");
    }
    let control = subject.chars().any(char::is_control);
    control.then_some("the person's id has a control character")
}

/// A person as told. Nothing of it is believed yet: the address is not canonical,
/// and may be outside the domains for which the source speaks.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Profile {
    /// The source's own id of him; `sub` in his tokens.
    pub subject: String,
    /// Whether he may log in at all.
    pub enabled: bool,
    /// His address as it came.
    pub email: Option<String>,
    /// Further addresses of his, as they came: a mailbox that has one of them is no
    /// other one's.
    pub further_emails: Vec<String>,
    /// Whether it is verified.
    pub email_is_verified: bool,
    /// First and last name, as far as there are any.
    pub name: String,
    /// Values of the attribute that names his template; none where that was not said.
    pub template_values: Option<Vec<String>>,
    /// Names of the groups that he is in; none where that was not said.
    pub groups: Option<Vec<String>>,
    /// Names of his roles; none where that was not said.
    pub roles: Option<Vec<String>>,
    /// Values of his mailbox that the source keeps itself; none where it keeps none.
    pub own: Option<Box<OwnValues>>,
}

/// Values of a mailbox that its source keeps, for each person apart. They win over
/// a template's.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OwnValues {
    /// Storage limit.
    pub quota: Option<Quota>,
    /// Numeric user id.
    pub uid: Option<u32>,
    /// Numeric group id.
    pub gid: Option<u32>,
    /// Home folder.
    pub home: Option<String>,
    /// Mail location, in the form of Dovecot 2.3.
    pub mail: Option<String>,
    /// Further userdb fields.
    pub extra_fields: BTreeMap<String, String>,
}

impl OwnValues {
    fn bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_deref().map_or(0, str::len);
        let fields = self.extra_fields.iter();
        let fields = fields.map(|(name, value)| 2 * size_of::<String>() + name.len() + value.len());
        size_of::<Self>() + text(&self.home) + text(&self.mail) + fields.sum::<usize>()
    }
}

impl Profile {
    /// Roughly what it takes in memory.
    pub fn bytes(&self) -> usize {
        let all = [&self.template_values, &self.groups, &self.roles].into_iter().flatten();
        let texts: usize = all
            .chain([&self.further_emails])
            .flatten()
            .map(|text| size_of::<String>() + text.len())
            .sum();
        let email = self.email.as_deref().map_or(0, str::len);
        let own = self.own.as_deref().map_or(0, OwnValues::bytes);
        size_of::<Self>() + self.subject.len() + email + self.name.len() + texts + own
    }
}
