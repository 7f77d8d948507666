//! The well-known demo functions of Durable Functions, under their own names and routes.

mod approval;
mod characters;
mod lookup;
mod messages;
mod stand_in;

use durable_core::hub::TaskHubBuilder;

pub use self::lookup::Lookup;
pub use self::stand_in::StandIn;

/// Adds every orchestrator and activity; `lookup` is where the public data comes from.
pub fn functions(hub: TaskHubBuilder, lookup: Lookup) -> TaskHubBuilder {
    hub.state(lookup)
        .orchestrator(messages::hello_world)
        .orchestrator(messages::hello_name)
        .orchestrator(messages::long_running)
        .orchestrator(messages::large_message)
        .orchestrator(messages::never_ending)
        .orchestrator(messages::failing)
        .activity(messages::hello_name_activity)
        .activity(messages::sleep_activity)
        .activity(messages::large_message_activity)
        .activity(messages::failing_activity)
        .orchestrator(characters::get_character_info)
        .orchestrator(characters::get_planet_residents)
        .activity(characters::search_character)
        .activity(characters::search_planet)
        .activity(characters::get_character)
        .activity(characters::get_planet)
        .activity(characters::get_species)
        .activity(characters::get_film)
        .orchestrator(approval::single_approval)
        .orchestrator(approval::single_approval_with_timeout)
        .orchestrator(approval::multiple_approval)
        .activity(approval::queue_approval)
}
