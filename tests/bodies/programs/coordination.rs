//! Operations of programs on actors, queues, events, semaphores, locks, variables and channels.

use super::plan::Object;
use super::run::Program;
use super::{Expected, List, fresh};
use crate::bodies::Random;
use dtask::{Actor, Event, Failure, Lock, Queue, Receiver, Semaphore, Sender, Variable};
use serde::{Deserialize, Serialize};

/// The value of an actor. It never leaves its rank.
pub struct Sum(u64);

fn sum_of(n: u64) -> Sum {
    Sum(n)
}

fn grow(sum: &mut Sum, n: u64) -> List {
    sum.0 += n;
    vec![sum.0; (n % 40) as usize]
}

fn grow_by(sum: &mut Sum, list: &[u64]) -> List {
    sum.0 += list.len() as u64;
    vec![sum.0]
}

fn total(sum: &Sum) -> u64 {
    sum.0
}

#[derive(Clone, Serialize, Deserialize)]
struct Holder {
    sum: Option<Actor<Sum>>,
    n: u64,
}

fn passes(holder: Holder) -> Result<Holder, Failure> {
    if let Some(sum) = &holder.sum {
        sum.call(grow, (holder.n,)).result()?;
    }
    Ok(holder)
}

fn puts(queue: Queue<u64>, n: u64) -> Result<u64, Failure> {
    queue.put(n)?;
    Ok(n)
}

fn drains(queue: Queue<u64>) -> Result<List, Failure> {
    let mut sum = 0;
    for value in &queue {
        sum += value?;
    }
    Ok(vec![sum])
}

/// Sends until the receiver goes. Gives the number of those sent.
fn sends(out: Sender<List>, count: u64, length: u64) -> Result<u64, Failure> {
    for n in 0..count {
        if let Err(error) = out.send(vec![n; length as usize]) {
            return if matches!(error, dtask::Error::Gone(_)) { Ok(n) } else { Err(error.into()) };
        }
    }
    Ok(count)
}

fn receives(input: Receiver<List>, most: u64) -> Result<List, Failure> {
    let mut sum = 0;
    for item in input.iter().take(most as usize) {
        sum += item?.iter().sum::<u64>();
    }
    Ok(vec![sum])
}

fn sent_sum(count: u64, length: u64) -> u64 {
    (0..count).map(|n| n * length).sum()
}

fn waits(go: Event, n: u64) -> Result<List, Failure> {
    go.wait()?;
    Ok(fresh(n, n % 30))
}

/// Takes a token while it has a permit: as many as there are permits. Every third fails with its permit.
fn holds(permits: Semaphore, tokens: Queue<u64>, n: u64) -> Result<u64, Failure> {
    let _permit = permits.acquire()?;
    let token = tokens.try_get()?.ok_or_else(|| Failure::new("more holders than permits"))?;
    tokens.put(token)?;
    if n.is_multiple_of(3) { Err(Failure::new(super::tasks::ON_PURPOSE)) } else { Ok(n) }
}

fn counts(lock: Lock, sum: Variable<u64>, n: u64) -> Result<u64, Failure> {
    let _guard = lock.acquire()?;
    let before = sum.get()?;
    sum.set(before + n)?;
    Ok(n)
}

fn same(holds: bool, what: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::new(format!("differs: {what}"))) }
}

impl Program {
    fn name(&self, salt: u64) -> String {
        format!("{:x} {salt:x}", self.own)
    }

    pub(super) fn use_object(&mut self, what: Object, salt: u64) -> Result<(), Failure> {
        match what {
            Object::Calls => self.calls(salt),
            Object::CallsByTasks => self.calls_by_tasks(salt),
            Object::Queue => self.queue(salt),
            Object::Channel | Object::ChannelCut | Object::ChannelHere => self.channel(what, salt),
            Object::Event => self.event(salt),
            Object::Semaphore => self.semaphore(salt),
            Object::Lock => self.lock(salt),
            Object::EveryRank => self.every_rank(salt),
            Object::Forgotten => self.forgotten(salt),
        }
    }

