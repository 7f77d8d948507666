//! Hints from one worker to another, by LISTEN and NOTIFY.
//!
//! They never ride in a transaction that writes something else: a notification takes a lock that the whole server shares
//! until its transaction is durable, and group commit would stop there. Here it is a transaction of its own that nobody waits
//! for the disk with.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client};

use super::address::Address;
use super::connection::Connection;
use super::error::Result;
use crate::backend::{InstanceKey, Notice, NoticeSender, Notices, WorkerId};

/// A notification has less than 8,000 bytes.
const MOST_BYTES: usize = 7_000;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The name of the channel for all workers of a hub. Names of channels have the length of other names, which that of a schema
/// may have by itself.
fn channel(schema: &str) -> String {
    let hash = Sha256::digest(schema);
    let hex: String = hash[..10].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("durable_{hex}")
}

fn channel_of(schema: &str, worker: WorkerId) -> String {
    format!("{}_{}", channel(schema), worker.0)
}

pub(super) async fn notify(connection: &Connection, schema: &str, notices: &[Notice]) -> Result<()> {
    let (mut channels, mut texts) = (Vec::new(), Vec::new());
    let mut add = |channel: String, text: String| {
        channels.push(channel);
        texts.push(text);
    };
    for notice in notices {
        match notice {
            Notice::Messages(worker, keys) => {
                texts_of("m", keys.iter().map(|key| key.0.to_string()), |text| add(channel_of(schema, *worker), text));
            }
            Notice::Gone(worker, keys) => {
                texts_of("g", keys.iter().map(|key| key.0.to_string()), |text| add(channel_of(schema, *worker), text));
            }
            Notice::Work { instances, calls } => {
                add(channel(schema), format!("w{}{}", u8::from(*instances), u8::from(*calls)));
            }
            Notice::Changed(ids) => {
                // A line break is no part of an id, and escaped in JSON.
                let ids = ids.iter().filter_map(|id| serde_json::to_string(id).ok());
                texts_of("c", ids, |text| add(channel(schema), text));
            }
            Notice::Missed => add(channel(schema), "?".to_owned()),
        }
    }
    if !texts.is_empty() {
        let sql = "SELECT pg_notify(u.channel, u.text) FROM unnest($1::text[], $2::text[]) AS u (channel, text)";
        connection.query(sql, &[&channels, &texts]).await?;
    }
    Ok(())
}

/// Puts parts together to texts that are not too long.
fn texts_of(kind: &str, parts: impl Iterator<Item = String>, mut add: impl FnMut(String)) {
    let mut text = String::new();
    for part in parts {
        if text.len() + part.len() > MOST_BYTES && !text.is_empty() {
            add(std::mem::take(&mut text));
        }
        if part.len() > MOST_BYTES {
            // Somebody should look at everything, then.
            add("?".to_owned());
            continue;
        }
        text.push_str(if text.is_empty() { kind } else { "\n" });
        text.push_str(&part);
    }
    if !text.is_empty() {
        add(text);
    }
}

/// What a text means for a worker. One of a newer version means that it should look at everything.
fn notice(worker: WorkerId, text: &str) -> Notice {
    let keys = |text: &str| text.lines().map(|key| key.parse().map(InstanceKey)).collect::<std::result::Result<_, _>>();
    let known = match text.split_at_checked(1) {
        Some(("m", keys_)) => keys(keys_).ok().map(|keys| Notice::Messages(worker, keys)),
        Some(("g", keys_)) => keys(keys_).ok().map(|keys| Notice::Gone(worker, keys)),
        Some(("w", flags)) => Some(Notice::Work { instances: flags.starts_with('1'), calls: flags.ends_with('1') }),
        Some(("c", ids)) => {
            ids.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>().ok().map(Notice::Changed)
        }
        _ => None,
    };
    known.unwrap_or(Notice::Missed)
}

