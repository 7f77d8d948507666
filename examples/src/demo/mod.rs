//! What the demo runs.

mod approval;
mod basics;
mod flaky;
mod hello;
mod order;

use durable_core::hub::TaskHubBuilder;

/// Adds every orchestrator and activity of the demo.
pub fn functions(hub: TaskHubBuilder) -> TaskHubBuilder {
    hub.orchestrator(hello::hello_cities)
        .activity(hello::say_hello)
        .orchestrator(basics::fan_out)
        .activity(basics::square)
        .orchestrator(basics::echo)
        .orchestrator(basics::sleep)
        .orchestrator(basics::relay)
        .orchestrator(approval::approval)
        .orchestrator(flaky::flaky)
        .activity(flaky::deliver)
        .state(flaky::Outage::default())
        .orchestrator(order::order)
        .activity(order::reserve_stock)
        .activity(order::charge_card)
        .activity(order::release_stock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use durable_core::prelude::*;

    #[tokio::test]
    async fn all_functions_fit_into_one_hub() {
        let hub = functions(TaskHub::builder()).backend(Memory::new()).start().await.unwrap();
        let names: Vec<_> = hub.orchestrators().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["approval", "echo", "fan_out", "flaky", "hello_cities", "order", "relay", "sleep"]);
    }
}
