//! The operations of a program, drawn from its seed.

use super::Limits;
use crate::bodies::Random;

/// How a task takes the results of others.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    Vector,
    References,
    Optional,
    Nested,
    Map,
}

/// How a program waits for results.
#[derive(Clone, Copy, Debug)]
pub enum Look {
    Each,
    Any,
    FirstError,
    AsCompleted,
    Shared,
    Exception,
    Result,
}

/// What is done with an actor, a queue and so on.
#[derive(Clone, Copy, Debug)]
pub enum Object {
    /// Calls of an actor, whose results are slots.
    Calls,
    /// Tasks that call an actor, and pass its handle on.
    CallsByTasks,
    Queue,
    /// A channel between two tasks.
    Channel,
    /// A channel whose receiver goes early.
    ChannelCut,
    /// A channel that the program itself receives from.
    ChannelHere,
    Event,
    Semaphore,
    Lock,
    EveryRank,
    Forgotten,
}

/// One operation of a program. Numbers of slots are taken modulo the number that there are.
#[derive(Clone, Debug)]
pub enum Operation {
    Make { salt: u64, length: u64, options: u64 },
    Mix { salt: u64, length: u64, inputs: Vec<usize>, shape: Shape },
    Then { input: usize },
    Split { salt: u64 },
    Scatter { salt: u64, length: u64, spread: u64 },
    Replicate { input: usize, copies: usize },
    Tree { inputs: Vec<usize> },
    Chunked { salt: u64, items: u64, size: usize },
    Family { salt: u64, count: u64 },
    MapReduce { inputs: Vec<usize>, partitions: usize },
    Nested { seed: u64 },
    NestedDropped { seed: u64 },
    Fails { salt: u64 },
    FailsOnce { salt: u64 },
    Retry { input: usize },
    Cancel { input: usize },
    Drop { input: usize },
    Look { inputs: Vec<usize>, how: Look },
    Use { what: Object, salt: u64 },
    Refuse,
}

fn one<T: Copy>(random: &mut Random, of: &[T]) -> T {
    of[random.below(of.len() as u64) as usize]
}

fn some(random: &mut Random, most: u64) -> Vec<usize> {
    (0..random.below(most + 1)).map(|_| random.next() as usize).collect()
}

fn length(random: &mut Random) -> u64 {
    let bound = one(random, &[3, 3, 30, 300, 5000]);
    random.below(bound)
}

/// The operations of the program of this seed.
pub fn plan(seed: u64, limits: Limits) -> Vec<Operation> {
    let mut random = Random(seed);
    let random = &mut random;
    let count = 3 + random.below(if limits.depth > 1 { 22 } else { 9 });
    let mut operations: Vec<Operation> = (0..count).map(|_| draw(random, limits)).collect();
    if random.below(12) == 0 {
        operations.push(Operation::Refuse);
    }
    operations
}

fn draw(random: &mut Random, limits: Limits) -> Operation {
    let (salt, input) = (random.next() >> 8, random.next() as usize);
    let kinds = if limits.objects { 30 } else { 21 };
    match random.below(kinds) {
        0..=2 => Operation::Make { salt, length: length(random), options: random.next() },
        3..=5 => {
            let shapes = [Shape::Vector, Shape::References, Shape::Optional, Shape::Nested, Shape::Map];
            let shape = one(random, &shapes);
            Operation::Mix { salt, length: length(random), inputs: some(random, 4), shape }
        }
        6 => Operation::Then { input },
        7 => Operation::Split { salt },
        8 => Operation::Scatter { salt, length: length(random), spread: random.below(3) },
        9 => Operation::Replicate { input, copies: random.below(5) as usize },
        10 => Operation::Tree { inputs: some(random, 7) },
        11 => Operation::Chunked { salt, items: random.below(9), size: random.below(4) as usize },
        12 => match random.below(2) {
            0 => Operation::Family { salt, count: random.below(5) },
            _ => Operation::MapReduce { inputs: some(random, 4), partitions: random.below(4) as usize },
        },
        13 | 14 => match (limits.depth, random.below(4)) {
            (0, _) => Operation::Fails { salt },
            (_, 0) => Operation::NestedDropped { seed: salt },
            _ => Operation::Nested { seed: salt },
        },
        15 => Operation::FailsOnce { salt },
        16 => Operation::Retry { input },
        17 => Operation::Cancel { input },
        18 => Operation::Drop { input },
        19 | 20 => {
            let ways = [
                Look::Each,
                Look::Any,
                Look::FirstError,
                Look::AsCompleted,
                Look::Shared,
                Look::Exception,
                Look::Result,
            ];
            Operation::Look { inputs: some(random, 5), how: one(random, &ways) }
        }
        _ => {
            let objects = [
                Object::Calls,
                Object::Calls,
                Object::CallsByTasks,
                Object::Queue,
                Object::Channel,
                Object::ChannelCut,
                Object::ChannelHere,
                Object::Event,
                Object::Semaphore,
                Object::Lock,
                Object::EveryRank,
                Object::Forgotten,
            ];
            let what = one(random, &objects);
            let what = if limits.waits || !matches!(what, Object::Event | Object::Queue) {
                what
            } else {
                Object::Calls
            };
            Operation::Use { what, salt }
        }
    }
}
