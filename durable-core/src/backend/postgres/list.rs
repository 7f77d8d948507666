//! Lists of instances and their numbers.

use tokio_postgres::types::{ToSql, Type};

use super::connection::Connection;
use super::error::Result;
use super::query::{self, get, limit};
use crate::backend::{CountRow, InstanceFilter, InstanceRow};
use crate::model::{RuntimeStatus, Timestamp};

pub(super) async fn list(connection: &Connection, filter: &InstanceFilter) -> Result<Vec<InstanceRow>> {
    let mut terms = Terms::of(filter);
    terms.add_text("i.id >", filter.after_id.clone());
    terms.values.push((Box::new(limit(filter.limit)), Type::INT8));
    let sql = format!("{}{} ORDER BY i.id LIMIT ${}", query::INSTANCES, terms.condition(), terms.values.len());
    let rows = connection.client().query_typed(&sql, &terms.params()).await?;
    rows.iter().map(query::instance_row).collect()
}

pub(super) async fn count(connection: &Connection, filter: &InstanceFilter) -> Result<Vec<CountRow>> {
    let terms = Terms::of(filter);
    let sql = format!(
        "SELECT min(i.id), min(i.name), i.version, i.status, count(*) FROM instances i{}
         GROUP BY lower(i.name), i.version, i.status",
        terms.condition()
    );
    let rows = connection.client().query_typed(&sql, &terms.params()).await?;
    let read = |row| {
        let status = query::status(get(row, 0)?, get(row, 3)?)?;
        Ok(CountRow { name: get(row, 1)?, version: get(row, 2)?, status, count: query::count(row, 4)? })
    };
    rows.iter().map(read).collect()
}

/// The conditions of a query and what is bound to them, in order.
#[derive(Default)]
struct Terms {
    sql: Vec<String>,
    values: Vec<(Box<dyn ToSql + Sync + Send>, Type)>,
}

impl Terms {
    /// All conditions of a filter but where its page starts.
    fn of(filter: &InstanceFilter) -> Self {
        let mut terms = Self::default();
        terms.add_time("i.created >=", filter.created_from);
        terms.add_time("i.created <=", filter.created_to);
        terms.add_time("i.updated >=", filter.updated_from);
        terms.add_time("i.updated <=", filter.updated_to);
        terms.add_text("i.id >=", filter.id_prefix.clone());
        terms.add_text("i.id <", filter.id_prefix.as_deref().and_then(end_of_prefix));
        terms.add("i.parent =", filter.parent.map(|parent| parent.0), Type::INT8);
        terms.add_text("lower(i.name) =", filter.name.as_ref().map(|name| name.to_ascii_lowercase()));
        match &filter.version {
            None => {}
            Some(None) => terms.sql.push("i.version IS NULL".to_owned()),
            Some(Some(version)) => terms.add_text("i.version =", Some(version.clone())),
        }
        for (tag, value) in &filter.tags {
            let places = [terms.bind(tag.clone(), Type::TEXT), terms.bind(value.clone(), Type::TEXT)];
            let [tag, value] = places;
            terms.sql.push(format!("i.key IN (SELECT key FROM tags WHERE tag = ${tag} AND value = ${value})"));
        }
        if !filter.statuses.is_empty() {
            let statuses: Vec<_> = filter.statuses.iter().map(|status| status.as_str()).collect();
            let place = terms.bind(statuses, Type::TEXT_ARRAY);
            terms.sql.push(format!("i.status = ANY(${place})"));
            if !filter.statuses.contains(&RuntimeStatus::Completed) {
                // What the condition of the index says; PostgreSQL does not conclude it by itself.
                terms.sql.push("i.status <> 'Completed'".to_owned());
            }
        }
        terms
    }

    fn bind(&mut self, value: impl ToSql + Sync + Send + 'static, kind: Type) -> usize {
        self.values.push((Box::new(value), kind));
        self.values.len()
    }

    fn add(&mut self, term: &str, value: Option<impl ToSql + Sync + Send + 'static>, kind: Type) {
        if let Some(value) = value {
            let place = self.bind(value, kind);
            self.sql.push(format!("{term} ${place}"));
        }
    }

    fn add_text(&mut self, term: &str, value: Option<String>) {
        self.add(term, value, Type::TEXT);
    }

    fn add_time(&mut self, term: &str, value: Option<Timestamp>) {
        self.add(term, value.map(Timestamp::ticks), Type::INT8);
    }

    fn condition(&self) -> String {
        if self.sql.is_empty() { String::new() } else { format!(" WHERE {}", self.sql.join(" AND ")) }
    }

    fn params(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.values.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect()
    }
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
    use super::*;

    #[test]
    fn a_prefix_ends_where_no_text_starts_with_it_any_more() {
        assert_eq!(end_of_prefix("ab").as_deref(), Some("ac"));
        assert_eq!(end_of_prefix("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(end_of_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(end_of_prefix("\u{10ffff}"), None);
        assert_eq!(end_of_prefix(""), None);
    }
}
