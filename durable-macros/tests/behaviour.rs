//! What the generated items do.

use durable_core::activity::{ActivityContext, ActivityDefinition, State, StateKey, StateMap};
use durable_core::failure::ActivityError;
use durable_macros::activity;

#[activity]
async fn greet(State(greeting): State<String>, name: String) -> Result<String, ActivityError> {
    if name.is_empty() {
        return Err(ActivityError::msg("nobody to greet").non_retriable());
    }
    Ok(format!("{greeting} {name}!"))
}

#[activity(name = "Thread Name", state(u8))]
fn on_which_thread(_input: ()) -> String {
    format!("{:?}", std::thread::current().id())
}

fn context() -> ActivityContext {
    let mut state = StateMap::default();
    state.insert("Hello".to_owned());
    ActivityContext::detached_with(state)
}

#[tokio::test]
async fn a_direct_call_is_an_ordinary_call() {
    let greeting = greet(State("Hi".to_owned()), "Ada".to_owned()).await;
    assert_eq!(greeting.unwrap(), "Hi Ada!");
}

#[tokio::test]
async fn an_invocation_finds_its_state() {
    assert_eq!(greet::invoke(context(), "Ada".to_owned()).await.unwrap(), "Hello Ada!");
    assert_eq!(greet::required_state(), [StateKey::of::<String>()]);
}

#[tokio::test]
async fn an_error_keeps_its_marks() {
    assert!(greet::invoke(context(), String::new()).await.unwrap_err().is_non_retriable);
}

#[tokio::test]
async fn missing_state_is_a_failure_and_no_panic() {
    let failure = greet::invoke(ActivityContext::detached(), "Ada".to_owned()).await.unwrap_err();
    assert_eq!(failure.error_type, "MissingState");
    assert!(failure.is_non_retriable);
}

#[tokio::test]
async fn a_plain_function_runs_off_the_async_threads() {
    let here = format!("{:?}", std::thread::current().id());
    assert_eq!(on_which_thread(()).run(), here);
    assert_eq!(on_which_thread(()).await, here);
    assert_ne!(on_which_thread::invoke(context(), ()).await.unwrap(), here);
    assert_eq!(on_which_thread::NAME, "Thread Name");
    assert_eq!(on_which_thread::required_state(), [StateKey::of::<u8>()]);
}

#[test]
fn a_call_is_shown_with_its_name() {
    assert_eq!(format!("{:?}", on_which_thread(())), "on_which_thread { .. }");
}
