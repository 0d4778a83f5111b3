//! The MPI transport, tried by all ranks with all ranks: `mpirun -n 3 transport [GiB]`. Exit status 0 means that every
//! byte came where it belongs, that wrong use gave errors, and that waiting burned no processor time. With a number,
//! that many GiB are moved from rank 0 to rank 1 as well. With `small`, less is moved and no time is looked at: for
//! valgrind.

use dtask::Rank;
use dtask::internal::transport::mpi::{MpiTransport, MpiWorld, PIECE_MAX, abort};
use dtask::internal::transport::stream::{PieceReader, PieceWriter, StreamSink, StreamSource};
use dtask::internal::transport::{Arrival, BulkSource, BulkTarget, Flight, Transport, TransportError};
use mpi::topology::SimpleCommunicator;
use mpi::traits::CommunicatorCollectives;
use std::any::Any;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const FRAME_MAX: usize = 64 * 1024;

fn fail(text: &str) -> ! {
    eprintln!("transport: {text}");
    abort(1)
}

fn ensure(condition: bool, text: impl FnOnce() -> String) {
    if !condition {
        fail(&text());
    }
}

fn ok<T>(result: Result<T, TransportError>, text: &str) -> T {
    result.unwrap_or_else(|error| fail(&format!("{text}: {error}")))
}

/// Polls until `done`, given what has arrived, says so.
fn until(
    net: &mut MpiTransport,
    what: &str,
    mut done: impl FnMut(&mut MpiTransport, Option<Arrival>) -> bool,
) {
    let start = Instant::now();
    let mut arrived = Vec::new();
    loop {
        if !ok(net.poll(&mut arrived), what) {
            std::thread::yield_now();
        }
        let mut end = false;
        for arrival in arrived.drain(..).map(Some).chain([None]) {
            end = done(net, arrival);
        }
        if end {
            return;
        }
        ensure(start.elapsed() < Duration::from_secs(100), || {
            format!("rank {}: {what}: time limit", net.rank())
        });
    }
}

/// Everybody waits for everybody, beside the transport: no message of one phase comes in another.
fn meet() {
    SimpleCommunicator::world().barrier();
}

fn others(net: &MpiTransport) -> Vec<Rank> {
    (0..net.ranks() as u32).map(Rank).filter(|&rank| rank != net.rank()).collect()
}

/// Bytes that tell who sent them to whom, and where in the message they belong.
fn pattern(from: Rank, to: Rank, salt: usize, length: usize) -> Vec<u8> {
    let seed = from.0 as usize * 59 + to.0 as usize * 31 + salt;
    (0..length).map(|i| (i ^ (i >> 8) ^ (i >> 16)).wrapping_add(seed) as u8).collect()
}

/// Frames of all lengths between all ranks: complete, unchanged, in order.
fn frames(net: &mut MpiTransport) {
    const COUNT: usize = 500;
    let length = |k: usize| if k.is_multiple_of(50) { FRAME_MAX - k } else { k * k % 3000 };
    for k in 0..COUNT {
        for to in others(net) {
            let frame = pattern(net.rank(), to, k, length(k));
            ok(net.send_control(to, frame), "sending a frame");
        }
    }
    let me = net.rank();
    let mut next = vec![0; net.ranks()];
    let mut missing = COUNT * others(net).len();
    until(net, "frames", |net, arrival| {
        if let Some(Arrival::Control { from, frame }) = arrival {
            let k = next[from.index()];
            ensure(frame == pattern(from, me, k, length(k)), || format!("frame {k} of rank {from} is wrong"));
            next[from.index()] += 1;
            missing -= 1;
        }
        missing == 0 && net.quiet()
    });
    meet();
}

