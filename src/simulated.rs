//! A simulated cluster: all ranks in one process on one thread, driven step by step (deterministic simulation
//! testing). The seed determines every interleaving, so a failure can be reproduced.

use crate::client::Client;
use crate::ids::{HEAD, Rank};
use crate::runtime::executor::Executor;
use crate::runtime::executor::error::ExecutorError;
use crate::runtime::head::{Head, Request};
use crate::runtime::mailbox::{Mailbox, Waker};
use crate::runtime::nested::Nested;
use crate::runtime::outbox::Links;
use crate::runtime::reactor::Reactor;
use crate::runtime::threads::job::RankLocation;
use crate::runtime::threads::simulated::Inline;
use crate::runtime::threads::task_context;
use crate::scheduler::RankInfo;
use crate::transport::sim::{SimNetwork, SimTransport};
use std::path::Path;
use std::sync::Arc;

/// The ranks of a simulated cluster for tests, in one process and joined by a simulated network. Every step checks the
/// invariants of their state machines.
pub struct Cluster {
    network: SimNetwork,
    reactors: Vec<Option<Reactor<SimTransport, Inline>>>,
    /// The clients of the ranks, whose tables must be empty at the end.
    clients: Vec<Client>,
}

impl Cluster {
    /// Makes a cluster of `ranks` ranks with `slots` slots each, and its client. Rank 0 computes only if it is alone.
    ///
    /// Tasks may submit others and wait for them, but must not ask for a future's status: the only thread would wait
    /// for an answer that its own steps have to bring. The client's waits do not advance the cluster: take a
    /// [`crate::Pending`], call [`Cluster::settle`], then take its answer.
    pub fn new(ranks: u32, slots: u32, seed: u64) -> (Self, Client) {
        let network = SimNetwork::new(ranks as usize, seed);
        let client_of = |rank| {
            let mailbox: Arc<Mailbox<Request>> = Mailbox::new(Waker::new());
            (Client::new(mailbox.clone(), Arc::default(), Rank(rank), ranks as usize), mailbox)
        };
        let (client, mailbox) = client_of(0);
        task_context::take_home(Arc::new(client.clone()));
        let slots_of = |rank| if rank > 0 || ranks == 1 { slots } else { 0 };
        let infos: Vec<RankInfo> =
            (0..ranks).map(|rank| RankInfo { slots: slots_of(rank), ..RankInfo::default() }).collect();
        let mut clients = Vec::new();
        let reactors = (0..ranks)
            .map(|rank| {
                let place = RankLocation {
                    rank: Rank(rank),
                    host: "simulated".into(),
                    locals: Some(Arc::default()),
                    cancelled: Arc::default(),
                    teams: Arc::default(),
                };
                let links = Links::new(network.endpoint(Rank(rank)));
                let (own, own_mailbox) =
                    if rank == 0 { (client.clone(), mailbox.clone()) } else { client_of(rank) };
                clients.push(own.clone());
                let counters = own.shared().counters.clone();
                let compute = Inline::new(place.clone(), Arc::new(own));
                let mut node = Executor::new(slots_of(rank), compute, place);
                node.fetches.transfers_max = 1 + (seed % 4) as usize;
                node.checksums = true;
                Some(match Rank(rank) {
                    HEAD => Reactor::new(links, node, Some((Head::new(&infos), own_mailbox))),
                    _ => {
                        let nested = Nested::new(own_mailbox, counters);
                        Reactor::new(links, node, None).with_nested(nested)
                    }
                })
            })
            .collect();
        (Cluster { network, reactors, clients }, client)
    }

    /// Sets the memory limit of every rank: results beyond `limit` bytes are moved to files in `folder`.
    pub fn limit_memory(&mut self, limit: u64, folder: &Path) {
        for reactor in self.reactors.iter_mut().flatten() {
            let folder = folder.to_owned();
            reactor.node.limit_memory(limit, move || Ok(folder.clone()));
        }
    }

    /// The number of bytes that all living ranks together have moved to disk so far, and the number of bytes of their
    /// results in memory.
    pub fn spilled(&self) -> (u64, u64) {
        let ledgers = self.reactors.iter().flatten().map(|reactor| &reactor.node.store.ledger);
        ledgers.fold((0, 0), |(moved, held), ledger| (moved + ledger.moved(), held + ledger.held()))
    }

    /// Damages the next `count` bulk messages (large results) from rank `from` to rank `to`.
    pub fn damage(&mut self, from: Rank, to: Rank, count: u32) {
        self.network.damage(from, to, count);
    }

    /// Kills `rank`: its state and undelivered messages are lost, and the other ranks are told.
    pub fn lose(&mut self, rank: Rank) {
        self.network.lose(rank);
        self.reactors[rank.index()] = None;
    }

