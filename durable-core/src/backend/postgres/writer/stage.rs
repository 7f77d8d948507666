//! What becomes of a write before its stage is written.

use super::super::claim::ActivityClaim;
use crate::backend::Written;

/// The answer to a write.
pub(in super::super) enum Answer {
    Known(Written),
    /// What the server finds to claim.
    Activities(ActivityClaim),
}

impl From<Written> for Answer {
    fn from(written: Written) -> Self {
        Self::Known(written)
    }
}
