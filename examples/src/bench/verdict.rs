//! Figures that have a limit, and whether they keep it.
//!
//! A figure that was not measured is not a number ([`NOT_MEASURED`]), and so is whatever is computed from it. It neither keeps
//! a limit nor breaks it.

use serde_json::{Value, json};

use super::report::number;

/// The value of a figure that nobody has measured.
pub(super) const NOT_MEASURED: f64 = f64::NAN;

/// What a figure must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

/// Whether a figure is what it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Met,
    Missed,
    NotMeasured,
}

impl Limit {
    /// What is divided by nothing is no measurement either.
    pub(super) fn verdict(self, value: f64) -> Verdict {
        let is_met = match self {
            Self::AtLeast(limit) => value >= limit,
            Self::AtMost(limit) => value <= limit,
        };
        match is_met {
            _ if !value.is_finite() => Verdict::NotMeasured,
            true => Verdict::Met,
            false => Verdict::Missed,
        }
    }

    fn number(self) -> f64 {
        let (Self::AtLeast(limit) | Self::AtMost(limit)) = self;
        limit
    }
}

impl Verdict {
    fn is_met(self) -> Option<bool> {
        match self {
            Self::Met => Some(true),
            Self::Missed => Some(false),
            Self::NotMeasured => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::NotMeasured => "not measured",
        }
    }
}

/// A figure that has a limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    pub(super) name: &'static str,
    pub(super) value: f64,
    pub(super) limit: Limit,
}

impl Budget {
    pub(super) fn verdict(&self) -> Verdict {
        self.limit.verdict(self.value)
    }

    pub(super) fn to_json(self) -> Value {
        let Self { name, value, limit } = self;
        let sense = if matches!(limit, Limit::AtLeast(_)) { "at_least" } else { "at_most" };
        let verdict = self.verdict();
        json!({
            "name": name,
            "value": value,
            sense: limit.number(),
            "met": verdict.is_met(),
            "verdict": verdict.name(),
        })
    }

    pub(super) fn to_text(self) -> String {
        let Self { name, value, limit } = self;
        let sense = if matches!(limit, Limit::AtLeast(_)) { "at least" } else { "at most" };
        let verdict = match self.verdict() {
            Verdict::Met => "ok",
            Verdict::Missed => "MISSED",
            Verdict::NotMeasured => "NOT MEASURED",
        };
        format!("{name} {} (budget: {sense} {}) {verdict}", number(value), number(limit.number()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_itself_is_allowed() {
        assert_eq!(Limit::AtLeast(0.6).verdict(0.6), Verdict::Met);
        assert_eq!(Limit::AtLeast(0.6).verdict(0.59), Verdict::Missed);
        assert_eq!(Limit::AtMost(0.0).verdict(0.0), Verdict::Met);
        assert_eq!(Limit::AtMost(0.0).verdict(1.0), Verdict::Missed);
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        for limit in [Limit::AtLeast(0.0), Limit::AtMost(0.0)] {
            for value in [NOT_MEASURED, f64::INFINITY, f64::NEG_INFINITY] {
                assert_eq!(limit.verdict(value), Verdict::NotMeasured, "{limit:?} {value}");
            }
        }
        let budget = Budget { name: "replayed events/s", value: NOT_MEASURED, limit: Limit::AtLeast(500_000.0) };
        assert_eq!(budget.to_text(), "replayed events/s - (budget: at least 500000) NOT MEASURED");
        let expected = json!({
            "name": "replayed events/s", "value": null, "at_least": 500_000.0, "met": null, "verdict": "not measured",
        });
        assert_eq!(budget.to_json(), expected);
    }

    #[test]
    fn a_budget_that_is_missed_says_so() {
        let budget = Budget { name: "commits", value: 9.0, limit: Limit::AtMost(8.0) };
        assert_eq!(budget.to_text(), "commits 9.00 (budget: at most 8.00) MISSED");
        let expected = json!({ "name": "commits", "value": 9.0, "at_most": 8.0, "met": false, "verdict": "missed" });
        assert_eq!(budget.to_json(), expected);
    }
}
