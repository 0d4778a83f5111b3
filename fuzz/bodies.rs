//! The bodies of the fuzz targets: each takes arbitrary bytes and panics when a promise is broken.
//!
//! `fuzz/fuzz_targets/` hands them to libFuzzer; `tests/fuzz_replay.rs` runs them over the corpus and over mutations of
//! it with a stable compiler. Both include this file, the only one of them that names dtask's modules.

use dtask::internal::arrays::{Expr, Sketch};
use dtask::internal::commands::{outputs_rewritten, spawner_rewritten};
use dtask::internal::protocol::{FRAME_MAX, Frame, Message, append, decode as decode_frame, take_length};
use dtask::internal::script::{LoadOptions, ScriptSource, parse};

/// The body of a target: it gets the bytes of an input, and panics where they show a bug.
pub type Body = fn(&[u8]);

/// What is fuzzed: name, which is also the folder of its corpus, and body.
#[allow(dead_code, reason = "a fuzz target uses one body")]
pub const TARGETS: [(&str, Body); 5] = [
    ("script", script),
    ("expression", expression),
    ("decode", decode),
    ("outputs", outputs),
    ("spawner", spawner),
];

/// A folder that is not there: relative paths of a script lead nowhere.
const NOWHERE: &str = "/nowhere/of/fuzzing";

/// The front end's answer to any text is a plan, or messages that can be printed.
pub fn script(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if reads_elsewhere(text) {
        return;
    }
    let source = ScriptSource::new("fuzz.toml", NOWHERE, text);
    match parse(source, &[], LoadOptions::default()) {
        Ok(plan) => assert!(plan.tasks.iter().all(|task| !task.name.is_empty())),
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a reason");
            assert!(errors.list.iter().all(|error| !error.message.is_empty()), "an empty message");
            assert!(errors.render(false).starts_with("error["), "{}", errors.render(false));
        }
    }
}

/// Whether a script may list or read files outside of [`NOWHERE`]: results would depend on the machine, and `/**` would
/// take for ever.
fn reads_elsewhere(text: &str) -> bool {
    let reads = ["glob", "lines", "csv", "files", "\\u"].iter().any(|word| text.contains(word));
    let absolute = ["\"/", "'/", "\n/", "\"\\", "'\\", "\n\\"].iter().any(|start| text.contains(start));
    reads && absolute
}

/// An expression is a tree whose places lie in the text, or an error whose place does.
pub fn expression(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let check = |range: &std::ops::Range<usize>| {
        assert!(text.get(range.clone()).is_some(), "{range:?} is no place in {text:?}");
    };
    let expr = match Expr::parse(text) {
        Ok(expr) => expr,
        Err(error) => return check(&error.range),
    };
    for (name, span) in expr.names() {
        check(&span);
        assert!(!name.is_empty());
    }
    // shapes, for several beliefs about the names
    for belief in 0..4 {
        if let Err(error) = expr.sketch(&|name| sketch_of(name, belief)) {
            check(&error.range);
        }
    }
}

/// What is known of `name`: another kind of thing with each `belief`.
fn sketch_of(name: &str, belief: usize) -> Sketch {
    let number = name.bytes().map(usize::from).sum::<usize>();
    match (number + belief) % 6 {
        0 => Sketch::Unknown,
        1 => Sketch::Number(number as f64 - 100.5),
        2 => Sketch::Shape(vec![number % 4, 3]),
        3 => Sketch::List(vec![Sketch::Shape(vec![3]), Sketch::Shape(vec![number % 4])]),
        4 => Sketch::Text("normal".into()),
        _ => Sketch::Shape(vec![]),
    }
}

/// Bytes are a frame whose messages encode to the same frame again, or an error.
pub fn decode(bytes: &[u8]) {
    let mut rest = bytes;
    if take_length(&mut rest).is_ok() {
        assert!(rest.len() < bytes.len());
    }
    if bytes.len() > FRAME_MAX {
        return; // no rank sends it, and its messages may need more than one frame
    }
    let Ok(frame) = decode_frame(bytes) else { return };
    let again = match &frame {
        Frame::Hello(hello) => encoded(std::slice::from_ref(hello)),
        Frame::Welcome(welcome) => encoded(std::slice::from_ref(welcome)),
        Frame::Orders(orders) => encoded(orders),
        Frame::Reports(reports) => encoded(reports),
        Frame::Peers(peers) => encoded(peers),
    };
    if !again.is_empty() {
        assert_eq!(decode_frame(&again).expect("what was encoded can be decoded"), frame);
    }
}

/// One frame of all messages: those of one frame fit into one.
fn encoded<M: Message>(messages: &[M]) -> Vec<u8> {
    let mut frame = Vec::new();
    for message in messages {
        let full = append(&mut frame, message).expect("what was decoded can be encoded");
        assert!(full.is_none(), "the encoding is longer than what was decoded");
    }
    frame
}

/// A command's outputs from another rank: what was read, written again, is read as the same, and is as long as its length
/// is told to others.
pub fn outputs(bytes: &[u8]) {
    let Some((again, length)) = outputs_rewritten(bytes) else { return };
    assert_eq!(again.len() as u64, length, "the length is told wrongly");
    assert!(again.len() <= 3 * bytes.len(), "{} bytes of {}", again.len(), bytes.len());
    assert!(outputs_rewritten(&again) == Some((again, length)), "it is read differently the second time");
}

/// What a rank and its spawner say to each other: what was received, sent again, is received as the same.
pub fn spawner(bytes: &[u8]) {
    let Some(again) = spawner_rewritten(bytes) else { return };
    assert!(again.len() <= bytes.len(), "the encoding is longer than what was decoded");
    assert!(spawner_rewritten(&again) == Some(again), "it is received differently the second time");
}
