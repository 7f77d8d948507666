//! What a benchmark prints: a table for people, or one JSON object a row.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::verdict::{Budget, Limit, Verdict};

/// A bare commit that takes so many times as long after a row as before it, or before as after, makes the row doubtful.
const MOST_DRIFT: f64 = 2.0;

/// Other programs that kept more than so many processors busy make it doubtful, too.
pub(super) const MOST_FOREIGN: f64 = 0.3;

/// What all tables have in common.
const LEGEND: [&str; 15] = [
    "flush: the wait until the disk has what was written (fdatasync)",
    "commit: a transaction, which ends with one flush of the log of the store; until then, nobody is told of what is in it.",
    "  commits and commits/step count them; p50_commits and the like are times, as multiples of the p50 of a bare commit",
    "checkpoint: not a commit, and not counted. Every few thousand pages SQLite copies its log into the file and begins it anew,",
    "  for which it flushes both. So a trace of the system calls has a few flushes more than there are commits. What that costs",
    "  is in the figures all the same: its time in p99, its pages in KiB. PostgreSQL has a process of its own for it",
    "KiB: what the process wrote (write_bytes of /proc/self/io), to the log and in checkpoints; a page counts each time that it",
    "  is written",
    "CPU: processor time of all threads of the process, clients included, unless a row says otherwise; of a server none",
    "errors: calls of the store that failed; SQLITE_BUSY is one of them. No row may have any",
    "foreign: processors that other programs kept busy; canary: p50 of a bare commit before and after the row. A row is NOISY",
    "  when there is more than 0.3 of the first, or when one of the others is twice the other",
    "ok, MISSED: the figure keeps its budget, or does not; NOT MEASURED: there is no figure, which is neither",
    "-: was not measured, or means nothing here, such as the KiB of a process whose store is that of a server",
    "budgets are those of a file; elsewhere they are figures without a verdict, all but that of errors",
];

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
    /// Calls of the store that failed, from the first to the last. Every row has them, and no store may have any.
    errors: u64,
    canary: Canary,
}

