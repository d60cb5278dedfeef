//! Which template a person gets: by the values of one attribute, his groups and
//! his roles.

use crate::mailbox::{Profile, Provisioning, TemplateName, provisioning::MappedBy};

/// The template that what is told of a person names. Texts are compared as they
/// are. Several entries of the mapping may fit; the first of them counts, so that
/// the mapping's order says what goes before what. Where none fits, the default
/// stands in for somebody who has no mailbox yet, and for others only if the
/// settings say so.
pub fn template<'a>(
    rules: &'a Provisioning,
    person: &Profile,
    is_new: bool,
) -> Option<&'a TemplateName> {
    let has = |all: &Option<Vec<String>>, one| all.as_ref().is_some_and(|all| all.contains(one));
    let fits = rules.mapping.iter().find(|entry| match &entry.by {
        MappedBy::Value(value) => person.template_values.contains(value),
        MappedBy::Group(group) => has(&person.groups, group),
        MappedBy::Role(role) => has(&person.roles, role),
    });
    let default = rules.default_template.as_ref();
    let default = default.filter(|_| is_new || rules.default_template_updates);
    fits.map(|entry| &entry.template).or(default)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::mailbox::{provider::Renames, provisioning::Mapped};

    fn rules(default: Option<&str>, updates: bool) -> Provisioning {
        let entry = |value: &str, template: &str| Mapped {
            by: MappedBy::Value(value.to_owned()),
            template: template.parse().unwrap(),
        };
        Provisioning {
            import_users: true,
            login_provisioning: true,
            periodic_full_sync: false,
            sync_interval: Duration::from_secs(900),
            template_attribute: "mailcow_template".to_owned(),
            mapping: vec![entry("boss", "Gold"), entry("staff", "Silver"), entry("1", "One")],
            default_template: default.map(|name| name.parse().unwrap()),
            default_template_updates: updates,
            renames: Renames::Report,
            withdraw_limit: 10,
            template_needed: true,
        }
    }

    fn check(rules: &Provisioning, values: &[&str], is_new: bool, expected: Option<&str>) {
        let person = Profile {
            subject: "id".to_owned(),
            enabled: true,
            template_values: values.iter().map(|value| (*value).to_owned()).collect(),
            ..Profile::default()
        };
        let found = template(rules, &person, is_new).map(TemplateName::as_str);
        assert_eq!(found, expected, "{values:?}");
    }

    #[test]
    fn the_first_entry_that_fits_counts() {
        let rules = rules(None, false);
        for is_new in [true, false] {
            check(&rules, &["staff"], is_new, Some("Silver"));
            check(&rules, &["boss"], is_new, Some("Gold"));
            // Whatever the order of somebody's own values.
            check(&rules, &["staff", "boss"], is_new, Some("Gold"));
            check(&rules, &["other", "staff"], is_new, Some("Silver"));
        }
    }

    /// mailcow takes "01" for "1", and a list for nothing.
    #[test]
    fn values_are_compared_as_they_are() {
        let rules = rules(None, false);
        check(&rules, &["1"], true, Some("One"));
        for value in ["01", "1.0", " 1", "Staff", "STAFF", "staf", "staff ", ""] {
            check(&rules, &[value], true, None);
        }
        check(&rules, &[], true, None);
    }

    #[test]
    fn the_default_is_for_new_ones_and_for_others_by_choice() {
        for (updates, is_new, expected) in [
            (false, true, Some("Plain")),
            (false, false, None),
            (true, true, Some("Plain")),
            (true, false, Some("Plain")),
        ] {
            let rules = rules(Some("Plain"), updates);
            check(&rules, &["other"], is_new, expected);
            check(&rules, &[], is_new, expected);
            check(&rules, &["staff"], is_new, Some("Silver"));
        }
    }
}
