//! Functions that run once on each rank.

use super::{ObjectReply, failure};
use crate::client::Client;
use crate::client::arguments::Args;
use crate::error::{Error, Result};
use crate::ids::Rank;
use crate::protocol::{ObjectId, ObjectKind, ObjectOp, ReplyKind};
use crate::runtime::objects::ReplySink;
use crate::runtime::wait::Wait;
use crate::task::function;
use crate::task::task_fn::TaskFn;
use crate::task::value::decode;

impl Client {
    /// Calls a function once on every rank, rank 0 too, and returns the results in the order of the ranks.
    ///
    /// The calls take no slots and go past the scheduler, so that they run although tasks fill the ranks. In the
    /// function [`current`](crate::current) and [`local`](crate::local) are those of its rank. A future among the
    /// arguments is waited for first.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let threads: Vec<usize> = client.run_on_all(|| rayon::current_num_threads(), ())?;
    /// assert_eq!(threads.len(), client.ranks());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The error of the first rank, in their order, on which the function has failed; [`Error::Gone`] when a rank has
    /// died; and when the run has ended.
    pub fn run_on_all<M, F: TaskFn<M>, P: Args<F::Params>>(
        &self,
        function: F,
        args: P,
    ) -> Result<Vec<F::Output>> {
        let ranks = u32::try_from(self.ranks).unwrap_or(u32::MAX);
        self.run_on_ranks((0..ranks).map(Rank), function, args)
    }

    /// Calls a function once on each of these ranks, and returns the results in their order; see
    /// [`Client::run_on_all`].
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let twice = client.run_on_ranks([dtask::Rank(0)], |n: u32| 2 * n, (21,))?;
    /// assert_eq!(twice, [42]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Client::run_on_all`]; and when there is no such rank.
    pub fn run_on_ranks<M, F: TaskFn<M>, P: Args<F::Params>>(
        &self,
        ranks: impl IntoIterator<Item = Rank>,
        function: F,
        args: P,
    ) -> Result<Vec<F::Output>> {
        let ranks: Vec<Rank> = ranks.into_iter().collect();
        if let Some(rank) = ranks.iter().find(|rank| rank.index() >= self.ranks) {
            return Err(Error::Other(format!("rank {rank} does not exist: there are {}", self.ranks)));
        }
        if ranks.is_empty() {
            return Ok(Vec::new());
        }
        let payload = self.function_call(function::offset_of::<F, M>(&function), args)?;
        let wait = Wait::for_values(ranks.len());
        for (&home, place) in ranks.iter().zip(0..) {
            let object = ObjectId { home, kind: ObjectKind::Function, number: 0 };
            let sink = ReplySink::Wait(wait.clone(), place);
            self.shared().begin_call(object, ObjectOp::Run, payload.clone(), sink);
        }
        self.shared().answer_if_closed(&wait);
        let answers = wait.all(None, self.shared().driver.get().as_deref()).unwrap_or_default();
        let mut results = Vec::with_capacity(ranks.len());
        for (answer, rank) in answers.values.into_iter().zip(ranks) {
            let reply = ObjectReply::of(answer, answers.closed.as_deref())?;
            match reply.kind {
                ReplyKind::Done => results.push(decode(reply.payload())?),
                ReplyKind::Failed => return Err(failure(&reply)),
                _ => return Err(Error::Gone(format!("rank {rank} has died"))),
            }
        }
        Ok(results)
    }
}
