//! Graphs of tasks that are computed twice: by dtask, and serially here. Used in the simulated cluster and under
//! `mpirun`.

use dtask::{Client, Failure, Future, Result};

/// A pseudo-random generator whose numbers do not depend on a crate's version: splitmix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// A task of a random graph: what it takes, and how it makes its result.
pub struct Node {
    salt: u64,
    /// Length of the result: some fit into a message, others travel as bulk data.
    length: usize,
    numbers: Vec<usize>,
    texts: Vec<usize>,
    kind: Kind,
}

enum Kind {
    /// A vector of numbers, which travels as its own memory.
    Numbers,
    /// A text, which travels encoded.
    Text,
}

fn fold(salt: u64, numbers: &[Vec<u64>], texts: &[String]) -> Result<u64, Failure> {
    if salt.is_multiple_of(41) {
        return Err(Failure::new("this one always fails"));
    }
    let bytes = texts.iter().flat_map(|text| text.bytes().map(u64::from));
    let all = numbers.iter().flatten().copied().chain(bytes);
    Ok(all.fold(salt, |hash, n| (hash ^ n).wrapping_mul(0x0100_0000_01B3).rotate_left(7)))
}

fn numbers(salt: u64, length: usize, a: Vec<Vec<u64>>, b: &[String]) -> Result<Vec<u64>, Failure> {
    let seed = fold(salt, &a, b)?;
    Ok((0..length as u64).map(|k| seed.wrapping_mul(2 * k + 1)).collect())
}

fn text(salt: u64, length: usize, a: &[Vec<u64>], b: Vec<String>) -> Result<String, Failure> {
    let mut random = Random(fold(salt, a, &b)?);
    Ok((0..length).map(|_| char::from(b'a' + random.below(26) as u8)).collect())
}

/// A graph in which every task takes results of up to four earlier ones, at random.
pub fn random_graph(seed: u64, tasks: usize) -> Vec<Node> {
    let mut random = Random(seed);
    let (mut number_nodes, mut text_nodes) = (0, 0);
    (0..tasks)
        .map(|at| {
            let mut draw = |count: usize| -> Vec<usize> {
                let inputs = random.below(3).min(count as u64);
                // often recent ones, so that the graph is deep as well as wide
                let span = if random.below(2) == 0 { count.min(8) } else { count };
                (0..inputs).map(|_| count - 1 - random.below(span.max(1) as u64) as usize).collect()
            };
            let (numbers, texts) = (draw(number_nodes), draw(text_nodes));
            let length = match random.below(4) {
                0 => random.below(4),
                1 => random.below(40),
                2 => random.below(400),
                _ => random.below(4000),
            } as usize;
            let kind = if random.below(3) > 0 {
                number_nodes += 1;
                Kind::Numbers
            } else {
                text_nodes += 1;
                Kind::Text
            };
            Node { salt: random.next() >> 8 | 1 << (at % 8), length, numbers, texts, kind }
        })
        .collect()
}

/// Futures of all tasks of a graph, by kind.
#[derive(Default)]
pub struct Futures {
    pub numbers: Vec<Future<Vec<u64>>>,
    pub texts: Vec<Future<String>>,
}

/// Submits the whole graph before anything has been computed.
pub fn submit(client: &Client, graph: &[Node]) -> Futures {
    let mut futures = Futures::default();
    for node in graph {
        let a: Vec<_> = node.numbers.iter().map(|&k| futures.numbers[k].clone()).collect();
        let b: Vec<_> = node.texts.iter().map(|&k| futures.texts[k].clone()).collect();
        match node.kind {
            Kind::Numbers => futures.numbers.push(client.submit(numbers, (node.salt, node.length, a, b))),
            Kind::Text => futures.texts.push(client.submit(text, (node.salt, node.length, &a, &b))),
        }
    }
    futures
}

/// Results of all tasks of a graph, by kind; `None` for one that fails, or that takes one that does.
#[derive(Default, Debug, PartialEq)]
pub struct Results {
    pub numbers: Vec<Option<Vec<u64>>>,
    pub texts: Vec<Option<String>>,
}

/// The same graph computed here, one task after the other.
pub fn serial(graph: &[Node]) -> Results {
    let mut results = Results::default();
    for node in graph {
        let a: Option<Vec<_>> = node.numbers.iter().map(|&k| results.numbers[k].clone()).collect();
        let b: Option<Vec<_>> = node.texts.iter().map(|&k| results.texts[k].clone()).collect();
        let inputs = a.zip(b);
        match node.kind {
            Kind::Numbers => {
                results.numbers.push(inputs.and_then(|(a, b)| numbers(node.salt, node.length, a, &b).ok()));
            }
            Kind::Text => {
                results.texts.push(inputs.and_then(|(a, b)| text(node.salt, node.length, &a, b).ok()))
            }
        }
    }
    results
}
