//! The simulated transport: N ranks in one process on one thread. Messages are delivered late, in an order drawn from a
//! seed, but in order for each pair of ranks. Faults can be switched on: a lost rank, a held link, immediate delivery.

use super::stream::hand_over;
use super::{Arrival, BulkSource, BulkTarget, Flight, Transport, TransportError};
use crate::ids::Rank;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

enum SimMessage {
    Control(Vec<u8>),
    Bulk(u32, Arc<dyn BulkSource>),
}

struct Link {
    queue: VecDeque<SimMessage>,
    held: bool,
    /// The number of bulk messages that arrive damaged, from the next one on.
    damaged: u32,
}

/// A transfer for which the receiver has posted a receive: sending rank, receiving rank, tag.
type Posted = (Rank, Rank, u32);

struct Network {
    ranks: usize,
    links: Vec<Link>,
    posted: BTreeMap<Posted, VecDeque<Box<dyn BulkTarget>>>,
    lost: Vec<bool>,
    /// For each rank, the deaths of other ranks that it has not been told of yet.
    obituaries: Vec<VecDeque<Rank>>,
    random: u64,
    /// Whether every message that is not held back arrives at its receiver's next poll, without a random delay.
    at_once: bool,
    delivered: u64,
    bulk_bytes: u64,
}

/// A simulated network for tests, which makes endpoints for ranks and switches faults on.
#[derive(Clone)]
pub struct SimNetwork(Rc<RefCell<Network>>);

impl SimNetwork {
    /// Makes a network of `ranks` ranks; equal seeds give equal orders of delivery.
    pub fn new(ranks: usize, seed: u64) -> Self {
        let link = || Link { queue: VecDeque::new(), held: false, damaged: 0 };
        SimNetwork(Rc::new(RefCell::new(Network {
            ranks,
            links: (0..ranks * ranks).map(|_| link()).collect(),
            posted: BTreeMap::new(),
            lost: vec![false; ranks],
            obituaries: vec![VecDeque::new(); ranks],
            random: seed.wrapping_mul(2).wrapping_add(1),
            at_once: false,
            delivered: 0,
            bulk_bytes: 0,
        })))
    }

    /// The endpoint of `rank` in the simulated network.
    pub fn endpoint(&self, rank: Rank) -> SimTransport {
        SimTransport { network: self.0.clone(), rank }
    }

    /// Holds all messages from rank `from` to rank `to` back, until called with `false`.
    pub fn hold(&self, from: Rank, to: Rank, held: bool) {
        let mut network = self.0.borrow_mut();
        let link = network.link(from, to);
        network.links[link].held = held;
    }

    /// Damages the next `count` bulk messages from rank `from` to rank `to`: one bit of each is another one.
    pub fn damage(&self, from: Rank, to: Rank, count: u32) {
        let mut network = self.0.borrow_mut();
        let link = network.link(from, to);
        network.links[link].damaged = count;
    }

    /// Delivers every message that is not held back at the next poll of its receiver, without a random delay, until
    /// called with `false`.
    pub fn deliver_now(&self, at_once: bool) {
        self.0.borrow_mut().at_once = at_once;
    }

    /// Releases all links (pairs of ranks) whose messages are held back.
    pub fn release_links(&self) {
        self.0.borrow_mut().links.iter_mut().for_each(|link| link.held = false);
    }

    /// Kills a rank: its messages that are not delivered yet are lost, messages to it vanish, and the other ranks are
    /// told of its death.
    pub fn lose(&self, rank: Rank) {
        let mut network = self.0.borrow_mut();
        if std::mem::replace(&mut network.lost[rank.index()], true) {
            return;
        }
        for other in 0..network.ranks {
            let (to, from) = (network.link(Rank(other as u32), rank), network.link(rank, Rank(other as u32)));
            network.links[to].queue.clear();
            network.links[from].queue.clear();
            if !network.lost[other] {
                network.obituaries[other].push_back(rank);
            }
        }
        network.posted.retain(|posted, _| posted.0 != rank && posted.1 != rank);
    }

    /// Draws a number below `bound` from the network's seeded random numbers.
    pub fn random(&self, bound: u64) -> u64 {
        self.0.borrow_mut().random(bound)
    }

    /// Number of messages that are under way and not held back.
    pub fn under_way(&self) -> usize {
        let network = self.0.borrow();
        network.links.iter().filter(|link| !link.held).map(|link| link.queue.len()).sum()
    }

