//! Resources of tasks as users name them: sizes of memory, counters of the job.

use super::Client;
use super::arguments::ArgumentPack;
use super::future::Future;
use crate::ids::HEAD;
use crate::runtime::head::Request;
use crate::scheduler::{COUNTERS_MAX, DefOptions, SchedulerEvent};
use crate::task::function;
use crate::task::task_fn::TaskFn;

/// A size of memory, for [`Options::memory`](crate::Options::memory): a number of bytes, or a text such as `"2 GiB"`,
/// `"500 MB"` or `"1.5 GiB"`.
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// let half = client.options().memory("512 MiB"); // or a number of bytes
/// let x = half.submit(|n: u64| n + 1, (1,));
/// # x.result()?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemorySize(pub(super) Result<u64, String>);

impl From<u64> for MemorySize {
    fn from(bytes: u64) -> Self {
        MemorySize(Ok(bytes))
    }
}

impl From<&str> for MemorySize {
    fn from(text: &str) -> Self {
        let size = bytes(text).ok_or_else(|| {
            format!(
                "`{text}` is no size of memory: write a number with a unit, such as \"2 GiB\" or \"500 MB\""
            )
        });
        MemorySize(size)
    }
}

impl From<String> for MemorySize {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

/// The number of bytes that a text with a unit means: powers of 1,024 for `KiB` and its like, of 1,000 for `kB`.
fn bytes(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 10] = [
        ("", 1),
        ("b", 1),
        ("kb", 1_000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("tb", 1_000_000_000_000),
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("tib", 1 << 40),
    ];
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim().to_ascii_lowercase();
    let (_, factor) = UNITS.iter().find(|(known, _)| *known == unit)?;
    let number = number.replace('_', "");
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(*factor);
    }
    let size = number.parse::<f64>().ok()? * *factor as f64;
    (size < u64::MAX as f64).then_some(size as u64)
}

impl Client {
    /// Sets the amount that the whole job has of a counter: licences, connections to a server, or anything else that is
    /// limited and that tasks ask for by [`Options::counter`](crate::Options::counter). Only the client of rank 0 can
    /// set it; a job has at most 8 counters. With less than before, tasks that have started keep what they have.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// client.set_counter("licence", 8);
    /// let fits = client.options().counter("licence", 1).map(|n: u64| n + 1, 0..100);
    /// # client.gather(fits)?;
    /// # Ok(()) }
    /// ```
    pub fn set_counter(&self, name: &str, total: u32) {
        if self.shared.rank != HEAD {
            return;
        }
        // tasks that ask for a ninth one fail and say so
        let Some(counter) = self.shared.counters.find_or_add(name) else { return };
        self.set_counter_of(counter, total);
        self.shared.mailbox.push(Request::CounterName(counter as u32, name.into()));
    }

    /// Submits a task that fails, since its options mean nothing, for the reason `why`.
    #[track_caller]
    pub(super) fn submit_refused<M, F: TaskFn<M>>(&self, function: F, why: &str) -> Future<F::Output> {
        let offset = function::offset_of::<F, M>(&function);
        let mut pack = ArgumentPack::refused(self, why);
        let mut state = self.shared.state.lock();
        let options = DefOptions::default();
        let (handle, request) = state.submit(&self.shared, false, options, &function, offset, &mut pack);
        if let Some(request) = request {
            self.shared.mailbox.push(request);
        }
        drop(state);
        Future::new(handle)
    }

    /// Sets the amount that the whole job has of the counter with this number. Only rank 0 can set it; numbers from
    /// [`COUNTERS_MAX`] on are ignored.
    pub(crate) fn set_counter_of(&self, counter: usize, total: u32) {
        if counter < COUNTERS_MAX && self.shared.rank == HEAD {
            self.shared.mailbox.push(Request::Fact(SchedulerEvent::Counter { counter, total }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_of_memory_are_read() {
        assert_eq!(bytes("2 GiB"), Some(2 << 30));
        assert_eq!(bytes("1.5GiB"), Some(3 << 29));
        assert_eq!(bytes(" 500 MB "), Some(500_000_000));
        assert_eq!(bytes("4_096"), Some(4096));
        assert_eq!(bytes("16777216 TiB"), None, "more than 64 bits");
        for wrong in ["", "GiB", "2 GB/s", "-1 GB", "1.2.3 GB", "NaN"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
