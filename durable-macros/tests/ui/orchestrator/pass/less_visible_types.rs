//! Types that only a part of the crate sees, in every place of a signature.

mod inner {
    use durable_core::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    pub(super) struct Order(u32);

    #[activity]
    pub(super) async fn plain(order: Order) -> Order {
        order
    }

    #[orchestrator]
    pub(super) async fn value(_ctx: OrchestrationContext, order: Order) -> Order {
        order
    }

    #[orchestrator]
    pub(super) async fn result(_ctx: OrchestrationContext, order: Order) -> Result<Order, OrchestratorError> {
        Ok(order)
    }

    #[orchestrator]
    pub(super) async fn next(_ctx: OrchestrationContext, order: Order) -> Result<Next<Order, Order>, OrchestratorError> {
        Ok(Next::Complete(order))
    }

    type Step = Next<Order, Order>;

    #[orchestrator]
    pub(super) async fn alias(_ctx: OrchestrationContext, order: Order) -> Result<Step, OrchestratorError> {
        Ok(Next::Complete(order))
    }
}

fn main() {
    use durable_core::prelude::TaskHub;
    let hub = TaskHub::builder().activity(inner::plain).orchestrator(inner::value);
    let _ = hub.orchestrator(inner::result).orchestrator(inner::next).orchestrator(inner::alias);
}
