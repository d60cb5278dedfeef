//! What an import says: a row for each mailbox that matters, then what they come
//! to. For programs all of it is one JSON object, written as it comes.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::plan::{Counts, Plan};
use crate::{
    api::arrivals::{Arrived, Outcome},
    cli::{Output, Result, table::Table},
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
        let table = Table::new(&["LINE", "MAILBOX", "WHAT", "PASSWORD", ""]);
        Self { output, dry_run, table, elements: Vec::new(), written: 0 }
    }

    /// A mailbox. People want to see what changes, or what did not go as meant.
    pub(super) fn add(&mut self, line: u64, arrived: &Arrived) {
        let outcome = arrived.outcome;
        if self.output.json {
            let mut element = json!(arrived);
            element["line"] = json!(line);
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
            self.table.row(&[
                line.to_string(),
                arrived.address.as_ref().map(ToString::to_string).unwrap_or_default(),
                what.to_owned(),
                arrived.scheme.clone().unwrap_or_default(),
                remark(arrived),
            ]);
        }
    }

    /// A line that is no mailbox.
    pub(super) fn bad(&mut self, line: u64, why: &str) {
        self.add(line, &Arrived::refused(None, why.to_owned()));
    }

    /// Writes the rows so far.
    pub(super) fn page(&mut self) -> Result {
        for element in self.elements.drain(..) {
            let before = if self.written == 0 { "{\"mailboxes\": [\n  " } else { ",\n  " };
            self.output.raw(format!("{before}{element}").as_bytes())?;
            self.written += 1;
        }
        self.table.show_page(self.output)
    }

    /// Writes what they come to.
    pub(super) fn end(mut self, plan: &Plan, counts: &Counts) -> Result {
        self.page()?;
        if self.output.json {
            return self.end_of_object(plan, counts);
        }
        let made: Vec<_> = plan.missing_domains().map(ToString::to_string).collect();
        self.output.done(said(counts, &made, self.dry_run))?;
        self.schemes(plan)
    }

    fn end_of_object(&self, plan: &Plan, counts: &Counts) -> Result {
        if self.written == 0 {
            self.output.raw(b"{\"mailboxes\": [")?;
        }
        let schemes: Vec<_> = plan
            .schemes
            .iter()
            .map(|((scheme, needs), number)| {
                json!({ "scheme": scheme, "needs": needs, "mailboxes": number })
            })
            .collect();
        let made: Vec<_> = plan.missing_domains().collect();
        let rest = json!({
            "dry_run": self.dry_run,
            "counts": counts,
            "problems": plan.problems.len(),
            "domains_created": made,
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
        let mut table = Table::new(&["PASSWORD", "MAILBOXES", "NEEDS IN [passwords]"]);
        for ((scheme, needs), number) in &plan.schemes {
            let needs = needs.clone().unwrap_or_default();
            table.row(&[scheme.clone(), number.to_string(), needs]);
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

fn said(counts: &Counts, made: &[String], dry_run: bool) -> String {
    let verb = |done: &'static str, planned: &'static str| if dry_run { planned } else { done };
    let mut text = format!("{} {} mailboxes", verb("Made", "Would make"), counts.created);
    match made {
        [] => {}
        [one] => text = format!("{text} and domain {one}"),
        several => text = format!("{text} and {} domains", several.len()),
    }
    if counts.updated > 0 {
        let _ = write!(text, ", {} {}", verb("changed", "would change"), counts.updated);
    }
    text.push('.');
    if counts.unchanged > 0 {
        let _ = write!(text, " {} are there already, and the same.", counts.unchanged);
    }
    if counts.different > 0 {
        let _ = write!(
            text,
            " {} are there already and differ; they stay as they are without --update.",
            counts.different
        );
    }
    if dry_run {
        text.push_str(" Nothing was changed.");
    }
    text
}
