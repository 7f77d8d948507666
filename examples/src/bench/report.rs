//! What a benchmark prints: a table for people, or one JSON object a row.

use std::io::Write;

use serde_json::{Map, Value, json};

/// Beyond this the disk, or somebody else on the machine, changed while a row was measured.
const NOISE: f64 = 2.0;

/// One row: a workload of one size.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) workload: &'static str,
    pub(super) size: u64,
    figures: Vec<(&'static str, f64)>,
    budgets: Vec<Budget>,
    /// The p50 of a bare commit before and after, in milliseconds.
    canary: (f64, f64),
}

/// A figure that has a limit.
#[derive(Debug)]
struct Budget {
    name: &'static str,
    value: f64,
    limit: Limit,
}

/// What a figure must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

impl Limit {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(limit) => value >= limit,
            Self::AtMost(limit) => value <= limit,
        }
    }

    fn number(self) -> f64 {
        let (Self::AtLeast(limit) | Self::AtMost(limit)) = self;
        limit
    }
}

impl Row {
    pub(super) fn new(workload: &'static str, size: u64, canary: (f64, f64)) -> Self {
        Self { workload, size, figures: Vec::new(), budgets: Vec::new(), canary }
    }

    /// Adds a figure. Its unit is part of the name.
    pub(super) fn figure(mut self, name: &'static str, value: f64) -> Self {
        self.figures.push((name, value));
        self
    }

    /// Adds a figure that is compared with a budget.
    pub(super) fn budget(mut self, name: &'static str, value: f64, limit: Limit) -> Self {
        self.budgets.push(Budget { name, value, limit });
        self
    }

    pub(super) fn without_budgets(mut self) -> Self {
        self.budgets.clear();
        self
    }

    fn is_noisy(&self) -> bool {
        let (before, after) = self.canary;
        before > after * NOISE || after > before * NOISE
    }

    fn to_json(&self) -> Value {
        let figures = self.figures.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        let budgets = self.budgets.iter().map(|Budget { name, value, limit }| {
            let sense = if matches!(limit, Limit::AtLeast(_)) { "at_least" } else { "at_most" };
            json!({ "name": name, "value": value, sense: limit.number(), "met": limit.is_met(*value) })
        });
        let mut row = Map::from_iter([
            ("workload".to_owned(), json!(self.workload)),
            ("size".to_owned(), json!(self.size)),
            ("budgets".to_owned(), budgets.collect()),
            ("canary_before_ms".to_owned(), json!(self.canary.0)),
            ("canary_after_ms".to_owned(), json!(self.canary.1)),
            ("noisy".to_owned(), json!(self.is_noisy())),
        ]);
        row.extend(figures);
        Value::Object(row)
    }

    /// The names of all columns, as the table shows them.
    fn columns(&self) -> Vec<String> {
        let figures = self.figures.iter().map(|(name, _)| name.replace("_per_", "/"));
        figures.chain(["canary_ms".to_owned()]).collect()
    }

    /// The cells of the table, each as wide as its column.
    fn cells(&self) -> String {
        let figures = self.figures.iter().map(|(_, value)| number(*value));
        let canary = format!("{} {}", number(self.canary.0), number(self.canary.1));
        let cells = figures.chain([canary]).zip(self.columns());
        cells.map(|(cell, column)| format!("  {cell:>width$}", width = width(&column))).collect()
    }

    /// What stands below the row.
    fn remarks(&self) -> Vec<String> {
        let mut remarks: Vec<_> = self.budgets.iter().map(Budget::to_text).collect();
        if self.is_noisy() {
            let (before, after) = (number(self.canary.0), number(self.canary.1));
            remarks.push(format!(
                "NOISY: a bare commit took {before} ms before and {after} ms after: measure this row again"
            ));
        }
        remarks
    }
}

impl Budget {
    fn to_text(&self) -> String {
        let Self { name, value, limit } = self;
        let sense = if matches!(limit, Limit::AtLeast(_)) { "at least" } else { "at most" };
        let verdict = if limit.is_met(*value) { "ok" } else { "MISSED" };
        format!("{name} {} (budget: {sense} {}) {verdict}", number(*value), number(limit.number()))
    }
}

fn width(column: &str) -> usize {
    column.len().max(9)
}

fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// Where rows go.
#[derive(Debug)]
pub(super) struct Report {
    is_json: bool,
    columns: Vec<String>,
}

impl Report {
    pub(super) fn new(is_json: bool) -> Self {
        Self { is_json, columns: Vec::new() }
    }

    /// Begins a workload: what is measured, and how.
    pub(super) fn begin(&mut self, title: &str, notes: &[&str]) -> std::io::Result<()> {
        self.columns.clear();
        if self.is_json {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{title}")?;
        notes.iter().try_for_each(|note| writeln!(out, "# {note}"))?;
        out.flush()
    }

    pub(super) fn row(&mut self, row: &Row) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.is_json {
            return writeln!(out, "{}", row.to_json());
        }
        let columns = row.columns();
        if columns != self.columns {
            let names = columns.iter().map(|name| format!("  {name:>width$}", width = width(name)));
            writeln!(out, "{:>9}{}", row.workload, names.collect::<String>())?;
            self.columns = columns;
        }
        writeln!(out, "{:>9}{}", row.size, row.cells())?;
        row.remarks().iter().try_for_each(|remark| writeln!(out, "{:>9}  {remark}", ""))?;
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: f64, canary: (f64, f64)) -> Row {
        Row::new("w1", 256, canary).figure("orch_per_s", 1234.5).budget("ceiling ratio", value, Limit::AtLeast(0.6))
    }

    #[test]
    fn a_row_tells_its_budgets_and_whether_they_are_met() {
        assert_eq!(row(0.63, (0.2, 0.2)).remarks(), ["ceiling ratio 0.63 (budget: at least 0.60) ok"]);
        assert_eq!(row(0.5, (0.2, 0.2)).remarks(), ["ceiling ratio 0.50 (budget: at least 0.60) MISSED"]);
        let slow = Row::new("w4", 0, (1.0, 1.0)).budget("commits", 9.0, Limit::AtMost(8.0));
        assert_eq!(slow.remarks(), ["commits 9.00 (budget: at most 8.00) MISSED"]);
    }

    #[test]
    fn a_canary_that_moved_is_told() {
        assert!(row(1.0, (0.2, 0.5)).remarks()[1].starts_with("NOISY"));
        assert_eq!(row(1.0, (0.2, 0.39)).remarks().len(), 1);
    }

    #[test]
    fn a_row_is_one_object() {
        let json = row(0.5, (0.2, 0.2)).to_json();
        assert_eq!(
            (&json["workload"], &json["size"], &json["orch_per_s"]),
            (&json!("w1"), &json!(256), &json!(1234.5))
        );
        assert_eq!(json["budgets"][0], json!({ "name": "ceiling ratio", "value": 0.5, "at_least": 0.6, "met": false }));
    }
}
