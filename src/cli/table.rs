//! Rows and fields. What comes from outside is shown without its control
//! characters: a display name must not steer a terminal.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    failure::Result,
    output::{Output, Tone},
    text::{clean, shortened},
};

/// Names and values below each other.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(&'static str, String)>);

impl Fields {
    /// Adds a line, unless there is nothing to say.
    pub(super) fn add(&mut self, name: &'static str, value: impl AsRef<str>) -> &mut Self {
        if !value.as_ref().is_empty() {
            self.0.push((name, clean(value.as_ref())));
        }
        self
    }

    /// Adds a line if there is a value.
    pub(super) fn add_some(
        &mut self,
        name: &'static str,
        value: Option<impl ToString>,
    ) -> &mut Self {
        match value {
            Some(value) => self.add(name, value.to_string()),
            None => self,
        }
    }

    /// Prints them.
    pub(super) fn show(&self, output: &Output) -> Result {
        let widest = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let mut text = String::new();
        for (name, value) in &self.0 {
            let name = output.paint(Tone::Faint, &format!("{name:widest$}"));
            let _ = writeln!(text, "  {name}  {value}");
        }
        output.show(text.trim_end())
    }
}

/// Rows below headings.
#[derive(Debug)]
pub(super) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    /// Known once the first page was printed, so that later ones stand below it.
    widths: Option<Vec<usize>>,
}

const GAP: &str = "  ";

impl Table {
    /// A table without rows.
    pub(super) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new(), widths: None }
    }

    /// Adds a row; it has as many cells as there are headings.
    pub(super) fn row<const N: usize>(&mut self, cells: &[String; N]) {
        debug_assert_eq!(N, self.headings.len());
        self.rows.push(cells.iter().map(|cell| clean(cell)).collect());
    }

    /// Prints the rows so far, and forgets them.
    pub(super) fn show_page(&mut self, output: &Output) -> Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        if self.widths.is_none() {
            let headings: Vec<String> =
                self.headings.iter().map(|text| (*text).to_owned()).collect();
            let widths = self.measure(output);
            let line = line(output, &headings, &widths);
            output.show(output.paint(Tone::Faint, &line))?;
            self.widths = Some(widths);
        }
        let widths = self.widths.as_deref().unwrap_or_default();
        let lines: Vec<String> = self.rows.iter().map(|row| line(output, row, widths)).collect();
        self.rows.clear();
        output.show(lines.join("\n"))
    }

    /// Columns as wide as their widest cell; on a terminal the widest ones give
    /// way until the line fits.
    fn measure(&self, output: &Output) -> Vec<usize> {
        let mut widths: Vec<usize> = (0..self.headings.len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| row[column].chars().count());
                cells.chain([self.headings[column].len()]).max().unwrap_or_default()
            })
            .collect();
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        while output.reaches_a_person() && widths.iter().sum::<usize>() + gaps > output.width() {
            let Some(widest) = widths.iter_mut().max().filter(|width| **width > 8) else { break };
            *widest -= 1;
        }
        widths
    }
}

fn line(output: &Output, cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        let shown = if output.reaches_a_person() { shortened(cell, *width) } else { cell.clone() };
        let _ = write!(line, "{shown:width$}{GAP}");
    }
    line.truncate(line.trim_end().len());
    line
}

/// A listing in the making, page by page: a table for people, an array for
/// programs.
#[derive(Debug)]
pub(super) struct Listing<'a> {
    output: &'a Output,
    table: Table,
    items: u64,
}

impl<'a> Listing<'a> {
    /// Nothing listed yet.
    pub(super) fn new(output: &'a Output, headings: &[&'static str]) -> Self {
        Self { output, table: Table::new(headings), items: 0 }
    }

    /// Prints a page.
    pub(super) fn page<T: Serialize, const N: usize>(
        &mut self,
        items: &[T],
        row: impl Fn(&T) -> [String; N],
    ) -> Result {
        for item in items {
            if self.output.json {
                self.element(item)?;
            } else {
                self.table.row(&row(item));
            }
            self.items += 1;
        }
        self.table.show_page(self.output)
    }

    /// One element of the array on a line of its own.
    fn element(&self, item: &impl Serialize) -> Result {
        let json = serde_json::to_string(item).unwrap_or_default();
        let before = if self.items == 0 { "[\n  " } else { ",\n  " };
        self.output.raw(format!("{before}{json}").as_bytes())
    }

    /// Prints the end; `if_empty` says to people what they could do.
    pub(super) fn end(self, if_empty: &str) -> Result {
        match (self.output.json, self.items) {
            (true, 0) => self.output.show("[]"),
            (true, _) => self.output.raw(b"\n]\n"),
            (false, 0) => {
                self.output.note(if_empty);
                Ok(())
            }
            (false, _) => Ok(()),
        }
    }
}
