//! Traps of children, of orchestrations that are started and left alone, and of events between instances.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use durable_core::history::{Action, ChildStart};
use durable_core::model::{FailureDetails, IdReusePolicy};
use durable_core::prelude::*;
use durable_testing::Script;
use durable_testing::events::{child_completed, child_failed, fired};
use std::time::Duration;

#[orchestrator]
async fn child(_ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    Ok(n)
}

#[orchestrator]
async fn family(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let typed = ctx.call_sub_orchestrator(child, 1);
    let named =
        ctx.call_sub_orchestrator("child", 2).id("mine").version("2.0").tag("k", "v").id_reuse(IdReusePolicy::never());
    assert_eq!(named.instance_id().unwrap().as_str(), "mine");
    let named: u64 = named.await?;
    Ok(typed.await? + named)
}

fn started(script: &Script, at: usize) -> ChildStart {
    let Action::StartChild { child, .. } = &script.outcome().actions[at].1 else { panic!("no child") };
    ChildStart::clone(child)
}

#[test]
fn children_run_from_their_call_on_and_give_their_results() {
    let mut script = Script::new(family, ());
    assert_eq!(script.calls(), ["#0 child child script:01234567:0000 1", "#1 child child mine 2"]);
    let named = started(&script, 1);
    assert_eq!((named.version.unwrap().as_str(), named.tags.get("k"), named.is_detached), ("2.0", Some("v"), false));
    let Action::StartChild { id_reuse, .. } = &script.outcome().actions[1].1 else { panic!() };
    assert_eq!(*id_reuse, IdReusePolicy::never());
    script.complete_child(1, 20);
    script.complete_child(0, 1);
    assert_eq!(script.output(), Some(21.into()));
    assert_eq!(script.batched().unwrap().completion.map(|(_, end)| end).as_ref(), script.completion());
}

#[orchestrator]
async fn fails_over(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let error = ctx.call_sub_orchestrator(child, 1).id("c").await.unwrap_err();
    Ok(format!("{}: {error:#} {}", error.details().error_type, error.details().is_non_retriable))
}

#[test]
fn a_failed_child_says_which_it_was_and_why() {
    let mut script = Script::new(fails_over, ());
    script.fail_child(0, FailureDetails::new("Boom", "no").non_retriable());
    let expected = "SubOrchestrationFailed: child orchestration 'child' (instance 'c') failed: no true";
    assert_eq!(script.output(), Some(expected.into()));
}

#[orchestrator]
async fn gives_up(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    {
        let call = ctx.call_sub_orchestrator(child, 1);
        let timer = ctx.create_timer(Duration::from_secs(1));
        let _ = select(call, timer).await;
    }
    ctx.call_sub_orchestrator(child, 2).await
}

#[test]
fn a_dropped_child_is_terminated_and_its_late_result_is_ignored() {
    let mut script = Script::new(gives_up, ());
    script.turn([fired(1)]);
    assert_eq!(script.calls(), ["#2 child child script:01234567:0002 2", "-#0"]);
    assert_eq!(script.outcome().canceled_children, script.outcome().canceled);
    script.turn([child_completed(0, 9), child_failed(0, FailureDetails::new("x", "y"))]);
    script.complete_child(2, 2);
    assert_eq!(script.output(), Some(2.into()));
}

#[orchestrator]
async fn refused(ctx: OrchestrationContext, id: String) -> Result<String, OrchestratorError> {
    let error = ctx.call_sub_orchestrator(child, 1).id(id).await.unwrap_err();
    Ok(format!("{}: {error}", error.details().error_type))
}

#[test]
fn an_id_that_cannot_be_is_refused_at_once() {
    let of = |id: &str| Script::new(refused, id.to_owned());
    let script = of("a/b");
    assert!(script.calls().is_empty(), "the child is not started");
    let text = script.output().unwrap().to_string();
    assert!(text.contains("InvalidInstanceId: 'a/b' is not a valid"), "{text}");
    let text = of("script").output().unwrap().to_string();
    assert!(text.contains("cannot start 'script': it is the id of this instance"), "{text}");
}

#[orchestrator]
async fn too_late(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let call = ctx.call_sub_orchestrator(child, 1);
    ctx.create_timer(Duration::from_secs(1)).await;
    let error = call.version("2.0").await.unwrap_err();
    Ok(error.details().error_type.clone())
}

#[test]
fn an_option_after_the_commit_is_refused() {
    let mut script = Script::new(too_late, ());
    script.fire(1);
    assert_eq!(script.output(), Some("LateOption".into()));
    assert_eq!(script.calls(), ["-#0"]);
}

#[test]
fn a_long_parent_id_gives_a_short_child_id() {
    use durable_core::history::ExecutionHeader;
    use durable_core::model::{ExecutionId, FunctionName, Limits, Payload};
    let long = InstanceId::new("ü".repeat(250)).unwrap();
    let execution = ExecutionId::from_stored("0123456789abcdef0123456789abcdef");
    let header = ExecutionHeader::new(long, execution, FunctionName::new("o").unwrap(), Payload::null());
    let script = Script::with_header(family, header, Limits::default(), &[]).unwrap();
    let id = started(&script, 0).instance;
    assert_eq!(id.as_str().len(), 32);
    assert!(id.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()));
}