impl Row {
    pub(super) fn new(workload: &'static str, size: u64, canary: Canary, errors: u64) -> Self {
        Self { workload, size, figures: Vec::new(), budgets: Vec::new(), errors, canary }
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

    /// What is told, but has no limit here: all budgets but that of errors.
    pub(super) fn with_budgets_as_figures(mut self) -> Self {
        self.figures.extend(self.budgets.drain(..).map(|budget| (budget.name, budget.value)));
        self
    }

    pub(super) fn without_budgets(mut self) -> Self {
        self.budgets.clear();
        self
    }

    /// A store that is used as it is meant to be never fails: not with `SQLITE_BUSY`, and not otherwise.
    fn no_errors(&self) -> Budget {
        Budget { name: "store errors", value: self.errors as f64, limit: Limit::AtMost(0.0) }
    }

    fn to_json(&self) -> Value {
        let figures = self.figures.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        let budgets = self.budgets.iter().copied().chain([self.no_errors()]).map(Budget::to_json);
        let mut row = Map::from_iter([
            ("workload".to_owned(), json!(self.workload)),
            ("size".to_owned(), json!(self.size)),
            ("errors".to_owned(), json!(self.errors)),
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
        figures.chain(["errors".to_owned(), "foreign".to_owned(), "canary_ms".to_owned()]).collect()
    }

    /// The cells of the table, each as wide as its column.
    fn cells(&self) -> String {
        let figures = self.figures.iter().map(|(_, value)| number(*value));
        let Canary { before, after, foreign } = self.canary;
        let canary = format!("{} {}", number(before), number(after));
        let cells = figures.chain([self.errors.to_string(), number(foreign), canary]).zip(self.columns());
        cells.map(|(cell, column)| format!("  {cell:>width$}", width = width(&column))).collect()
    }

    /// What stands below the row. That there were no errors stands in its column.
    fn remarks(&self) -> Vec<String> {
        let errors = Some(self.no_errors()).filter(|budget| budget.verdict() != Verdict::Met);
        let mut remarks: Vec<_> = self.budgets.iter().copied().chain(errors).map(Budget::to_text).collect();
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

fn width(column: &str) -> usize {
    column.len().max(9)
}

/// A dash is what was not measured.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => "-".to_owned(),
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

    /// Explains what all tables have in common.
    pub(super) fn end(&self) -> std::io::Result<()> {
        if self.is_json {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        writeln!(out)?;
        LEGEND.iter().try_for_each(|line| writeln!(out, "# {line}"))?;
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
    use super::super::verdict::NOT_MEASURED;
    use super::*;

    fn row(value: f64, before: f64, after: f64) -> Row {
        Row::new("w1", 256, Canary { before, after, foreign: 0.1 }, 0).figure("orch_per_s", 1234.5).budget(
            "ceiling ratio",
            value,
            Limit::AtLeast(0.6),
        )
    }

    #[test]
    fn a_row_tells_its_budgets_and_whether_they_are_met() {
        assert_eq!(row(0.63, 0.2, 0.2).remarks(), ["ceiling ratio 0.63 (budget: at least 0.60) ok"]);
        assert_eq!(row(0.5, 0.2, 0.2).remarks(), ["ceiling ratio 0.50 (budget: at least 0.60) MISSED"]);
        assert_eq!(row(NOT_MEASURED, 0.2, 0.2).remarks(), ["ceiling ratio - (budget: at least 0.60) NOT MEASURED"]);
    }

    #[test]
    fn no_row_may_have_errors_of_its_store() {
        let row = |errors| Row::new("w4", 0, Canary::default(), errors);
        let verdict = |row: &Row| row.to_json()["budgets"].as_array().unwrap().last().unwrap().clone();
        let (none, one) = (row(0), row(1));
        assert_eq!(
            verdict(&none),
            json!({ "name": "store errors", "value": 0.0, "at_most": 0.0, "met": true, "verdict": "met" })
        );
        assert_eq!(
            verdict(&one),
            json!({ "name": "store errors", "value": 1.0, "at_most": 0.0, "met": false, "verdict": "missed" })
        );
        assert_eq!((none.to_json()["errors"].clone(), one.to_json()["errors"].clone()), (json!(0), json!(1)));
        assert!(none.remarks().is_empty());
        assert_eq!(one.remarks(), ["store errors 1.00 (budget: at most 0) MISSED"]);
        assert_eq!(one.with_budgets_as_figures().without_budgets().remarks().len(), 1, "it holds for every store");
    }

    #[test]
    fn a_row_that_cannot_be_trusted_says_so() {
        assert!(row(1.0, 0.2, 0.5).remarks()[1].starts_with("NOISY"));
        assert_eq!(row(1.0, 0.2, 0.39).remarks().len(), 1);
        let crowded = Canary { before: 0.2, after: 0.2, foreign: 0.5 };
        assert!(Row::new("w1", 1, crowded, 0).remarks()[0].contains("0.50 processors"));
    }

    #[test]
    fn a_row_is_one_object() {
        let json = row(0.5, 0.2, 0.2).figure("kib_per_step", NOT_MEASURED).to_json();
        assert_eq!(
            (&json["workload"], &json["size"], &json["orch_per_s"], &json["kib_per_step"]),
            (&json!("w1"), &json!(256), &json!(1234.5), &Value::Null)
        );
        assert_eq!(json["budgets"][0]["name"], "ceiling ratio");
        assert_eq!((&json["budgets"][0]["met"], &json["budgets"][0]["at_least"]), (&json!(false), &json!(0.6)));
    }

    #[test]
    fn every_column_has_a_cell() {
        let row = row(0.5, 0.2, 0.2).figure("kib_per_step", NOT_MEASURED);
        assert_eq!(row.columns(), ["orch/s", "kib/step", "errors", "foreign", "canary_ms"]);
        let cells = row.cells();
        assert_eq!(cells.split_whitespace().collect::<Vec<_>>(), ["1234", "-", "0", "0.10", "0.20", "0.20"]);
    }
}
