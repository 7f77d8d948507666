//! Maps whose keys are numbers that we give out ourselves.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by sequence numbers. Nobody outside chooses the keys, so a hash need not be safe against keys that collide on purpose.
pub(crate) type NumberMap<K, V> = HashMap<K, V, NumberHash>;

/// The hash of such a map.
pub(crate) type NumberHash = BuildHasherDefault<NumberHasher>;

/// Spreads consecutive numbers over all bits.
#[derive(Debug, Default)]
pub(crate) struct NumberHasher(u64);

impl NumberHasher {
    /// An odd number without a pattern: 2^64 divided by the golden ratio.
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
}

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number.cast_unsigned());
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(Self::FACTOR);
    }

    fn finish(&self) -> u64 {
        // The map takes its places from the low bits, and the product is best in the high ones.
        self.0.rotate_left(26)
    }
}