    /// Number of messages delivered so far, and number of bytes of bulk data among them.
    pub fn delivered(&self) -> (u64, u64) {
        let network = self.0.borrow();
        (network.delivered, network.bulk_bytes)
    }
}

impl Network {
    fn link(&self, from: Rank, to: Rank) -> usize {
        from.index() * self.ranks + to.index()
    }

    fn random(&mut self, bound: u64) -> u64 {
        // xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled" (2016)
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound.max(1)
    }

    /// Delivers the first message of the link from one rank to another. `None` if there is no message or the link is
    /// held back. Bulk data whose receive is not posted are an error, since the protocol posts it before it asks.
    fn deliver(&mut self, from: Rank, to: Rank) -> Result<Option<Arrival>, TransportError> {
        let link = self.link(from, to);
        if self.links[link].held {
            return Ok(None);
        }
        match self.links[link].queue.pop_front() {
            None => Ok(None),
            Some(SimMessage::Control(frame)) => {
                self.delivered += 1;
                Ok(Some(Arrival::Control { from, frame }))
            }
            Some(SimMessage::Bulk(tag, source)) => {
                let targets = self.posted.get_mut(&(from, to, tag));
                let target = targets.and_then(VecDeque::pop_front);
                let Some(mut target) = target else {
                    return Err(TransportError(format!(
                        "bulk data on tag {tag} from {from} to {to} is unexpected"
                    )));
                };
                if let (Some(source), Some(sink)) = (source.stream(), target.stream()) {
                    hand_over(&*source, &*sink);
                    self.delivered += 1;
                    self.bulk_bytes += source.length();
                    return Ok(Some(Arrival::Bulk { from, tag, target }));
                }
                let (bytes, into) = (source.bytes(), target.bytes_mut());
                if bytes.len() != into.len() {
                    let (sent, posted) = (bytes.len(), into.len());
                    return Err(TransportError(format!(
                        "{sent} bytes came on tag {tag}, {posted} were expected"
                    )));
                }
                into.copy_from_slice(bytes);
                if self.links[link].damaged > 0
                    && let Some(last) = into.last_mut()
                {
                    self.links[link].damaged -= 1;
                    *last ^= 1;
                }
                self.delivered += 1;
                self.bulk_bytes += bytes.len() as u64;
                Ok(Some(Arrival::Bulk { from, tag, target }))
            }
        }
    }
}

/// The endpoint of one rank in a [`SimNetwork`].
pub struct SimTransport {
    network: Rc<RefCell<Network>>,
    rank: Rank,
}

impl SimTransport {
    fn push(&mut self, to: Rank, message: SimMessage) -> Result<(), TransportError> {
        let mut network = self.network.borrow_mut();
        if to == self.rank || to.index() >= network.ranks {
            return Err(TransportError(format!("rank {} sends to rank {to}", self.rank)));
        }
        if !network.lost[to.index()] && !network.lost[self.rank.index()] {
            let link = network.link(self.rank, to);
            network.links[link].queue.push_back(message);
        }
        Ok(())
    }
}

impl Transport for SimTransport {
    fn rank(&self) -> Rank {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.network.borrow().ranks
    }

    fn send_control(&mut self, to: Rank, frame: Vec<u8>) -> Result<(), TransportError> {
        if frame.len() > crate::protocol::FRAME_MAX {
            return Err(TransportError(format!("a frame of {} bytes", frame.len())));
        }
        self.push(to, SimMessage::Control(frame))
    }

    fn send_bulk(&mut self, to: Rank, tag: u32, source: Arc<dyn BulkSource>) -> Result<(), TransportError> {
        self.push(to, SimMessage::Bulk(tag, source))
    }

    fn receive_bulk(
        &mut self,
        from: Rank,
        tag: u32,
        target: Box<dyn BulkTarget>,
    ) -> Result<(), TransportError> {
        let mut network = self.network.borrow_mut();
        if !network.lost[from.index()] {
            network.posted.entry((from, self.rank, tag)).or_default().push_back(target);
        }
        Ok(())
    }

    fn forget(&mut self, from: Rank) -> Result<(), TransportError> {
        let rank = self.rank;
        self.network.borrow_mut().posted.retain(|posted, _| posted.0 != from || posted.1 != rank);
        Ok(())
    }

