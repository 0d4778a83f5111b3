//! Actors: values that live on one rank, with functions that are called on them one after the other.

use super::held::{HeldObject, held_handle};
use crate::client::arguments::Args;
use crate::client::future::{Future, FutureHandle};
use crate::client::options::Options;
use crate::client::{Client, ClientShared};
use crate::error::{Error, Result, TaskError};
use crate::ids::{HEAD, Rank};
use crate::protocol::{Blob, HandleSide, ObjectId, ObjectKind, ObjectOp};
use crate::runtime::objects::ReplySink;
use crate::runtime::promise::Promise;
use crate::runtime::wait::WaitAnswer;
use crate::task::actor_fn::{MakerFn, MethodFn, maker_of, method_of};
use std::marker::PhantomData;
use std::sync::Arc;

/// A value that lives on one rank, with functions that all ranks call on it: a counter, a cache, the parameters of a
/// model.
///
/// ```
/// struct Counter(i64);
///
/// impl Counter {
///     fn new(start: i64) -> Counter {
///         Counter(start)
///     }
///     fn add(&mut self, n: i64) -> i64 {
///         self.0 += n;
///         self.0
///     }
///     fn value(&self) -> i64 {
///         self.0
///     }
/// }
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// let counter = client.actor(Counter::new, (0,));
/// let five = counter.call(Counter::add, (5,)); // a Future<i64>
/// assert_eq!(five.result()?, 5);
///
/// fn count(counter: dtask::Actor<Counter>, n: i64) -> Result<i64, dtask::Failure> {
///     Ok(counter.call(Counter::add, (n,)).result()?)
/// }
/// client.gather(client.starmap(count, (0..100).map(|n| (&counter, n))))?;
/// assert_eq!(counter.call(Counter::value, ()).result()?, 4955);
/// # Ok(()) }
/// ```
///
/// The value need not be `Serialize`: it never leaves its rank. One call at a time runs, and the calls of one rank run
/// in the order in which they were made. A call goes straight from the caller's rank to the actor's and the result
/// back. A handle can be an argument of tasks and a field of types that travel; the value is dropped when no handle is
/// left. A panic in a call is that call's error, and the actor goes on; one in the constructor is the error of all
/// calls.
pub struct Actor<A> {
    held: ActorHandle,
    item: PhantomData<fn() -> A>,
}
held_handle!(Actor<A>, Actor, Front);

/// The state that the copies of a handle on one rank share.
#[derive(Clone)]
struct ActorHandle(Arc<ActorGuard>);

struct ActorGuard(Arc<HeldObject>);

impl Drop for ActorGuard {
    fn drop(&mut self) {
        self.0.let_go();
    }
}

impl From<Arc<HeldObject>> for ActorHandle {
    fn from(held: Arc<HeldObject>) -> Self {
        ActorHandle(Arc::new(ActorGuard(held)))
    }
}

impl ActorHandle {
    fn object(&self) -> ObjectId {
        self.0.0.object
    }

    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.0.0.serialize(serializer)
    }
}

impl<A: Send + 'static> Actor<A> {
    /// Calls a function on the actor's value and returns at once. The future is that of any task: it can be waited for
    /// and can be an argument of tasks. The call runs whether its future is kept or not.
    ///
    /// The function is a method or another `fn` item, or a closure that captures nothing, with `&mut A` or `&A` and up
    /// to six more parameters. A future among the arguments is waited for here.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// struct Counter(u64);
    ///
    /// fn add(counter: &mut Counter, n: u64) -> u64 {
    ///     counter.0 += n;
    ///     counter.0
    /// }
    ///
    /// let counter = client.actor(|n: u64| Counter(n), (0,));
    /// assert_eq!(counter.call(add, (5,)).result()?, 5);
    /// # Ok(()) }
    /// ```
    pub fn call<M, F: MethodFn<A, M>, P: Args<F::Params>>(&self, function: F, args: P) -> Future<F::Output> {
        let client = match self.held.0.0.client() {
            Ok(client) => client.clone(),
            Err(error) => panic!("{error}"),
        };
        let payload = Client::of(client.clone()).function_call(method_of::<A, F, M>(&function), args);
        Future::new(client.call_for_future(self.held.object(), payload))
    }

    /// The rank where the actor lives.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// struct Cache(Vec<u64>);
    ///
    /// let cache = client.actor(|| Cache(Vec::new()), ());
    /// println!("it lives on rank {}", cache.rank());
    /// # Ok(()) }
    /// ```
    pub fn rank(&self) -> Rank {
        self.held.object().home
    }
}

