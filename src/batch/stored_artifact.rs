//! The result of an instance in a checkpoint file: a head that tells what there is, and the bytes of each part.

use crate::batch::artifact::{Artifact, ArtifactBulk};
use crate::batch::outputs::VALUE;
use crate::codec;
use crate::commands::outputs::stream;
use crate::error::Failure;
use crate::journal::checkpoint::{self, CheckpointReader, CheckpointWriter};
use crate::journal::record::CheckpointRecord;
use crate::protocol::BulkLayout;
use crate::task::allocation;
use crate::task::bulk::BulkKind;
use crate::task::value::AnyValue;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::path::Path;

/// The largest length of a head that is believed.
const HEAD_MAX: u32 = 64 << 20;

/// The parts of a result, in the order of their bytes in the file.
#[derive(Debug, Serialize, Deserialize)]
enum StoredForm {
    /// The outputs of a command, as they travel between ranks: the number of each, and the lengths of all.
    Outputs(Vec<u32>, (u64, u64)),
    /// An array, by its own memory: its layout, and its length in bytes.
    Array(BulkLayout, u64),
    /// An array in its encoding, whose length in bytes this is.
    Encoded(u64),
}

/// Writes the result of an instance to a file, whole or not at all. Nothing is written of an instance that did not run.
///
/// # Errors
/// When the disk is full, or an output cannot be read.
pub(crate) fn write(path: &Path, artifact: &Artifact) -> io::Result<()> {
    match artifact {
        Artifact::Absent(_) => Ok(()),
        Artifact::Outputs(outputs) => {
            let all = outputs.all().map_err(wrong)?;
            let parts = all.iter().map(|part| part.which).collect();
            let mut file = begin(path, &StoredForm::Outputs(parts, stream::lengths(outputs)))?;
            stream::write(outputs, &mut file)?;
            file.finish()
        }
        Artifact::Array(_) => {
            let encoded;
            let (form, bytes) = match ArtifactBulk.view(artifact) {
                Some((layout, bytes)) => (StoredForm::Array(layout, bytes.len() as u64), bytes),
                None => {
                    encoded = codec::encode_value(artifact).map_err(io::Error::other)?;
                    (StoredForm::Encoded(encoded.len() as u64), &encoded[..])
                }
            };
            let mut file = begin(path, &form)?;
            file.write_all(bytes)?;
            file.finish()
        }
    }
}

fn wrong(failure: Failure) -> io::Error {
    io::Error::other(failure.message().to_owned())
}

fn begin(path: &Path, form: &StoredForm) -> io::Result<CheckpointWriter> {
    let head = codec::encode(form).map_err(io::Error::other)?;
    let length = u32::try_from(head.len()).ok().filter(|length| *length <= HEAD_MAX);
    let length = length.ok_or_else(|| io::Error::other("it has too many outputs"))?;
    let mut file = CheckpointWriter::create(path)?;
    file.write_all(&length.to_le_bytes())?;
    file.write_all(&head)?;
    Ok(file)
}

fn read_form(reader: &mut CheckpointReader) -> io::Result<StoredForm> {
    let mut length = [0; 4];
    reader.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > HEAD_MAX || u64::from(length) > reader.left() {
        return Err(checkpoint::damaged());
    }
    let mut head = vec![0; length as usize];
    reader.read_exact(&mut head)?;
    codec::decode(&head).map_err(|_| checkpoint::damaged())
}

/// Reads the result of an instance back from its file. Large outputs become files of the rank's scratch.
///
/// # Errors
/// When the file is not the recorded one or is damaged, and when memory or scratch has no room.
pub(crate) fn read(path: &Path, record: &CheckpointRecord) -> io::Result<Artifact> {
    let mut reader = CheckpointReader::open(path)?;
    if !reader.is_of(record) {
        return Err(checkpoint::damaged());
    }
    let artifact = match read_form(&mut reader)? {
        StoredForm::Outputs(_, lengths) => {
            room(&reader, lengths.0)?;
            stream::read(&mut reader, lengths).map_err(wrong)?.into()
        }
        StoredForm::Array(layout, length) => {
            let nbytes = room(&reader, length)?;
            let target = ArtifactBulk.allocate(&layout, nbytes, length, true);
            let mut target = target.ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
            reader.read_exact(target.bytes_mut())?;
            let value = target.into_any().downcast::<AnyValue>().map_err(|_| checkpoint::damaged())?;
            value.get::<Artifact>().map_err(|_| checkpoint::damaged())?.clone()
        }
        StoredForm::Encoded(length) => {
            let mut bytes = allocation::zeros(room(&reader, length)?).map_err(io::Error::other)?;
            reader.read_exact(&mut bytes)?;
            codec::decode_value(&bytes).map_err(|_| checkpoint::damaged())?
        }
    };
    reader.finish().map(|()| artifact)
}

