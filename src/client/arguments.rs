//! Packing of arguments for a submission: values, futures, and vectors of futures.
//!
//! A value is encoded into the message; a long one is stored as a result at the submitting rank (rank 0 for the client)
//! and travels like one (scatter). A future travels as the number of its task. Start with [`Arg`] and [`ArgumentPack`];
//! the other side is `task::arguments`.

use super::containers::FutureContainer;
use super::data::Scattered;
use super::future::{Future, FutureHandle};
use super::{Client, Held};
use crate::codec;
use crate::ids::TaskId;
use crate::protocol::{
    ARGS_MAX, ARGUMENT_CONTAINER, ARGUMENT_INLINE, ARGUMENT_INPUT, ARGUMENT_INPUTS, Blob, BulkLayout,
    HandleTicket, INLINE_MAX, ReportedResult, push_argument, push_length, push_never, push_refusal,
    push_tickets,
};
use crate::task::assembly::ContainerForm;
use crate::task::tickets::{self, CopyTicket};
use crate::task::value::{AnyValue, Data};
use crate::task::{bulk, function};
use smallvec::SmallVec;
use std::any::TypeId;
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Longest encoding of an argument that travels inside the task's message, in bytes. A longer argument becomes a result
/// of its own, stored at the rank that submits the task. Eight arguments of this length, as many as a task may have,
/// fit in a message.
const INLINE_ARGUMENT_MAX: usize = ARGS_MAX / 16;

/// A value that is an argument, in the form in which the program gives it.
enum GivenValue<'a, T> {
    Owned(T),
    Borrowed(&'a T),
    Shared(Arc<T>),
}

impl<T: Data> GivenValue<'_, T> {
    fn get(&self) -> &T {
        match self {
            GivenValue::Owned(value) => value,
            GivenValue::Borrowed(value) => value,
            GivenValue::Shared(value) => value,
        }
    }

    /// The value behind a pointer that the store can share; a borrowed one is copied.
    fn into_shared(self) -> Arc<T> {
        match self {
            GivenValue::Owned(value) => Arc::new(value),
            GivenValue::Borrowed(value) => Arc::new(value.clone()),
            GivenValue::Shared(value) => value,
        }
    }
}

/// The arguments of one task, collected and encoded before the task is submitted.
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// fn double(n: u64) -> u64 {
///     2 * n
/// }
/// client.gather([client.submit(double, (1,))])?; // `(1,)` is packed for the task
/// # Ok(()) }
/// ```
pub struct ArgumentPack<'c> {
    client: &'c Client,
    pub(super) args: SmallVec<[u8; 16]>,
    pub(super) inputs: SmallVec<[TaskId; 2]>,
    keys: SmallVec<[u128; 4]>,
    /// The copies of handles in `args`.
    tickets: Vec<HandleTicket>,
    /// Handles of the futures among the arguments, and of long values that have become results. Dropping a handle would
    /// release the result, so all are held until the task that takes them is submitted. Also holds handles whose drop
    /// would take the client's lock.
    pub(super) held: Held,
    /// The largest length in bytes of an encoded value that is put into `args` itself.
    inline_max: usize,
}

impl<'c> ArgumentPack<'c> {
    pub(super) fn new(client: &'c Client) -> Self {
        ArgumentPack {
            client,
            args: SmallVec::new(),
            inputs: SmallVec::new(),
            keys: SmallVec::new(),
            tickets: Vec::new(),
            held: SmallVec::new(),
            inline_max: INLINE_ARGUMENT_MAX,
        }
    }

    /// Arguments with which a task fails, for this reason.
    pub(super) fn refused(client: &'c Client, why: &str) -> Self {
        let mut pack = Self::new(client);
        push_never(&mut pack.args, why);
        pack
    }

    /// Makes a pack that contains long values too, for a call that does not pass through rank 0.
    pub(super) fn whole(client: &'c Client) -> Self {
        ArgumentPack { inline_max: usize::MAX, ..ArgumentPack::new(client) }
    }

