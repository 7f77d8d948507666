//! The PostgreSQL backend passes the conformance suite. What it promises about servers, schemas and connections is in
//! `backend_postgres_server.rs`.
#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "support/postgres.rs"]
mod postgres;

use std::sync::Arc;

use durable_core::backend::Backend;

use self::postgres::Schema;

durable_testing::shared_conformance_tests!(async || {
    let schema = Schema::new();
    let store: Arc<dyn Backend> = Arc::new(schema.store().await);
    (store, schema)
});
