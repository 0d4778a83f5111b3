//! What a command leaves, by number: standard output, standard error, files.

use crate::commands::outputs::{Content, OutputRef};
use crate::error::Failure;

/// A command's outputs.
pub(crate) use crate::commands::outputs::CommandOutputs;

/// From this length on an output file of a command stays a file.
pub(crate) const LARGE: u64 = 64 << 10;

/// The number of standard output in a pack.
pub(crate) const STDOUT: u32 = 0;
/// The number of standard error in a pack.
pub(crate) const STDERR: u32 = 1;

/// The number of an output file in a pack.
pub(crate) fn file(number: usize) -> u32 {
    number as u32 + 2
}

/// One output, in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutputBytes<'a> {
    /// [`STDOUT`], [`STDERR`] or [`file()`].
    pub which: u32,
    /// The file's name, as the command wrote it.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Packs outputs that are in memory.
pub(crate) fn pack(parts: &[OutputBytes<'_>]) -> CommandOutputs {
    let outputs = parts.iter().map(|part| OutputRef {
        which: part.which,
        name: part.name,
        content: Content::Memory(part.bytes),
    });
    CommandOutputs::new(&outputs.collect::<Vec<_>>())
}

/// One output of a pack.
///
/// # Errors
/// When the pack does not have it.
pub(crate) fn part(pack: &CommandOutputs, which: u32) -> Result<OutputRef<'_>, Failure> {
    pack.output(which)
}

/// A task function: some of a pack's outputs, taken out where it lies so that the others need not travel.
///
/// # Errors
/// When the pack is damaged, or lacks one of them.
pub(crate) fn parts_of(whole: &CommandOutputs, wanted: &[u32]) -> Result<CommandOutputs, Failure> {
    let outputs: Result<Vec<OutputRef<'_>>, Failure> =
        wanted.iter().map(|which| whole.output(*which)).collect();
    Ok(CommandOutputs::new(&outputs?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_taken_out_by_number() {
        let parts = [
            OutputBytes { which: STDOUT, name: "stdout", bytes: b"text\n" },
            OutputBytes { which: file(1), name: "m.bin", bytes: &[0, 255] },
            OutputBytes { which: file(0), name: "", bytes: b"" },
        ];
        let packed = pack(&parts);
        let some = parts_of(&packed, &[file(0), STDOUT]).unwrap();
        let found: Vec<_> = some.all().unwrap().iter().map(|output| (output.which, output.name)).collect();
        assert_eq!(found, [(file(0), ""), (STDOUT, "stdout")]);
        assert_eq!(*part(&some, STDOUT).unwrap().bytes().unwrap(), *b"text\n");
        assert!(parts_of(&some, &[file(1)]).is_err());
        assert!(parts_of(&packed, &[]).unwrap().all().unwrap().is_empty());
    }
}
