//! Handles of objects that live on a rank: queues, events, semaphores, locks, variables, actors, channels.
//!
//! A handle names an object and can be used on every rank. Its calls go straight to the rank where the object lives.
//!
//! * [`named`]: objects that are found by their name; [`coordination`], [`queue`]: their kinds;
//! * [`held`]: objects that are released with their last handle: [`actor`], [`channel`];
//! * [`every_rank`]: functions that run once on each rank.
//!
//! Start with `ClientShared::call_object`.

pub(crate) mod actor;
pub(crate) mod channel;
pub(crate) mod coordination;
pub(crate) mod every_rank;
pub(crate) mod held;
pub(crate) mod named;
pub(crate) mod queue;

use super::{Client, ClientShared};
use crate::client::arguments::{Args, ArgumentPack};
use crate::compact::{Bytes, Runs};
use crate::error::{Error, Result};
use crate::ids::{IdMap, TaskId};
use crate::protocol::{Blob, FunctionCall, ObjectCall, ObjectId, ObjectOp, ReplyKind, decode_error};
use crate::runtime::head::Request;
use crate::runtime::objects::{ObjectRequest, ReplySink};
use crate::runtime::promise::Promise;
use crate::runtime::threads::task_context;
use crate::runtime::wait::{Wait, WaitAnswer};
use channel::ChannelTable;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The numbers and tables of a rank's client for handles of objects.
#[derive(Default)]
pub(super) struct ObjectTables {
    /// The number of calls of objects that this rank has made so far.
    calls: AtomicU64,
    /// The number of unique numbers that this rank has given to objects without a name and copies of handles.
    numbers: AtomicU64,
    /// The results that are to come straight from other ranks, by the numbers in their futures.
    pub(super) promises: Mutex<IdMap<TaskId, Arc<Promise>>>,
    /// The ends of channels that this rank has.
    channels: Mutex<ChannelTable>,
}

/// The reply to a call of an object.
pub(super) struct ObjectReply {
    pub(super) kind: ReplyKind,
    /// The kind as a byte, then the payload.
    bytes: Bytes,
}

impl ObjectReply {
    /// Decodes the reply from the answer of a wait. `closed` is the reason if the run has ended.
    pub(super) fn of(answer: Option<WaitAnswer>, closed: Option<&str>) -> Result<ObjectReply> {
        match answer {
            Some(WaitAnswer::Inline(bytes)) => {
                let kind = bytes.first().and_then(|&byte| ReplyKind::from_byte(byte));
                let kind = kind.ok_or_else(|| Error::internal("a reply of unknown kind"))?;
                Ok(ObjectReply { kind, bytes })
            }
            Some(WaitAnswer::Failed(cause)) => Err(Error::Task(cause)),
            _ => Err(Error::Closed(closed.unwrap_or("no reply has come").into())),
        }
    }

    /// The encoded result of the operation.
    pub(super) fn payload(&self) -> &[u8] {
        self.bytes.get(1..).unwrap_or_default()
    }

    /// The text of the reply, if it is an error.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(self.payload()).into_owned()
    }
}

/// The client of the calling thread's rank, for handles that were read out of a value.
///
/// # Errors
/// On a thread that belongs to no run.
pub(super) fn client_here() -> Result<Arc<ClientShared>> {
    let home = task_context::home();
    let client = home.as_ref().and_then(|home| home.downcast_ref::<Client>());
    let outside = || Error::Other("this handle is used outside of a run of dtask".into());
    Ok(client.ok_or_else(outside)?.shared().clone())
}

impl ClientShared {
    /// Names the futures and ends of channels of this rank, which have to be gone at the end; `None` if none is left.
    #[cfg(feature = "testing")]
    pub(crate) fn left(&self) -> Option<String> {
        let (promises, ends) = (self.objects.promises.lock().len(), self.objects.channels.lock().used());
        let names = self.state.lock().task_names.len();
        (promises + ends + names > 0)
            .then(|| format!("{promises} promises, {ends} ends of channels in use, {names} names of tasks"))
    }