/// A sender that does not call MPI for a while holds nobody up: not the receiver of its long frame, not other frames.
fn slow_sender(net: &mut MpiTransport) {
    let (me, sleep) = (net.rank().0, Duration::from_millis(400));
    for to in others(net) {
        let length = if me == 0 { FRAME_MAX } else { 8 };
        ok(net.send_control(to, vec![7; length]), "sending a frame");
        ok(net.send_control(to, vec![8; 8]), "sending a frame behind it");
    }
    if me == 0 {
        std::thread::sleep(sleep);
    }
    let mut order = vec![Vec::new(); net.ranks()];
    let (mut missing, mut look, mut longest) = (2 * others(net).len(), Instant::now(), Duration::ZERO);
    until(net, "a slow sender", |net, arrival| {
        if let Some(Arrival::Control { from, frame }) = arrival {
            order[from.index()].push(frame[0]);
            missing -= 1;
        }
        longest = longest.max(look.elapsed());
        look = Instant::now();
        missing == 0 && net.quiet()
    });
    ensure(order.iter().flatten().eq([7, 8].iter().cycle().take(2 * others(net).len())), || {
        format!("{order:?}")
    });
    ensure(longest < sleep / 2, || format!("rank {me} was held up for {longest:?}"));
    meet();
}

/// Bulk data of many lengths between all ranks at once, frames in between.
fn bulk(net: &mut MpiTransport, lengths: &[usize]) {
    let me = net.rank();
    // Tags from both ends of the range: they are mapped onto what MPI has.
    let tag = |k: usize| if k.is_multiple_of(2) { k as u32 } else { u32::MAX - 1_000_000 - k as u32 };
    for from in others(net) {
        for (k, &length) in lengths.iter().enumerate() {
            ok(net.receive_bulk(from, tag(k), Box::new(vec![0xAAu8; length])), "posting a receive");
        }
    }
    ensure(others(net).is_empty() || lengths.is_empty() || net.flight() != Flight::None, || {
        "nothing in flight".into()
    });
    meet();
    for to in others(net) {
        for (k, &length) in lengths.iter().enumerate() {
            ok(net.send_bulk(to, tag(k), Arc::new(pattern(me, to, k, length))), "sending bulk data");
        }
        ok(net.send_control(to, vec![1, 2, 3]), "sending a frame");
    }
    let mut missing = others(net).len() * lengths.len();
    let mut frames = others(net).len();
    until(net, "bulk", |net, arrival| {
        match arrival {
            Some(Arrival::Bulk { from, tag: got, target }) => {
                let k = (0..lengths.len()).find(|&k| tag(k) == got).unwrap_or_else(|| fail("an unknown tag"));
                let Ok(bytes) = target.into_any().downcast::<Vec<u8>>() else { fail("another target") };
                ensure(*bytes == pattern(from, me, k, lengths[k]), || {
                    format!("{} bytes from rank {from} are wrong", lengths[k])
                });
                missing -= 1;
            }
            Some(Arrival::Control { frame, .. }) => {
                ensure(frame == [1, 2, 3], || "a wrong frame".into());
                frames -= 1;
            }
            _ => {}
        }
        missing == 0 && frames == 0 && net.quiet()
    });
    ensure(net.flight() == Flight::None, || "bulk data still in flight".into());
    meet();
}

/// A receiver knows whether the sender of a long transfer has begun.
fn begun(net: &mut MpiTransport) {
    const LENGTH: usize = (1 << 20) + 5;
    let me = net.rank();
    for from in others(net) {
        ok(net.receive_bulk(from, 1, Box::new(vec![0u8; LENGTH])), "posting a receive");
    }
    let expected = if others(net).is_empty() { Flight::None } else { Flight::Expected };
    for _ in 0..100 {
        let moved = ok(net.poll(&mut Vec::new()), "looking in vain");
        ensure(!moved && net.flight() == expected, || format!("{:?} before anything was sent", net.flight()));
    }
    meet();
    for to in others(net) {
        ok(net.send_bulk(to, 1, Arc::new(pattern(me, to, 0, LENGTH))), "sending bulk data");
        ensure(net.flight() == Flight::Moving, || "a send needs our calls".into());
    }
    let mut missing = others(net).len();
    until(net, "long transfers", |net, arrival| {
        if let Some(Arrival::Bulk { from, target, .. }) = arrival {
            let Ok(bytes) = target.into_any().downcast::<Vec<u8>>() else { fail("another target") };
            ensure(*bytes == pattern(from, me, 0, LENGTH), || format!("bytes from rank {from} are wrong"));
            missing -= 1;
        }
        missing == 0 && net.quiet()
    });
    ensure(net.flight() == Flight::None, || "bulk data still in flight".into());
    meet();
}

