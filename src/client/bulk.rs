//! Bulk work: reductions over a fixed tree, chunks of a map, map and reduce by key, results in parts.

use super::future::Future;
use super::options::Options;
use super::{Client, nested};
use crate::client::arguments::Arg;
use crate::codec;
use crate::error::{Failure, Result};
use crate::runtime::threads::task_context;
use crate::task::arguments::{Arguments, SharedArguments};
use crate::task::function;
use crate::task::task_fn::TaskFn;
use crate::task::value::{AnyValue, Data};
use std::borrow::Borrow;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// Number of lists that one task of [`Client::map_reduce`] merges.
const MERGED_AT_ONCE: usize = 32;

/// Calls a task function on values that are here already.
fn call<M, F: TaskFn<M>>(values: &[AnyValue]) -> Result<F::Output, Failure> {
    let packed = vec![crate::protocol::ARGUMENT_INPUT; values.len()];
    function::conjured::<F>().call(&mut Arguments::new(&SharedArguments::default(), &packed, values))
}

/// The task of [`Client::map_chunked`]: one function for several items.
fn chunk<M, F, X>(items: Vec<X>) -> Result<Vec<F::Output>, Failure>
where
    M: 'static,
    F: TaskFn<M, Params = (X,)>,
    X: Data,
{
    let one = |item| match task_context::is_cancelled() {
        true => Err(Failure::new("it was cancelled")),
        false => call::<M, F>(&[AnyValue::new(item)]),
    };
    items.into_iter().map(one).collect()
}

type Pairs<K, V> = Vec<(K, V)>;

/// The partition, of `count`, of a key. Equal on all ranks.
fn partition<K: Data>(key: &K, count: usize) -> Result<usize, Failure> {
    Ok((xxh3_64(&codec::encode_value(key)?) % count.max(1) as u64) as usize)
}

/// Merges pairs with equal keys by the reducer.
fn merged<M, F, K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Result<BTreeMap<K, V>, Failure>
where
    F: TaskFn<M, Params = (V, V), Output = V>,
    K: Data + Ord,
    V: Data,
{
    let mut merged: BTreeMap<K, V> = BTreeMap::new();
    for (key, value) in pairs {
        let value = match merged.remove(&key) {
            None => value,
            Some(before) => call::<M, F>(&[AnyValue::new(before), AnyValue::new(value)])?,
        };
        merged.insert(key, value);
    }
    Ok(merged)
}

/// The first task of [`Client::map_reduce`]: maps one item, merges equal keys, and deals the pairs out to partitions.
fn map_item<MM, Mapper, RM, Reducer, X, K, V>(item: X, count: usize) -> Result<Vec<Pairs<K, V>>, Failure>
where
    MM: 'static,
    RM: 'static,
    Mapper: TaskFn<MM, Params = (X,), Output = Pairs<K, V>>,
    Reducer: TaskFn<RM, Params = (V, V), Output = V>,
    X: Data,
    K: Data + Ord,
    V: Data,
{
    let pairs = call::<MM, Mapper>(&[AnyValue::new(item)])?;
    let mut parts: Vec<Pairs<K, V>> = (0..count.max(1)).map(|_| Vec::new()).collect();
    for (key, value) in merged::<RM, Reducer, K, V>(pairs)? {
        let part = partition(&key, count)?;
        parts[part].push((key, value));
    }
    Ok(parts)
}

/// The second task of [`Client::map_reduce`]: takes the pairs of one partition, where the item was mapped.
#[allow(clippy::ptr_arg, reason = "a task takes the result of another by its own type")]
fn part_of<K: Data, V: Data>(parts: &Vec<Pairs<K, V>>, at: usize) -> Pairs<K, V> {
    parts.get(at).cloned().unwrap_or_default()
}

/// The last task of [`Client::map_reduce`]: merges lists of pairs.
fn merge_lists<RM, Reducer, K, V>(lists: Vec<Pairs<K, V>>) -> Result<Pairs<K, V>, Failure>
where
    RM: 'static,
    Reducer: TaskFn<RM, Params = (V, V), Output = V>,
    K: Data + Ord,
    V: Data,
{
    Ok(merged::<RM, Reducer, K, V>(lists.into_iter().flatten())?.into_iter().collect())
}

