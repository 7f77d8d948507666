//! A saga: what was done is undone when a later step fails.

use durable_core::prelude::*;
use serde::{Deserialize, Serialize};

/// The most that a card may be charged.
const CARD_LIMIT: f64 = 1000.0;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    amount: f64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Receipt {
    amount: f64,
    reservation: String,
}

/// Why a payment failed. The orchestrator gets it back as this type.
#[derive(Debug, Serialize, Deserialize, thiserror::Error, Failure)]
pub(super) enum PaymentError {
    #[error("the payment of {amount} was declined")]
    #[failure(non_retriable)]
    Declined {
        amount: f64,
        #[source]
        cause: LimitExceeded,
    },
}

#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("the card's limit is {limit}")]
pub(super) struct LimitExceeded {
    limit: f64,
}

#[activity]
pub(super) async fn reserve_stock(ctx: ActivityContext, _order: Order) -> String {
    // The same in each run of this call, so a second run reserves nothing more.
    ctx.idempotency_key()
}

#[activity]
pub(super) async fn charge_card(order: Order) -> Result<(), PaymentError> {
    if order.amount > CARD_LIMIT {
        let cause = LimitExceeded { limit: CARD_LIMIT };
        return Err(PaymentError::Declined { amount: order.amount, cause });
    }
    Ok(())
}

#[activity]
pub(super) async fn release_stock(reservation: String) -> String {
    format!("released {reservation}")
}

/// Reserves stock and charges the card; when that fails, gives the stock back and fails with the payment's error.
#[orchestrator]
pub(super) async fn order(ctx: OrchestrationContext, order: Order) -> Result<Receipt, OrchestratorError> {
    let reservation = ctx.call_activity(reserve_stock, order.clone()).await?;
    if let Err(error) = ctx.call_activity(charge_card, order.clone()).await {
        ctx.set_custom_status("compensating")?;
        ctx.call_activity(release_stock, reservation).await?;
        ctx.set_custom_status("compensated")?;
        return Err(error);
    }
    Ok(Receipt { amount: order.amount, reservation })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(amount: f64) -> Result<Receipt, OrchestratorError> {
        let hub = crate::demo::functions(TaskHub::builder()).backend(Memory::new()).start().await.unwrap();
        hub.client().start(order, Order { amount }).await?.output().await
    }

    #[tokio::test]
    async fn a_small_order_is_paid() {
        assert!((run(999.0).await.unwrap().amount - 999.0).abs() < f64::EPSILON);
    }

    #[tokio::test]
    async fn a_large_order_is_undone_and_its_error_keeps_type_and_cause() {
        let error = run(1500.0).await.unwrap_err();
        assert_eq!(
            format!("{:#}", error.details()),
            "activity 'charge_card' failed: the payment of 1500 was declined: the card's limit is 1000"
        );
        let PaymentError::Declined { amount, cause } = error.downcast().unwrap();
        assert!(amount > cause.limit);
    }
}
