//! A short list of tasks in two words.

use crate::ids::TaskId;
use smallvec::{SmallVec, smallvec};

/// Tasks in the order in which they were put in; up to two take no allocation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Few {
    /// None.
    #[default]
    None,
    /// One.
    One(TaskId),
    /// Two, whose numbers leave the highest byte free.
    Two([u8; 7], [u8; 7]),
    /// More, or two with numbers that are larger.
    Many(Box<SmallVec<[TaskId; 5]>>),
}

const _: () = assert!(size_of::<Few>() == 16);

impl Few {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        matches!(self, Few::None)
    }

    /// Puts one in.
    pub fn push(&mut self, task: TaskId) {
        match self {
            Few::None => *self = Few::One(task),
            Few::Many(tasks) => tasks.push(task),
            Few::One(first) => {
                *self = match (packed(*first), packed(task)) {
                    (Some(first), Some(second)) => Few::Two(first, second),
                    _ => Few::Many(Box::new(smallvec![*first, task])),
                }
            }
            Few::Two(first, second) => {
                *self = Few::Many(Box::new(smallvec![unpacked(first), unpacked(second), task]));
            }
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = TaskId> + '_ {
        let (first, second, many) = match self {
            Few::None => (None, None, &[][..]),
            Few::One(first) => (Some(*first), None, &[][..]),
            Few::Two(first, second) => (Some(unpacked(first)), Some(unpacked(second)), &[][..]),
            Few::Many(tasks) => (None, None, &tasks[..]),
        };
        first.into_iter().chain(second).chain(many.iter().copied())
    }
}

fn packed(task: TaskId) -> Option<[u8; 7]> {
    let [low @ .., high] = task.0.to_le_bytes();
    (high == 0).then_some(low)
}

fn unpacked(low: &[u8; 7]) -> TaskId {
    let mut bytes = [0; 8];
    bytes[..7].copy_from_slice(low);
    TaskId(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out_in_order() {
        for first in [0, 7, 1 << 56, u64::MAX] {
            let mut few = Few::default();
            let mut tasks = Vec::new();
            for task in [first, (1 << 56) - 1, 3, 3, u64::MAX].map(TaskId) {
                assert!(few.iter().eq(tasks.iter().copied()));
                few.push(task);
                tasks.push(task);
            }
            assert!(few.iter().eq(tasks));
        }
    }
}