impl Client {
    /// Reduces results to one by a function of two, over a tree that depends on their number alone: neighbours are
    /// joined, level by level, and the last of an odd level goes up as it is. So the result has the same bits on any
    /// number of ranks, and no task waits. Without any future the task fails.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let xs = client.map(|n: u64| n * n, 1..=5);
    /// let total = client.reduce_tree(|a: u64, b: u64| a + b, &xs);
    /// assert_eq!(total.result()?, 55);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn reduce_tree<M, F, T>(
        &self,
        function: F,
        futures: impl IntoIterator<Item: Borrow<Future<T>>>,
    ) -> Future<T>
    where
        F: TaskFn<M, Params = (T, T), Output = T>,
        T: Data,
    {
        let mut level: Vec<Future<T>> = futures.into_iter().map(|future| future.borrow().clone()).collect();
        while level.len() > 1 {
            let join = |pair: &[Future<T>]| match pair {
                [left, right] => self.submit(function, (left, right)),
                _ => pair[0].clone(),
            };
            level = level.chunks(2).map(join).collect();
        }
        level.pop().unwrap_or_else(|| self.submit_refused(function, "`reduce_tree` was given no futures"))
    }

    /// Submits one task for every `size` items, which it computes one after the other: for functions that take less
    /// time than a task costs. Each future is a vector of results, in the order of the items.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let chunks = client.map_chunked(|n: u64| n * n, 0..1_000, 64);
    /// let squares: Vec<u64> = client.gather(chunks)?.concat();
    /// assert_eq!(squares[999], 998_001);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    #[must_use = "a task whose future is dropped before it has started never runs: keep the futures"]
    pub fn map_chunked<M, F, X>(
        &self,
        function: F,
        items: impl IntoIterator<Item = X>,
        size: usize,
    ) -> Vec<Future<Vec<F::Output>>>
    where
        M: 'static,
        F: TaskFn<M, Params = (X,)>,
        X: Data,
    {
        self.options().map_chunked(function, items, size)
    }

    /// Maps each item to pairs of a key and a value, and reduces the values of each key by a function of two. The pairs
    /// are dealt out by their keys to `partitions` futures, each sorted by key. An item is a value or a future.
    ///
    /// The reducer serves as combiner too: pairs of one item are reduced where it was mapped. It has to be associative;
    /// the order in which it gets the values depends on the items alone.
    ///
    /// ```
    /// fn words(text: String) -> Vec<(String, u64)> {
    ///     text.split_whitespace().map(|word| (word.to_owned(), 1)).collect()
    /// }
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let texts = vec!["a rose is a rose".to_owned(), "is a rose".to_owned()];
    /// let counts = client.map_reduce(texts, words, |a: u64, b: u64| a + b, 2);
    /// let mut counts = client.gather(counts)?.concat();
    /// counts.sort();
    /// assert_eq!(counts, [("a".to_owned(), 3), ("is".to_owned(), 2), ("rose".to_owned(), 3)]);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn map_reduce<MM, Mapper, RM, Reducer, I, X, K, V>(
        &self,
        items: I,
        _mapper: Mapper,
        _reducer: Reducer,
        partitions: usize,
    ) -> Vec<Future<Vec<(K, V)>>>
    where
        MM: 'static,
        RM: 'static,
        Mapper: TaskFn<MM, Params = (X,), Output = Vec<(K, V)>>,
        Reducer: TaskFn<RM, Params = (V, V), Output = V>,
        I: IntoIterator<Item: Arg<X>>,
        X: Data,
        K: Data + Ord,
        V: Data,
    {
        let count = partitions.max(1);
        let map = map_item::<MM, Mapper, RM, Reducer, X, K, V>;
        let mapped: Vec<Future<Vec<Pairs<K, V>>>> =
            items.into_iter().map(|item| self.submit(map, (item, count))).collect();
        let reduce = |at: usize| {
            let mut lists: Vec<Future<Pairs<K, V>>> =
                mapped.iter().map(|parts| self.submit(part_of::<K, V>, (parts, at))).collect();
            loop {
                let merge = merge_lists::<RM, Reducer, K, V>;
                if lists.len() <= MERGED_AT_ONCE {
                    return self.submit(merge, (lists,));
                }
                lists = lists.chunks(MERGED_AT_ONCE).map(|some| self.submit(merge, (some,))).collect();
            }
        };
        (0..count).map(reduce).collect()
    }
}

