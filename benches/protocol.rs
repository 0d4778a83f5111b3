//! What messages between ranks cost: encoding and decoding each kind, in frames as they are sent.
//!
//! `cargo bench --bench protocol [-- part of a name ...]`, such as `-- Finished`. Times are of one message, in
//! processor time, medians of rounds in which all kinds take turns, so that a slow moment of the machine hits all of
//! them. There are frames of 64 messages, as in a busy turn of a rank, and of one, as on an idle machine.

mod common;

use common::Rounds;
use dtask::TaskError;
use dtask::internal::ids::{DefId, Rank, TaskId};
use dtask::internal::protocol::{
    Blob, BulkLayout, Definition, Frame, Hello, InputSource, Message, Peer, RankOrder, RankReport,
    ReportedResult, RunTask, TaskInput, VERSION, Welcome, append, decode, index_argument,
};
use rustix::time::{ClockId, clock_gettime};
use smallvec::SmallVec;
use std::hint::black_box;

const ROUNDS: usize = 15;
/// Messages of a frame in a busy turn.
const BUSY: usize = 64;
/// Messages that are encoded and decoded at a time.
const MESSAGES: u64 = 4_096;
/// The first task number: those of a run that has gone on for a while.
const FIRST: u64 = 1_000_000;

/// One kind of message.
struct Case {
    name: &'static str,
    messages: u64,
    run: Box<dyn Fn(usize) -> Cost>,
    busy: Measured,
    alone: Measured,
}

#[derive(Default)]
struct Measured {
    encode: Rounds,
    decode: Rounds,
    bytes: usize,
    frames: usize,
}

impl Measured {
    fn push(&mut self, cost: Cost) {
        self.encode.push(cost.encode);
        self.decode.push(cost.decode);
        (self.bytes, self.frames) = (cost.bytes, cost.frames);
    }
}

/// Seconds for all messages.
struct Cost {
    encode: f64,
    decode: f64,
    bytes: usize,
    frames: usize,
}

fn case<M: Message + 'static>(name: &'static str, message: impl Fn(u64) -> M) -> Case {
    // there is but one of these in a frame
    let messages = if name.starts_with("Hello") || name.starts_with("Welcome") { 1 } else { MESSAGES };
    let all: Vec<M> = (0..messages).map(|k| message(FIRST + k)).collect();
    let run = move |per_frame: usize| cost(&all, per_frame);
    Case { name, messages, run: Box::new(run), busy: Measured::default(), alone: Measured::default() }
}

fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Sends the messages through frames of `per_frame` messages.
fn cost<M: Message>(messages: &[M], per_frame: usize) -> Cost {
    let repeats = MESSAGES as usize / messages.len();
    let mut frames = Vec::with_capacity(messages.len() + 1);
    let begin = cpu();
    for _ in 0..repeats {
        frames.clear();
        for messages in messages.chunks(per_frame) {
            let mut open = Vec::new();
            for message in messages {
                let full = append(&mut open, black_box(message)).expect("it can be encoded");
                frames.extend(full);
            }
            frames.push(open);
        }
    }
    let encode = (cpu() - begin) / repeats as f64;
    let begin = cpu();
    for _ in 0..repeats {
        for frame in &frames {
            black_box(decode(black_box(frame)).expect("it can be decoded"));
        }
    }
    let decode_seconds = (cpu() - begin) / repeats as f64;
    let count = |frame: &Vec<u8>| match decode(frame).expect("it can be decoded") {
        Frame::Hello(_) | Frame::Welcome(_) => 1,
        Frame::Orders(all) => all.len(),
        Frame::Reports(all) => all.len(),
        Frame::Peers(all) => all.len(),
    };
    assert_eq!(frames.iter().map(count).sum::<usize>(), messages.len(), "messages were lost");
    let bytes = frames.iter().map(Vec::len).sum();
    Cost { encode, decode: decode_seconds, bytes, frames: frames.len() }
}

fn bulk() -> BulkLayout {
    BulkLayout::Bulk { container: 1, element: 1, shape: SmallVec::from_slice(&[1_000_000]) }
}

fn run(task: u64, inputs: Vec<TaskInput>) -> RankOrder {
    let (task, attempt) = (TaskId(task), 1);
    RankOrder::Run(RunTask {
        task,
        attempt,
        def: DefId(3),
        key: task.0,
        args: index_argument(task.0),
        inputs,
        more: 0,
        depth: 0,
    })
}

fn inline(task: u64) -> TaskInput {
    TaskInput { task: TaskId(task), source: InputSource::Inline(Blob::new(&task.to_le_bytes())) }
}

fn remote(task: u64) -> TaskInput {
    let source = InputSource::At { holder: Rank((task % 64) as u32), nbytes: 8_000_000, layout: bulk() };
    TaskInput { task: TaskId(task), source }
}

fn finished(task: u64, output: ReportedResult) -> RankReport {
    RankReport::Finished { task: TaskId(task), attempt: 1, nanos: 1_500, output }
}

fn failed(task: u64) -> RankReport {
    let message = "cannot open /data/run-17/input.h5: no such file or directory".to_owned();
    let error = TaskError::of_attempt(message, "load".into(), Rank(17), "node017".into(), 1);
    RankReport::Failed { task: TaskId(task), attempt: 1, error: Box::new(error) }
}

