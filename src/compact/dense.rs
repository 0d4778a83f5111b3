//! A table indexed by numbers that are assigned in order and mostly removed in about the same order, such as the
//! numbers of tasks.

/// Number of empty chunks that a table keeps for reuse, since the first touch of fresh memory costs a page fault.
const SPARE_MAX: usize = 1024;

/// A table of items by number, for numbers that lie close together. Chunks of `CHUNK` places store the items; a chunk
/// is freed when its last item is removed.
#[derive(Debug)]
pub struct Dense<T, const CHUNK: usize> {
    chunks: Vec<Option<Chunk<T>>>,
    spare: Vec<Chunk<T>>,
    len: usize,
}

#[derive(Debug)]
struct Chunk<T> {
    places: Box<[Option<T>]>,
    len: u32,
}

impl<T, const CHUNK: usize> Default for Dense<T, CHUNK> {
    fn default() -> Self {
        Dense { chunks: Vec::new(), spare: Vec::new(), len: 0 }
    }
}

impl<T, const CHUNK: usize> Dense<T, CHUNK> {
    /// The number of items that the table holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the table has no items.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The item with this number, or `None` if there is none.
    pub fn get(&self, number: u64) -> Option<&T> {
        let number = number as usize;
        self.chunks.get(number / CHUNK)?.as_ref()?.places[number % CHUNK].as_ref()
    }

    /// The item with this number, to be changed, or `None` if there is none.
    pub fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let number = number as usize;
        self.chunks.get_mut(number / CHUNK)?.as_mut()?.places[number % CHUNK].as_mut()
    }

    /// Stores `thing` under `number`, in place of the item that had the number before.
    pub fn insert(&mut self, number: u64, thing: T) {
        let number = number as usize;
        let at = number / CHUNK;
        if at >= self.chunks.len() {
            self.chunks.resize_with(at + 1, || None);
        }
        let spare = &mut self.spare;
        let chunk = self.chunks[at].get_or_insert_with(|| {
            spare.pop().unwrap_or_else(|| Chunk { places: (0..CHUNK).map(|_| None).collect(), len: 0 })
        });
        let place = &mut chunk.places[number % CHUNK];
        let new = place.is_none();
        *place = Some(thing);
        chunk.len += u32::from(new);
        self.len += usize::from(new);
    }

    /// Removes and returns the item with this number.
    pub fn remove(&mut self, number: u64) -> Option<T> {
        self.remove_with(number, |thing| thing.take())
    }

    /// Removes the item with this number and returns only the part that `keep` takes out of it. An item may be large,
    /// and is dropped where it is, without being moved.
    pub fn remove_with<R>(
        &mut self,
        number: u64,
        keep: impl FnOnce(&mut Option<T>) -> Option<R>,
    ) -> Option<R> {
        let number = number as usize;
        let slot = self.chunks.get_mut(number / CHUNK)?;
        let chunk = slot.as_mut()?;
        let place = &mut chunk.places[number % CHUNK];
        place.as_ref()?;
        let kept = keep(place);
        *place = None;
        chunk.len -= 1;
        self.len -= 1;
        if chunk.len == 0
            && let Some(chunk) = slot.take()
            && self.spare.len() < SPARE_MAX
        {
            self.spare.push(chunk);
        }
        kept
    }

    /// The least number, not below `from`, under which an item is stored; `None` if there is none.
    pub fn next_from(&self, from: u64) -> Option<u64> {
        let first = from as usize / CHUNK;
        for (at, chunk) in self.chunks.iter().enumerate().skip(first) {
            let Some(chunk) = chunk else { continue };
            let start = if at == first { from as usize % CHUNK } else { 0 };
            if let Some(k) = chunk.places[start..].iter().position(Option::is_some) {
                return Some((at * CHUNK + start + k) as u64);
            }
        }
        None
    }

    /// The items with their numbers, in ascending order of the numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> + '_ {
        self.chunks.iter().enumerate().flat_map(|(at, chunk)| {
            chunk.iter().flat_map(move |chunk| {
                let numbered = chunk.places.iter().enumerate();
                numbered.filter_map(move |(k, place)| Some(((at * CHUNK + k) as u64, place.as_ref()?)))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_is_a_map(changes in proptest::collection::vec((0..99u64, any::<bool>()), 0..200)) {
            let (mut dense, mut map) = (Dense::<u64, 8>::default(), BTreeMap::new());
            for (at, (number, put)) in changes.into_iter().enumerate() {
                let at = at as u64;
                if put {
                    dense.insert(number, at);
                    map.insert(number, at);
                } else {
                    prop_assert_eq!(dense.remove(number), map.remove(&number));
                }
                prop_assert_eq!(dense.len(), map.len());
                prop_assert_eq!(dense.get(number), map.get(&number));
                prop_assert_eq!(dense.next_from(number), map.range(number..).next().map(|(&number, _)| number));
                prop_assert!(dense.iter().eq(map.iter().map(|(&number, thing)| (number, thing))));
            }
        }
    }
}