impl Options<'_> {
    /// Submits one task for every `size` items with these options; see [`Client::map_chunked`].
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let careful = client.options().retries(2);
    /// let chunks = careful.map_chunked(|n: u64| n + 1, 0..100, 10);
    /// assert_eq!(client.gather(chunks)?.concat().len(), 100);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    #[must_use = "a task whose future is dropped before it has started never runs: keep the futures"]
    pub fn map_chunked<M, F, X>(
        &self,
        _function: F,
        items: impl IntoIterator<Item = X>,
        size: usize,
    ) -> Vec<Future<Vec<F::Output>>>
    where
        M: 'static,
        F: TaskFn<M, Params = (X,)>,
        X: Data,
    {
        let mut items = items.into_iter();
        let mut futures = Vec::new();
        loop {
            let some: Vec<X> = items.by_ref().take(size.max(1)).collect();
            if some.is_empty() {
                return futures;
            }
            futures.push(self.submit(chunk::<M, F, X>, (some,)));
        }
    }
}

impl<T: Data> Future<T> {
    /// Submits a task that takes this result: `client.submit(function, (&future,))`.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let y = client.submit(|x: u64| x + 1, (1,)).then(|x: u64| x * 10);
    /// assert_eq!(y.result()?, 20);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn then<M, F: TaskFn<M, Params = (T,)>>(&self, function: F) -> Future<F::Output> {
        nested::client_of(&self.handle).submit(function, (self,))
    }
}

/// Functions that take one part of a tuple.
macro_rules! part {
    ($($name:ident ($($all:ident)*) $at:tt $one:ident)*) => {$(
        fn $name<$($all: Data),*>(all: &($($all,)*)) -> $one {
            all.$at.clone()
        }
    )*};
}

part! {
    first_of_two (A B) 0 A
    second_of_two (A B) 1 B
    first_of_three (A B C) 0 A
    second_of_three (A B C) 1 B
    third_of_three (A B C) 2 C
    first_of_four (A B C D) 0 A
    second_of_four (A B C D) 1 B
    third_of_four (A B C D) 2 C
    fourth_of_four (A B C D) 3 D
}

impl<A: Data, B: Data> Future<(A, B)> {
    /// Makes a future for each output of a task that returns a tuple.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let (half, rest) = client.submit(|n: u64| (n / 2, n % 2), (7,)).split();
    /// assert_eq!((half.result()?, rest.result()?), (3, 1));
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn split(&self) -> (Future<A>, Future<B>) {
        (self.then(first_of_two), self.then(second_of_two))
    }
}

impl<A: Data, B: Data, C: Data> Future<(A, B, C)> {
    /// Makes a future for each output of a task that returns a tuple of three.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let (min, max, count) = client.submit(|n: u64| (1, n, n), (9,)).split();
    /// assert_eq!(client.gather([min, max, count])?, [1, 9, 9]);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn split(&self) -> (Future<A>, Future<B>, Future<C>) {
        (self.then(first_of_three), self.then(second_of_three), self.then(third_of_three))
    }
}

impl<A: Data, B: Data, C: Data, D: Data> Future<(A, B, C, D)> {
    /// Makes a future for each output of a task that returns a tuple of four.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let (a, b, c, d) = client.submit(|n: u64| (n, 2 * n, 3 * n, 4 * n), (1,)).split();
    /// assert_eq!(client.gather([a, b, c, d])?, [1, 2, 3, 4]);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn split(&self) -> (Future<A>, Future<B>, Future<C>, Future<D>) {
        let (first, second) = (self.then(first_of_four), self.then(second_of_four));
        (first, second, self.then(third_of_four), self.then(fourth_of_four))
    }
}
