//! The futures that pure calls have already, by their keys.

use super::future::FutureHandle;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Weak;

/// Parts of the map. A map that grows moves all that it holds to other places of the memory: a part of a million keys fits into a
/// processor's cache, and what moves at once does not keep a submission waiting for long.
const PARTS: usize = 64;
/// Which bits of a key say to which part it belongs: none of those that the map itself goes by, the lowest and the highest.
const SHIFT: u32 = 48;

type Part = HashMap<u64, Weak<FutureHandle>, BuildHasherDefault<DigestHasher>>;

/// By half of the key; the handle has all of it.
pub(crate) struct PureCalls(Vec<Part>);

/// Keys are hashes already.
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

    /// Where the future of a call with a key that is alike in half of it is or will be.
    pub(crate) fn entry(&mut self, key: u128) -> Entry<'_, u64, Weak<FutureHandle>> {
        self.part(key).entry(key as u64)
    }

    /// The future of a call with a key that is alike in half of it.
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
