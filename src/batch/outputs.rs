//! Numbers of a task's outputs: standard output is 0, standard error 1, files count from 2; [`VALUE`] is the array of a
//! task that makes one.

/// Length in bytes from which a command's output file, if other tasks read it, stays a file instead of being read into
/// memory.
pub(crate) const LARGE: u64 = 64 << 10;

/// The output number of standard output. For an array it denotes the printed form.
pub(crate) const STDOUT: u32 = 0;
/// The output number of a command's standard error.
pub(crate) const STDERR: u32 = 1;
/// The output number of the array that an `array`, `call` or `reduce` task makes.
pub(crate) const VALUE: u32 = u32::MAX;

/// The output number of a command's output file. Files are counted by `number` from 0.
pub(crate) fn file(number: usize) -> u32 {
    number as u32 + 2
}