/// A target that tells when it is dropped.
struct Noted(Vec<u8>, Arc<AtomicBool>);

impl BulkTarget for Noted {
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.1.store(true, Ordering::SeqCst);
    }
}

/// Receives that are given up: their memory is freed, their tags are free again.
fn forget(net: &mut MpiTransport) {
    let dropped = Arc::new(AtomicBool::new(false));
    for from in others(net) {
        let target = Noted(vec![0; 1000], Arc::clone(&dropped));
        ok(net.receive_bulk(from, 0, Box::new(target)), "posting a receive");
        ok(net.forget(from), "forgetting");
        ensure(dropped.swap(false, Ordering::SeqCst), || "a cancelled receive was not freed".into());
    }
    ensure(net.flight() == Flight::None && net.quiet(), || "in flight after forgetting".into());
    meet();
    bulk(net, &[1000, 1]);
}

/// Bytes that are made while they are sent: `made` of `length`, then an error if these are fewer.
#[derive(Clone)]
struct Made {
    length: usize,
    made: usize,
}

impl BulkSource for Made {
    fn bytes(&self) -> &[u8] {
        &[]
    }
    fn stream(&self) -> Option<Arc<dyn StreamSource>> {
        Some(Arc::new(self.clone()))
    }
}

impl StreamSource for Made {
    fn length(&self) -> u64 {
        self.length as u64
    }
    fn write_to(&self, into: &mut PieceWriter<'_>) -> io::Result<()> {
        let bytes = pattern(Rank(0), Rank(0), 0, self.made);
        into.write_all(&bytes)?;
        if self.made < self.length { Err(io::Error::other("the source is gone")) } else { Ok(()) }
    }
}

/// Takes bytes in while they come, at most `most` of them.
struct Taken {
    length: usize,
    most: usize,
    came: Mutex<Result<Vec<u8>, String>>,
}

impl StreamSink for Taken {
    fn length(&self) -> u64 {
        self.length as u64
    }
    fn read_from(&self, from: &mut PieceReader<'_>) {
        let mut bytes = vec![0; self.most.min(self.length)];
        let came = from.read_exact(&mut bytes).map(|()| bytes).map_err(|error| error.to_string());
        if let Ok(mut slot) = self.came.lock() {
            *slot = came;
        }
    }
}

struct TakenTarget(Arc<Taken>);

impl BulkTarget for TakenTarget {
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut []
    }
    fn stream(&self) -> Option<Arc<dyn StreamSink>> {
        Some(self.0.clone())
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        Box::new(self.0.came.lock().map(|came| came.clone()).unwrap_or_else(|_| Err("lock".into())))
    }
}

