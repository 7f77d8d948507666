//! What a backend must do, as tests that run on any.
//!
//! Every case gets an empty store. [`conformance_tests!`](crate::conformance_tests) makes one test of each case:
//!
//! ```
//! use std::sync::Arc;
//! use durable_core::backend::{Backend, memory::Memory};
//!
//! durable_testing::conformance_tests!(async || {
//!     let store: Arc<dyn Backend> = Arc::new(Memory::new());
//!     (store, ()) // instead of (): whatever must outlive the store, such as its directory
//! });
//! ```
//!
//! [`shared_conformance_tests!`](crate::shared_conformance_tests) is for stores that several workers share, and adds what such a
//! store does beyond the others. [`cases`] and [`shared_cases`] are for other ways to run them.
#![expect(clippy::missing_panics_doc, reason = "a case fails by panicking")]

pub mod activities;
pub mod children;
pub mod claims;
pub mod concurrency;
pub mod continuations;
pub(crate) mod fixtures;
pub mod instances;
pub mod messages;
pub mod outgoing;
pub mod purge;
pub mod queries;
pub mod rewind;
pub mod sharing;
pub mod timers;
pub mod turns;

use std::fmt;
use std::sync::Arc;

use durable_core::BoxFuture;
use durable_core::backend::Backend;

/// One rule for backends.
#[derive(Clone, Copy)]
pub struct Case {
    area: &'static str,
    name: &'static str,
    run: fn(Arc<dyn Backend>) -> BoxFuture<'static, ()>,
}

impl Case {
    /// The area of the rule, which is the module of its function.
    #[must_use]
    pub fn area(&self) -> &'static str {
        self.area
    }

    /// The name of the rule, which is that of its function.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Checks an empty store. It panics when the store breaks the rule.
    pub async fn run(&self, store: Arc<dyn Backend>) {
        (self.run)(store).await;
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.area, self.name)
    }
}

/// The cases for all stores.
#[must_use]
pub fn cases() -> Vec<Case> {
    crate::__conformance_cases! { list }
}

/// Further cases, for stores that several workers share.
#[must_use]
pub fn shared_cases() -> Vec<Case> {
    crate::__shared_cases! { list }
}

/// Runs a test on a tokio runtime with several threads, time and input and output.
#[doc(hidden)]
pub fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime can be built").block_on(test);
}

/// Makes a `#[test]` of every conformance case, in a module for each area.
///
/// It takes an expression that is called without arguments for each test and gives, when awaited, an empty store as
/// `Arc<dyn Backend>` and a value that is dropped after the store. The tests run on tokio, with several threads.
#[macro_export]
macro_rules! conformance_tests {
    ($fresh:expr) => {
        $crate::__conformance_cases! { tests $fresh }
    };
}

