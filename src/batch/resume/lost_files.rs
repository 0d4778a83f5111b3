//! The look at very many saved files, by several threads: a file server answers each after a while, and many at once.

use std::thread;

/// The number of files that one thread looks at, at least.
const LEAST: usize = 2_048;
/// The largest number of threads. Beyond it file servers gain nothing.
const THREADS: usize = 16;

/// Looks at each of `indices` by `lost`, and returns those of which a file is lost, in order, with the file.
pub(super) fn among(indices: &[u64], lost: impl Fn(u64) -> Option<String> + Sync) -> Vec<(u64, String)> {
    let look = |part: &[u64]| -> Vec<(u64, String)> {
        part.iter().filter_map(|index| Some((*index, lost(*index)?))).collect()
    };
    let part = indices.len().div_ceil(THREADS).max(LEAST);
    let mut parts = indices.chunks(part);
    let first = parts.next().unwrap_or_default();
    thread::scope(|scope| {
        // a thread that cannot be had is no error: its part is looked at here
        let others: Vec<_> = parts
            .map(|part| (part, thread::Builder::new().spawn_scoped(scope, || look(part)).ok()))
            .collect();
        let mut found = look(first);
        for (part, thread) in others {
            let looked = thread.and_then(|thread| thread.join().ok());
            found.extend(looked.unwrap_or_else(|| look(part)));
        }
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_looked_at_in_order_each_once() {
        for count in [0, 1, 2_048, 2_049, 100_000] {
            let indices: Vec<u64> = (0..count).map(|index| 3 * index).collect();
            let found = among(&indices, |index| (index % 2 == 0).then(|| format!("{index}")));
            let wanted: Vec<(u64, String)> = indices
                .iter()
                .filter(|index| **index % 2 == 0)
                .map(|index| (*index, index.to_string()))
                .collect();
            assert_eq!(found, wanted, "{count}");
        }
    }
}
