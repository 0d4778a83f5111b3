//! Futures inside other containers than one vector, as arguments: options, arrays, tuples, maps, vectors of vectors.
//!
//! The futures travel as inputs of the task, one after the other, and the form of the container (lengths, keys) as
//! bytes beside them; `task::assembly` is the other side.

use super::arguments::{Arg, ArgumentPack};
use super::future::Future;
use crate::error::CodecError;
use crate::task::assembly::{Assembly, ContainerForm, Fixed, Hashed, Many, Maybe, One, Ordered};
use crate::task::value::Data;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

/// A future, or a container of them.
pub(super) trait FutureContainer {
    /// The kind of the container of values.
    type Kind: Assembly;

    /// Adds the futures to the pack, and the lengths and keys of the container to `form`.
    ///
    /// # Errors
    /// When the key of a map cannot be encoded.
    fn put(&self, pack: &mut ArgumentPack<'_>, form: &mut ContainerForm) -> Result<(), CodecError>;
}

impl<T: Data> FutureContainer for Future<T> {
    type Kind = One<T>;
    fn put(&self, pack: &mut ArgumentPack<'_>, _: &mut ContainerForm) -> Result<(), CodecError> {
        pack.hold_input(&self.handle);
        Ok(())
    }
}

impl<F: FutureContainer> FutureContainer for Vec<F> {
    type Kind = Many<F::Kind>;
    fn put(&self, pack: &mut ArgumentPack<'_>, form: &mut ContainerForm) -> Result<(), CodecError> {
        form.push(self.len());
        self.iter().try_for_each(|part| part.put(pack, form))
    }
}

impl<F: FutureContainer> FutureContainer for Option<F> {
    type Kind = Maybe<F::Kind>;
    fn put(&self, pack: &mut ArgumentPack<'_>, form: &mut ContainerForm) -> Result<(), CodecError> {
        form.push(usize::from(self.is_some()));
        self.iter().try_for_each(|part| part.put(pack, form))
    }
}

impl<F: FutureContainer, const N: usize> FutureContainer for [F; N]
where
    Fixed<F::Kind, N>: Assembly,
{
    type Kind = Fixed<F::Kind, N>;
    fn put(&self, pack: &mut ArgumentPack<'_>, form: &mut ContainerForm) -> Result<(), CodecError> {
        self.iter().try_for_each(|part| part.put(pack, form))
    }
}

impl<K: Data + Eq + Hash, F: FutureContainer, S: BuildHasher> FutureContainer for HashMap<K, F, S> {
    type Kind = Hashed<K, F::Kind>;
    fn put(&self, pack: &mut ArgumentPack<'_>, form: &mut ContainerForm) -> Result<(), CodecError> {
        form.push(self.len());
        for (key, part) in self {
            form.push_key(key)?;
            part.put(pack, form)?;
        }
        Ok(())
    }
}

impl<K: Data + Ord, F: FutureContainer> FutureContainer for BTreeMap<K, F> {
    type Kind = Ordered<K, F::Kind>;
    fn put(&self, pack: &mut ArgumentPack<'_>, form: &mut ContainerForm) -> Result<(), CodecError> {
        form.push(self.len());
        for (key, part) in self {
            form.push_key(key)?;
            part.put(pack, form)?;
        }
        Ok(())
    }
}

macro_rules! tuples {
    ($(($($name:ident $at:tt)*))*) => {$(
        impl<$($name: FutureContainer),*> FutureContainer for ($($name,)*) {
            type Kind = ($($name::Kind,)*);
            fn put(&self, pack: &mut ArgumentPack<'_>, form: &mut ContainerForm) -> Result<(), CodecError> {
                $(self.$at.put(pack, form)?;)*
                Ok(())
            }
        }
    )*};
}

tuples! {
    (A 0 B 1)
    (A 0 B 1 C 2)
    (A 0 B 1 C 2 D 3)
}

/// Implements `Arg` for containers of futures, by value and by reference. One by one, since for all containers together
/// the compiler could not rule out that one is a plain value too.
macro_rules! containers {
    ($([$($generics:tt)*] $from:ty => $to:ty;)*) => {$(
        impl<$($generics)*> Arg<$to> for $from {
            fn pack(self, pack: &mut ArgumentPack<'_>) {
                pack.container(&self);
            }
        }

        impl<$($generics)*> Arg<$to> for &$from {
            fn pack(self, pack: &mut ArgumentPack<'_>) {
                pack.container(self);
            }
        }
    )*};
}

containers! {
    [T: Data] Vec<Vec<Future<T>>> => Vec<Vec<T>>;
    [T: Data] Option<Future<T>> => Option<T>;
    [T: Data] Option<Vec<Future<T>>> => Option<Vec<T>>;
    [T: Data] Vec<Option<Future<T>>> => Vec<Option<T>>;
    [A: Data, B: Data] (Future<A>, Future<B>) => (A, B);
    [A: Data, B: Data, C: Data] (Future<A>, Future<B>, Future<C>) => (A, B, C);
    [A: Data, B: Data, C: Data, D: Data] (Future<A>, Future<B>, Future<C>, Future<D>) => (A, B, C, D);
    [A: Data, B: Data] Vec<(Future<A>, Future<B>)> => Vec<(A, B)>;
    [K: Data + Eq + Hash, T: Data] HashMap<K, Future<T>> => HashMap<K, T>;
    [K: Data + Eq + Hash, T: Data] HashMap<K, Vec<Future<T>>> => HashMap<K, Vec<T>>;
    [K: Data + Ord, T: Data] BTreeMap<K, Future<T>> => BTreeMap<K, T>;
    [K: Data + Ord, T: Data] BTreeMap<K, Vec<Future<T>>> => BTreeMap<K, Vec<T>>;
}

impl<T: Data, const N: usize> Arg<[T; N]> for [Future<T>; N]
where
    [T; N]: Data,
{
    fn pack(self, pack: &mut ArgumentPack<'_>) {
        pack.container(&self);
    }
}

impl<T: Data, const N: usize> Arg<[T; N]> for &[Future<T>; N]
where
    [T; N]: Data,
{
    fn pack(self, pack: &mut ArgumentPack<'_>) {
        pack.container(self);
    }
}

impl<T: Data, const N: usize> Arg<Vec<T>> for [Future<T>; N] {
    fn pack(self, pack: &mut ArgumentPack<'_>) {
        Arg::<Vec<T>>::pack(Vec::from(self), pack);
    }
}
