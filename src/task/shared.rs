//! Shared values, which are cloned without a copy.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::Deref;
use std::sync::Arc;

/// A value behind a reference count, like `Arc<T>`, for results and arguments of tasks: a task that takes a vector of
/// shared values copies none of them.
///
/// A `Shared<Vec<number>>` and a `Shared<ArrayD<number>>` travel as their own memory, as they do without `Shared`.
///
/// ```
/// # use dtask::Shared;
/// let a = Shared::new(vec![1.0, 2.0]);
/// let b = a.clone();
/// assert!(std::ptr::eq(&*a, &*b));
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Shared<T>(Arc<T>);

impl<T> Shared<T> {
    /// Puts `value` behind a reference count.
    pub fn new(value: T) -> Self {
        Shared(Arc::new(value))
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(self.0.clone())
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Serialize> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Shared::new)
    }
}
