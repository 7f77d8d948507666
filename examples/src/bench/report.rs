//! What a benchmark prints: a table for people, or one JSON object a row.

use std::io::Write;

use serde_json::{Map, Value, json};

/// A bare commit that takes so many times as long after a row as before it, or before as after, makes the row doubtful.
const MOST_DRIFT: f64 = 2.0;

/// Other programs that kept more than so many processors busy make it doubtful, too.
pub(super) const MOST_FOREIGN: f64 = 0.3;

/// Whether a row can be trusted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Canary {
    /// The p50 of a bare commit, in milliseconds, before the row was measured.
    pub(super) before: f64,
    /// The same, after it.
    pub(super) after: f64,
    /// How many processors other programs kept busy.
    pub(super) foreign: f64,
}

impl Canary {
    /// The p50 of a bare commit around the row, in milliseconds: the unit of its latencies.
    pub(super) fn commit(&self) -> f64 {
        f64::midpoint(self.before, self.after)
    }

    fn is_noisy(&self) -> bool {
        let Self { before, after, foreign } = *self;
        before > after * MOST_DRIFT || after > before * MOST_DRIFT || foreign > MOST_FOREIGN
    }
}

/// One row: a workload of one size.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) workload: &'static str,
    pub(super) size: u64,
    figures: Vec<(&'static str, f64)>,
    budgets: Vec<Budget>,
    canary: Canary,
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
    pub(super) fn new(workload: &'static str, size: u64, canary: Canary) -> Self {
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

    /// What is told, but has no limit here.
    pub(super) fn with_budgets_as_figures(mut self) -> Self {
        self.figures.extend(self.budgets.drain(..).map(|budget| (budget.name, budget.value)));
        self
    }

    pub(super) fn without_budgets(mut self) -> Self {
        self.budgets.clear();
        self
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
            ("canary_before_ms".to_owned(), json!(self.canary.before)),
            ("canary_after_ms".to_owned(), json!(self.canary.after)),
            ("foreign_cores".to_owned(), json!(self.canary.foreign)),
            ("noisy".to_owned(), json!(self.canary.is_noisy())),
        ]);
        row.extend(figures);
        Value::Object(row)
    }

    /// The names of all columns, as the table shows them.
    fn columns(&self) -> Vec<String> {
        let figures = self.figures.iter().map(|(name, _)| name.replace("_per_", "/"));
        figures.chain(["foreign".to_owned(), "canary_ms".to_owned()]).collect()
    }

    /// The cells of the table, each as wide as its column.
    fn cells(&self) -> String {
        let figures = self.figures.iter().map(|(_, value)| number(*value));
        let Canary { before, after, foreign } = self.canary;
        let canary = format!("{} {}", number(before), number(after));
        let cells = figures.chain([number(foreign), canary]).zip(self.columns());
        cells.map(|(cell, column)| format!("  {cell:>width$}", width = width(&column))).collect()
    }

    /// What stands below the row.
    fn remarks(&self) -> Vec<String> {
        let mut remarks: Vec<_> = self.budgets.iter().map(Budget::to_text).collect();
        if self.canary.is_noisy() {
            let Canary { before, after, foreign } = self.canary;
            remarks.push(format!(
                "NOISY: a bare commit took {} ms before and {} ms after, and other programs kept {} processors busy: \
                 measure this row again",
                number(before),
                number(after),
                number(foreign)
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

    fn row(value: f64, before: f64, after: f64) -> Row {
        Row::new("w1", 256, Canary { before, after, foreign: 0.1 }).figure("orch_per_s", 1234.5).budget(
            "ceiling ratio",
            value,
            Limit::AtLeast(0.6),
        )
    }

    #[test]
    fn a_row_tells_its_budgets_and_whether_they_are_met() {
        assert_eq!(row(0.63, 0.2, 0.2).remarks(), ["ceiling ratio 0.63 (budget: at least 0.60) ok"]);
        assert_eq!(row(0.5, 0.2, 0.2).remarks(), ["ceiling ratio 0.50 (budget: at least 0.60) MISSED"]);
        let slow = Row::new("w4", 0, Canary::default()).budget("commits", 9.0, Limit::AtMost(8.0));
        assert_eq!(slow.remarks(), ["commits 9.00 (budget: at most 8.00) MISSED"]);
    }

    #[test]
    fn a_row_that_cannot_be_trusted_says_so() {
        assert!(row(1.0, 0.2, 0.5).remarks()[1].starts_with("NOISY"));
        assert_eq!(row(1.0, 0.2, 0.39).remarks().len(), 1);
        let crowded = Canary { before: 0.2, after: 0.2, foreign: 0.5 };
        assert!(Row::new("w1", 1, crowded).remarks()[0].contains("0.50 processors"));
    }

    #[test]
    fn a_row_is_one_object() {
        let json = row(0.5, 0.2, 0.2).to_json();
        assert_eq!(
            (&json["workload"], &json["size"], &json["orch_per_s"]),
            (&json!("w1"), &json!(256), &json!(1234.5))
        );
        assert_eq!(json["budgets"][0], json!({ "name": "ceiling ratio", "value": 0.5, "at_least": 0.6, "met": false }));
    }
}
