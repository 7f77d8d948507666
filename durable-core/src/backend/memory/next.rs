//! Going on in another execution.

use super::schema::Instance;
use crate::backend::NextExecution;

impl Instance {
    /// What belongs to the instance stays: its calls, its custom status, and the messages that no turn has consumed and that are
    /// about no task of the execution that ends.
    pub(super) fn continue_as(&mut self, next: &NextExecution) {
        let row = &mut self.row;
        row.execution.clone_from(&next.execution);
        row.version.clone_from(&next.version);
        row.input = next.input.clone();
        row.generation = next.generation;
        row.history_len = 0;
        self.history.clear();
        self.inbox.retain(|_, row| row.event.task_id.is_none());
        self.inbox.extend(next.carried.iter().map(|carried| (carried.seq, carried.clone())));
    }
}