/// Listens until nobody hears it any more, whatever becomes of the connection meanwhile.
pub(super) async fn listen(address: Arc<Address>, worker: WorkerId) -> Result<Notices> {
    let (sender, notices) = Notices::channel();
    let mut ear = Ear::open(&address, worker).await?;
    tokio::spawn(async move {
        while ear.pass_on(&address, worker, &sender).await {
            let Some(again) = reopen(&address, worker, &sender).await else { return };
            ear = again;
            if !sender.send(Notice::Missed) {
                return;
            }
        }
    });
    Ok(notices)
}

/// A connection that listens.
struct Ear {
    /// As long as this is there, so is the connection.
    _client: Client,
    /// How much was doubted of the server when it was made.
    doubts: u64,
    heard: mpsc::UnboundedReceiver<String>,
}

impl Ear {
    async fn open(address: &Address, worker: WorkerId) -> Result<Self> {
        let (told, heard) = mpsc::unbounded_channel();
        let tell = move |message| {
            if let AsyncMessage::Notification(notification) = message {
                let _ = told.send(notification.payload().to_owned());
            }
        };
        let (doubts, schema) = (address.doubts(), address.schema());
        let listen = format!("LISTEN {}; LISTEN {}", channel(schema), channel_of(schema, worker));
        let (client, _) = address.client(&listen, tell).await?;
        Ok(Self { _client: client, doubts, heard })
    }

    /// True when the connection is lost or the server doubted, false when nobody listens.
    async fn pass_on(&mut self, address: &Address, worker: WorkerId, sender: &NoticeSender) -> bool {
        loop {
            tokio::select! {
                () = sender.closed() => return false,
                () = address.doubted(self.doubts) => return true,
                text = self.heard.recv() => match text {
                    Some(text) if sender.send(notice(worker, &text)) => {}
                    Some(_) => return false,
                    None => return true,
                },
            }
        }
    }
}

/// `None` when nobody listens any more.
async fn reopen(address: &Address, worker: WorkerId, sender: &NoticeSender) -> Option<Ear> {
    let mut pause = FIRST_PAUSE;
    loop {
        match Ear::open(address, worker).await {
            Ok(ear) => return Some(ear),
            Err(failure) => {
                let error = failure.of_hub(address.place());
                tracing::debug!(%error, "PostgreSQL cannot be listened to, trying again");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = sender.closed() => return None,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(kind: &str, parts: &[String]) -> Vec<Notice> {
        let mut notices = Vec::new();
        texts_of(kind, parts.iter().cloned(), |text| {
            assert!(text.len() < 8_000);
            notices.push(notice(WorkerId(7), &text));
        });
        notices
    }

    #[test]
    fn hints_come_out_as_they_went_in() {
        let keys: Vec<_> = (0..5_000).map(|key| InstanceKey(key * 1_000_003)).collect();
        let texts: Vec<_> = keys.iter().map(|key| key.0.to_string()).collect();
        let heard = there_and_back("m", &texts).into_iter().flat_map(|notice| match notice {
            Notice::Messages(WorkerId(7), keys) => keys,
            other => panic!("{other:?}"),
        });
        assert_eq!(heard.collect::<Vec<_>>(), keys);
        let ids = ["a\n\"b\"".to_owned(), "\u{20ac}".to_owned(), String::new()];
        let texts = ids.each_ref().map(|id| serde_json::to_string(id).unwrap());
        assert_eq!(there_and_back("c", &texts), [Notice::Changed(ids.to_vec())]);
    }

    #[test]
    fn what_is_too_long_or_unknown_is_a_reason_to_look() {
        assert_eq!(there_and_back("c", &["x".repeat(9_000)]), [Notice::Missed]);
        assert_eq!(notice(WorkerId(7), "zebra"), Notice::Missed);
        assert_eq!(notice(WorkerId(7), ""), Notice::Missed);
        assert_eq!(notice(WorkerId(7), "m1\nx"), Notice::Missed);
    }

    #[test]
    fn work_says_of_what() {
        for (instances, calls) in [(true, false), (false, true), (true, true)] {
            let text = format!("w{}{}", u8::from(instances), u8::from(calls));
            assert_eq!(notice(WorkerId(7), &text), Notice::Work { instances, calls });
        }
    }
}
