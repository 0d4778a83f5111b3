//! Outputs by number: standard output, standard error, files; and of an array its value.

/// From this length on an output file of a command stays a file.
pub(crate) const LARGE: u64 = 64 << 10;

/// The number of standard output; of an array, of its printed form.
pub(crate) const STDOUT: u32 = 0;
/// The number of standard error.
pub(crate) const STDERR: u32 = 1;
/// The number of the one output of a task that makes an array: the array.
pub(crate) const VALUE: u32 = u32::MAX;

/// The number of an output file.
pub(crate) fn file(number: usize) -> u32 {
    number as u32 + 2
}
