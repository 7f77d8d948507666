//! What is written is read again, and nothing else is.

use super::*;

#[test]
fn a_history_survives_its_file() {
    let recorded = ordered();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/order.json");
    recorded.save(&path).unwrap();
    let read = RecordedHistory::load(&path).unwrap();
    assert_eq!(read, recorded);
    assert_eq!(read.to_json(), std::fs::read_to_string(&path).unwrap());
    assert_eq!((read.header().name.as_str(), read.header().instance.as_str()), ("order", "order-7"));
    read.replay(order).unwrap();
}

#[test]
fn the_format_stays_as_it_is() {
    let text = include_str!("../histories/order.json");
    let recorded = RecordedHistory::from_json(text).unwrap();
    assert_eq!(recorded.to_json(), text);
    assert_eq!(recorded.events().len(), text.lines().filter(|line| line.starts_with("    {")).count());
}

#[test]
fn what_the_http_api_answers_is_read_too() {
    let recorded = ordered();
    let answer = serde_json::to_string(recorded.events()).unwrap();
    assert_eq!(RecordedHistory::from_json(&answer).unwrap(), recorded);
}

#[test]
fn other_versions_are_refused_with_a_remedy() {
    let with = |version: &str| ordered().to_json().replace("\"version\": 1,", &format!("\"version\": {version},"));
    let old = RecordedHistory::from_json(&with("0")).unwrap_err();
    assert!(old.is_unknown_version());
    assert_eq!(
        old.to_string(),
        "the history was recorded in version 0 of the format, and this program reads version 1: record it once more"
    );
    let new = RecordedHistory::from_json(&with("2")).unwrap_err();
    assert_eq!(*new.kind(), RecordingErrorKind::UnknownVersion { version: 2 });
    assert!(new.to_string().contains("use the newer durable-testing"), "{new}");
}

#[test]
fn garbage_is_refused_with_the_reason() {
    let refused = |text: &str| RecordedHistory::from_json(text).unwrap_err();
    for text in ["", "hello", "{}", "{\"format\": \"har\", \"version\": 1}", "[1]", "17"] {
        assert!(refused(text).is_garbage(), "{text}");
    }
    let broken = ordered().to_json().replacen("TaskScheduled", "TaskTeleported", 1);
    let error = refused(&broken);
    assert!(error.is_garbage());
    assert!(error.to_string().contains("event 2: ") && error.to_string().contains("TaskTeleported"), "{error}");
    assert!(refused("{\"format\": \"durable-history\", \"version\": 1}").to_string().contains("no 'events'"));
}

#[test]
fn a_history_without_its_beginning_is_refused() {
    assert!(RecordedHistory::from_json("[]").unwrap_err().to_string().contains("after its first turn"));
    let events = ordered().events().to_vec();
    let without_start: Vec<_> = events.iter().filter(|e| e.kind.name() != "ExecutionStarted").cloned().collect();
    assert!(RecordedHistory::from_events(without_start).unwrap_err().is_incomplete());
    let error = RecordedHistory::from_events(events[1..].to_vec()).unwrap_err();
    assert!(error.to_string().contains("outside of every turn"), "{error}");
}

#[test]
fn a_file_error_names_the_file() {
    let error = RecordedHistory::load("tests/histories/nothing.json").unwrap_err();
    assert_eq!(
        (error.kind(), error.path().unwrap().to_str()),
        (&RecordingErrorKind::File, Some("tests/histories/nothing.json"))
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    std::fs::write(&path, "{").unwrap();
    assert!(RecordedHistory::load(&path).unwrap_err().to_string().contains("a.json: this is no recorded history"));
}

#[tokio::test]
async fn a_client_is_recorded() {
    let world = World::builder().orchestrator(order).activity(reserve).build();
    let client = world.client();
    let run = client.start(order, 5).await.unwrap();
    let recorded = RecordedHistory::from_client(&client, run.id()).await.unwrap();
    assert_eq!(recorded, world.record(&world.instance::<u64>(run.id().as_str())));
    let nobody = InstanceId::new("nobody").unwrap();
    assert!(RecordedHistory::from_client(&client, &nobody).await.unwrap_err().is_not_found());
}