    /// Calls an operation of an object without waiting. The reply goes to `sink`. Returns the number of the call.
    pub(super) fn begin_call(&self, object: ObjectId, op: ObjectOp, payload: Blob, sink: ReplySink) -> u64 {
        task_context::settle();
        let number = match sink {
            ReplySink::None => 0,
            _ => self.objects.calls.fetch_add(1, Ordering::Relaxed) + 1,
        };
        let call = ObjectCall { object, call: number, op };
        self.mailbox.push(Request::Object(Box::new(ObjectRequest::Call { call, payload, sink })));
        number
    }

    /// Calls an operation of an object without a reply.
    pub(super) fn tell_object(&self, object: ObjectId, op: ObjectOp) {
        let call = ObjectCall { object, call: 0, op };
        let request = ObjectRequest::Call { call, payload: Blob::default(), sink: ReplySink::None };
        self.mailbox.push(Request::Object(Box::new(request)));
    }

    /// Calls an operation of an object and waits for the reply, for at most `limit`. The calling task gives its slot
    /// back meanwhile.
    ///
    /// # Errors
    /// When the run has ended; and [`Error::Timeout`], after which the call has had no effect.
    pub(super) fn call_object(
        &self,
        object: ObjectId,
        op: ObjectOp,
        payload: Blob,
        limit: Option<Duration>,
    ) -> Result<ObjectReply> {
        let wait = Wait::for_values(1);
        let number = self.begin_call(object, op, payload, ReplySink::Wait(wait.clone(), 0));
        self.answer_if_closed(&wait);
        let driver = self.driver.get();
        let mut answers = wait.all(limit, driver.as_deref());
        if answers.is_none() {
            // cancels the call at the object's home; a reply that is under way already is used
            self.tell_object(object, ObjectOp::Cancel { call: number });
            answers = wait.all(None, driver.as_deref());
        }
        let mut answers = answers.unwrap_or_default();
        let answer = answers.values.first_mut().and_then(Option::take);
        let reply = ObjectReply::of(answer, answers.closed.as_deref())?;
        match reply.kind {
            ReplyKind::Cancelled => Err(Error::Timeout(limit.unwrap_or_default())),
            _ => Ok(reply),
        }
    }
}

impl Client {
    /// Makes a client from the shared state of a rank's client.
    pub(crate) fn of(shared: Arc<ClientShared>) -> Self {
        Client { ranks: shared.ranks, shared, parent: None }
    }

    /// Packs a function with its arguments into the payload of a call. Waits for the futures among the arguments.
    ///
    /// # Errors
    /// When a task whose future is an argument has failed.
    pub(super) fn function_call<P>(&self, function: u64, args: impl Args<P>) -> Result<Blob> {
        task_context::settle();
        let mut pack = ArgumentPack::whole(self);
        args.pack(&mut pack);
        let mut inputs = Vec::new();
        if !pack.inputs.is_empty() {
            let mut tasks = Runs::default();
            pack.inputs.iter().for_each(|task| tasks.push(task.0));
            let wait = Wait::for_values(pack.inputs.len());
            self.shared.mailbox.push(Request::Want { tasks, first: 0, wait: wait.clone() });
            self.shared.answer_if_closed(&wait);
            let answers = wait.all(None, self.shared.driver.get().as_deref()).unwrap_or_default();
            for answer in answers.values {
                inputs.push(match answer {
                    Some(WaitAnswer::Inline(bytes)) => Blob::new(&bytes),
                    Some(WaitAnswer::Value(value)) => Blob(value.to_encoded()?.into()),
                    Some(WaitAnswer::Failed(cause)) => return Err(Error::Task(cause)),
                    Some(WaitAnswer::Done) | None => {
                        let why = answers.closed.as_deref().unwrap_or("an argument did not come");
                        return Err(Error::Closed(why.into()));
                    }
                });
            }
        }
        let args = Blob(std::mem::take(&mut pack.args));
        Ok(FunctionCall { function, args, inputs }.encode()?)
    }
}

/// The error of a function that was called on a rank.
pub(super) fn failure(reply: &ObjectReply) -> Error {
    match decode_error(reply.payload()) {
        Ok(error) => Error::Task(Arc::new(error)),
        Err(error) => error.into(),
    }
}
