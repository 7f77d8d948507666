//! The mock client: what it answers, what it writes down, and what it says when it is not called as expected.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use durable_core::client::{
    ClientErrorKind, ControlRequest, InstanceCount, InstanceQuery, PendingActivity, PurgeRequest, RestartRequest,
    StartRequest, WaitUntil,
};
use durable_core::model::{Payload, TaskId};
use durable_core::prelude::*;
use durable_testing::MockClient;
use durable_testing::mock_client::{Call, Instance};
use serde_json::json;

#[orchestrator(name = "Greet")]
async fn greet(_ctx: OrchestrationContext, name: String) -> Result<String, OrchestratorError> {
    Ok(name)
}

/// No call of a mock waits for anything, so a single poll is enough.
fn now<T>(future: impl IntoFuture<Output = T>) -> T {
    match pin!(future.into_future()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a mock waited"),
    }
}

fn id(text: &str) -> InstanceId {
    text.try_into().unwrap()
}

/// The message of a panic.
fn panic_of(run: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("a panic");
    panic.downcast_ref::<String>().cloned().unwrap_or_else(|| (*panic.downcast_ref::<&str>().unwrap()).to_owned())
}

/// The line of the caller, as it stands in messages.
#[track_caller]
fn here(lines_before: u32) -> String {
    let line = std::panic::Location::caller().line() - lines_before;
    format!("durable-testing/tests/mock_client.rs:{line}:")
}

