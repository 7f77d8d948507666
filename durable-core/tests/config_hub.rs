//! A hub under a configuration.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[cfg(feature = "postgres")]
#[path = "support/postgres.rs"]
mod database;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_core::config::{HostConfig, StorageType};
use durable_core::model::{Limit, Limits};
use durable_core::prelude::*;
use durable_testing::World;
use futures_util::FutureExt;
use tracing_subscriber::fmt::MakeWriter;

#[activity]
async fn endless() {
    std::future::pending::<()>().await;
}

#[orchestrator]
async fn waits(ctx: OrchestrationContext) -> Result<u32, OrchestratorError> {
    ctx.wait_for_external_event("go").await
}

#[orchestrator]
async fn works(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.call_activity(endless, ()).await
}

fn config(variables: &[(&str, &str)]) -> HostConfig {
    HostConfig::builder().vars(variables.iter().copied()).load().unwrap()
}

const IN_MEMORY: (&str, &str) = ("DURABLE__storageProvider__type", "memory");

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_start_that_says_nothing_follows_the_configuration() {
    let any = config(&[IN_MEMORY, ("DURABLE__overridableExistingInstanceStates", "AnyState")]);
    let hub = TaskHub::builder().config(&any).orchestrator(waits).start().await.unwrap();
    let client = hub.client();
    client.start(waits, ()).id("one").await.unwrap();
    client.start(waits, ()).id("one").await.unwrap();
    let error = client.start(waits, ()).id("one").id_reuse(IdReusePolicy::never()).await.unwrap_err();
    assert!(error.is_already_exists());
    hub.shutdown().await.unwrap();

    let hub = TaskHub::builder().config(&any).id_reuse(IdReusePolicy::never().or_keep()).orchestrator(waits);
    let hub = hub.start().await.unwrap();
    let first = hub.client().start(waits, ()).id("one").await.unwrap();
    let born = first.status().await.unwrap().created_at;
    let second = hub.client().start(waits, ()).id("one").await.unwrap();
    assert_eq!(second.status().await.unwrap().created_at, born, "code wins");
    hub.shutdown().await.unwrap();
}

#[test]
fn an_activity_without_a_timeout_gets_that_of_the_configuration() {
    let limited = config(&[("AzureFunctionsJobHost__functionTimeout", "00:01:00")]);
    let world = World::builder().hub(move |hub| hub.config(&limited)).orchestrator(works).activity(endless).build();
    let failure = world.start(works, ()).failure();
    assert!(format!("{failure:#}").contains("took longer than 60s"), "{failure:#}");
    assert_eq!(world.elapsed(), Duration::from_secs(60));
}

#[test]
fn an_instance_that_does_not_stay_in_memory_goes_on() {
    let cold = config(&[("DURABLE__extendedSessionsEnabled", "false")]);
    let world = World::builder().hub(move |hub| hub.config(&cold)).orchestrator(waits).build();
    for run in [world.start(waits, ()), world.start(waits, ())] {
        run.raise("go", &7);
        assert_eq!(run.output(), 7);
    }
}

#[orchestrator]
async fn ends(_ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    Ok(())
}

#[test]
fn a_finished_instance_is_kept_as_long_as_the_configuration_says() {
    let config = config(&[("DURABLE__retention__completed", "1.00:00:00")]);
    let world = World::builder().orchestrator(ends).hub(move |hub| hub.config(&config)).build();
    let run = world.start(ends, ());
    let is_there = || world.client().status(run.id()).now_or_never().unwrap().unwrap().is_some();
    world.advance(Duration::from_secs(86_000));
    assert!(is_there());
    world.advance(Duration::from_secs(500));
    assert!(!is_there());
}

#[tokio::test]
async fn the_start_tells_what_holds_and_why_once() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let config = config(&[
        IN_MEMORY,
        ("DURABLE__hubName", "Shop"),
        ("DURABLE__defaultVersion", "1.0"),
        ("DURABLE__maxConcurrentActivityFunctions", "5"),
        ("DURABLE__http__keys__ops", "hidden"),
        ("DURABLE__hubNam", "x"),
        ("DURABLE__useAppLease", "true"),
    ]);
    let mut limits = Limits::default();
    limits.payload = Limit::new(1, 2);
    let builder =
        TaskHub::builder().max_concurrent_turns(3).config(&config).max_concurrent_activities(7).limits(limits);
    let told = log.text();
    assert!(told.contains("WARN") && told.contains("did you mean `extensions.durableTask.hubName`?"), "{told}");
    assert!(told.contains("INFO") && told.contains("useAppLease") && !told.contains("maxConcurrent"), "{told}");

    let hub = builder.start().await.unwrap();
    let told = log.text();
    let place = "extensions.durableTask";
    for line in [
        "hubName = Shop (environment DURABLE__hubName)",
        "versionMatchStrategy = CurrentOrOlder (default)",
        "maxConcurrentActivityFunctions = 7 (code)",
        "maxConcurrentOrchestratorFunctions = 3 (code)",
        "storageProvider.payloadStorageMaxPayloadBytes = 2 (code)",
        "httpSettings.keys = ops=*** (environment DURABLE__http__keys__ops)",
        "storageProvider.type = memory (environment DURABLE__storageProvider__type)",
    ] {
        assert_eq!(told.matches(&format!("{place}.{line}")).count(), 1, "{line} in {told}");
    }
    assert!(!told.contains("hidden"));
    hub.shutdown().await.unwrap();
    assert_eq!(log.text().matches("the configuration").count(), 1);
}

