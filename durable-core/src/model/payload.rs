//! JSON texts that travel through the system untouched.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// One JSON value, kept byte for byte as it came in.
///
/// Inputs, outputs, events and custom states are payloads. A payload is checked once when it enters the system, parsed
/// once in user code, and never re-encoded in between. Cloning is cheap.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Arc<str>);

thread_local! {
    /// Where values are encoded before it is known how long they are.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What is larger is not kept.
const MOST_SCRATCH: usize = 64 << 10;

impl Payload {
    /// Takes a JSON text over; white space around the value is removed.
    ///
    /// # Errors
    ///
    /// [`InvalidPayload`] when the text is not exactly one JSON value.
    pub fn from_json(text: impl AsRef<str>) -> Result<Self, InvalidPayload> {
        let text = text.as_ref();
        serde_json::from_str::<&RawValue>(text).map_err(InvalidPayload)?;
        Ok(Self(text.trim().into()))
    }

    /// Encodes a value.
    ///
    /// # Errors
    ///
    /// [`InvalidPayload`] when the value has no JSON form, for example a map with keys that are not strings.
    pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Self, InvalidPayload> {
        // Taken out while it is used: the encoding of a value may encode others.
        let mut scratch = SCRATCH.take();
        scratch.clear();
        let encoded = serde_json::to_writer(&mut scratch, value).map_err(InvalidPayload);
        let text = encoded.and_then(|()| {
            std::str::from_utf8(&scratch).map_err(|error| InvalidPayload(serde::ser::Error::custom(error)))
        });
        let payload = text.map(|text| Self(text.into()));
        if scratch.capacity() <= MOST_SCRATCH {
            SCRATCH.set(scratch);
        }
        payload
    }

    /// Decodes the value. The error of a mismatch says at which path of the JSON it lies.
    ///
    /// # Errors
    ///
    /// [`InvalidPayload`] when the JSON does not fit `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, InvalidPayload> {
        // The path costs time, so it is looked for only when there is an error.
        if let Ok(value) = serde_json::from_str(&self.0) {
            return Ok(value);
        }
        let mut reader = serde_json::Deserializer::from_str(&self.0);
        serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            let inner = error.into_inner();
            if path == "." {
                InvalidPayload(inner)
            } else {
                InvalidPayload(serde::de::Error::custom(format!("{path}: {inner}")))
            }
        })
    }

    /// A JSON text that a store kept for us, which was checked before it went in.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The payload `null`.
    #[must_use]
    pub fn null() -> Self {
        static NULL: LazyLock<Payload> = LazyLock::new(|| Payload("null".into()));
        NULL.clone()
    }

    /// True for the payload `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        &*self.0 == "null"
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True when both are the same value, whatever the order of their object keys and their white space.
    ///
    /// A `HashMap` encodes its entries in another order in every process; this is what makes such an input comparable.
    #[must_use]
    pub fn same_value(&self, other: &Self) -> bool {
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        self == other || parse(&self.0).is_some_and(|value| parse(&other.0) == Some(value))
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self(raw.get().into()))
    }
}

/// A text that is not JSON, or JSON that does not fit the type that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPayload(serde_json::Error);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_kept() {
        let text = r#"{"b": 1.50, "a":  [ ] }"#;
        assert_eq!(Payload::from_json(text).unwrap().as_str(), text);
    }

    #[test]
    fn exactly_one_value_is_accepted() {
        for bad in ["", "  ", "{", "1 2", "nul", "\u{feff}1"] {
            assert!(Payload::from_json(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_mismatch_names_its_path() {
        #[derive(Debug, Deserialize)]
        struct Order {
            #[expect(dead_code, reason = "only its type matters")]
            items: Vec<u32>,
        }
        let error = Payload::from_json(r#"{"items":[1,"two"]}"#).unwrap().decode::<Order>().unwrap_err();
        assert!(error.to_string().starts_with("items[1]: invalid type: string"), "{error}");
    }

    #[test]
    fn key_order_does_not_make_a_value_differ() {
        let a = Payload::from_json(r#"{"a":1,"b":2}"#).unwrap();
        assert!(a.same_value(&Payload::from_json(r#"{"b":2, "a":1}"#).unwrap()));
        assert!(!a.same_value(&Payload::from_json(r#"{"b":1,"a":1}"#).unwrap()));
    }
}