    fn poll(&mut self, arrived: &mut Vec<Arrival>) -> Result<bool, TransportError> {
        let mut network = self.network.borrow_mut();
        let before = arrived.len();
        // a death is told only after some more turns, as a real network would
        if network.random(4) == 0
            && let Some(rank) = network.obituaries[self.rank.index()].pop_front()
        {
            arrived.push(Arrival::Lost { rank });
        }
        let ranks = network.ranks as u64;
        if network.at_once {
            for from in (0..ranks).map(|from| Rank(from as u32)).filter(|from| *from != self.rank) {
                while let Some(arrival) = network.deliver(from, self.rank)? {
                    arrived.push(arrival);
                }
            }
            return Ok(arrived.len() > before);
        }
        for _ in 0..network.random(2 * ranks + 1) {
            let from = Rank(network.random(ranks) as u32);
            if from != self.rank
                && let Some(arrival) = network.deliver(from, self.rank)?
            {
                arrived.push(arrival);
            }
        }
        Ok(arrived.len() > before)
    }

    fn flight(&self) -> Flight {
        let network = self.network.borrow();
        let mut posted = network.posted.iter();
        if posted.any(|(posted, targets)| posted.1 == self.rank && !targets.is_empty()) {
            Flight::Expected
        } else {
            Flight::None
        }
    }

    fn quiet(&self) -> bool {
        let network = self.network.borrow();
        let sends = |to| &network.links[network.link(self.rank, Rank(to as u32))];
        (0..network.ranks).all(|to| sends(to).queue.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(arrivals: Vec<Arrival>) -> Vec<String> {
        let text = |arrival| match arrival {
            Arrival::Control { from, frame } => format!("{from}:{}", String::from_utf8_lossy(&frame)),
            Arrival::Bulk { from, tag, mut target } => format!("{from}:{tag}:{:?}", target.bytes_mut()),
            Arrival::Lost { rank } => format!("lost {rank}"),
        };
        arrivals.into_iter().map(text).collect()
    }

    #[test]
    fn a_pair_keeps_its_order_and_delivery_now_delivers_all() {
        let network = SimNetwork::new(2, 1);
        let (mut a, mut b) = (network.endpoint(Rank(0)), network.endpoint(Rank(1)));
        for n in 0..20 {
            a.send_control(Rank(1), format!("{n}").into_bytes()).unwrap();
        }
        let (mut arrived, mut polls) = (Vec::new(), 0);
        while arrived.len() < 10 {
            b.poll(&mut arrived).unwrap();
            polls += 1;
        }
        assert!(polls > 1, "frames should come late");
        network.deliver_now(true);
        b.poll(&mut arrived).unwrap();
        let expected: Vec<String> = (0..20).map(|n| format!("0:{n}")).collect();
        assert_eq!(texts(arrived), expected);
        assert!(a.quiet() && network.under_way() == 0);
    }

    #[test]
    fn a_held_link_delivers_nothing_and_a_lost_rank_is_told_once() {
        let network = SimNetwork::new(3, 7);
        network.deliver_now(true);
        let (mut a, mut b) = (network.endpoint(Rank(0)), network.endpoint(Rank(1)));
        network.hold(Rank(0), Rank(1), true);
        a.send_control(Rank(1), b"x".to_vec()).unwrap();
        let mut arrived = Vec::new();
        assert!(!b.poll(&mut arrived).unwrap());
        network.release_links();
        b.poll(&mut arrived).unwrap();
        network.lose(Rank(2));
        network.lose(Rank(2));
        (0..100).for_each(|_| assert!(b.poll(&mut arrived).is_ok()));
        assert_eq!(texts(arrived), ["0:x", "lost 2"]);
    }

    #[test]
    fn bulk_data_that_nobody_has_posted_is_an_error() {
        let network = SimNetwork::new(2, 1);
        network.deliver_now(true);
        let (mut a, mut b) = (network.endpoint(Rank(0)), network.endpoint(Rank(1)));
        b.receive_bulk(Rank(0), 5, Box::new(vec![0u8; 3])).unwrap();
        a.send_bulk(Rank(1), 5, Arc::new(vec![1u8, 2, 3])).unwrap();
        let mut arrived = Vec::new();
        b.poll(&mut arrived).unwrap();
        assert_eq!(texts(arrived), ["0:5:[1, 2, 3]"]);
        a.send_bulk(Rank(1), 6, Arc::new(vec![1u8])).unwrap();
        assert!(b.poll(&mut Vec::new()).is_err());
    }
}