#[tokio::test]
async fn a_backend_in_code_is_told_instead_of_that_of_the_configuration() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let config =
        config(&[("DURABLE__storageProvider__type", "sqlite"), ("DURABLE__storageProvider__connectionName", "DB")]);
    let hub = TaskHub::builder().config(&config).backend(Memory::new()).start().await.unwrap();
    let told = log.text();
    assert!(told.contains("storageProvider.type = the program's own (code)"), "{told}");
    assert!(told.contains("storageProvider.connectionName = none (code)"), "{told}");
    hub.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_hub_takes_its_name_and_leaves_what_is_not_configured() {
    let nothing = config(&[]);
    let hub = TaskHub::builder().name("Mine").backend(Memory::new()).config(&nothing).start().await.unwrap();
    assert_eq!(hub.client().task_hub().as_str(), "Mine", "a default does not win over code");
    hub.shutdown().await.unwrap();
    let shop = config(&[("DURABLE__hubName", "Shop")]);
    let hub = TaskHub::builder().name("Mine").backend(Memory::new()).config(&shop).start().await.unwrap();
    assert_eq!(hub.client().task_hub().as_str(), "Shop");
    hub.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_not_there_is_told() {
    let error = config(&[]).backend().err().unwrap();
    assert!(error.is_not_configured(), "{error}");
    for name in ["azureStorage", "mssql"] {
        let kind = StorageType::Foreign(name.to_owned());
        let config = config(&[("DURABLE__storageProvider__type", name)]);
        let error = config.backend().err().unwrap();
        assert_eq!(error.unsupported(), Some(&kind));
        assert!(error.to_string().contains("not there"), "{error}");
        let error = TaskHub::builder().config(&config).start().await.err().unwrap();
        assert!(error.mistakes_in_builder()[0].contains(name), "{error}");
        // A backend in code goes before it.
        let hub = TaskHub::builder().config(&config).backend(Memory::new()).start().await.unwrap();
        hub.shutdown().await.unwrap();
    }
    let error = TaskHub::builder().config(&config(&[])).start().await.err().unwrap();
    assert!(error.to_string().contains("it has no backend"), "{error}");
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_database_is_opened_by_the_name_of_a_variable() {
    let postgres = ("DURABLE__storageProvider__type", "Postgres");
    let error = config(&[postgres]).backend().err().unwrap();
    assert!(error.to_string().contains("`storageProvider.connectionName`"), "{error}");
    let named = ("DURABLE__storageProvider__connectionName", "SHOP_DB");
    let unset = config(&[postgres, named]);
    assert_eq!(unset.backend().err().unwrap().unset_variable(), Some("SHOP_DB"));

    let hub_name = format!("Shop{}", std::process::id());
    let name = ("DURABLE__hubName", hub_name.as_str());
    let config = config(&[postgres, named, name, ("SHOP_DB", database::url())]);
    let hub = TaskHub::builder().config(&config).orchestrator(waits).start().await.unwrap();
    hub.shutdown().await.unwrap();
    let client = database::connect().await;
    let made = client.query("SELECT FROM pg_namespace WHERE nspname = $1", &[&hub_name.to_lowercase()]).await.unwrap();
    assert_eq!(made.len(), 1, "the schema has the name of the hub in lower case");
    client.batch_execute(&format!("DROP SCHEMA {} CASCADE", hub_name.to_lowercase())).await.unwrap();
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_file_is_opened_by_the_name_of_a_variable() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.db");
    let sqlite = ("DURABLE__storageProvider__type", "sqlite");
    let named = ("DURABLE__storageProvider__connectionName", "SHOP_DB");
    for prefix in ["", "sqlite:", "sqlite://"] {
        let value = format!("{prefix}{}", path.display());
        let config = config(&[sqlite, named, ("SHOP_DB", &value)]);
        let hub = TaskHub::builder().config(&config).orchestrator(waits).start().await.unwrap();
        assert!(path.exists());
        let error = config.backend().err().unwrap();
        assert!(error.backend().unwrap().is_in_use(), "{error:?}");
        let error = TaskHub::builder().config(&config).start().await.err().unwrap();
        assert!(error.is_backend(), "{error:?}");
        hub.shutdown().await.unwrap();
    }

    let unset = config(&[sqlite, named]);
    let error = unset.backend().err().unwrap();
    assert_eq!(error.unset_variable(), Some("SHOP_DB"));
    assert!(error.to_string().contains("SHOP_DB, which is not set"), "{error}");
    let error = TaskHub::builder().name("-").config(&unset).start().await.err().unwrap();
    assert_eq!(error.mistakes_in_builder().len(), 1, "the store is not touched while the rest is wrong: {error}");
}