/// Streams between all ranks at once, more than are sent at a time: whole ones, some whose source fails in the middle or
/// at once, some whose sink stops reading.
fn streams(net: &mut MpiTransport, lengths: &[usize]) {
    let cases: Vec<(usize, usize, usize)> = lengths
        .iter()
        .flat_map(|&length| {
            [(length, length, length), (length, length / 2, length), (length, length, length / 3)]
        })
        .collect();
    for from in others(net) {
        for (k, &(length, _, most)) in cases.iter().enumerate() {
            let taken = Taken { length, most, came: Mutex::new(Err("nothing".into())) };
            ok(net.receive_bulk(from, 1 + k as u32, Box::new(TakenTarget(Arc::new(taken)))), "a stream");
        }
    }
    meet();
    for to in others(net) {
        for (k, &(length, made, _)) in cases.iter().enumerate() {
            ok(net.send_bulk(to, 1 + k as u32, Arc::new(Made { length, made })), "sending a stream");
        }
    }
    let mut missing = others(net).len() * cases.len();
    until(net, "streams", |net, arrival| {
        if let Some(Arrival::Bulk { tag, target, .. }) = arrival {
            let (length, made, most) = cases[tag as usize - 1];
            let Ok(came) = target.into_any().downcast::<Result<Vec<u8>, String>>() else {
                fail("another target")
            };
            let is_right = match &*came {
                Ok(bytes) => made == length && *bytes == pattern(Rank(0), Rank(0), 0, length)[..most],
                Err(why) => made < length && why.contains("the source is gone"),
            };
            ensure(is_right, || format!("{length} {made} {most}: {:?}", (*came).as_ref().err()));
            missing -= 1;
        }
        missing == 0 && net.quiet()
    });
    ensure(net.flight() == Flight::None, || "streams still in flight".into());
    // streams that are given up leave nothing behind
    for from in others(net) {
        let taken = Taken { length: 100, most: 100, came: Mutex::new(Err("nothing".into())) };
        ok(net.receive_bulk(from, 1, Box::new(TakenTarget(Arc::new(taken)))), "a stream");
        ok(net.forget(from), "forgetting");
    }
    ensure(net.flight() == Flight::None && net.quiet(), || "in flight after forgetting".into());
    meet();
}

/// Whether less is to be moved, and no time looked at.
fn small() -> bool {
    std::env::args().nth(1).is_some_and(|word| word == "small")
}

/// What must be refused, and messages of another length than agreed, which must be reported.
fn errors(world: &MpiWorld, net: &mut MpiTransport) {
    let (me, nobody) = (net.rank(), Rank(net.ranks() as u32));
    let refused = |result: Result<(), TransportError>, word: &str| match result {
        Err(error) if error.0.contains(word) => {}
        other => fail(&format!("{other:?} does not say {word:?}")),
    };
    for (rank, word) in [(me, "itself"), (nobody, "ranks"), (Rank(u32::MAX), "ranks")] {
        refused(net.send_control(rank, vec![1]), word);
        refused(net.send_bulk(rank, 1, Arc::new(vec![1])), word);
        refused(net.receive_bulk(rank, 1, Box::new(vec![1])), word);
    }
    let Some(&peer) = others(net).first() else { return };
    refused(net.send_control(peer, vec![0; FRAME_MAX + 1]), "65537");
    // On transports of their own, which are dropped with requests under way. Of the last message, Open MPI 4 asks the
    // kernel for all its bytes, whatever the length of the buffer; valgrind says so.
    let lengths = [(100, 99, "99"), (100, 101, "runc"), (1 << 20, 1 << 21, "runc")];
    for (expected, sent, word) in lengths.into_iter().take(if small() { 2 } else { 3 }) {
        let mut net = ok(MpiTransport::new(world.communicator(), PIECE_MAX), "a second transport");
        if me.0 == 1 {
            ok(net.receive_bulk(Rank(0), 7, Box::new(vec![0u8; expected])), "posting a receive");
            ok(net.receive_bulk(Rank(0), 8, Box::new(vec![0u8; expected])), "posting a receive that stays");
        }
        meet();
        if me.0 == 0 {
            ok(net.send_bulk(Rank(1), 7, Arc::new(vec![1u8; sent])), "sending bulk data");
            let start = Instant::now();
            while !net.quiet() && start.elapsed() < Duration::from_secs(1) {
                ok(net.poll(&mut Vec::new()), "sending too much");
            }
        }
        if me.0 == 1 {
            let start = Instant::now();
            let error = loop {
                match net.poll(&mut Vec::new()) {
                    Err(error) => break error.0,
                    Ok(_) => ensure(start.elapsed() < Duration::from_secs(20), || {
                        format!("no error: {sent} bytes")
                    }),
                }
            };
            ensure(error.contains("rank 0") && error.contains(word), || format!("unclear: {error}"));
            println!("rank 1 was told: {error}");
        }
    }
}

