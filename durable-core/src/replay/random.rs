//! Replay-stable random numbers.

use std::collections::HashMap;
use std::ops::Range;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use super::handle::ReplayHandle;
use crate::history::ExecutionHeader;

/// The random streams of one execution. Each has its own seed, so that a draw from one never shifts another.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// Made when the first number is drawn.
    seed: Option<[u8; 32]>,
    streams: HashMap<String, ChaCha12Rng>,
}

impl Streams {
    fn next(&mut self, header: &ExecutionHeader, name: &str) -> u64 {
        if let Some(stream) = self.streams.get_mut(name) {
            return stream.next_u64();
        }
        let of_execution = *self.seed.get_or_insert_with(|| {
            let (instance, execution) = (header.instance.as_str(), header.execution.as_str());
            Sha256::new().chain_update(instance).chain_update([0]).chain_update(execution).finalize().into()
        });
        let seed: [u8; 32] = Sha256::new().chain_update(of_execution).chain_update(name).finalize().into();
        let mut stream = ChaCha12Rng::from_seed(seed);
        let value = stream.next_u64();
        self.streams.insert(name.to_owned(), stream);
        value
    }
}

/// A source of random numbers that gives the same ones in every replay.
///
/// The numbers are those of ChaCha12 seeded from instance, execution and stream name. They are not secret.
///
/// # Determinism
///
/// Draws count: a changed number of draws from a stream is a change of the orchestrator. Named streams are independent
/// of each other.
#[derive(Debug, Clone)]
pub struct DurableRng {
    handle: ReplayHandle,
    stream: String,
}

impl DurableRng {
    pub(super) fn new(handle: ReplayHandle, stream: String) -> Self {
        Self { handle, stream }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.handle.with_streams(|header, streams| streams.next(header, &self.stream))
    }

    /// 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    /// A number from 0 up to, but not including, 1.
    pub fn next_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number of the range.
    ///
    /// # Panics
    ///
    /// When the range is empty.
    pub fn random_range(&mut self, range: Range<u64>) -> u64 {
        assert!(!range.is_empty(), "the range {range:?} is empty");
        let width = u128::from(range.end - range.start);
        range.start + ((u128::from(self.next_u64()) * width) >> 64) as u64
    }

    /// Shuffles a slice.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.random_range(0..last as u64 + 1) as usize);
        }
    }
}
