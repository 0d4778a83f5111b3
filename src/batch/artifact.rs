//! The result of a task as it travels from rank to rank: the outputs of a command, or an array.
//!
//! [`Artifact`] is a bulk value of the engine ([`ArtifactBulk`]). An array travels as its own memory, outputs as
//! theirs; outputs with files by a message that is made when a rank asks for it. Copies share the memory.

use crate::arrays::{self, ArrayValue, text};
use crate::batch::outputs::{STDOUT, VALUE};
use crate::codec;
use crate::commands::outputs::stream::IncomingOutputs;
use crate::commands::outputs::{CommandOutputs, Content, OutputRef};
use crate::error::Failure;
use crate::protocol::BulkLayout;
use crate::task::allocation;
use crate::task::bulk::{self, BulkKind};
use crate::task::shared::Shared;
use crate::task::value::AnyValue;
use crate::transport::stream::StreamSink;
use crate::transport::{BulkSource, BulkTarget};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::sync::Arc;

/// An array of numbers that every clone shares: cloning copies a pointer, not the elements.
pub(crate) type Array = Shared<ArrayValue>;

/// The result of one instance of a task of the script: the outputs of a command, or an array.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Artifact {
    /// The outputs of a command: its streams and its output files, each found by a number.
    Outputs(CommandOutputs),
    /// The array that an expression, a Rust function or a reduction has made.
    Array(Array),
    /// Nothing, since the instance did not run and has not failed either.
    Absent(Absence),
}

/// The reason why an instance has no result although it has not failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Absence {
    /// The condition `when` does not hold for the instance, or an instance that it needs was skipped.
    Skipped,
    /// An earlier instance has met the condition of `until`.
    NotNeeded,
}

impl Absence {
    /// Reads the encoding of an absent result; `None` for that of any other.
    pub(crate) fn of_encoded(bytes: &[u8]) -> Option<Absence> {
        let all = [Absence::Skipped, Absence::NotNeeded];
        all.into_iter()
            .find(|kind| codec::encode_value(&Artifact::Absent(*kind)).is_ok_and(|known| known == bytes))
    }
}

/// An output of a command whose bytes are in memory, for building an [`Artifact`] from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutputBytes<'a> {
    /// The number of the output: [`STDOUT`], [`STDERR`](crate::batch::outputs::STDERR) or
    /// [`file()`](crate::batch::outputs::file()).
    pub which: u32,
    /// The name of the output file, as the command wrote it; `stdout` or `stderr` for the streams.
    pub name: &'a str,
    pub bytes: &'a [u8],
}

impl Artifact {
    /// Makes an artifact without outputs. Tasks that depend on it learn only that its task has ended.
    pub(crate) fn empty() -> Artifact {
        Artifact::of(&[])
    }

    /// Makes an artifact of outputs that are in memory. Their bytes are copied.
    pub(crate) fn of(parts: &[OutputBytes<'_>]) -> Artifact {
        let outputs = parts.iter().map(|part| OutputRef {
            which: part.which,
            name: part.name,
            content: Content::Memory(part.bytes),
        });
        CommandOutputs::new(&outputs.collect::<Vec<_>>()).into()
    }

    /// Whether the instance did not run, so that there is no result.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Artifact::Absent(_))
    }

    /// The outputs of the command that made this artifact.
    ///
    /// # Errors
    /// When the artifact is an array.
    pub(crate) fn outputs(&self) -> Result<&CommandOutputs, Failure> {
        match self {
            Artifact::Outputs(outputs) => Ok(outputs),
            Artifact::Array(_) => Err(Failure::new("internal error: an array where outputs should be")),
            Artifact::Absent(_) => Err(Failure::new("internal error: no result where outputs should be")),
        }
    }

    /// The output of the command that has the number `which`.
    ///
    /// # Errors
    /// When there is no such output, or the artifact is an array.
    pub(crate) fn output(&self, which: u32) -> Result<OutputRef<'_>, Failure> {
        if let Artifact::Absent(_) = self {
            // what has not run has printed nothing
            return Ok(OutputRef { which, name: "nothing", content: Content::Memory(&[]) });
        }
        self.outputs()?.output(which)
    }

    /// The array that the task has made, if the artifact is one.
    ///
    /// # Errors
    /// When the artifact holds the outputs of a command.
    pub(crate) fn array(&self) -> Result<&Array, Failure> {
        match self {
            Artifact::Array(array) => Ok(array),
            Artifact::Outputs(_) => Err(Failure::new("internal error: outputs where an array should be")),
            Artifact::Absent(_) => Err(Failure::new("internal error: no result where an array should be")),
        }
    }
}