    /// Calls an actor that the program keeps. Its results are slots like those of tasks.
    fn calls(&mut self, salt: u64) -> Result<(), Failure> {
        let mut random = Random(salt);
        if random.below(4) == 0 || self.actor.1.is_none() {
            let start = salt % 7;
            let actor = self.client.as_ref().map(|client| client.actor(sum_of, (start,)));
            self.actor = (actor, Some(start));
        }
        for _ in 0..random.below(5) {
            let n = random.below(200);
            let list = match random.below(4) {
                0 => self.certain(random.next() as usize),
                _ => None,
            };
            let sum = self.actor.1.unwrap_or(0) + list.map_or(n, |at| self.length(at));
            self.actor.1 = Some(sum);
            let actor = self.actor.0.as_ref();
            let future = actor.map(|actor| match list.and_then(|at| self.slots[at].future.as_ref()) {
                Some(list) => actor.call(grow_by, (list,)),
                None => actor.call(grow, (n,)),
            });
            let value = if list.is_some() { vec![sum] } else { vec![sum; (n % 40) as usize] };
            self.add(Expected::sure(Some(value)), Vec::from_iter(list), true, future);
        }
        Ok(())
    }

    /// A slot whose task has a result for certain.
    fn certain(&self, number: usize) -> Option<usize> {
        let is_certain = |at: &usize| {
            let slot = &self.slots[*at];
            !slot.is_dropped && !slot.expected.cancelled && slot.expected.value.is_some()
        };
        let certain: Vec<usize> = (0..self.slots.len()).filter(is_certain).collect();
        certain.get(number % certain.len().max(1)).copied()
    }

    fn length(&self, at: usize) -> u64 {
        self.slots[at].expected.value.as_ref().map_or(0, |list| list.len() as u64)
    }

    /// Tasks call an actor whose handle lies in values that they pass on.
    fn calls_by_tasks(&self, salt: u64) -> Result<(), Failure> {
        let Some(client) = &self.client else { return Ok(()) };
        let mut random = Random(salt);
        let sum = client.actor(sum_of, (1,));
        let (mut expected, mut passed) = (1, Vec::new());
        for _ in 0..random.below(4) {
            let n = random.below(100);
            let first = client.submit(passes, (Holder { sum: Some(sum.clone()), n },));
            let second = client.submit(passes, (&first,));
            expected += 2 * n;
            if random.below(2) == 0 {
                drop(client.submit(|holder: Holder| holder.n, (&first,)));
            }
            passed.push(second);
        }
        client.wait(&passed)?;
        if let Some(holder) = passed.first() {
            same(holder.result()?.sum.is_some(), "a handle comes back")?;
        }
        let last = sum.call(total, ());
        drop(sum);
        same(last.result()? == expected, "each call of a task counts once")
    }

    fn queue(&mut self, salt: u64) -> Result<(), Failure> {
        let mut random = Random(salt);
        let values: Vec<u64> = (0..random.below(9)).map(|_| random.below(1000)).collect();
        let (limit, consumers) = (1 + random.below(4), 1 + random.below(3));
        if let Some(client) = &self.client {
            let queue: Queue<u64> = client.bounded_queue(&self.name(salt), limit);
            let drained: Vec<_> = (0..consumers).map(|_| client.submit(drains, (&queue,))).collect();
            let put = client.starmap(puts, values.iter().map(|&n| (&queue, n)));
            let put = client.gather(put);
            queue.close()?;
            put?;
            let sums = client.gather(drained)?.concat();
            same(sums.iter().sum::<u64>() == values.iter().sum(), "what was put comes out once")?;
            same(queue.put(1).is_err() && queue.get().is_err(), "a closed queue")?;
        }
        self.add_new(
            Some(fresh(salt, 3)),
            self.client.as_ref().map(|client| client.submit(fresh, (salt, 3))),
        );
        Ok(())
    }

