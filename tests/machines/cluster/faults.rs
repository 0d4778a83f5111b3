//! Data that move, and ranks that die.

use super::{Cluster, Transfer};
use dtask::internal::worker;

impl Cluster {
    pub(super) fn deliver(&mut self, at: usize) {
        let Transfer { from, to, task, tag, value } = self.data.swap_remove(at);
        let node = &mut self.nodes[to.index()];
        if node.alive && node.fetching.get(&task) == Some(&(from, tag)) {
            node.fetching.remove(&task);
            node.store.insert(task, value);
            self.tell(to, worker::WorkerEvent::Arrived(task));
        }
    }

    /// A rank dies: of what it has sent, any beginning may still arrive.
    pub(super) fn die(&mut self) {
        let at = self.rng.below(self.victims.len());
        let dead = self.victims.swap_remove(at);
        self.note(|| format!("rank {dead} dies"));
        let rng = &mut self.rng;
        self.nodes[dead.index()].alive = false;
        self.orders[dead.index()].clear();
        let keep = rng.below(self.reports[dead.index()].len() + 1);
        self.reports[dead.index()].truncate(keep);
        for asks in &mut self.asks[dead.index()] {
            let keep = rng.below(asks.len() + 1);
            asks.truncate(keep);
        }
        self.asks.iter_mut().for_each(|asks| asks[dead.index()].clear());
        self.data.retain(|transfer| transfer.to != dead && (transfer.from != dead || rng.chance(50)));
        self.notices.push(dead);
    }
}
