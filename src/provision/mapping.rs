//! Which template a person gets: by the values of one attribute.

use crate::{idp::settings::Provisioning, mailbox::TemplateName};

/// The template that these values of the attribute name. Values are compared as
/// they are. Somebody may have several; the first entry of the mapping that fits
/// one of them counts, so that the mapping's order says what goes before what.
/// Where none fits, the default stands in for somebody who has no mailbox yet, and
/// for others only if the settings say so.
pub fn template<'a>(
    rules: &'a Provisioning,
    values: &[String],
    is_new: bool,
) -> Option<&'a TemplateName> {
    let fits = rules.mapping.iter().find(|entry| values.contains(&entry.value));
    let default = rules.default_template.as_ref();
    let default = default.filter(|_| is_new || rules.default_template_updates);
    fits.map(|entry| &entry.template).or(default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::provider::{MappedTemplate, Renames};

    fn rules(default: Option<&str>, updates: bool) -> Provisioning {
        let entry = |value: &str, template: &str| MappedTemplate {
            value: value.to_owned(),
            template: template.parse().unwrap(),
        };
        Provisioning {
            import_users: true,
            template_attribute: "mailcow_template".to_owned(),
            mapping: vec![entry("boss", "Gold"), entry("staff", "Silver"), entry("1", "One")],
            default_template: default.map(|name| name.parse().unwrap()),
            default_template_updates: updates,
            renames: Renames::Report,
            withdraw_limit: 10,
        }
    }

    fn check(rules: &Provisioning, values: &[&str], is_new: bool, expected: Option<&str>) {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        let found = template(rules, &values, is_new).map(TemplateName::as_str);
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
