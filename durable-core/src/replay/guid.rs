//! Replay-stable GUIDs, the same as those of the .NET SDK.

use uuid::Uuid;

use crate::model::{InstanceId, Timestamp};

/// The namespace that `TaskOrchestrationContext.NewGuid` of durabletask-dotnet uses.
const NAMESPACE: Uuid = Uuid::from_u128(0x9e95_2958_5e33_4daf_827f_2fa1_2937_b875);

/// The GUID number `counter` of an instance at `now`: a name-based UUID of version 5.
///
/// Turn times of an instance grow strictly, over all its executions, so no two of its GUIDs are equal.
pub(super) fn guid(instance: &InstanceId, now: Timestamp, counter: u32) -> Uuid {
    let name = format!("{instance}_{}_{counter}", now.to_round_trip_string());
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// The UUID of version 5 that stands for a text, as 32 hexadecimal digits.
pub(crate) fn digest(text: &str) -> String {
    Uuid::new_v5(&NAMESPACE, text.as_bytes()).simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_vectors_of_the_dotnet_sdk() {
        let instance = InstanceId::new("abc").unwrap();
        let now: Timestamp = "2024-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(guid(&instance, now, 0).to_string(), "80835b95-20cf-5cec-8922-92309c9a2bb6");
        assert_eq!(guid(&instance, now, 1).to_string(), "cd0470d7-c0a8-58a1-a46d-6f710b2e976a");
    }
}
