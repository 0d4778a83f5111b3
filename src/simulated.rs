//! A whole cluster in one process on one thread, driven step by step: every interleaving is made again by its seed.

use crate::client::Client;
use crate::ids::{HEAD, Rank};
use crate::runtime::executor::{Executor, ExecutorError};
use crate::runtime::head::{Head, Request};
use crate::runtime::mailbox::{Mailbox, Waker};
use crate::runtime::nested::Nested;
use crate::runtime::outbox::Links;
use crate::runtime::reactor::Reactor;
use crate::runtime::threads::job::RankLocation;
use crate::runtime::threads::simulated::Inline;
use crate::scheduler::RankInfo;
use crate::transport::sim::{SimNetwork, SimTransport};
use std::sync::Arc;

/// Reactors over a simulated network. Their state machines are checked after every turn.
pub struct Cluster {
    network: SimNetwork,
    reactors: Vec<Option<Reactor<SimTransport, Inline>>>,
}

impl Cluster {
    /// A cluster of `ranks` ranks with `slots` slots each (rank 0 computes only if it is alone), and its client.
    ///
    /// Tasks may submit others and wait for them, but must not ask for a future's status: nobody would answer meanwhile.
    /// Waits of the client do not turn the cluster: take a [`crate::client::future::Pending`], call [`Cluster::settle`], then
    /// take its answers.
    pub fn new(ranks: u32, slots: u32, seed: u64) -> (Self, Client) {
        let network = SimNetwork::new(ranks as usize, seed);
        let client_of = |rank| {
            let mailbox: Arc<Mailbox<Request>> = Mailbox::new(Waker::new());
            (Client::new(mailbox.clone(), Arc::default(), Rank(rank), ranks as usize), mailbox)
        };
        let (client, mailbox) = client_of(0);
        let slots_of = |rank| if rank > 0 || ranks == 1 { slots } else { 0 };
        let infos: Vec<RankInfo> =
            (0..ranks).map(|rank| RankInfo { slots: slots_of(rank), ..RankInfo::default() }).collect();
        let reactors = (0..ranks)
            .map(|rank| {
                let place =
                    RankLocation { rank: Rank(rank), host: "simulated".into(), locals: Some(Arc::default()) };
                let links = Links::new(network.endpoint(Rank(rank)));
                let (own, own_mailbox) =
                    if rank == 0 { (client.clone(), mailbox.clone()) } else { client_of(rank) };
                let compute = Inline::new(place.clone(), Arc::new(own));
                let mut node = Executor::new(slots_of(rank), compute);
                node.fetches_max = 1 + (seed % 4) as usize;
                Some(match Rank(rank) {
                    HEAD => Reactor::new(links, node, Some((Head::new(&infos), own_mailbox))),
                    _ => Reactor::new(links, node, None).with_nested(Nested::new(own_mailbox)),
                })
            })
            .collect();
        (Cluster { network, reactors }, client)
    }

    /// Kills a rank.
    pub fn lose(&mut self, rank: Rank) {
        self.network.lose(rank);
        self.reactors[rank.index()] = None;
    }

    /// One turn of a rank drawn by the network's random numbers.
    ///
    /// # Errors
    /// What the reactor fails with, or the invariant that does not hold.
    pub fn step(&mut self) -> Result<(), String> {
        let rank = self.network.random(self.reactors.len() as u64) as usize;
        let Some(reactor) = &mut self.reactors[rank] else { return Ok(()) };
        reactor.node.compute.allowance = self.network.random(3) as usize;
        reactor.turn().map_err(|error: ExecutorError| format!("rank {rank}: {error}"))?;
        reactor.node.machine().check().map_err(|what| format!("rank {rank}, worker: {what}"))?;
        if let Some((head, _)) = &reactor.head {
            head.machine().check().map_err(|what| format!("scheduler: {what}"))?;
        }
        Ok(())
    }

    /// Steps until `done`, at most `limit` steps.
    ///
    /// # Errors
    /// As [`Cluster::step`], or that the limit was reached: a hang.
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

    /// Whether rank 0 has no record, no rank has a result or a task, and nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.network.under_way() == 0
            && self.reactors.iter().flatten().all(|reactor| {
                let head = reactor.head.as_ref();
                head.is_none_or(|(head, mailbox)| head.machine().records() == 0 && mailbox.is_empty())
                    && reactor.nested.as_ref().is_none_or(|nested| !nested.has_requests())
                    && reactor.node.stored() == 0
                    && reactor.node.machine().held() == 0
                    && reactor.node.machine().unfinished() == 0
            })
    }

    /// The number of results that `rank` holds; none when it has been killed.
    pub fn stored(&self, rank: Rank) -> Option<usize> {
        Some(self.reactors.get(rank.index())?.as_ref()?.node.stored())
    }

    /// The number of tasks that rank 0 has a record of.
    pub fn records(&self) -> usize {
        let head = self.reactors[0].as_ref().and_then(|reactor| reactor.head.as_ref());
        head.map_or(0, |(head, _)| head.machine().records())
    }

    /// Messages that have been sent and not delivered.
    pub fn under_way(&self) -> usize {
        self.network.under_way()
    }

    /// Messages and bytes of bulk data that have been delivered.
    pub fn delivered(&self) -> (u64, u64) {
        self.network.delivered()
    }

    /// Holds everything from `from` to `to` back, until called with `false`.
    pub fn hold(&self, from: Rank, to: Rank, held: bool) {
        self.network.hold(from, to, held);
    }

    /// Lets all links go that are held.
    pub fn release_links(&self) {
        self.network.release_links();
    }
}