fn definition(task: u64) -> RankOrder {
    let name = "mean_of_columns".into();
    RankOrder::Define(Definition {
        def: DefId(task as u32),
        function: 0x12_3456,
        name,
        shared: Blob::default(),
        slots: 1,
        memory: 0,
        gpus: 0,
        timeout: 0,
    })
}

fn hello() -> Hello {
    Hello {
        version: VERSION,
        code_hash: 0x0123_4567_89AB_CDEF,
        host: "node017".into(),
        cores: (0..64).collect(),
        granted: 64,
        memory: 256 << 30,
        gpus: vec!["0".into(), "1".into()],
        files: 0x0123_4567_89AB_CDEF,
        program: "/home/user/project/target/release/program".into(),
    }
}

fn cases() -> Vec<Case> {
    let bring = |k| RankOrder::Bring { task: TaskId(k), holder: Rank(3), nbytes: 8_000_000, layout: bulk() };
    vec![
        case("Order::Run, an argument", |k| run(k, Vec::new())),
        case("Order::Run, an inline input", |k| run(k, vec![inline(k)])),
        case("Order::Run, three inline inputs", |k| run(k, (k..k + 3).map(inline).collect())),
        case("Order::Run, two inputs elsewhere", |k| run(k, vec![remote(k), remote(k + 1)])),
        case("Order::MoreInputs, 16 inline", |k| RankOrder::MoreInputs {
            task: TaskId(k),
            inputs: (k..k + 16).map(inline).collect(),
            more: 0,
        }),
        case("Order::RunRange", |k| RankOrder::RunRange {
            def: DefId(3),
            first: TaskId(k),
            index: k,
            count: 64,
        }),
        case("Order::Define", definition),
        case("Order::Bring", bring),
        case("Order::Retract", |_| RankOrder::Retract { count: 8 }),
        case("Order::Release", |k| RankOrder::Release { task: TaskId(k) }),
        case("Order::Lost", |_| RankOrder::Lost { rank: Rank(17) }),
        case("Order::Seen", |_| RankOrder::Seen { count: 8 }),
        case("Order::Shutdown", |_| RankOrder::Shutdown),
        case("Order::Leave", |_| RankOrder::Leave),
        case("Report::Finished, inline", |k| {
            finished(k, ReportedResult::Inline(Blob::new(&k.to_le_bytes())))
        }),
        case("Report::Finished, inline, 128 bytes", |k| {
            finished(k, ReportedResult::Inline(Blob::new(&[7; 128])))
        }),
        case("Report::Finished, stored", |k| {
            finished(k, ReportedResult::Stored { nbytes: 8_000_000, layout: bulk() })
        }),
        case("Report::Failed", failed),
        case("Report::Fetched", |k| RankReport::Fetched { task: TaskId(k) }),
        case("Report::Retracted", |k| RankReport::Retracted { task: TaskId(k), attempt: 1 }),
        case("Report::RetractDone", |_| RankReport::RetractDone),
        case("Report::NotBrought", |k| RankReport::NotBrought { task: TaskId(k) }),
        case("Report::Bye", |_| RankReport::Bye { spent: None }),
        case("Peer::Fetch", |k| Peer::Fetch { task: TaskId(k), tag: (k % 32_000) as u32, same_files: false }),
        case("Peer::Value, 200 bytes", |k| Peer::Value { task: TaskId(k), bytes: Blob::new(&[7; 200]) }),
        case("Report::Alive", |_| RankReport::Alive),
        case("Hello", |_| hello()),
        case("Welcome", |_| Welcome::Start {
            slots: 64,
            profile: false,
            cores: (0..64).collect(),
            gpus: Vec::new(),
            same_files: (0..64).map(Rank).collect(),
            silence: 60_000,
            memory_limit: 1 << 30,
            awaits: true,
            checksums: true,
        }),
    ]
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let chosen = |case: &Case| words.is_empty() || words.iter().any(|word| case.name.contains(word.as_str()));
    let mut cases: Vec<Case> = cases().into_iter().filter(chosen).collect();
    for round in 0..ROUNDS + 1 {
        for case in &mut cases {
            let (busy, alone) = ((case.run)(BUSY), (case.run)(1));
            // the first round warms up
            if round > 0 {
                case.busy.push(busy);
                case.alone.push(alone);
            }
        }
    }
    println!(
        "{:<36} {:>6} {:>10} {:>10} {:>14} {:>14} {:>15} {:>10}",
        "", "bytes", "encode ns", "decode ns", "frames/s enc.", "frames/s dec.", "alone: enc. ns", "dec. ns"
    );
    for case in &cases {
        let each = |rounds: &Rounds| rounds.median() / case.messages as f64 * 1e9;
        let frames = |rounds: &Rounds| case.busy.frames as f64 / rounds.median();
        println!(
            "{:<36} {:>6.1} {:>10.1} {:>10.1} {:>14.0} {:>14.0} {:>15.1} {:>10.1}",
            case.name,
            case.busy.bytes as f64 / case.messages as f64,
            each(&case.busy.encode),
            each(&case.busy.decode),
            frames(&case.busy.encode),
            frames(&case.busy.decode),
            each(&case.alone.encode),
            each(&case.alone.decode),
        );
    }
}