#[test]
fn a_start_is_matched_by_all_its_conditions() {
    let mock = MockClient::new();
    mock.expect_start(greet)
        .with_input("Ada")
        .with_id("abc")
        .with_tag("tenant", "a")
        .with_version("1.0")
        .returns_id("abc");
    mock.expect_start("greet").without_id().returns_id("other");
    let client = mock.client();
    let other = now(client.start("GREET", "Bob")).unwrap();
    assert_eq!(other.id(), &id("other"));
    let run = now(client.start(greet, "Ada".to_owned()).id("abc").version("1.0").tag("tenant", "a")).unwrap();
    assert_eq!(run.id(), &id("abc"));
    mock.verify();
    let [Call::Start(first), Call::Start(second)] = &mock.calls()[..] else { panic!("{:?}", mock.calls()) };
    assert_eq!((first.input.as_str(), &first.id), (r#""Bob""#, &None));
    assert_eq!((second.input.as_str(), second.id.as_ref()), (r#""Ada""#, Some(&id("abc"))));
}

#[test]
fn each_condition_of_a_start_counts() {
    let request = || {
        let right = StartRequest::new("greet".try_into().unwrap(), Payload::from_json(r#"{"b": 2, "a": 1}"#).unwrap());
        let mut right = right.with_id(id("abc"));
        right.version = Some("1.0".try_into().unwrap());
        right.tags.insert("tenant", "a").unwrap();
        right
    };
    type Change = fn(&mut StartRequest);
    let changes: [(&str, Change); 6] = [
        ("of 'greet'", |request| request.name = "other".try_into().unwrap()),
        (r#"with the input {"a":1,"b":2}"#, |request| request.input = Payload::null()),
        ("as 'abc'", |request| request.id = None),
        ("tagged tenant=a", |request| request.tags = Default::default()),
        ("in version '1.0'", |request| request.version = None),
        ("", |_| ()),
    ];
    for (broken, change) in changes {
        let mock = MockClient::new();
        let start = mock.expect_start("greet").with_input(&json!({"a": 1, "b": 2})).with_id("abc");
        start.with_tag("tenant", "a").with_version("1.0").returns_id("abc");
        let mut request = request();
        change(&mut request);
        let client = mock.durable_client();
        if broken.is_empty() {
            assert_eq!(now(client.start(request)).unwrap(), id("abc"));
            continue;
        }
        let message = panic_of(|| drop(now(client.start(request))));
        assert_eq!(message.lines().last(), Some(&*format!("      the call is not {broken}")));
        drop(panic_of(|| mock.verify()));
    }
}

#[test]
fn every_method_has_its_expectation() {
    let mock = MockClient::new();
    let query = InstanceQuery::new().id_prefix("a");
    let count = InstanceCount::new("greet".try_into().unwrap(), None, RuntimeStatus::Running, 3);
    let open = PendingActivity::new(TaskId(0), "act".try_into().unwrap(), Payload::null());
    mock.expect_status("a").shows(Instance::new("a", "greet").running());
    mock.expect_wait("a").until(WaitUntil::Started).with_timeout(None).times_out();
    mock.expect_raise_event("a", "Approval").with_payload(&true).succeeds();
    mock.expect_terminate("a").with_reason("r").recursive().succeeds();
    mock.expect_suspend("a").with_reason("r").alone().succeeds();
    mock.expect_resume("a").with_reason("r").fails_as_not_found();
    mock.expect_rewind("a").with_reason("r").fails_as_finished(RuntimeStatus::Completed);
    mock.expect_restart("a").under_new_id().returns_id("b");
    mock.expect_restart("a").under_own_id().returns_id("a");
    mock.expect_purge("a").recursive().by_force().removes(4);
    mock.expect_purge_many().with_query(query.clone()).removes(5);
    mock.expect_list().with_query(query.clone()).shows_all([Instance::new("a", "greet")]);
    mock.expect_count().returns(vec![count.clone()]);
    mock.expect_activities("a").returns(Some(vec![open.clone()]));
    mock.expect_history("a").returns(Some(Vec::new()));
    let (client, a) = (mock.client(), id("a"));
    assert_eq!(now(client.status(&a)).unwrap().unwrap().runtime_status, RuntimeStatus::Running);
    assert_eq!(now(client.wait_for_start(&a, None)).unwrap().unwrap().runtime_status, RuntimeStatus::Running);
    now(client.raise_event(&a, "approval", &true)).unwrap();
    now(client.terminate(&a, "r").recursive()).unwrap();
    now(client.suspend(&a, "r")).unwrap();
    assert!(now(client.resume(&a, "r")).unwrap_err().is_not_found());
    assert!(now(client.rewind(&a, "r")).unwrap_err().is_finished());
    assert_eq!(now(client.restart(&a)).unwrap(), a);
    assert_eq!(now(client.restart(&a).new_id()).unwrap(), id("b"));
    assert_eq!(now(client.purge(&a).recursive().force()).unwrap(), 4);
    assert_eq!(now(client.purge_where(query.clone())).unwrap(), 5);
    assert_eq!(now(client.list(query.clone())).unwrap().instances[0].instance_id, a);
    assert_eq!(now(client.counts(query.clone())).unwrap(), [count]);
    assert_eq!(now(client.activities(&a)).unwrap().unwrap(), [open]);
    assert_eq!(now(client.history(&a)).unwrap().unwrap(), []);
    assert_eq!(client.task_hub().as_str(), "MockHub");
    mock.verify();

    let mut purge = PurgeRequest::default();
    (purge.recursive, purge.force) = (true, true);
    let reason = Some("r".to_owned());
    let alone = ControlRequest::new(reason.clone());
    let approval = "Approval".try_into().unwrap();
    let expected = [
        Call::Status { id: id("a") },
        Call::Wait { id: id("a"), until: WaitUntil::Started, timeout: None },
        Call::RaiseEvent { id: id("a"), name: approval, payload: Payload::encode(&true).unwrap() },
        Call::Terminate { id: id("a"), request: alone.clone().recursive() },
        Call::Suspend { id: id("a"), request: alone.clone() },
        Call::Resume { id: id("a"), request: alone },
        Call::Rewind { id: id("a"), reason },
        Call::Restart { id: id("a"), request: RestartRequest::new(false) },
        Call::Restart { id: id("a"), request: RestartRequest::new(true) },
        Call::Purge { id: id("a"), request: purge },
        Call::PurgePage(query.clone()),
        Call::List(query.clone()),
        Call::Count(query),
        Call::Activities { id: id("a") },
        Call::History { id: id("a") },
    ];
    assert_eq!(mock.calls(), expected);
}

#[test]
fn the_words_for_states_show_these_states() {
    let mock = MockClient::new();
    mock.expect_status("a").pending();
    mock.expect_status("a").running();
    mock.expect_status("a").suspended();
    mock.expect_status("a").completed(&[1, 2]);
    mock.expect_status("a").failed("no luck");
    mock.expect_status("a").terminated("enough");
    mock.expect_status("a").finds_nothing();
    let client = mock.client();
    let mut seen = Vec::new();
    while let Some(status) = now(client.status(&id("a"))).unwrap() {
        let output = status.output.map(|output| output.to_string());
        let failure = status.failure.map(|failure| failure.error_message);
        seen.push((status.runtime_status, output.or(failure).or(status.termination_reason)));
    }
    let words = |text: &str| Some(text.to_owned());
    assert_eq!(
        seen,
        [
            (RuntimeStatus::Pending, None),
            (RuntimeStatus::Running, None),
            (RuntimeStatus::Suspended, None),
            (RuntimeStatus::Completed, words("[1,2]")),
            (RuntimeStatus::Failed, words("no luck")),
            (RuntimeStatus::Terminated, words("enough")),
        ]
    );
}

#[test]
fn a_wait_gives_what_a_handle_makes_of_it() {
    let mock = MockClient::new();
    mock.expect_start(greet).times(4).returns_id("a");
    mock.expect_wait("a").completes("Hello");
    mock.expect_wait("a").fails_with("no luck");
    mock.expect_wait("a").is_terminated("enough");
    mock.expect_wait("a").fails(ClientErrorKind::ShutDown);
    let client = mock.client();
    let output = || now(now(client.start(greet, String::new())).unwrap().output());
    assert_eq!(output().unwrap(), "Hello");
    assert_eq!(output().unwrap_err().to_string(), "no luck");
    assert_eq!(output().unwrap_err().to_string(), "instance 'a' is Terminated: enough");
    assert_eq!(output().unwrap_err().to_string(), "the task hub is shut down");
}

#[test]
fn an_unexpected_call_says_what_was_expected_and_where() {
    let mock = MockClient::new();
    mock.expect_start("greet").with_input("Ada").returns_id("a");
    let start = here(1);
    mock.expect_status("a").returns(None);
    let status = here(1);
    now(mock.client().start(greet, "Ada".to_owned())).unwrap();
    let message = panic_of(|| drop(now(mock.client().start(greet, "Bob".to_owned()))));
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(lines[0], r#"unexpected call: start of 'Greet' with the input "Bob""#);
    assert_eq!(lines[1], "expected are:");
    assert!(lines[2].trim_start().starts_with(&start), "{message}");
    assert!(lines[2].ends_with(r#": start of 'greet' with the input "Ada"; expected once, came 1"#), "{message}");
    assert_eq!(lines[3], r#"      the call is not with the input "Ada""#);
    assert!(lines[4].trim_start().starts_with(&status), "{message}");
    assert!(lines[4].ends_with(": status 'a'; expected once, came 0"), "{message}");
    assert_eq!(lines[5..], ["the calls before it:", r#"  start of 'Greet' with the input "Ada""#]);

    let again = panic_of(|| drop(now(mock.client().start(greet, "Ada".to_owned()))));
    assert!(again.contains("      the call fits, but has been made often enough\n"), "{again}");
    // The panics may have been swallowed by a task: the end of the test tells of them.
    let end = panic_of(|| drop(mock));
    assert!(end.starts_with("the client was not called as expected\ncalls that did not come:\n"), "{end}");
    assert!(
        end.contains(&status) && end.contains(r#"unexpected call: start of 'Greet' with the input "Bob""#),
        "{end}"
    );
}

#[test]
fn a_mock_without_expectations_takes_no_call() {
    let mock = MockClient::new();
    let message = panic_of(|| drop(now(mock.client().wait(&id("a"), Some(Duration::from_secs(1))))));
    assert_eq!(message, "unexpected call: wait 'a' until Finished for 1s\nno call is expected");
    drop(panic_of(|| mock.verify()));
}

#[test]
fn a_call_that_does_not_come_is_found_at_the_end() {
    let unmet = || {
        let mock = MockClient::new();
        mock.expect_raise_event("a", "Approval").times(2).succeeds();
        now(mock.client().raise_event(&id("a"), "Approval", &1)).unwrap();
        mock
    };
    let verified = panic_of(|| unmet().verify());
    assert!(verified.contains(": raise_event 'a' 'Approval'; expected 2 times, came 1\n"), "{verified}");
    assert!(verified.ends_with("the calls that came:\n  raise_event 'a' 'Approval' with the payload 1"), "{verified}");
    assert_eq!(panic_of(|| drop(unmet())), verified);
}

#[test]
fn a_test_that_fails_anyway_is_not_made_to_abort() {
    let message = panic_of(|| {
        let mock = MockClient::new();
        mock.expect_status("a").running();
        panic!("the test's own failure");
    });
    assert_eq!(message, "the test's own failure");
}

#[test]
fn expectations_are_used_up_one_after_the_other() {
    let mock = MockClient::new();
    mock.expect_status("a").times(2).running();
    mock.expect_status("a").at_least_once().completed(&1);
    mock.expect_status("b").any_times().running();
    let client = mock.client();
    let seen: Vec<_> = (0..4).map(|_| now(client.status(&id("a"))).unwrap().unwrap().runtime_status).collect();
    use RuntimeStatus::{Completed, Running};
    assert_eq!(seen, [Running, Running, Completed, Completed]);
}

#[test]
fn what_must_never_come_is_refused_by_a_lenient_mock_too() {
    for mock in [MockClient::new(), MockClient::lenient()] {
        mock.expect_terminate("a").never();
        mock.verify();
        let message = panic_of(|| drop(now(mock.client().terminate(&id("a"), "x"))));
        assert!(message.contains("; expected never, came 0\n      the call fits, and must not be made"), "{message}");
        drop(panic_of(|| mock.verify()));
    }
}

#[test]
fn calls_may_have_to_come_in_order() {
    let ordered = || {
        let mock = MockClient::new().in_order();
        mock.expect_start("greet").returns_id("a");
        mock.expect_status("a").any_times().running();
        mock.expect_raise_event("a", "Go").succeeds();
        mock
    };
    let mock = ordered();
    let client = mock.client();
    now(client.start("greet", 1)).unwrap();
    now(client.status(&id("a"))).unwrap();
    now(client.status(&id("a"))).unwrap();
    now(client.raise_event(&id("a"), "Go", &())).unwrap();
    let late = panic_of(|| drop(now(client.status(&id("a")))));
    assert!(late.contains("the call fits, but it is not its turn"), "{late}");
    drop(panic_of(|| mock.verify()));

    let mock = ordered();
    let early = panic_of(|| drop(now(mock.client().raise_event(&id("a"), "Go", &()))));
    assert!(early.contains("the call fits, but it is not its turn"), "{early}");
    drop(panic_of(|| mock.verify()));
}

#[test]
fn a_closure_answers_and_may_ask_the_mock() {
    let mock = Arc::new(MockClient::new());
    let (seen, mut polls) = (Arc::downgrade(&mock), 0);
    mock.expect_status("a").any_times().answers(move |call| {
        polls += 1;
        let before = seen.upgrade().unwrap().calls().len();
        assert_eq!((before, call), (polls, &Call::Status { id: id("a") }));
        let instance = Instance::new("a", "greet");
        Ok(Some(if polls < 3 { instance.running() } else { instance.completed(&polls) }.into()))
    });
    let client = mock.client();
    let status = loop {
        let status = now(client.status(&id("a"))).unwrap().unwrap();
        if status.runtime_status.is_terminal() {
            break status;
        }
    };
    assert_eq!(status.output.unwrap().as_str(), "3");
}

#[test]
fn a_condition_of_ones_own_is_shown_in_its_words() {
    let mock = MockClient::new();
    let long = |call: &Call| matches!(call, Call::Start(request) if request.input.as_str().len() > 10);
    mock.expect_start("greet").when("with a long input", long).returns_id("a");
    let message = panic_of(|| drop(now(mock.client().start("greet", "short"))));
    assert!(message.contains("      the call is not with a long input"), "{message}");
    drop(panic_of(|| mock.verify()));
}

#[test]
fn an_id_that_is_not_valid_is_the_fault_of_the_test() {
    let message = panic_of(|| MockClient::new().expect_status("@a").running());
    assert!(message.contains("'@a' is not a valid instance id"), "{message}");
}

#[test]
fn a_lenient_mock_keeps_simple_instances() {
    let mock = MockClient::lenient();
    let client = mock.client();
    let run = now(client.start(greet, "Ada".to_owned()).tag("tenant", "a")).unwrap();
    assert_eq!(run.id(), &id("instance-1"));
    assert_eq!(now(run.status()).unwrap().runtime_status, RuntimeStatus::Pending);
    assert_eq!(now(run.wait_timeout(Duration::from_secs(3600))).unwrap().runtime_status, RuntimeStatus::Pending);
    now(run.suspend("x")).unwrap();
    assert_eq!(mock.instance("instance-1").unwrap().runtime_status, RuntimeStatus::Suspended);
    now(run.resume("x")).unwrap();
    assert_eq!(mock.instance("instance-1").unwrap().runtime_status, RuntimeStatus::Running);
    now(run.terminate("enough")).unwrap();
    assert_eq!(mock.instance("instance-1").unwrap().termination_reason.as_deref(), Some("enough"));
    assert!(now(run.raise_event("Go", &())).unwrap_err().is_finished());
    assert!(now(client.rewind(run.id(), "x")).unwrap_err().is_wrong_state());
    assert_eq!(now(client.restart(run.id()).new_id()).unwrap(), id("instance-2"));
    assert_eq!(mock.instance("instance-2").unwrap().tags.get("tenant"), Some("a"));
    assert!(now(client.restart(&id("instance-2"))).unwrap_err().is_wrong_state());
    assert!(now(client.start("greet", 1).id("instance-2")).unwrap_err().is_already_exists());
    assert!(now(client.purge(&id("instance-2"))).unwrap_err().is_wrong_state());
    assert_eq!(now(client.purge(&id("instance-2")).force()).unwrap(), 1);
    assert_eq!(now(client.purge(&id("instance-2"))).unwrap(), 0);
    assert_eq!(now(client.status(&id("instance-2"))).unwrap(), None);
    assert!(now(client.raise_event(&id("instance-2"), "Go", &())).unwrap_err().is_not_found());
}

#[test]
fn a_lenient_mock_knows_what_was_put_into_it() {
    let mock = MockClient::lenient();
    mock.put(Instance::new("failed", "greet").failed("no luck"));
    mock.put(Instance::new("parent", "greet").running());
    mock.put(Instance::new("child", "other").child_of("parent").tag("k", "v").version("2").running());
    mock.put_history("child", Vec::new());
    let client = mock.client();
    now(client.rewind(&id("failed"), "try again")).unwrap();
    assert_eq!(mock.instance("failed").unwrap().runtime_status, RuntimeStatus::Running);
    let of_parent = InstanceQuery::new().children_of(id("parent")).tag("k", "v").version("2".try_into().unwrap());
    assert_eq!(now(client.count(of_parent)).unwrap(), 1);
    assert_eq!(now(client.activities(&id("child"))).unwrap(), Some(Vec::new()));
    assert_eq!(now(client.history(&id("child"))).unwrap(), Some(Vec::new()));
    assert_eq!(now(client.history(&id("nobody"))).unwrap(), None);
    now(client.terminate(&id("parent"), "all of it").recursive()).unwrap();
    assert_eq!(mock.instance("child").unwrap().runtime_status, RuntimeStatus::Terminated);
    assert_eq!(now(client.purge(&id("parent")).recursive()).unwrap(), 2);
    assert!(panic_of(|| mock.put_history("child", Vec::new())).contains("no instance 'child'"));
}

#[test]
fn a_lenient_mock_lists_and_purges_by_pages() {
    let mock = MockClient::lenient();
    for n in 0..5 {
        mock.put(Instance::new(format!("a-{n}"), "greet").completed(&n));
    }
    mock.put(Instance::new("a-live", "greet").running());
    mock.put(Instance::new("b", "greet").completed(&0));
    let client = mock.client();
    let mut query = InstanceQuery::new().id_prefix("a-").page_size(4);
    let page = now(client.list(query.clone())).unwrap();
    assert_eq!(
        page.instances.iter().map(|status| status.instance_id.as_str()).collect::<Vec<_>>(),
        ["a-0", "a-1", "a-2", "a-3"]
    );
    query = query.continue_from(page.continuation.unwrap());
    let page = now(client.list(query)).unwrap();
    assert_eq!(page.instances.iter().map(|status| status.instance_id.as_str()).collect::<Vec<_>>(), ["a-4", "a-live"]);
    assert_eq!(page.continuation, None);
    assert_eq!(now(client.purge_where(InstanceQuery::new().id_prefix("a-").page_size(2))).unwrap(), 5);
    let left = now(client.list(InstanceQuery::new())).unwrap().instances;
    assert_eq!(left.iter().map(|status| status.instance_id.as_str()).collect::<Vec<_>>(), ["a-live", "b"]);
}

#[test]
fn expectations_come_before_what_a_lenient_mock_knows() {
    let mock = MockClient::lenient();
    mock.put(Instance::new("a", "greet").running());
    mock.expect_status("a").fails(ClientErrorKind::Store);
    let client = mock.client();
    assert_eq!(now(client.status(&id("a"))).unwrap_err().kind(), &ClientErrorKind::Store);
    assert_eq!(now(client.status(&id("a"))).unwrap().unwrap().runtime_status, RuntimeStatus::Running);
    mock.expect_history("a").returns(None);
    assert!(panic_of(|| mock.verify()).contains("history 'a'"), "an expectation binds a lenient mock too");
}
