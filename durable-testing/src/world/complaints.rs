//! What was found wrong, and how much of it is told.

use durable_core::model::InstanceId;

/// What was found wrong, in order.
#[derive(Debug, Default)]
pub(super) struct Complaints(Vec<(InstanceId, String)>);

impl Complaints {
    /// What is found again and again is kept once.
    pub(super) fn add(&mut self, instance: &InstanceId, complaint: String) {
        if !self.0.iter().any(|(_, known)| *known == complaint) {
            self.0.push((instance.clone(), complaint));
        }
    }

    /// The first of all.
    pub(super) fn first(&self) -> Option<&str> {
        self.0.first().map(|(_, complaint)| complaint.as_str())
    }

    /// The first complaint of each instance, with the number of the others: mostly they follow from it.
    pub(super) fn tell(self, all: bool) -> Vec<String> {
        let Self(complaints) = self;
        if all {
            return complaints.into_iter().map(|(_, complaint)| complaint).collect();
        }
        let mut told: Vec<(InstanceId, String, usize)> = Vec::new();
        for (instance, complaint) in complaints {
            match told.iter_mut().find(|(known, ..)| *known == instance) {
                Some((.., others)) => *others += 1,
                None => told.push((instance, complaint, 0)),
            }
        }
        let text = |(instance, complaint, others): (InstanceId, String, usize)| match others {
            0 => complaint,
            _ => format!("{complaint}\n({others} more of '{instance}': `all_complaints` of the builder shows them)"),
        };
        told.into_iter().map(text).collect()
    }
}
