//! Events, semaphores, locks and variables.

use super::named::{NamedObject, named_handle};
use crate::client::{Client, ClientShared};
use crate::codec;
use crate::error::Result;
use crate::protocol::{Blob, ObjectId, ObjectKind, ObjectOp, ReplyKind};
use crate::task::value::{Data, decode};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// A flag that tasks wait for, the same for all who name it (`client.event("go")`).
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// fn waits(go: dtask::Event, n: u64) -> Result<u64, dtask::Failure> {
///     go.wait()?;
///     Ok(n)
/// }
/// let go = client.event("go");
/// let waiting = client.starmap(waits, (0..64).map(|n| (&go, n)));
/// go.set()?;
/// assert_eq!(client.gather(waiting)?.len(), 64);
/// # Ok(()) }
/// ```
///
/// It can be an argument of tasks and a field of types that travel. It lives on one rank; calls go there straight.
pub struct Event {
    object: NamedObject,
}
named_handle!(Event, Event);

impl Event {
    /// Waits until the event is set. A task gives its slot back meanwhile.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let go = client.event("go");
    /// go.set()?;
    /// go.wait()?; // at once
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Gone`](crate::Error::Gone) when the event was lost with its rank; and when the run has ended.
    pub fn wait(&self) -> Result<()> {
        self.object.ask(ObjectOp::Wait, None).map(drop)
    }

    /// Waits like [`Event::wait`], but for at most `limit`.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// use std::time::Duration;
    ///
    /// let go = client.event("go");
    /// assert!(go.wait_timeout(Duration::from_millis(5)).is_err()); // nobody has set it
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Event::wait`]; and [`Error::Timeout`](crate::Error::Timeout).
    pub fn wait_timeout(&self, limit: Duration) -> Result<()> {
        self.object.ask(ObjectOp::Wait, Some(limit)).map(drop)
    }

    /// Sets the event: all who wait for it go on, and nobody waits from now on.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let go = client.event("go");
    /// go.set()?;
    /// assert!(go.is_set()?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Event::wait`].
    pub fn set(&self) -> Result<()> {
        self.object.ask(ObjectOp::Set, None).map(drop)
    }

    /// Clears the event, so that one has to wait again.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let go = client.event("go");
    /// go.set()?;
    /// go.clear()?;
    /// assert!(!go.is_set()?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Event::wait`].
    pub fn clear(&self) -> Result<()> {
        self.object.ask(ObjectOp::Clear, None).map(drop)
    }

    /// Whether the event is set.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let go = client.event("go");
    /// println!("{}", go.is_set()?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Event::wait`].
    pub fn is_set(&self) -> Result<bool> {
        self.object.ask(ObjectOp::IsSet, None)
    }
}

/// A number of permits, of which tasks hold some for a time: at most as many tasks at once use a database, a licence.
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// fn query(db: dtask::Semaphore, n: u64) -> Result<u64, dtask::Failure> {
///     let _permit = db.acquire()?; // given back when it is dropped, however the task ends
///     Ok(n * n)
/// }
/// let db = client.semaphore("db", 4);
/// let squares = client.starmap(query, (0..100).map(|n| (&db, n)));
/// # assert_eq!(client.gather(squares)?.len(), 100);
/// # Ok(()) }
/// ```
///
/// Permits are given in the order of the calls. Those of a rank that dies are given back.
pub struct Semaphore {
    object: NamedObject,
}
named_handle!(Semaphore, Semaphore);

/// A lock that one task at a time holds, whichever rank it runs on: a [`Semaphore`] with one permit.
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// fn append(file: dtask::Lock, line: String) -> Result<(), dtask::Failure> {
///     let _guard = file.acquire()?;
///     println!("{line}"); // alone
///     Ok(())
/// }
/// client.submit(append, (&client.lock("file"), "a line")).result()?;
/// # Ok(()) }
/// ```
pub struct Lock {
    object: NamedObject,
}
named_handle!(Lock, Lock);

/// A permit of a [`Semaphore`] or the guard of a [`Lock`], which is given back when it is dropped.
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// let permit = client.semaphore("db", 4).acquire()?;
/// drop(permit); // gives it back
/// # Ok(()) }
/// ```
#[must_use = "the permit is given back at once if it is not kept: `let _permit = ..`"]
pub struct Permit {
    object: ObjectId,
    client: Arc<ClientShared>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.client.tell_object(self.object, ObjectOp::Release);
    }
}

fn acquire(object: &NamedObject, tries: bool, limit: Option<Duration>) -> Result<Option<Permit>> {
    let permits = u32::try_from(object.size).unwrap_or(u32::MAX);
    let op = if tries { ObjectOp::TryAcquire { permits } } else { ObjectOp::Acquire { permits } };
    let has_one = object.ask(op, limit)?;
    let client = object.client()?;
    Ok(has_one.then(|| Permit { object: object.id(client.ranks), client: client.clone() }))
}