    fn value<T: Data>(&mut self, given: GivenValue<'_, T>) {
        let (start, value) = (self.args.len(), given.get());
        if let Some((_, bytes)) = bulk::view(value)
            && bytes.len() > self.inline_max
        {
            return self.scatter(scattered(given.into_shared()));
        }
        // most arguments are shorter than 128 bytes, so that their length takes one byte, which is filled in below
        self.args.push(ARGUMENT_INLINE);
        self.args.push(0);
        let (encoded, tickets) = tickets::collecting(|| codec::encode_value_into(value, &mut self.args));
        if let Err(error) = encoded {
            return self.refuse(start, &error.to_string());
        }
        let length = self.args.len() - start - 2;
        if length <= self.inline_max {
            tickets.iter().for_each(CopyTicket::announce);
            self.tickets.extend(tickets.iter().map(|copy| copy.ticket));
        }
        if length < 0x80 {
            self.args[start + 1] = length as u8;
            return;
        }
        let encoded = self.args[start + 2..].to_vec();
        self.args.truncate(start);
        if length <= self.inline_max {
            push_argument(&mut self.args, &encoded);
        } else {
            let output = ReportedResult::Stored { nbytes: length as u64, layout: BulkLayout::Encoded };
            let key = value_key::<T>(&BulkLayout::Encoded, &encoded);
            let value = AnyValue::from_encoded_with(&encoded, tickets);
            self.scatter(Scattered { key, output, value: Some(value) });
        }
    }

    fn scatter(&mut self, scattered: Scattered) {
        let handle = self.client.scatter_value(scattered);
        self.input(&handle);
        self.held.push(handle);
    }

    fn input(&mut self, handle: &FutureHandle) {
        self.args.push(ARGUMENT_INPUT);
        self.inputs.push(handle.task());
        self.keys.push(handle.key());
    }

    /// Adds a published result as the next argument.
    pub(super) fn published(&mut self, task: TaskId) {
        self.args.push(ARGUMENT_INPUT);
        self.inputs.push(task);
        self.keys.push(task.0.into());
    }

    fn inputs<'a, T: Data>(&mut self, futures: impl ExactSizeIterator<Item = &'a Future<T>>) {
        self.args.push(ARGUMENT_INPUTS);
        push_length(&mut self.args, futures.len());
        self.args.extend_from_slice(&function::collector_of::<T>().to_le_bytes());
        for future in futures {
            self.inputs.push(future.handle.task());
            self.keys.push(future.handle.key());
        }
    }

    /// Adds an input as one of several that a container holds.
    pub(super) fn hold_input(&mut self, handle: &Arc<FutureHandle>) {
        self.inputs.push(handle.task());
        self.keys.push(handle.key());
        self.held.push(handle.clone());
    }

    /// Adds a container of futures as the next argument.
    pub(super) fn container<F: FutureContainer>(&mut self, futures: &F) {
        let (start, before) = (self.args.len(), self.inputs.len());
        let mut form = ContainerForm::default();
        if let Err(error) = futures.put(self, &mut form) {
            self.inputs.truncate(before);
            return self.refuse(start, &error.to_string());
        }
        if form.0.len() > INLINE_ARGUMENT_MAX {
            self.inputs.truncate(before);
            return self
                .refuse(start, "a container of futures with so many parts or keys: use a `Vec` of futures");
        }
        let count = self.inputs.len() - before;
        self.args.push(ARGUMENT_CONTAINER);
        push_length(&mut self.args, count);
        self.args.extend_from_slice(&function::assembler_of::<F::Kind>().to_le_bytes());
        push_length(&mut self.args, form.0.len());
        self.args.extend_from_slice(&form.0);
    }

    /// The arguments, encoded, with the list of the copies of handles in them.
    pub(super) fn take_args(&mut self) -> SmallVec<[u8; 16]> {
        let mut args = std::mem::take(&mut self.args);
        if !self.tickets.is_empty() {
            push_tickets(&mut args, &std::mem::take(&mut self.tickets));
        }
        args
    }

    fn refuse(&mut self, start: usize, why: &str) {
        self.args.truncate(start);
        push_refusal(&mut self.args, why);
    }

    /// The running task that submits the new one; `None` for rank 0's own client, outside of tasks.
    pub(super) fn parent(&self) -> Option<TaskId> {
        self.client.parent
    }

    /// The key of a task that calls the function at `offset` with these arguments; equal calls have equal keys.
    pub(super) fn key(&self, offset: u64) -> u128 {
        let mut text: SmallVec<[u8; 128]> = SmallVec::new();
        text.extend_from_slice(&offset.to_le_bytes());
        text.extend_from_slice(&self.args);
        for key in &self.keys {
            text.extend_from_slice(&key.to_le_bytes());
        }
        xxh3_128(&text)
    }
}

