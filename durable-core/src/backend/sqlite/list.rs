//! Lists of instances and their numbers.

use rusqlite::types::Value;
use rusqlite::{Connection, ToSql, params_from_iter};

use super::error::Result;
use super::query::{self, int};
use crate::backend::{CountRow, InstanceFilter, InstanceRow};
use crate::model::{RuntimeStatus, Timestamp};

/// Matches beyond this number are not worth sorting for one page: a scan in the order of the ids soon finds enough of them.
const FEW: i64 = 10_000;

/// What has not ended. The bound says nothing; without one, SQLite counts along the index of the names instead.
const ALIVE: &str = "i.ended IS NULL AND i.id >= ''";

/// True for a status that few instances have at a time.
fn is_rare(status: RuntimeStatus) -> bool {
    !matches!(status, RuntimeStatus::Pending | RuntimeStatus::Running | RuntimeStatus::Completed)
}

fn are_alive(statuses: &[RuntimeStatus]) -> bool {
    !statuses.is_empty() && !statuses.iter().any(|status| status.is_terminal())
}

pub(super) fn list(conn: &Connection, filter: &InstanceFilter) -> Result<Vec<InstanceRow>> {
    let tx = conn.unchecked_transaction()?;
    // An index holds the rare statuses in the order of the ids.
    if filter.statuses.is_empty() || filter.statuses.contains(&RuntimeStatus::Completed) {
        return page(&tx, filter, &filter.statuses);
    }
    let mut rows = Vec::new();
    for (at, status) in filter.statuses.iter().enumerate() {
        if !filter.statuses[..at].contains(status) {
            rows.extend(page(&tx, filter, &[*status])?);
        }
    }
    rows.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    rows.truncate(filter.limit);
    Ok(rows)
}

fn page(conn: &Connection, filter: &InstanceFilter, statuses: &[RuntimeStatus]) -> Result<Vec<InstanceRow>> {
    let (sql, values) = page_query(conn, filter, statuses)?;
    let mut select = conn.prepare_cached(&sql)?;
    let rows = select.query_and_then(params_from_iter(values), query::instance_row)?;
    rows.collect()
}

fn page_query(conn: &Connection, filter: &InstanceFilter, statuses: &[RuntimeStatus]) -> Result<(String, Vec<Value>)> {
    let mut terms = Terms::of(conn, filter, statuses)?;
    terms.add_bound("i.id >", filter.after_id.clone().map(Value::Text));
    let sql = format!("{}{} ORDER BY i.id LIMIT ?", query::INSTANCES, terms.condition());
    terms.values.push(int(filter.limit as u64).into());
    Ok((sql, terms.values))
}

pub(super) fn count(conn: &Connection, filter: &InstanceFilter) -> Result<Vec<CountRow>> {
    let (sql, values) = count_query(conn, filter)?;
    let mut select = conn.prepare_cached(&sql)?;
    let rows = select.query_and_then(params_from_iter(values), |row| {
        let (id, status): (String, String) = (row.get(0)?, row.get(3)?);
        let status = query::status(&id, &status)?;
        Ok(CountRow { name: row.get(1)?, version: row.get(2)?, status, count: query::count(row, 4)? })
    })?;
    rows.collect()
}

fn count_query(conn: &Connection, filter: &InstanceFilter) -> Result<(String, Vec<Value>)> {
    let terms = Terms::of(conn, filter, &filter.statuses)?;
    let sql = format!(
        "SELECT i.id, i.name, i.version, i.status, count(*) FROM instances i{}
         GROUP BY i.name COLLATE NOCASE, i.version, i.status",
        terms.condition()
    );
    Ok((sql, terms.values))
}

/// The conditions of a query and what is bound to them, in order.
#[derive(Default)]
struct Terms {
    sql: Vec<String>,
    values: Vec<Value>,
}

impl Terms {
    /// All conditions of a filter but where its page starts.
    fn of(conn: &Connection, filter: &InstanceFilter, statuses: &[RuntimeStatus]) -> Result<Self> {
        let mut terms = Self::default();
        let time = |time: Option<Timestamp>| time.map(|time| time.ticks().into());
        let created = created_column(conn, filter)?;
        terms.add_bound(&format!("{created} >="), time(filter.created_from));
        terms.add_bound(&format!("{created} <="), time(filter.created_to));
        terms.add_bound("i.updated >=", time(filter.updated_from));
        terms.add_bound("i.updated <=", time(filter.updated_to));
        terms.add_bound("i.id >=", filter.id_prefix.clone().map(Value::Text));
        terms.add_bound("i.id <", filter.id_prefix.as_deref().and_then(end_of_prefix).map(Value::Text));
        terms.add_bound("i.parent =", filter.parent.map(|parent| parent.0.into()));
        if let Some(version) = &filter.version {
            terms.add_bound("i.version IS", Some(version.clone().map_or(Value::Null, Value::Text)));
        }
        for (tag, value) in &filter.tags {
            terms.sql.push("i.key IN (SELECT key FROM tags WHERE tag = ? AND value = ?)".to_owned());
            terms.values.extend([tag, value].map(|text| Value::Text(text.clone())));
        }
        terms.add_name(conn, filter.name.as_deref(), statuses)?;
        terms.add_statuses(statuses);
        Ok(terms)
    }