macro_rules! acquiring {
    ($name:ident, $what:literal) => {
        impl $name {
            #[doc = concat!("Takes ", $what, ", and waits until it can. A task gives its slot back meanwhile.")]
            ///
            /// ```
            /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
            /// let lock = client.lock("file"); // or `client.semaphore("db", 4)`
            /// let guard = lock.acquire()?;
            /// # drop(guard);
            /// # Ok(()) }
            /// ```
            ///
            /// # Errors
            /// [`Error::Gone`](crate::Error::Gone) when it was lost with its rank; and when the run has ended.
            pub fn acquire(&self) -> Result<Permit> {
                let none = || crate::Error::internal("no permit");
                acquire(&self.object, false, None)?.ok_or_else(none)
            }

            #[doc = concat!("Takes ", $what, " like `acquire`, but waits for at most `limit`.")]
            ///
            /// ```
            /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
            /// use std::time::Duration;
            ///
            /// let lock = client.lock("file"); // or `client.semaphore("db", 4)`
            /// let guard = lock.acquire_timeout(Duration::from_secs(60))?;
            /// # drop(guard);
            /// # Ok(()) }
            /// ```
            ///
            /// # Errors
            /// As `acquire`; and [`Error::Timeout`](crate::Error::Timeout).
            pub fn acquire_timeout(&self, limit: Duration) -> Result<Permit> {
                let none = || crate::Error::internal("no permit");
                acquire(&self.object, false, Some(limit))?.ok_or_else(none)
            }

            #[doc = concat!("Takes ", $what, " if that is possible at once; `None` if not.")]
            ///
            /// ```
            /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
            /// let lock = client.lock("file"); // or `client.semaphore("db", 4)`
            /// if let Some(_guard) = lock.try_acquire()? {
            ///     println!("nobody else has it");
            /// }
            /// # Ok(()) }
            /// ```
            ///
            /// # Errors
            /// As `acquire`.
            pub fn try_acquire(&self) -> Result<Option<Permit>> {
                acquire(&self.object, true, None)
            }
        }
    };
}
acquiring!(Semaphore, "a permit");
acquiring!(Lock, "the lock");

/// A value that tasks set and read, the same for all who name it (`client.variable("best")`).
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// let best = client.variable("best");
/// best.set(0.25)?;
/// let half = client.submit(
///     |best: dtask::Variable<f64>| -> Result<f64, dtask::Failure> { Ok(best.get()? / 2.0) },
///     (&best,),
/// );
/// assert_eq!(half.result()?, 0.125);
/// # Ok(()) }
/// ```
pub struct Variable<T> {
    object: NamedObject,
    item: PhantomData<fn() -> T>,
}
named_handle!(Variable<T>, Variable);

impl<T: Data> Variable<T> {
    /// Sets the value; those who wait for the first one go on.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let best: dtask::Variable<f64> = client.variable("best");
    /// best.set(0.5)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the value cannot be encoded; [`Error::Gone`](crate::Error::Gone) when the variable was lost with its rank;
    /// and when the run has ended.
    pub fn set(&self, value: T) -> Result<()> {
        let payload = Blob(codec::encode_value(&value)?.into());
        self.object.call(ObjectOp::Store, payload, None).map(drop)
    }

    /// The value. Waits until there is one; a task gives its slot back meanwhile.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let best: dtask::Variable<f64> = client.variable("best");
    /// best.set(0.5)?;
    /// assert_eq!(best.get()?, 0.5);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Variable::set`]; and when the value is of another type.
    pub fn get(&self) -> Result<T> {
        Ok(decode(self.object.call(ObjectOp::Load, Blob::default(), None)?.payload())?)
    }

    /// The value like [`Variable::get`], but waits for at most `limit`.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// use std::time::Duration;
    ///
    /// let best: dtask::Variable<f64> = client.variable("best");
    /// println!("{}", best.get_timeout(Duration::from_secs(1))?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Variable::get`]; and [`Error::Timeout`](crate::Error::Timeout).
    pub fn get_timeout(&self, limit: Duration) -> Result<T> {
        Ok(decode(self.object.call(ObjectOp::Load, Blob::default(), Some(limit))?.payload())?)
    }

    /// The value if there is one.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let best: dtask::Variable<f64> = client.variable("best");
    /// let bound = best.try_get()?.unwrap_or(f64::INFINITY);
    /// # drop(bound);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Variable::get`].
    pub fn try_get(&self) -> Result<Option<T>> {
        let reply = self.object.call(ObjectOp::TryLoad, Blob::default(), None)?;
        if reply.kind == ReplyKind::Nothing {
            return Ok(None);
        }
        Ok(Some(decode(reply.payload())?))
    }

    /// Removes the value, so that one has to wait again for the next one.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let best: dtask::Variable<f64> = client.variable("best");
    /// best.set(0.5)?;
    /// best.clear()?;
    /// assert_eq!(best.try_get()?, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Variable::set`].
    pub fn clear(&self) -> Result<()> {
        self.object.ask(ObjectOp::Clear, None).map(drop)
    }
}

impl Client {
    /// The event of this name, which is not set at first.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let go = client.event("go");
    /// go.set()?;
    /// # Ok(()) }
    /// ```
    pub fn event(&self, name: &str) -> Event {
        Event { object: NamedObject::new(self, ObjectKind::Event, name, 0) }
    }

    /// The semaphore of this name. Its first use sets the number of permits, at least 1; later ones do not change it.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let db = client.semaphore("db", 4);
    /// let permit = db.acquire()?;
    /// # drop(permit);
    /// # Ok(()) }
    /// ```
    pub fn semaphore(&self, name: &str, permits: u32) -> Semaphore {
        Semaphore { object: NamedObject::new(self, ObjectKind::Semaphore, name, permits.into()) }
    }

    /// The lock of this name.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let lock = client.lock("file");
    /// let guard = lock.acquire()?;
    /// # drop(guard);
    /// # Ok(()) }
    /// ```
    pub fn lock(&self, name: &str) -> Lock {
        Lock { object: NamedObject::new(self, ObjectKind::Lock, name, 1) }
    }

    /// The variable of this name, which has no value at first.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let best: dtask::Variable<f64> = client.variable("best");
    /// best.set(0.5)?;
    /// # Ok(()) }
    /// ```
    pub fn variable<T: Data>(&self, name: &str) -> Variable<T> {
        Variable { object: NamedObject::new(self, ObjectKind::Variable, name, 0), item: PhantomData }
    }
}