    fn channel(&mut self, what: Object, salt: u64) -> Result<(), Failure> {
        let mut random = Random(salt);
        let (count, length) = (random.below(30), [1, 1, 50, 3000][random.below(4) as usize]);
        let capacity = 1 + random.below(6) as u32;
        let most = if matches!(what, Object::ChannelCut) { random.below(count + 1) } else { u64::MAX };
        let sum = sent_sum(count.min(most), length);
        let ends = self.client.as_ref().map(|client| (client, client.channel::<List>(capacity)));
        if let Some((client, (out, input))) = ends {
            let sent = client.submit(sends, (out, count, length));
            if matches!(what, Object::ChannelHere) {
                let mut got = 0;
                for item in &input {
                    got += item?.iter().sum::<u64>();
                }
                same(got == sum, "all items came")?;
                same(sent.result()? == count, "all items were sent")?;
            } else {
                let received = client.submit(receives, (input, most));
                same(received.result()? == [sum], "all items that are received")?;
                let sent = sent.result()?;
                same(sent == count || most < count, "all items are sent")?;
                same(sent >= count.min(most) && sent <= count, "the number of items sent")?;
            }
        }
        Ok(())
    }

    fn event(&mut self, salt: u64) -> Result<(), Failure> {
        let count = 1 + salt % 6;
        let go = self.client.as_ref().map(|client| client.event(&self.name(salt)));
        for n in 0..count {
            let waiting = self.client.as_ref().zip(go.as_ref());
            let future = waiting.map(|(client, go)| client.submit(waits, (go, salt + n)));
            self.add_new(Some(fresh(salt + n, (salt + n) % 30)), future);
        }
        if let (Some(client), Some(go)) = (&self.client, &go) {
            let among = client.submit(fresh, (salt, 9)).result()?;
            same(among == fresh(salt, 9), "a task among those that wait")?;
            go.set()?;
            go.wait()?;
        }
        Ok(())
    }

    fn semaphore(&self, salt: u64) -> Result<(), Failure> {
        let Some(client) = &self.client else { return Ok(()) };
        let permits = 1 + salt % 3;
        let (db, tokens) =
            (client.semaphore(&self.name(salt), permits as u32), client.queue(&self.name(salt)));
        (0..permits).try_for_each(|n| tokens.put(n))?;
        let held = client.starmap(holds, (0..salt % 9).map(|n| (&db, &tokens, n)));
        for (outcome, n) in client.gather_each(held)?.into_iter().zip(0..) {
            match outcome {
                Ok(value) => same(value == n && n % 3 > 0, "a holder")?,
                Err(error) => same(error.to_string().contains(super::tasks::ON_PURPOSE), &error.to_string())?,
            }
        }
        let all = (0..permits).map(|_| db.acquire()).collect::<Result<Vec<_>, _>>()?;
        same(db.try_acquire()?.is_none(), "all permits are held")?;
        drop(all);
        Ok(())
    }

    fn lock(&self, salt: u64) -> Result<(), Failure> {
        let Some(client) = &self.client else { return Ok(()) };
        let (lock, sum) = (client.lock(&self.name(salt)), client.variable(&self.name(salt)));
        sum.set(0u64)?;
        let counted = client.gather(client.starmap(counts, (0..salt % 8).map(|n| (&lock, &sum, n))))?;
        same(sum.get()? == counted.iter().sum::<u64>(), "each addition counts once")
    }

    fn every_rank(&self, salt: u64) -> Result<(), Failure> {
        let Some(client) = &self.client else { return Ok(()) };
        let got = client.run_on_all(|salt: u64, n: u64| fresh(salt, n), (salt, salt % 3000))?;
        same(got == vec![fresh(salt, salt % 3000); client.ranks()], "the same on each rank")
    }

    /// Tasks whose futures are given away run all the same.
    fn forgotten(&self, salt: u64) -> Result<(), Failure> {
        let Some(client) = &self.client else { return Ok(()) };
        let queue: Queue<u64> = client.queue(&self.name(salt));
        let values: Vec<u64> = (0..salt % 5).map(|n| salt / 7 % 1000 + n).collect();
        values.iter().for_each(|&n| client.fire_and_forget(client.submit(puts, (&queue, n))));
        let mut got = values.iter().map(|_| queue.get()).collect::<Result<Vec<u64>, _>>()?;
        got.sort_unstable();
        same(got == values, "what forgotten tasks have put")
    }
}