    fn add_name(&mut self, conn: &Connection, name: Option<&str>, statuses: &[RuntimeStatus]) -> Result<()> {
        let Some(name) = name else { return Ok(()) };
        // What has few instances beats the index of the names, which a plus hides.
        let is_hidden = match statuses {
            [one] if is_rare(*one) => true,
            many => are_alive(many) && is_few(conn, "ended IS NULL", &[])?,
        };
        let column = if is_hidden { "+i.name COLLATE NOCASE =" } else { "i.name COLLATE NOCASE =" };
        self.add_bound(column, Some(name.to_owned().into()));
        Ok(())
    }

    fn add_statuses(&mut self, statuses: &[RuntimeStatus]) {
        match statuses {
            [] => {}
            // The second term is what the condition of the index says; SQLite does not conclude it by itself.
            [one] if is_rare(*one) => self.add_bound(
                "i.status <> 'Pending' AND i.status <> 'Running' AND i.status <> 'Completed' AND i.status =",
                Some(one.as_str().to_owned().into()),
            ),
            many => {
                let places = vec!["?"; many.len()].join(", ");
                self.sql.push(format!("i.status IN ({places})"));
                self.values.extend(many.iter().map(|status| Value::from(status.as_str().to_owned())));
                if are_alive(many) {
                    self.sql.push(ALIVE.to_owned());
                }
            }
        }
    }

    fn condition(&self) -> String {
        let mut sql = String::new();
        for (at, term) in self.sql.iter().enumerate() {
            sql.push_str(if at == 0 { " WHERE " } else { " AND " });
            sql.push_str(term);
        }
        sql
    }

    fn add_bound(&mut self, term: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.sql.push(format!("{term} ?"));
            self.values.push(value);
        }
    }
}

/// How a query names the time of creation: with a plus, SQLite does not use its index, and scans in the order of the ids
/// instead of sorting what the index finds. The index is for ranges that contain few instances.
fn created_column(conn: &Connection, filter: &InstanceFilter) -> Result<&'static str> {
    if filter.created_from.is_none() && filter.created_to.is_none() {
        return Ok("i.created");
    }
    let from = filter.created_from.map_or(i64::MIN, Timestamp::ticks);
    let to = filter.created_to.map_or(i64::MAX, Timestamp::ticks);
    let narrow = is_few(conn, "created BETWEEN ?1 AND ?2", &[&from, &to])?;
    Ok(if narrow { "i.created" } else { "+i.created" })
}

/// Whether an index finds few rows for a condition.
fn is_few(conn: &Connection, condition: &str, values: &[&dyn ToSql]) -> Result<bool> {
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM instances WHERE {condition} LIMIT {FEW})");
    let matches: i64 = conn.prepare_cached(&sql)?.query_row(values, |row| row.get(0))?;
    Ok(matches < FEW)
}

/// The first text after all that start with `prefix`, if there is one.
fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use RuntimeStatus::{Canceled, Completed, Failed, Pending, Running, Suspended};

    use super::*;

    /// How SQLite finds the instances.
    fn plan(conn: &Connection, (sql, values): (String, Vec<Value>)) -> String {
        let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = explain.query_map(params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
        steps.map(|step| step.unwrap() + "\n").collect()
    }

    #[test]
    fn usual_lists_and_counts_look_at_an_index() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(include_str!("migrations/0001.sql")).unwrap();
        let named = |name: Option<&str>| InstanceFilter {
            name: name.map(str::to_owned),
            after_id: Some("i-5".to_owned()),
            limit: 100,
            ..InstanceFilter::default()
        };
        for (name, statuses, index) in [
            (None, &[Running][..], "instances_alive"),
            (None, &[Pending], "instances_alive"),
            (Some("Report"), &[Running], "instances_alive"),
            (None, &[Failed], "instances_by_status"),
            (Some("Report"), &[Suspended], "instances_by_status"),
            (Some("Report"), &[], "instances_by_name"),
            (Some("Report"), &[Completed], "instances_by_name"),
        ] {
            let plan = plan(&conn, page_query(&conn, &named(name), statuses).unwrap());
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{name:?}, {statuses:?}: {plan}");
        }
        for (name, statuses, index) in [
            (None, vec![Running, Pending], "instances_alive"),
            (None, vec![Failed], "instances_by_status"),
            (Some("Report"), vec![Failed, Canceled], "instances_by_name"),
        ] {
            let filter = InstanceFilter { statuses, after_id: None, ..named(name) };
            let plan = plan(&conn, count_query(&conn, &filter).unwrap());
            assert!(plan.contains(index), "{filter:?}: {plan}");
        }
    }

    #[test]
    fn a_prefix_ends_where_no_text_starts_with_it_any_more() {
        assert_eq!(end_of_prefix("ab").as_deref(), Some("ac"));
        assert_eq!(end_of_prefix("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(end_of_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(end_of_prefix("\u{10ffff}"), None);
        assert_eq!(end_of_prefix(""), None);
    }
}
