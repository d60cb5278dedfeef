//! Which template a person gets: by the values of one attribute, his groups and
//! his roles.

use crate::mailbox::{Profile, Provisioning, TemplateName, provisioning::MappedBy};

/// The template that what is told of a person names. Texts are compared as they
/// are, but for the slash at the beginning of a group's path: Keycloak writes it or
/// not, as the client's mapper likes. Several entries of the mapping may fit; the
/// first of them counts, so that the mapping's order says what goes before what.
/// Where none fits, the default stands in for somebody who has no mailbox yet, and
/// for others only if the settings say so.
///
/// An entry by something that was not said (a token need not show groups) may fit
/// or not. Who has no mailbox yet goes by what is known; for others, nothing behind
/// such an entry is judged, or a token would take away what a sync gives.
pub fn template<'a>(
    rules: &'a Provisioning,
    person: &Profile,
    is_new: bool,
) -> Option<&'a TemplateName> {
    for entry in &rules.mapping {
        match fits(&entry.by, person) {
            Some(true) => return Some(&entry.template),
            None if !is_new => return None,
            Some(false) | None => {}
        }
    }
    rules.default_template.as_ref().filter(|_| is_new || rules.default_template_updates)
}

/// Place of the entry that decides for somebody of whom everything is told.
pub fn entry(rules: &Provisioning, person: &Profile) -> Option<usize> {
    rules.mapping.iter().position(|entry| fits(&entry.by, person) == Some(true))
}

/// Whether he is one of those, as far as that was said.
fn fits(by: &MappedBy, person: &Profile) -> Option<bool> {
    let is_among = |all: &Option<Vec<String>>, same: &dyn Fn(&str) -> bool| {
        all.as_ref().map(|all| all.iter().any(|one| same(one)))
    };
    match by {
        MappedBy::Value(value) => is_among(&person.template_values, &|one| one == value),
        MappedBy::Group(group) => is_among(&person.groups, &|one| is_same_group(one, group)),
        MappedBy::Role(role) => is_among(&person.roles, &|one| one == role),
    }
}

fn is_same_group(one: &str, other: &str) -> bool {
    one.strip_prefix('/').unwrap_or(one) == other.strip_prefix('/').unwrap_or(other)
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

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(|one| (*one).to_owned()).collect()
    }

    fn check(rules: &Provisioning, values: &[&str], is_new: bool, expected: Option<&str>) {
        let person = Profile {
            subject: "id".to_owned(),
            enabled: true,
            template_values: Some(texts(values)),
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

    /// By groups and roles: "Gold" for the board, "Silver" by value, "Team" by role.
    fn mixed(default: Option<&str>) -> Provisioning {
        let entry = |by, template: &str| Mapped { by, template: template.parse().unwrap() };
        Provisioning {
            mapping: vec![
                entry(MappedBy::Value("boss".to_owned()), "Boss"),
                entry(MappedBy::Group("/board".to_owned()), "Gold"),
                entry(MappedBy::Value("staff".to_owned()), "Silver"),
                entry(MappedBy::Role("team".to_owned()), "Team"),
            ],
            ..rules(default, true)
        }
    }

    type Told<'a> = Option<&'a [&'a str]>;

    fn check_told(told: [Told<'_>; 3], expected: [Option<&str>; 2]) {
        let [template_values, groups, roles] = told.map(|all| all.map(texts));
        let person = Profile { template_values, groups, roles, ..Profile::default() };
        let mixed = mixed(Some("Plain"));
        let found = [true, false].map(|is_new| template(&mixed, &person, is_new));
        assert_eq!(found.map(|name| name.map(TemplateName::as_str)), expected, "{person:?}");
    }

    #[test]
    fn what_was_not_said_takes_nothing_away() {
        let (none, staff, boss): (Told<'_>, _, _) = (Some(&[]), &["staff"], &["boss"]);
        let same = |name| [Some(name), Some(name)];
        check_told([none, Some(&["board"]), none], same("Gold"));
        check_told([none, Some(&["/board"]), none], same("Gold"));
        check_told([none, Some(&["/a/board", "Board", "//board"]), none], same("Plain"));
        check_told([none, none, Some(&["team"])], same("Team"));
        check_told([none, none, Some(&["/team"])], same("Plain"));
        check_told([Some(staff), Some(&["board"]), Some(&["team"])], same("Gold"));
        check_told([none, none, none], same("Plain"));
        // An entry before what was not said fits all the same.
        check_told([Some(boss), None, None], same("Boss"));
        check_told([Some(staff), None, None], [Some("Silver"), None]);
        check_told([Some(staff), none, None], same("Silver"));
        check_told([none, none, None], [Some("Plain"), None]);
        check_told([None, Some(&["board"]), None], [Some("Gold"), None]);
        check_told([None, None, None], [Some("Plain"), None]);
    }
}
