//! The futures of pure calls by their keys, so that the same call is submitted once (memoisation).

use super::future::FutureHandle;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Weak;

/// Number of parts into which the map from keys to futures is split. A map that grows moves all its entries to other
/// places of the memory. With a million keys, a part fits into a processor's cache, and moving one part does not delay
/// a submission for long.
const PARTS: usize = 64;
/// The lowest of the bits of a key that choose its part of the map. Within a part, the hash map uses the lowest and the
/// highest bits, so other bits choose the part.
const SHIFT: u32 = 48;

type Part = HashMap<u64, Weak<FutureHandle>, BuildHasherDefault<DigestHasher>>;

/// The futures of all pure calls, by the lower half of their keys. The handle of each future has the whole key, for the
/// comparison.
pub(crate) struct PureCalls(Vec<Part>);

/// A hasher that returns the key itself: keys are hashes of a call already.
#[derive(Default)]
pub(crate) struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

impl Default for PureCalls {
    fn default() -> Self {
        PureCalls((0..PARTS).map(|_| Part::default()).collect())
    }
}

impl PureCalls {
    fn part(&mut self, key: u128) -> &mut Part {
        &mut self.0[(key as u64 >> SHIFT) as usize % PARTS]
    }

    /// The entry for the future of a pure call, found by the lower half of its key. The caller has to compare the whole
    /// key.
    pub(crate) fn entry(&mut self, key: u128) -> Entry<'_, u64, Weak<FutureHandle>> {
        self.part(key).entry(key as u64)
    }

    /// The future of a pure call whose key has the same lower half as `key`; `None` if there is none. The caller has to
    /// compare the whole key.
    pub(crate) fn get(&mut self, key: u128) -> Option<&Weak<FutureHandle>> {
        self.part(key).get(&(key as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_128;

    #[test]
    fn keys_are_spread_over_the_parts() {
        let mut keys = PureCalls::default();
        for n in 0..64_000u32 {
            keys.entry(xxh3_128(&n.to_le_bytes())).or_insert(Weak::new());
        }
        assert!(keys.0.iter().all(|part| (500..2_000).contains(&part.len())));
    }
}
