//! Tasks that are computed, one step at a time.

use super::nested::with_nested;
use super::{Cluster, Running};
use crate::client::{Manner, value_of};
use dtask::internal::error::{Retry, TaskError};
use dtask::internal::ids::{DefId, Rank};
use dtask::internal::worker;

impl Cluster {
    pub(super) fn compute(&mut self, rank: usize) {
        let impatient = self.rng.chance(2);
        let ready = |running: &Running| impatient || running.nest.can_go_on();
        let running = self.nodes[rank].running.iter().enumerate();
        let ready: Vec<usize> = running.filter(|(_, running)| ready(running)).map(|(at, _)| at).collect();
        let at = self.rng.pick(&ready);
        if self.nest(rank, at) {
            return;
        }
        let node = &mut self.nodes[rank];
        let Running { run, inputs, is_late, .. } = node.running.swap_remove(at);
        let spec = &self.client.specs[&run.task];
        let fails = match spec.manner {
            Manner::Works => false,
            Manner::FailsFirst(times) => run.attempt <= times,
            Manner::FailsAlways => true,
            Manner::FailsAtTimes => self.rng.chance(50),
        };
        let (task, attempt, nanos) = (run.task, run.attempt, self.nanos[run.def.index() % 8]);
        let output = if fails || is_late {
            let (message, host) = ("as it should".to_owned(), "h".to_owned());
            let error = TaskError::of_attempt(message, String::new(), Rank(rank as u32), host, attempt);
            let needy = run.depth == 0 && self.client.memory(spec.def) > 0;
            Err(if needy { error.with_retry(Retry::WithMemory(self.rng.pick(&[70, 100]))) } else { error })
        } else {
            let def = if run.depth > 0 { DefId(0) } else { spec.def };
            let own = value_of(def, &run.args, inputs.into_iter());
            let value = with_nested(own, spec.seed, spec.level);
            assert_eq!(value, spec.value, "the value of {run:?}");
            if spec.nbytes > 0 {
                node.store.insert(task, value);
            }
            Ok(spec.output(value))
        };
        node.computed.push_back(worker::WorkerEvent::Computed { task, attempt, nanos, output });
        self.note(|| format!("rank {rank} has computed {task:?}"));
    }
}