/// Prepares a value that is to be stored as a result at the client's rank: its key, its layout (how its bytes are to be
/// read), and its bytes where they are few enough to travel inside the message.
pub(super) fn scattered<T: Data>(value: Arc<T>) -> Scattered {
    let (outcome, tickets) = tickets::collecting(|| match bulk::view(&*value) {
        Some((layout, bytes)) => Ok((value_key::<T>(&layout, bytes), layout, bytes.len() as u64)),
        None => codec::encode_value(&*value).map(|bytes| {
            (value_key::<T>(&BulkLayout::Encoded, &bytes), BulkLayout::Encoded, bytes.len() as u64)
        }),
    });
    match outcome {
        // a value with handles is kept as it is, and holds them until it is released
        Ok((key, layout, nbytes)) if nbytes as usize > INLINE_MAX || !tickets.is_empty() => {
            let length = if layout == BulkLayout::Encoded { nbytes as usize } else { 0 };
            let value = AnyValue::shared_with(value, length).having_handles(!tickets.is_empty());
            Scattered { key, output: ReportedResult::Stored { nbytes, layout }, value: Some(value) }
        }
        Ok((key, ..)) => {
            let bytes = codec::encode_value(&*value).unwrap_or_default();
            Scattered { key, output: ReportedResult::Inline(Blob::new(&bytes)), value: None }
        }
        // a task that takes the value gets an error when the empty bytes are decoded
        Err(error) => {
            let key = value_key::<T>(&BulkLayout::Encoded, error.to_string().as_bytes());
            Scattered { key, output: ReportedResult::Inline(Blob::default()), value: None }
        }
    }
}

/// The key of a value, made of its bytes, type and shape: equal bytes of another type or shape are another value.
fn value_key<T: 'static>(layout: &BulkLayout, bytes: &[u8]) -> u128 {
    let mut hash = Xxh3::new();
    TypeId::of::<T>().hash(&mut hash);
    if let BulkLayout::Bulk { shape, .. } = layout {
        shape.hash(&mut hash);
    }
    hash.update(bytes);
    hash.digest128()
}