impl ClientShared {
    /// Calls an actor's function. The returned future has its result.
    fn call_for_future(self: &Arc<Self>, object: ObjectId, payload: Result<Blob>) -> Arc<FutureHandle> {
        let promise = Arc::new(Promise::default());
        let handle = self.promised(&promise);
        match payload {
            Ok(payload) => {
                self.begin_call(object, ObjectOp::Invoke, payload, ReplySink::Promise(promise.clone()));
                self.close_if_closed(&promise);
            }
            Err(error) => {
                let cause = match error {
                    Error::Task(cause) => cause,
                    other => {
                        let what = format!("call of an {}", object.kind);
                        Arc::new(TaskError::not_started(other.to_string(), what, self.rank))
                    }
                };
                promise.answer(WaitAnswer::Failed(cause));
            }
        }
        handle
    }
}

impl Client {
    /// Makes an actor on one of the ranks that compute, each in turn, and returns at once. The constructor runs there.
    ///
    /// It is a `fn` item, or a closure that captures nothing, of up to six parameters. A future among the arguments is
    /// waited for here. [`Options::actor`] chooses the rank.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// struct Counter(u64);
    ///
    /// fn add(counter: &mut Counter, n: u64) -> u64 {
    ///     counter.0 += n;
    ///     counter.0
    /// }
    ///
    /// let counter = client.actor(|n: u64| Counter(n), (0,));
    /// let totals: Vec<dtask::Future<u64>> = (1..4).map(|n| counter.call(add, (n,))).collect();
    /// assert_eq!(client.gather(totals)?, [1, 3, 6]);
    /// # Ok(()) }
    /// ```
    pub fn actor<M, F: MakerFn<M>, P: Args<F::Params>>(&self, make: F, args: P) -> Actor<F::Actor> {
        self.actor_on(None, make, args)
    }

    fn actor_on<M, F: MakerFn<M>, P: Args<F::Params>>(
        &self,
        on: Option<Rank>,
        make: F,
        args: P,
    ) -> Actor<F::Actor> {
        let shared = self.shared();
        let number = shared.new_number();
        let home = on.unwrap_or(match self.ranks() as u64 {
            0 | 1 => HEAD,
            ranks => Rank(1 + (number % (ranks - 1)) as u32),
        });
        let object = ObjectId { home, kind: ObjectKind::Actor, number };
        // if the arguments cannot be packed, an empty payload is sent: the constructor fails, and so do all calls
        let payload = self.function_call(maker_of::<F, M>(&make), args).unwrap_or_default();
        shared.begin_call(object, ObjectOp::Make, payload, ReplySink::None);
        let held = HeldObject::first(shared, object, HandleSide::Front, 0);
        Actor { held: held.into(), item: PhantomData }
    }
}

impl Options<'_> {
    /// Makes an actor on the rank that [`Options::on`] has named; see [`Client::actor`]. Other options have no effect
    /// on it.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// struct Cache(Vec<u64>);
    ///
    /// let cache = client.options().on(dtask::Rank(0)).actor(|| Cache(Vec::new()), ());
    /// assert_eq!(cache.rank(), dtask::Rank(0));
    /// # Ok(()) }
    /// ```
    pub fn actor<M, F: MakerFn<M>, P: Args<F::Params>>(&self, make: F, args: P) -> Actor<F::Actor> {
        self.client().actor_on(self.rank(), make, args)
    }
}
