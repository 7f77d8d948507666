//! Signed links: each is good for one operation on one instance, until it expires.
//!
//! A signature stands where the key would stand, so that callers treat both alike:
//! `code=sl1.{expiry in seconds since 1970}.{HMAC-SHA256 in hex}`. It covers the hub, the operation, the instance and the
//! expiry. No two instances share an id with a line break in it, since ids have no control characters.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use durable_core::model::TaskHubName;
use hmac::Mac;

use super::Keys;
use super::keys::mac;
use crate::router::Route;

const PREFIX: &str = "sl1";

/// The code of a link to one operation on one instance.
pub(crate) fn sign(key: &str, hub: &TaskHubName, operation: &str, instance: &str, valid_for: Duration) -> String {
    let expires = seconds(SystemTime::now()).saturating_add(valid_for.as_secs());
    let signature = mac(key.as_bytes(), message(hub, operation, instance, expires).as_bytes()).finalize().into_bytes();
    let mut code = format!("{PREFIX}.{expires}.");
    for byte in signature {
        // Writing to a string cannot fail.
        let _ = write!(code, "{byte:02x}");
    }
    code
}

/// True when `code` was made for this route by one of these keys, and has not expired.
pub(super) fn is_valid(keys: &Keys, code: &str, route: Route<'_>, hub: &TaskHubName, now: SystemTime) -> bool {
    let Some((operation, instance)) = route.operation() else { return false };
    let mut parts = code.split('.');
    let (Some(PREFIX), Some(expires), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let (Ok(expires), Some(signature)) = (expires.parse(), from_hex(signature)) else { return false };
    if seconds(now) >= expires {
        return false;
    }
    let message = message(hub, operation, instance, expires);
    keys.any(|key| mac(key, message.as_bytes()).verify_slice(&signature).is_ok())
}

fn message(hub: &TaskHubName, operation: &str, instance: &str, expires: u64) -> String {
    format!("durable link\n{}\n{operation}\n{instance}\n{expires}", hub.as_str().to_ascii_lowercase())
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        let keys = Keys::new();
        keys.set("a", "first-secret").unwrap();
        keys.set("b", "second-secret").unwrap();
        keys
    }

    #[test]
    fn a_link_is_good_for_one_operation_on_one_instance_until_it_expires() {
        let (keys, hub, now) = (keys(), TaskHubName::default(), SystemTime::now());
        let minute = Duration::from_secs(60);
        let code = sign("second-secret", &hub, "status", "i1", minute);
        let valid = |code: &str, route, now| is_valid(&keys, code, route, &hub, now);
        assert!(valid(&code, Route::Status { id: "i1" }, now));
        assert!(!valid(&code, Route::Status { id: "i2" }, now), "another instance");
        assert!(!valid(&code, Route::Purge { id: "i1" }, now), "another operation");
        assert!(!valid(&code, Route::List, now), "no operation on an instance");
        assert!(!valid(&code, Route::Status { id: "i1" }, now + minute), "expired");
        let other = TaskHubName::new("OtherHub").unwrap();
        assert!(!is_valid(&keys, &code, Route::Status { id: "i1" }, &other, now), "another hub");
        keys.remove("b");
        assert!(!valid(&code, Route::Status { id: "i1" }, now), "a key that is gone");
    }

    #[test]
    fn what_was_changed_is_not_valid() {
        let (keys, hub, now) = (keys(), TaskHubName::default(), SystemTime::now());
        let code = sign("first-secret", &hub, "status", "i1", Duration::from_secs(60));
        let (start, signature) = code.rsplit_once('.').unwrap();
        let flipped = if signature.ends_with('0') { "1" } else { "0" };
        let expires: u64 = start.split_once('.').unwrap().1.parse().unwrap();
        for changed in [
            format!("{start}.{}{flipped}", &signature[..63]),
            format!("sl1.{}.{signature}", expires + 1),
            format!("sl2.{expires}.{signature}"),
            format!("{start}.{}", &signature[..62]),
            format!("{start}.{signature}00"),
            format!("{start}.{signature}.0"),
            format!("{start}."),
            format!("{start}.zz"),
            format!("sl1.99999999999999999999999.{signature}"),
            "sl1..".to_owned(),
            String::new(),
            "é.é.é".to_owned(),
        ] {
            assert!(!is_valid(&keys, &changed, Route::Status { id: "i1" }, &hub, now), "{changed}");
        }
        assert!(is_valid(&keys, &code, Route::Status { id: "i1" }, &hub, now));
    }
}
