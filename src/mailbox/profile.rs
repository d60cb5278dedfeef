//! What a source of people (an identity provider, a directory) says of somebody,
//! as far as his mailbox follows it.

/// A person as told. Nothing of it is believed yet: the address is not canonical,
/// and may be outside the domains for which the source speaks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Profile {
    /// The source's own id of him; `sub` in his tokens.
    pub subject: String,
    /// Whether he may log in at all.
    pub enabled: bool,
    /// His address as it came.
    pub email: Option<String>,
    /// Whether it is verified.
    pub email_is_verified: bool,
    /// First and last name, as far as there are any.
    pub name: String,
    /// Values of the attribute that names his template.
    pub template_values: Vec<String>,
    /// Names of the groups that he is in; none where that was not said.
    pub groups: Option<Vec<String>>,
    /// Names of his roles; none where that was not said.
    pub roles: Option<Vec<String>>,
}

impl Profile {
    /// Roughly what it takes in memory.
    pub fn bytes(&self) -> usize {
        let all = [&self.template_values].into_iter().chain(&self.groups).chain(&self.roles);
        let texts: usize = all.flatten().map(|text| size_of::<String>() + text.len()).sum();
        let email = self.email.as_deref().map_or(0, str::len);
        size_of::<Self>() + self.subject.len() + email + self.name.len() + texts
    }
}