/// As [`conformance_tests!`](crate::conformance_tests), for a store that several workers share: with the cases for such stores.
#[macro_export]
macro_rules! shared_conformance_tests {
    ($fresh:expr) => {
        $crate::__conformance_cases! { tests $fresh }
        $crate::__shared_cases! { tests $fresh }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_expand {
    ([list] $($area:ident { $($case:ident,)* })*) => {
        vec![$($(Case {
            area: stringify!($area),
            name: stringify!($case),
            run: |store| Box::pin($area::$case(store)),
        },)*)*]
    };
    ([tests $fresh:expr] $($area:ident { $($case:ident,)* })*) => {
        $(
            mod $area {
                #[allow(unused_imports, reason = "the expression may need what stands beside it")]
                use super::*;

                $(
                    #[test]
                    fn $case() {
                        $crate::conformance::block_on(async {
                            let (store, outlives_it) = ($fresh)().await;
                            $crate::conformance::$area::$case(store).await;
                            drop(outlives_it);
                        });
                    }
                )*
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    ($($mode:tt)*) => {
        $crate::__conformance_expand! { [$($mode)*]
            instances {
                a_new_instance_is_pending,
                an_unknown_instance_is_none,
                keys_grow,
                an_existing_id_is_reported_with_its_status,
                a_creation_can_be_resubmitted,
                the_second_creation_of_a_batch_finds_the_first,
                ids_are_case_sensitive,
                only_the_named_states_are_replaced,
                a_replacement_starts_from_nothing,
                turns_of_a_replaced_instance_are_refused,
                a_replacement_has_a_higher_epoch_than_every_owner,
                a_replacement_leaves_the_neighbours_alone,
                a_creation_keeps_all_its_parts,
                a_replacement_names_the_replaced,
            }
            turns {
                a_turn_writes_all_its_rows,
                history_rows_know_their_turn,
                the_fence_has_four_posts,
                a_turn_can_be_resubmitted,
                a_turn_is_resubmitted_under_its_own_fence,
                nothing_follows_the_last_turn,
                a_refused_turn_does_not_disturb_its_batch,
                turns_of_one_batch_happen_in_order,
                an_empty_batch_is_done,
                a_turn_keeps_the_custom_status_it_does_not_set,
                the_status_can_change_with_every_turn,
                a_turn_clears_stall_and_crashes,
                only_what_is_over_goes,
                the_last_turn_tidies_up,
                a_last_turn_can_start_calls,
                dropping_spares_the_calls_of_the_same_turn,
            }
            children {
                a_turn_starts_children,
                a_child_has_no_other_parent,
                a_taken_id_is_a_message_to_the_parent,
                a_last_turn_can_start_children,
                a_child_can_replace,
                a_child_does_not_replace_its_parent,
                an_awaited_child_is_not_replaced,
                a_refused_turn_starts_nothing,
                a_turn_with_children_can_be_resubmitted,
                a_scheduled_instance_waits_for_its_timer,
            }
            outgoing {
                a_turn_sends_messages,
                what_cannot_be_delivered_is_dropped,
                a_child_is_told_by_its_call,
                all_awaited_children_are_told,
                new_children_get_the_messages_of_their_turn,
                a_last_turn_tells_itself_nothing,
                a_continuing_turn_tells_the_next_execution,
                a_refused_turn_sends_nothing,
                a_turn_with_messages_can_be_resubmitted,
            }
            continuations {
                the_next_execution_starts_from_nothing,
                turns_go_on_in_the_next_execution,
                a_continuing_turn_leaves_no_history,
                a_continuing_turn_can_be_resubmitted,
                a_continuing_turn_with_children_can_be_resubmitted,
                the_next_execution_is_ready,
                messages_are_carried_over,
                calls_outlive_their_execution,
                unread_results_go_with_their_execution,
                results_of_earlier_executions_are_refused,
                results_of_the_next_execution_arrive,
                children_outlive_the_execution,
            }
            messages {
                messages_queue_up_in_order,
                messages_keep_all_their_parts,
                messages_need_an_instance,
                messages_to_another_execution_are_refused,
                finished_instances_take_no_messages,
                a_turn_consumes_what_it_has_read,
                messages_do_not_change_the_instance,
                a_result_ends_its_call,
                a_result_needs_its_claim,
                a_result_ends_the_call_of_its_instance,
                a_result_for_another_execution_ends_the_call,
                a_result_for_a_finished_instance_ends_the_call,
                a_result_can_end_a_waiting_call,
                messages_can_be_large,
                a_message_ends_its_timer,
                a_message_ends_the_timer_of_a_start,
            }
            activities {
                a_claimed_call_is_complete,
                waiting_calls_are_taken_in_order,
                running_calls_are_not_taken,
                calls_of_a_dead_runner_are_delivered_again,
                only_deliveries_are_counted,
                calls_of_a_drained_runner_are_not_counted,
                a_claim_can_be_resubmitted,
                a_late_result_counts_until_the_call_is_taken_over,
                calls_that_are_over_are_not_taken,
                a_number_can_return_as_another_call,
                calls_outlive_their_instance,
                calls_of_a_replaced_instance_are_gone,
                inputs_can_be_large,
                calls_can_be_read,
                progress_needs_the_claim,
                a_call_can_be_given_back,
            }
            timers {
                timers_come_in_the_order_of_their_due_times,
                timers_can_be_read_in_pages,
                timers_go_away,
                a_number_can_return_as_another_timer,
                due_times_are_exact,
            }
            claims {
                workers_are_told_apart,
                the_first_claim_is_no_crash,
                a_repeated_claim_changes_nothing,
                attempts_are_counted_until_a_turn,
                a_drained_owner_did_not_crash,
                a_take_over_locks_the_old_owner_out,
                a_claim_reads_instance_and_messages,
                only_unfinished_instances_are_claimed,
                a_stall_is_noted_and_taken_back,
                ready_instances_have_something_to_do,
                a_pending_instance_that_ran_is_not_ready,
                own_instances_are_not_ready,
                ready_instances_can_be_read_in_pages,
                an_instance_is_given_up_unless_it_has_messages,
                what_is_ready_is_taken_once,
                an_owner_reads_what_a_claim_would_find,
                only_the_owner_reads_what_is_unfinished,
            }
            queries {
                an_unknown_history_is_empty,
                a_long_history_comes_in_order,
                events_keep_all_their_parts,
                payloads_are_kept_byte_for_byte,
                payloads_can_be_large,
                lists_contain_whole_rows,
                lists_are_ordered_by_id,
                every_filter_holds,
                every_filter_can_be_paged,
                a_page_can_start_anywhere,
                prefixes_are_exact,
                lists_can_be_long,
                tags_are_exact,
                every_filter_can_be_counted,
            }
            rewind {
                a_rewound_instance_runs_again,
                nothing_may_be_left_of_a_history,
                a_rewind_has_a_fence,
                several_instances_are_rewound_at_once,
                a_rewind_can_be_resubmitted,
                a_detached_call_can_be_given_again,
                a_rewound_parent_is_told_of_taken_ids,
            }
            purge {
                only_finished_instances_are_purged,
                force_purges_everything,
                a_purge_leaves_nothing_behind,
                a_batch_goes_on_without_the_purged,
                the_oldest_expire_first,
                only_the_named_status_expires,
                an_expired_instance_leaves_nothing_behind,
                a_rewound_instance_does_not_expire,
            }
            concurrency {
                callers_do_not_disturb_each_other,
                an_id_is_created_once,
                every_message_gets_its_own_position,
                a_call_is_taken_once,
                a_turn_is_committed_once,
                a_batch_is_seen_whole,
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __shared_cases {
    ($($mode:tt)*) => {
        $crate::__conformance_expand! { [$($mode)*]
            sharing {
                a_heartbeat_tells_the_time,
                a_living_owner_keeps_its_instances,
                a_dead_owner_loses_its_instances,
                a_heartbeat_brings_a_worker_back,
                a_dead_worker_may_commit_what_nobody_has_taken,
                a_drained_worker_is_not_known,
                what_is_ready_is_taken_by_one,
                only_what_can_run_is_taken,
                versions_compare_by_their_numbers,
                a_heartbeat_tells_of_what_its_worker_can_run,
                only_calls_that_can_run_are_taken,
                a_living_runner_keeps_its_calls,
                a_claim_can_be_resubmitted_after_a_time_of_death,
                a_turn_needs_the_claims_of_its_results,
                a_result_takes_an_instance_from_a_dead_owner,
                a_message_names_the_living_owner,
                what_is_removed_names_the_living_owner,
                a_watched_instance_says_so,
                a_wait_follows_the_id,
                a_heartbeat_tells_what_has_ended,
                a_heartbeat_tells_which_own_instances_have_something_to_do,
                messages_are_read_from_a_position_on,
                a_due_timer_needs_an_owner,
                timers_go_with_their_instances,
                hints_reach_who_listens,
            }
        }
    };
}

#[cfg(test)]
mod tests {
    /// The list must not forget a case that somebody writes.
    #[test]
    fn every_case_is_listed() {
        let sources = [
            ("instances", include_str!("instances.rs")),
            ("turns", include_str!("turns.rs")),
            ("children", include_str!("children.rs")),
            ("outgoing", include_str!("outgoing.rs")),
            ("continuations", include_str!("continuations.rs")),
            ("messages", include_str!("messages.rs")),
            ("activities", include_str!("activities.rs")),
            ("timers", include_str!("timers.rs")),
            ("claims", include_str!("claims.rs")),
            ("queries", include_str!("queries.rs")),
            ("rewind", include_str!("rewind.rs")),
            ("purge", include_str!("purge.rs")),
            ("concurrency", include_str!("concurrency.rs")),
            ("sharing", include_str!("sharing.rs")),
        ];
        let written = sources.iter().flat_map(|(area, source)| {
            let names = source.lines().filter_map(|line| line.strip_prefix("pub async fn ")?.split_once('('));
            names.map(move |(name, _)| format!("{area}::{name}"))
        });
        let listed: Vec<_> =
            super::cases().iter().chain(&super::shared_cases()).map(|case| format!("{case:?}")).collect();
        assert_eq!(listed, written.collect::<Vec<_>>());
    }
}