/// Nanoseconds that this thread has spent on a core.
fn busy() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0.0)
}

fn main() {
    let world = MpiWorld::start().unwrap_or_else(|error| fail(&error.to_string()));
    ensure(MpiWorld::start().is_err_and(|e| e.to_string().contains("run_on")), || "MPI started twice".into());
    dtask::internal::transport::mpi::check_thread().unwrap_or_else(|error| fail(&error.to_string()));
    let mut net = ok(world.transport(), "the transport");
    let other = std::thread::spawn(|| dtask::internal::transport::mpi::check_thread().is_ok())
        .join()
        .unwrap_or(false);
    ensure(other == net.any_thread(), || "another thread, against what MPI says".into());
    let small = small();
    let longest = if small { 20_000 } else { 10_000_000 };
    frames(&mut net);
    if !small {
        slow_sender(&mut net);
    }
    for piece_max in [64, 1000, 1 << 20, PIECE_MAX] {
        let mut net = ok(MpiTransport::new(world.communicator(), piece_max), "a second transport");
        bulk(&mut net, &[0, 1, 63, 64, 65, 128, longest]);
        begun(&mut net);
        forget(&mut net);
        streams(&mut net, &[1, 63, 64, 65, 1000, longest.min(100 * piece_max)]);
        ok(net.close(), "closing a transport");
    }
    errors(&world, &mut net);
    if let Some(gib) =
        std::env::args().nth(1).and_then(|n| n.parse::<usize>().ok()).filter(|_| net.ranks() > 1)
    {
        large(&mut net, (gib << 30) + 12_345);
    }
    // The last rank is late; the others must wait asleep.
    if net.rank().index() == net.ranks() - 1 {
        std::thread::sleep(Duration::from_secs(2));
    }
    let (start, before) = (Instant::now(), busy());
    let head = net.rank().0 == 0;
    ok(world.shutdown(net), "shutting down");
    let share = (busy() - before) / start.elapsed().as_nanos() as f64;
    ensure(small || start.elapsed() < Duration::from_secs(1) || share < 0.05, || {
        format!("waiting took {share} of a core")
    });
    if head {
        println!("transport: all is well; waiting took {:.2} % of a core", share * 100.0);
    }
}

/// One transfer beyond the 2 GiB that MPI can count, checked at both ends and around the borders of pieces.
fn large(net: &mut MpiTransport, length: usize) {
    let me = net.rank();
    let value = |i: usize| (i >> 20) as u8 ^ i as u8;
    let mut source: Vec<u8> = if me.0 == 0 { (0..length).map(value).collect() } else { Vec::new() };
    meet();
    let start = Instant::now();
    if me.0 == 1 {
        ok(net.receive_bulk(Rank(0), 5, Box::new(vec![0u8; length])), "posting a receive");
        ok(net.send_control(Rank(0), vec![1]), "asking");
    }
    let (mut asked, mut done) = (me.0 != 0, me.0 != 1);
    until(net, "a large transfer", |net, arrival| {
        match arrival {
            Some(Arrival::Control { .. }) => asked = true,
            Some(Arrival::Bulk { target, .. }) => {
                println!("{length} bytes came in {:.2?}", start.elapsed());
                let Ok(bytes) = target.into_any().downcast::<Vec<u8>>() else { fail("another target") };
                let wrong =
                    (0..length).step_by(997).chain(length - 4096..length).find(|&i| bytes[i] != value(i));
                ensure(wrong.is_none() && bytes.len() == length, || {
                    format!("byte {wrong:?} of {length} is wrong")
                });
                done = true;
            }
            _ => {}
        }
        if asked && !source.is_empty() {
            ok(net.send_bulk(Rank(1), 5, Arc::new(std::mem::take(&mut source))), "sending bulk data");
        }
        asked && done && net.quiet()
    });
    meet();
}