/// The length of a part as a size in memory. An error if the file is shorter.
fn room(reader: &CheckpointReader, length: u64) -> io::Result<usize> {
    let length = Some(length).filter(|length| *length <= reader.left());
    length.and_then(|length| usize::try_from(length).ok()).ok_or_else(checkpoint::damaged)
}

/// Makes the record of a file that [`write`] has made. `None` if there is none.
pub(crate) fn record_of(path: &Path, family: u128, index: u64) -> Option<CheckpointRecord> {
    let record = checkpoint::record_of(path, family, index)?;
    let outputs = match read_form(&mut CheckpointReader::open(path).ok()?).ok()? {
        StoredForm::Outputs(parts, _) => parts,
        StoredForm::Array(..) | StoredForm::Encoded(_) => vec![VALUE],
    };
    Some(CheckpointRecord { outputs, ..record })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrays::{ArrayValue, text};
    use crate::batch::artifact::{Absence, OutputBytes};
    use crate::batch::outputs::{STDOUT, file};
    use crate::commands::ScratchRoot;
    use crate::commands::outputs::{CommandOutputs, Content, OutputRef};
    use ndarray::{ArrayD, IxDyn};
    use std::sync::Arc;

    fn through(artifact: &Artifact) -> (Artifact, CheckpointRecord) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f/3");
        write(&path, artifact).unwrap();
        let record = record_of(&path, 7, 3).unwrap();
        (read(&path, &record).unwrap(), record)
    }

    #[test]
    fn arrays_come_back_as_they_were() {
        let turned = ArrayD::from_shape_fn(IxDyn(&[2, 3]), |at| (at[0] * 3 + at[1]) as i64).reversed_axes();
        for array in [
            ArrayValue::F64(ArrayD::from_elem(IxDyn(&[]), f64::NAN)),
            ArrayValue::F32(ArrayD::zeros(IxDyn(&[0, 3]))),
            ArrayValue::U8(ArrayD::from_elem(IxDyn(&[1000, 3]), 7)),
            ArrayValue::I64(turned),
        ] {
            let (back, record) = through(&Artifact::from(array.clone()));
            let back = back.array().unwrap().clone();
            assert_eq!((text::to_text(&back), back.shape()), (text::to_text(&array), array.shape()));
            assert_eq!(record.outputs, [VALUE]);
        }
    }

    #[test]
    fn outputs_come_back_small_and_large() {
        let large = Arc::new(ScratchRoot::current().unwrap().keep_bytes(&[9; 70_000]).unwrap());
        let parts = [
            OutputRef { which: STDOUT, name: "stdout", content: Content::Memory(b"text\n") },
            OutputRef { which: file(0), name: "m.bin", content: Content::File(&large) },
            OutputRef { which: file(1), name: "empty", content: Content::Memory(b"") },
        ];
        let (back, record) = through(&CommandOutputs::new(&parts).into());
        assert_eq!(record.outputs, [STDOUT, file(0), file(1)]);
        for part in parts {
            let found = back.output(part.which).unwrap();
            assert_eq!((found.name, found.bytes().unwrap()), (part.name, part.bytes().unwrap()));
        }
        assert!(matches!(back.output(file(0)).unwrap().content, Content::File(_)));
    }

    #[test]
    fn what_is_damaged_gives_no_result_and_what_did_not_run_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("3");
        write(&path, &Artifact::Absent(Absence::Skipped)).unwrap();
        assert!(record_of(&path, 7, 3).is_none());
        let parts = [OutputBytes { which: STDOUT, name: "stdout", bytes: b"some text" }];
        write(&path, &Artifact::of(&parts)).unwrap();
        let record = record_of(&path, 7, 3).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x41;
            std::fs::write(&path, changed).unwrap();
            assert!(read(&path, &record).is_err(), "byte {at}");
            std::fs::write(&path, &whole[..at]).unwrap();
            assert!(read(&path, &record).is_err(), "cut at {at}");
        }
    }
}
