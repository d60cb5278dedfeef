//! What an import says: a row for each mailbox that matters, then what they come
//! to. For programs all of it is one JSON object, written as it comes.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::plan::{Counts, Plan, named};
use crate::{
    api::arrivals::{Arrived, Outcome},
    cli::{Output, Result, table::Table},
    mailbox::DomainName,
    provision::import::Difference,
};

/// The rows.
pub(super) struct Rows<'a> {
    output: &'a Output,
    dry_run: bool,
    table: Table,
    elements: Vec<Value>,
    written: u64,
}

impl<'a> Rows<'a> {
    pub(super) fn new(output: &'a Output, dry_run: bool) -> Self {
        let table = Table::new(&["LINE", "NAME", "WHAT", "PASSWORD", ""]);
        Self { output, dry_run, table, elements: Vec::new(), written: 0 }
    }

    /// A mailbox.
    pub(super) fn add(&mut self, line: u64, arrived: &Arrived) {
        let address = arrived.address.as_ref().map(ToString::to_string).unwrap_or_default();
        self.row("mailbox", line, address, arrived, json!(arrived));
    }

    /// An app password.
    pub(super) fn add_app_password(&mut self, line: u64, name: &str, arrived: &Arrived) {
        let address = arrived.address.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut element = json!(arrived);
        element["app_password"] = json!(name);
        self.row("app_password", line, format!("{address} \"{name}\""), arrived, element);
    }

    /// A domain.
    pub(super) fn add_domain(
        &mut self,
        line: u64,
        name: &DomainName,
        outcome: Outcome,
        differences: &[Difference],
    ) {
        let differences = differences.to_vec();
        let refused = Arrived::refused(None, String::new());
        let arrived = Arrived { outcome, differences, reason: None, ..refused };
        let mut element = json!(arrived);
        element["domain"] = json!(name);
        self.row("domain", line, name.to_string(), &arrived, element);
    }

    /// A line that says nothing of use.
    pub(super) fn add_bad(&mut self, line: u64, why: String) {
        let arrived = Arrived::refused(None, why);
        self.row("line", line, String::new(), &arrived, json!(arrived));
    }

    /// People want to see what changes, or what did not go as meant.
    fn row(&mut self, kind: &str, line: u64, name: String, arrived: &Arrived, mut element: Value) {
        let outcome = arrived.outcome;
        if self.output.json {
            element["line"] = json!(line);
            element["kind"] = json!(kind);
            self.elements.push(element);
            return;
        }
        let matters = match outcome {
            Outcome::Unchanged => false,
            Outcome::Created | Outcome::Updated => self.dry_run,
            Outcome::Different | Outcome::Refused => true,
        };
        if matters {
            let what = if self.dry_run { outcome.planned() } else { outcome.name() };
            let scheme = arrived.scheme.clone().unwrap_or_default();
            self.table.row(&[line.to_string(), name, what.to_owned(), scheme, remark(arrived)]);
        }
    }

    /// Writes the rows so far.
    pub(super) fn page(&mut self) -> Result {
        for element in self.elements.drain(..) {
            let before = if self.written == 0 { "{\"items\": [\n  " } else { ",\n  " };
            self.output.raw(format!("{before}{element}").as_bytes())?;
            self.written += 1;
        }
        self.table.show_page(self.output)
    }

    /// Writes what they come to.
    pub(super) fn end(mut self, plan: &Plan) -> Result {
        self.page()?;
        if self.output.json {
            return self.end_of_object(plan);
        }
        self.output.done(said(plan, self.dry_run))?;
        self.schemes(plan)
    }