/// An argument for a parameter of type `T`: a value, or futures of results that will be the value.
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// let x = client.submit(|n: u64| n + 1, (1,)); // a value for a parameter `u64`
/// let sums = [
///     client.submit(|n: u64| n, (&x,)), // a future of one
///     client.submit(|all: Vec<u64>| all.iter().sum::<u64>(), (vec![&x, &x],)), // futures for a `Vec<u64>`
/// ];
/// assert_eq!(client.gather(sums)?, [2, 4]);
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand for a parameter of type `{T}`",
    label = "expected a `{T}`, or a future of one",
    note = "an argument is a value, a reference to one, an `Arc` of one, a `Future`, a `&Future`, or a `Vec`, array, \
            `Option`, tuple or map of futures"
)]
pub trait Arg<T> {
    /// Adds the argument to `pack`: the encoded value, or the tasks whose results the argument stands for.
    fn pack(self, pack: &mut ArgumentPack<'_>);
}

impl<T: Data> Arg<T> for T {
    fn pack(self, pack: &mut ArgumentPack<'_>) {
        pack.value(GivenValue::Owned(self));
    }
}

impl<T: Data> Arg<T> for &T {
    fn pack(self, pack: &mut ArgumentPack<'_>) {
        pack.value(GivenValue::Borrowed(self));
    }
}

impl<T: Data> Arg<T> for Arc<T> {
    fn pack(self, pack: &mut ArgumentPack<'_>) {
        pack.value(GivenValue::Shared(self));
    }
}

impl<T: Data> Arg<T> for &Arc<T> {
    fn pack(self, pack: &mut ArgumentPack<'_>) {
        pack.value(GivenValue::Shared(self.clone()));
    }
}

impl Arg<String> for &str {
    fn pack(self, pack: &mut ArgumentPack<'_>) {
        pack.value(GivenValue::Owned(self.to_owned()));
    }
}

impl Arg<PathBuf> for &Path {
    fn pack(self, pack: &mut ArgumentPack<'_>) {
        pack.value(GivenValue::Owned(self.to_owned()));
    }
}

impl<T: Data> Arg<Vec<T>> for &[T] {
    fn pack(self, pack: &mut ArgumentPack<'_>) {
        pack.value(GivenValue::Owned(self.to_vec()));
    }
}

impl<T: Data> Arg<T> for Future<T> {
    fn pack(self, pack: &mut ArgumentPack<'_>) {
        pack.input(&self.handle);
        pack.held.push(self.handle);
    }
}

impl<T: Data> Arg<T> for &Future<T> {
    fn pack(self, pack: &mut ArgumentPack<'_>) {
        pack.input(&self.handle);
    }
}

impl<T: Data> Arg<Vec<T>> for Vec<Future<T>> {
    fn pack(self, pack: &mut ArgumentPack<'_>) {
        pack.inputs(self.iter());
        pack.held.extend(self.into_iter().map(|future| future.handle));
    }
}

impl<T: Data> Arg<Vec<T>> for &[Future<T>] {
    fn pack(self, pack: &mut ArgumentPack<'_>) {
        pack.inputs(self.iter());
    }
}

impl<T: Data> Arg<Vec<T>> for &Vec<Future<T>> {
    fn pack(self, pack: &mut ArgumentPack<'_>) {
        pack.inputs(self.iter());
    }
}

impl<T: Data> Arg<Vec<T>> for Vec<&Future<T>> {
    fn pack(self, pack: &mut ArgumentPack<'_>) {
        pack.inputs(self.into_iter());
    }
}

/// A tuple of arguments, each a value or futures, for the parameters of types `P` of a task function.
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// let power = client.submit(|n: u64, k: u32| n.pow(k), (2, 10)); // a tuple, one value for each parameter
/// assert_eq!(power.result()?, 1024);
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "these arguments do not fit the task's parameters",
    label = "expected a tuple of values or futures for the parameters `{P}`",
    note = "a single argument is a tuple too: `(x,)`",
    note = "an argument is a value, a reference to one, a `Future`, a `&Future`, or a `Vec` of futures for a `Vec` \
            parameter"
)]
pub trait Args<P> {
    /// Adds all arguments of the tuple to `pack`, in order.
    fn pack(self, pack: &mut ArgumentPack<'_>);
}

macro_rules! tuples {
    ($(($($x:ident $p:ident),*))*) => {$(
        impl<$($x: Arg<$p>, $p),*> Args<($($p,)*)> for ($($x,)*) {
            #[allow(non_snake_case, unused_variables)]
            fn pack(self, pack: &mut ArgumentPack<'_>) {
                let ($($x,)*) = self;
                $($x.pack(pack);)*
            }
        }
    )*};
}

tuples! {
    ()
    (A P1)
    (A P1, B P2)
    (A P1, B P2, C P3)
    (A P1, B P2, C P3, D P4)
    (A P1, B P2, C P3, D P4, E P5)
    (A P1, B P2, C P3, D P4, E P5, F P6)
    (A P1, B P2, C P3, D P4, E P5, F P6, G P7)
    (A P1, B P2, C P3, D P4, E P5, F P6, G P7, H P8)
}