    /// Runs one turn of a rank, chosen by the seeded random numbers. Does nothing if that rank was killed.
    ///
    /// # Errors
    /// When the reactor fails or an invariant does not hold; the text tells which.
    pub fn step(&mut self) -> Result<(), String> {
        let rank = self.network.random(self.reactors.len() as u64) as usize;
        let Some(reactor) = &mut self.reactors[rank] else { return Ok(()) };
        reactor.node.compute.allowance = self.network.random(3) as usize;
        reactor.turn().map_err(|error: ExecutorError| format!("rank {rank}: {error}"))?;
        reactor.node.machine().check().map_err(|what| format!("rank {rank}, worker: {what}"))?;
        if let Some((head, _)) = &reactor.head {
            head.machine().check().map_err(|what| format!("scheduler: {what}"))?;
        }
        reactor.node.objects.check().map_err(|what| format!("rank {rank}, objects: {what}"))?;
        Ok(())
    }

    /// Runs steps until `done` returns true, at most `limit` steps.
    ///
    /// # Errors
    /// When [`Cluster::step`] fails, or after `limit` steps, which means a hang.
    pub fn settle(&mut self, limit: usize, mut done: impl FnMut(&Self) -> bool) -> Result<(), String> {
        for _ in 0..limit {
            if done(self) {
                return Ok(());
            }
            self.step()?;
        }
        Err(format!(
            "nothing more to wait for after {limit} steps; {} messages under way",
            self.network.under_way()
        ))
    }

    /// Whether the cluster is at rest: rank 0 has no task records, no rank has results or tasks, no handle of an object,
    /// no call that waits for a reply and no future, and no message is in flight. [`Cluster::left`] names what there is.
    pub fn is_empty(&self) -> bool {
        self.network.under_way() == 0
            && self.reactors.iter().flatten().all(|reactor| {
                let head = reactor.head.as_ref();
                head.is_none_or(|(head, mailbox)| head.machine().records() == 0 && mailbox.is_empty())
                    && reactor.nested.as_ref().is_none_or(|nested| !nested.has_requests())
                    && reactor.node.objects.held() == 0
                    && !reactor.node.objects.is_busy()
                    && reactor.node.objects.left().is_none()
                    && reactor.node.stored() == 0
                    && reactor.node.machine().held() == 0
                    && reactor.node.machine().unfinished() == 0
            })
            && self
                .clients
                .iter()
                .zip(&self.reactors)
                .all(|(client, reactor)| reactor.is_none() || client.shared().left().is_none())
    }

    /// Names what keeps the cluster from being at rest (see [`Cluster::is_empty`]), rank by rank.
    pub fn left(&self) -> String {
        let mut left = vec![format!("{} messages", self.network.under_way())];
        for (rank, reactor) in self.reactors.iter().enumerate() {
            let Some(reactor) = reactor else { continue };
            let node = &reactor.node;
            let head = reactor.head.as_ref().map_or(0, |(head, _)| head.machine().records());
            left.push(format!(
                "rank {rank}: {head} records, {} results, {} copies held, {} tasks, {} objects{}",
                node.stored(),
                node.machine().held(),
                node.machine().unfinished(),
                node.objects.held(),
                if node.objects.is_busy() { ", functions run" } else { "" }
            ));
            left.extend(node.objects.left());
            left.extend(self.clients[rank].shared().left());
        }
        left.join("; ")
    }

    /// The number of results that `rank` holds; `None` if it was killed.
    pub fn stored(&self, rank: Rank) -> Option<usize> {
        Some(self.reactors.get(rank.index())?.as_ref()?.node.stored())
    }

    /// The number of tasks that rank 0 has a record of, which are those not finished or still needed.
    pub fn records(&self) -> usize {
        let head = self.reactors[0].as_ref().and_then(|reactor| reactor.head.as_ref());
        head.map_or(0, |(head, _)| head.machine().records())
    }

    /// The number of messages that were sent and not yet delivered, without those that are held back.
    pub fn under_way(&self) -> usize {
        self.network.under_way()
    }

    /// The number of delivered messages, and the number of delivered bytes of bulk data.
    pub fn delivered(&self) -> (u64, u64) {
        self.network.delivered()
    }

    /// Holds back everything sent from rank `from` to rank `to` if `held` is true; delivers it again if false.
    pub fn hold(&self, from: Rank, to: Rank, held: bool) {
        self.network.hold(from, to, held);
    }

    /// Delivers again on all links (pairs of ranks) that [`Cluster::hold`] holds back.
    pub fn release_links(&self) {
        self.network.release_links();
    }
}
