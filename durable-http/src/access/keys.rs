//! Keys with names, which can be changed while a server runs.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::RwLock;
use sha2::Sha256;

use crate::setting_error::InvalidSetting;

/// What presented keys are hashed with before they are compared, so that the comparison says nothing about their length.
const COMPARISON: &[u8] = b"durable-http key comparison";
/// Shorter keys are accepted and warned about.
const SHORT: usize = 16;

/// The keys that let callers in: any of them in the query parameter `code`, or in the header `x-functions-key`.
///
/// Each has a name, so that one can be replaced while the server runs and without an interruption: set the new one, let
/// links carry it, and remove the old one when nobody uses it any more. Clones share the keys. Keys are compared in constant
/// time, and are not part of any log or `Debug` output.
///
/// ```
/// use durable_http::Keys;
///
/// let keys = Keys::new();
/// keys.set("2026", "an-old-and-secret-word")?;
/// // Later, in the running server:
/// keys.set("2027", "another-secret-word")?;
/// assert!(keys.use_for_links("2027"));
/// keys.remove("2026");
/// assert_eq!(keys.names(), ["2027"]);
/// # Ok::<_, durable_http::InvalidSetting>(())
/// ```
///
/// Without a single key nobody is let in.
#[derive(Clone, Default)]
pub struct Keys(Arc<RwLock<Vec<Key>>>);

struct Key {
    name: String,
    secret: String,
    /// What a presented key must hash to.
    tag: Vec<u8>,
}

impl Keys {
    /// No keys yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the key of this name. The first one is carried by links.
    ///
    /// # Errors
    ///
    /// The key is empty, or has other characters than the visible ones of ASCII: it could not be sent in a header.
    pub fn set(&self, name: &str, secret: &str) -> Result<(), InvalidSetting> {
        if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidSetting::key(name));
        }
        if secret.len() < SHORT {
            tracing::warn!(key = name, "this key is shorter than {SHORT} characters and can be guessed");
        }
        let tag = comparison(secret.as_bytes()).finalize().into_bytes().to_vec();
        let key = Key { name: name.to_owned(), secret: secret.to_owned(), tag };
        let mut keys = self.0.write();
        match keys.iter_mut().find(|known| known.name == name) {
            Some(known) => *known = key,
            None => keys.push(key),
        }
        Ok(())
    }

    /// Removes the key of this name; false when there is none.
    #[expect(clippy::must_use_candidate, reason = "most callers only want it to be gone")]
    pub fn remove(&self, name: &str) -> bool {
        let mut keys = self.0.write();
        let before = keys.len();
        keys.retain(|key| key.name != name);
        keys.len() < before
    }

    /// Lets links carry the key of this name from now on; false when there is none.
    #[must_use]
    pub fn use_for_links(&self, name: &str) -> bool {
        let mut keys = self.0.write();
        let Some(at) = keys.iter().position(|key| key.name == name) else { return false };
        keys[..=at].rotate_right(1);
        true
    }

    /// The names, that of links first.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.read().iter().map(|key| key.name.clone()).collect()
    }

    /// True when this is one of the keys. It takes the same time for each.
    pub(crate) fn has(&self, presented: &[u8]) -> bool {
        let presented = comparison(presented);
        self.0.read().iter().fold(false, |found, key| presented.clone().verify_slice(&key.tag).is_ok() | found)
    }

    /// The key that links carry.
    pub(crate) fn for_links(&self) -> Option<String> {
        self.0.read().first().map(|key| key.secret.clone())
    }

    /// True when one of the keys makes `fits` true.
    pub(crate) fn any(&self, fits: impl Fn(&[u8]) -> bool) -> bool {
        self.0.read().iter().fold(false, |found, key| fits(key.secret.as_bytes()) | found)
    }
}

fn comparison(secret: &[u8]) -> Hmac<Sha256> {
    mac(COMPARISON, secret)
}

/// The beginning of an authentication code: of `message`, under `key`.
pub(super) fn mac(key: &[u8], message: &[u8]) -> Hmac<Sha256> {
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(key) else { unreachable!("HMAC takes keys of any length") };
    mac.chain_update(message)
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keys").field(&self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_key_lets_in_and_the_first_is_for_links() {
        let keys = Keys::new();
        assert!(!keys.has(b""), "no key lets nobody in");
        keys.set("old", "a secret?").unwrap_err();
        keys.set("old", "old-secret").unwrap();
        keys.set("new", "new-secret").unwrap();
        assert!(keys.has(b"old-secret") && keys.has(b"new-secret"));
        assert!(!keys.has(b"old-secre") && !keys.has(b"old-secret2") && !keys.has(b""));
        assert_eq!(keys.for_links().as_deref(), Some("old-secret"));
        assert!(keys.use_for_links("new") && !keys.use_for_links("other"));
        assert_eq!(keys.for_links().as_deref(), Some("new-secret"));
        assert!(keys.remove("old") && !keys.remove("old"));
        assert!(!keys.has(b"old-secret"));
    }

    #[test]
    fn a_key_of_the_same_name_replaces_the_old_one() {
        let keys = Keys::new();
        keys.set("a", "first").unwrap();
        keys.set("a", "second").unwrap();
        assert!(keys.has(b"second") && !keys.has(b"first"));
        assert_eq!(keys.names(), ["a"]);
    }

    #[test]
    fn a_key_is_never_shown() {
        let keys = Keys::new();
        keys.set("a", "hush-hush").unwrap();
        assert_eq!(format!("{keys:?}"), r#"Keys(["a"])"#);
        let error = keys.set("b", "hush\nhush").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
    }
}