impl From<CommandOutputs> for Artifact {
    fn from(outputs: CommandOutputs) -> Self {
        Artifact::Outputs(outputs)
    }
}

impl From<ArrayValue> for Artifact {
    fn from(array: ArrayValue) -> Self {
        Artifact::Array(Shared::new(array))
    }
}

/// Extracts the outputs with the numbers `wanted` from an artifact. A task function: the engine runs it at the rank
/// that has the artifact, so that only the wanted outputs travel to the rank of the reader. Standard output of an array
/// is its printed form. If `wanted` is empty, the result tells only that the task has ended.
///
/// # Errors
/// When an output is damaged, or is not there.
pub(crate) fn take_outputs(whole: &Artifact, wanted: &[u32]) -> Result<Artifact, Failure> {
    match whole {
        Artifact::Absent(_) => Ok(whole.clone()),
        Artifact::Outputs(outputs) => {
            let taken: Result<Vec<_>, Failure> = wanted.iter().map(|which| outputs.output(*which)).collect();
            Ok(CommandOutputs::new(&taken?).into())
        }
        Artifact::Array(array) => match wanted {
            [] => Ok(Artifact::empty()),
            [STDOUT] => {
                let text = text::to_text(array);
                Ok(Artifact::of(&[OutputBytes { which: STDOUT, name: "stdout", bytes: text.as_bytes() }]))
            }
            [VALUE] => Ok(whole.clone()),
            _ => Err(Failure::new("internal error: an array has no such outputs")),
        },
    }
}

/// Memory that a message with outputs is received into.
struct MessageMemory {
    bytes: Vec<u8>,
    /// The length of the message in which the outputs go to ranks that see other files.
    whole: u64,
}

impl bulk::BulkMemory for MessageMemory {
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

/// Outputs with files that are received piece by piece.
struct OutputsTarget(Arc<IncomingOutputs>);

impl BulkTarget for OutputsTarget {
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut []
    }

    fn stream(&self) -> Option<Arc<dyn StreamSink>> {
        Some(self.0.clone())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        Box::new(AnyValue::new(Artifact::from(self.0.take())))
    }
}

/// Tells the engine how an [`Artifact`] travels between ranks: as raw memory where possible. Registered with
/// [`bulk::register`].
pub(crate) struct ArtifactBulk;