    fn end_of_object(&self, plan: &Plan) -> Result {
        if self.written == 0 {
            self.output.raw(b"{\"items\": [")?;
        }
        let schemes: Vec<_> = plan
            .schemes
            .iter()
            .map(|((scheme, needs), number)| {
                let [mailboxes, app_passwords] = number;
                json!({
                    "scheme": scheme, "needs": needs, "mailboxes": mailboxes,
                    "app_passwords": app_passwords,
                })
            })
            .collect();
        let names = |all: &[Map<String, Value>]| all.iter().map(named).collect::<Vec<_>>();
        let rest = json!({
            "dry_run": self.dry_run,
            "mailboxes": plan.counts[0],
            "app_passwords": plan.counts[1],
            "problems": plan.problems.len(),
            "domains_created": plan.made_domains(),
            "templates_created": names(&plan.templates),
            "providers_created": names(&plan.providers),
            "schemes": schemes,
        });
        let rest = rest.to_string();
        self.output.raw(format!("\n],\n{}\n", rest.trim_start_matches('{')).as_bytes())
    }

    /// Which passwords there are, and what they need.
    fn schemes(&self, plan: &Plan) -> Result {
        if self.output.quiet || plan.schemes.is_empty() {
            return Ok(());
        }
        let mut table =
            Table::new(&["PASSWORD", "MAILBOXES", "APP PASSWORDS", "NEEDS IN [passwords]"]);
        for ((scheme, needs), number) in &plan.schemes {
            let needs = needs.clone().unwrap_or_default();
            let [mailboxes, app_passwords] = number.map(|number| number.to_string());
            table.row(&[scheme.clone(), mailboxes, app_passwords, needs]);
        }
        table.show_page(self.output)?;
        if plan.schemes.keys().any(|(_, needs)| needs.is_some()) {
            self.output.note(
                "Until these settings stand in dovegate.toml, logins with such passwords fail \
                 temporarily.",
            );
        }
        Ok(())
    }
}

fn remark(arrived: &Arrived) -> String {
    if let Some(reason) = &arrived.reason {
        return reason.clone();
    }
    let differences = arrived.differences.iter().map(difference);
    differences.chain(arrived.needs.clone()).collect::<Vec<_>>().join(", ")
}

fn difference(difference: &Difference) -> String {
    let Difference { field, here, there } = difference;
    if field == "password" { field.clone() } else { format!("{field}: {here}, there {there}") }
}

fn said(plan: &Plan, dry_run: bool) -> String {
    let verb = |done: &'static str, planned: &'static str| if dry_run { planned } else { done };
    let [mailboxes, app_passwords] = plan.counts;
    let sum = |count: fn(Counts) -> u64| count(mailboxes) + count(app_passwords);
    let mut made = vec![format!("{} mailboxes", mailboxes.created)];
    if app_passwords.created > 0 {
        made.push(format!("{} app passwords", app_passwords.created));
    }
    let names = |all: &[Map<String, Value>]| all.iter().map(named).collect::<Vec<_>>();
    made.extend(counted("domain", &plan.made_domains()));
    made.extend(counted("template", &names(&plan.templates)));
    made.extend(counted("provider", &names(&plan.providers)));
    let last = if made.len() > 1 { made.pop() } else { None };
    let last = last.map(|last| format!(" and {last}")).unwrap_or_default();
    let mut text = format!("{} {}{last}", verb("Made", "Would make"), made.join(", "));
    let updated = sum(|counts| counts.updated);
    if updated > 0 {
        let _ = write!(text, ", {} {updated}", verb("changed", "would change"));
    }
    text.push('.');
    let unchanged = sum(|counts| counts.unchanged);
    if unchanged > 0 {
        let _ = write!(text, " {unchanged} are there already, and the same.");
    }
    let different = sum(|counts| counts.different);
    if different > 0 {
        let _ = write!(
            text,
            " {different} are there already and differ; they stay as they are without --update."
        );
    }
    if dry_run {
        text.push_str(" Nothing was changed.");
    }
    text
}

/// One by its name, several by their number.
fn counted(what: &str, names: &[String]) -> Option<String> {
    match names {
        [] => None,
        [one] => Some(format!("{what} {one}")),
        several => Some(format!("{} {what}s", several.len())),
    }
}