#[orchestrator]
async fn starts(ctx: OrchestrationContext) -> Result<Vec<String>, OrchestratorError> {
    let plain = ctx.start_orchestrator(child, 1)?;
    let later = ctx
        .start_orchestrator("other", 2)?
        .id("later")?
        .version("1.0")?
        .tag("a", "b")?
        .delay(Duration::from_secs(9))?;
    assert!(ctx.start_orchestrator(child, 3)?.id("a?b").is_err());
    ctx.send_event(later.instance_id(), "Hello", &7)?;
    Ok(vec![plain.instance_id().to_string(), later.instance_id().to_string()])
}

#[test]
fn started_orchestrations_are_left_alone() {
    let script = Script::new(starts, ());
    assert_eq!(
        script.calls(),
        ["#0 start child script:01234567:0000 1", "#1 start other later 2", "#3 event Hello later 7"]
    );
    assert_eq!(script.output(), Some(serde_json::json!(["script:01234567:0000", "later"])));
    let later = started(&script, 1);
    assert!(later.is_detached);
    assert_eq!(later.start_at, Some(script.now().saturating_add(Duration::from_secs(9))));
    assert!(script.outcome().canceled.is_empty());
}

mod changed {
    use super::*;

    #[orchestrator]
    pub(super) async fn other_version(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        let _typed = ctx.call_sub_orchestrator(child, 1);
        ctx.call_sub_orchestrator("child", 2).id("mine").version("3.0").await
    }

    #[orchestrator]
    pub(super) async fn other_id(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        ctx.call_sub_orchestrator(child, 1).id("other").await
    }

    #[orchestrator]
    pub(super) async fn detached(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        ctx.start_orchestrator(child, 1)?;
        ctx.call_sub_orchestrator(child, 1).await
    }

    #[orchestrator]
    pub(super) async fn other_event(ctx: OrchestrationContext) -> Result<Vec<String>, OrchestratorError> {
        ctx.start_orchestrator(child, 1)?;
        ctx.start_orchestrator("other", 2)?.id("later")?.version("1.0")?;
        ctx.start_orchestrator(child, 3)?.id("a?b").unwrap_err();
        ctx.send_event(&"later".parse()?, "Hello", &8)?;
        Ok(vec![])
    }
}

/// Trap 12.
#[test]
fn a_changed_child_is_found_with_both_sides() {
    let script = Script::new(family, ());
    let version = script.replay_with(changed::other_version).unwrap_err().to_string();
    let then = "the history has child orchestration 'child' in version 2.0 as instance 'mine' with input 2 (at ";
    assert!(version.contains(then), "{version}");
    assert!(version.contains("does child orchestration 'child' in version 3.0 as instance 'mine'"), "{version}");
    assert!(version.matches("replay_children.rs:").count() == 2, "{version}");
    let id = script.replay_with(changed::other_id).unwrap_err().to_string();
    assert!(id.contains("does child orchestration 'child' as instance 'other' with input 1"), "{id}");
    let detached = script.replay_with(changed::detached).unwrap_err().to_string();
    assert!(detached.contains("does the start of orchestration 'child'"), "{detached}");
    let event = Script::new(starts, ()).replay_with(changed::other_event).unwrap_err().to_string();
    assert!(event.contains("has event 'Hello' to instance 'later' with payload 7"), "{event}");
}

#[orchestrator]
async fn who(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let parent = ctx.parent_instance().map(|parent| parent.instance.to_string());
    let version = ctx.version().map(ToString::to_string);
    let id = ctx.parent_instance().unwrap().instance.clone();
    let refused = ctx.call_sub_orchestrator(child, 1).id(id).await.unwrap_err();
    let known = (version, parent, ctx.tags().get("t"), ctx.generation(), ctx.execution_id().as_str());
    Ok(format!("{known:?} {refused}"))
}

#[test]
fn a_child_knows_who_it_is() {
    use durable_core::history::{ExecutionHeader, ParentInstance};
    use durable_core::model::{ExecutionId, FunctionName, Limits, Payload, TaskId, Version};
    let name = FunctionName::new("who").unwrap();
    let execution = ExecutionId::from_stored("e1");
    let instance = InstanceId::new("kid").unwrap();
    let mut header = ExecutionHeader::new(instance, execution.clone(), name.clone(), Payload::null());
    header.version = Some(Version::new("1.2").unwrap());
    header.tags.insert("t", "x").unwrap();
    header.generation = 3;
    let instance = InstanceId::new("dad").unwrap();
    header.parent = Some(ParentInstance { instance, execution, name, task_id: Some(TaskId(0)), depth: 1 });
    let script = Script::with_header(who, header, Limits::default(), &[]).unwrap();
    let output = script.output().unwrap();
    let expected = "(Some(\"1.2\"), Some(\"dad\"), Some(\"x\"), 3, \"e1\") an orchestration cannot start 'dad': \
                    it is the id of the parent of this instance";
    assert_eq!(output, serde_json::json!(expected));
}