impl BulkKind for ArtifactBulk {
    fn view<'a>(&self, value: &'a dyn Any) -> Option<(BulkLayout, &'a [u8])> {
        match value.downcast_ref::<Artifact>()? {
            Artifact::Outputs(outputs) => outputs.view(),
            Artifact::Array(array) => arrays::bulk::view(array),
            Artifact::Absent(_) => None,
        }
    }

    fn allocate(
        &self,
        layout: &BulkLayout,
        nbytes: usize,
        whole: u64,
        same_files: bool,
    ) -> Option<Box<dyn BulkTarget>> {
        match layout {
            BulkLayout::Pack { same_files: paths } if *paths > 0 && !same_files => {
                Some(Box::new(OutputsTarget(Arc::new(IncomingOutputs::new(whole, *paths)))))
            }
            BulkLayout::Pack { .. } => {
                let memory = MessageMemory { bytes: allocation::zeros(nbytes).ok()?, whole };
                Some(bulk::target(memory, |MessageMemory { bytes, whole }| {
                    AnyValue::new(Artifact::from(CommandOutputs::arrived(bytes, whole)))
                }))
            }
            BulkLayout::Bulk { .. } => arrays::bulk::allocate::<Artifact>(layout, nbytes),
            BulkLayout::Encoded => None,
        }
    }

    fn announced(&self, value: &dyn Any) -> Option<(u64, BulkLayout)> {
        match value.downcast_ref::<Artifact>()? {
            Artifact::Outputs(outputs) => outputs.announced(),
            Artifact::Array(_) | Artifact::Absent(_) => None,
        }
    }

    fn message(&self, value: &dyn Any, same_files: bool) -> Option<Arc<dyn BulkSource>> {
        match value.downcast_ref::<Artifact>()? {
            Artifact::Outputs(outputs) => Some(outputs.message(same_files)),
            Artifact::Array(_) | Artifact::Absent(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::outputs::file;
    use crate::commands::ScratchRoot;
    use crate::transport::stream::hand_over;
    use ndarray::{ArrayD, IxDyn};

    fn arrived(layout: &BulkLayout, nbytes: usize, message: &[u8]) -> Artifact {
        let mut target =
            ArtifactBulk.allocate(layout, nbytes, nbytes as u64, true).expect("a layout of ours");
        target.bytes_mut().copy_from_slice(message);
        let value = target.into_any().downcast::<AnyValue>().expect("a value");
        value.get::<Artifact>().expect("an artifact").clone()
    }

    #[test]
    fn outputs_are_taken_out_by_number() {
        let parts = [
            OutputBytes { which: STDOUT, name: "stdout", bytes: b"text\n" },
            OutputBytes { which: file(1), name: "m.bin", bytes: &[0, 255] },
            OutputBytes { which: file(0), name: "", bytes: b"" },
        ];
        let whole = Artifact::of(&parts);
        let some = take_outputs(&whole, &[file(0), STDOUT]).unwrap();
        let all = some.outputs().unwrap().all().unwrap();
        let found: Vec<_> = all.iter().map(|output| (output.which, output.name)).collect();
        assert_eq!(found, [(file(0), ""), (STDOUT, "stdout")]);
        assert_eq!(*some.output(STDOUT).unwrap().bytes().unwrap(), *b"text\n");
        assert!(take_outputs(&some, &[file(1)]).is_err() && some.array().is_err());
        assert!(take_outputs(&whole, &[]).unwrap().outputs().unwrap().all().unwrap().is_empty());
    }

    #[test]
    fn an_array_has_itself_and_its_printed_form() {
        let whole = Artifact::from(ArrayValue::from(vec![1.0, 2.5]));
        let text = take_outputs(&whole, &[STDOUT]).unwrap();
        assert_eq!(*text.output(STDOUT).unwrap().bytes().unwrap(), *b"1.0\n2.5\n");
        let same = take_outputs(&whole, &[VALUE]).unwrap();
        assert!(std::ptr::eq(&**same.array().unwrap(), &**whole.array().unwrap()));
        assert!(take_outputs(&whole, &[]).unwrap().outputs().unwrap().all().unwrap().is_empty());
        assert!(take_outputs(&whole, &[file(0)]).is_err() && whole.outputs().is_err());
    }

    #[test]
    fn both_travel_as_their_own_memory() {
        for array in [
            ArrayValue::F32(ArrayD::from_elem(IxDyn(&[2, 3]), 0.5)),
            ArrayValue::U8(ArrayD::from_elem(IxDyn(&[]), 7)),
        ] {
            let whole = Artifact::from(array);
            let (layout, bytes) = ArtifactBulk.view(&whole).expect("is bulk");
            assert_eq!(arrived(&layout, bytes.len(), bytes).array().unwrap(), whole.array().unwrap());
            assert!(ArtifactBulk.announced(&whole).is_none() && ArtifactBulk.message(&whole, true).is_none());
        }
        let whole = Artifact::of(&[OutputBytes { which: STDOUT, name: "stdout", bytes: b"text\n" }]);
        let (layout, bytes) = ArtifactBulk.view(&whole).expect("is bulk");
        let came = arrived(&layout, bytes.len(), bytes);
        assert_eq!(*came.output(STDOUT).unwrap().bytes().unwrap(), *b"text\n");
        assert!(ArtifactBulk.allocate(&BulkLayout::Encoded, 8, 8, false).is_none());
    }

    #[test]
    fn what_is_absent_is_told_by_its_encoding() {
        for kind in [Absence::Skipped, Absence::NotNeeded] {
            let encoded = codec::encode_value(&Artifact::Absent(kind)).unwrap();
            assert!(encoded.len() <= 8, "rank 0 hears of so many bytes");
            assert_eq!(Absence::of_encoded(&encoded), Some(kind));
        }
        let other = codec::encode_value(&Artifact::empty()).unwrap();
        assert_eq!(Absence::of_encoded(&other), None);
    }

    #[test]
    fn outputs_with_files_travel_by_a_message() {
        let stored = Arc::new(ScratchRoot::current().unwrap().keep_bytes(&[7; 70_000]).unwrap());
        let output = OutputRef { which: file(0), name: "m.bin", content: Content::File(&stored) };
        let whole = Artifact::from(CommandOutputs::new(&[output]));
        assert!(ArtifactBulk.view(&whole).is_none());
        let (length, layout) = ArtifactBulk.announced(&whole).expect("it has a file");
        let source =
            ArtifactBulk.message(&whole, false).and_then(|message| message.stream()).expect("a stream");
        assert_eq!(source.length(), length);
        let target = ArtifactBulk.allocate(&layout, length as usize, length, false).expect("ours");
        hand_over(&*source, &*target.stream().expect("a stream"));
        let value = target.into_any().downcast::<AnyValue>().expect("a value");
        let came = value.get::<Artifact>().expect("an artifact");
        assert!(
            matches!(came.output(file(0)).unwrap().content, Content::File(file) if file.length() == 70_000)
        );
    }
}
