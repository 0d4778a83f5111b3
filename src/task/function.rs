//! Functions by offset: all ranks run the same executable, so only an identity travels.
//!
//! For each function type that is submitted the compiler makes a constant [`Record`]: magic numbers, a name, a pointer
//! to the code that unpacks the arguments and calls the function. The record's offset from the start of the loaded
//! image is the same on every rank, wherever the loader has put the image. On receipt the offset is checked to lie in
//! a readable part of the image and the magic numbers to be right before the record is used; and ranks whose code or
//! constants differ never get so far, since `Hello` carries [`Image::hash`]. UPC++ ships functions in the same way.
//!
//! # Safety
//! `unsafe` is needed for three things: to read the image's constant segments for their hash, to read a checked record,
//! and to conjure a function value that has no size.
#![allow(unsafe_code)]

use super::output::output;
use super::task_fn::TaskFn;
use super::value::{AnyValue, Data};
use crate::error::{CodecError, Failure};
use crate::protocol::ReportedResult;
use crate::task::arguments::Arguments;
use crate::task::assembly::{Assembly, FormReader};
use std::any::{Any, type_name};
use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::OnceLock;

const MAGIC: [u64; 2] = [0x6474_6173_6B5F_666E, 0x9E37_79B9_7F4A_7C15];

/// The outcome of a task function: its result as it is reported to rank 0, and the value itself if the rank keeps it in
/// its store for other tasks.
pub(crate) type Computed = Result<(ReportedResult, Option<AnyValue>), Failure>;

/// The value of an actor. Only the actor's functions know its type.
pub(crate) type ActorValue = dyn Any + Send;

/// The outcome of an actor's constructor.
pub(crate) type Made = Result<Box<ActorValue>, Failure>;

type Collected = Result<Box<dyn Any + Send>, CodecError>;

/// The code that a [`Record`] represents.
pub(super) enum FunctionCode {
    /// Code that unpacks encoded arguments and calls a task function.
    Task(fn(&mut Arguments<'_>) -> Computed),
    /// Code that collects the results of tasks into a container, whose form the bytes tell.
    Collector(fn(&[AnyValue], &[u8]) -> Collected),
    /// Code that makes the value of an actor.
    Maker(fn(&mut Arguments<'_>) -> Made),
    /// Code that calls a function of an actor.
    Method(fn(&mut ActorValue, &mut Arguments<'_>) -> Computed),
}

/// A constant in the executable's image that represents a function. Its offset identifies the function on every rank.
#[repr(C)]
pub(crate) struct Record {
    magic: [u64; 2],
    name: fn() -> &'static str,
    code: FunctionCode,
}

impl Record {
    /// Makes the record of a function with this name (see [`type_name`]) and code.
    pub(super) const fn new(name: fn() -> &'static str, code: FunctionCode) -> Record {
        Record { magic: MAGIC, name, code }
    }

    /// The last part of the function's name; `closure` for a closure.
    pub(crate) fn name(&self) -> String {
        short_name((self.name)())
    }

    /// Unpacks the arguments and calls the task function of this record.
    ///
    /// # Errors
    /// The failure of the function; or the record is not that of a task function, or the arguments do not fit.
    ///
    /// # Panics
    /// When the function does.
    pub(crate) fn call(&self, arguments: &mut Arguments<'_>) -> Computed {
        match self.code {
            FunctionCode::Task(task) => task(arguments),
            _ => Err(Failure::new("the function's record is not that of a task")),
        }
    }

    /// Unpacks the arguments and calls the constructor of this record.
    ///
    /// # Errors
    /// When the record is not that of a constructor, or the arguments do not fit.
    ///
    /// # Panics
    /// When the function does.
    pub(crate) fn make(&self, arguments: &mut Arguments<'_>) -> Made {
        match self.code {
            FunctionCode::Maker(maker) => maker(arguments),
            _ => Err(Failure::new("the function's record is not that of an actor's constructor")),
        }
    }

    /// Unpacks the arguments and calls the actor's function of this record on `value`.
    ///
    /// # Errors
    /// As [`Record::call`].
    ///
    /// # Panics
    /// When the function does.
    pub(crate) fn invoke(&self, value: &mut ActorValue, arguments: &mut Arguments<'_>) -> Computed {
        match self.code {
            FunctionCode::Method(method) => method(value, arguments),
            _ => Err(Failure::new("the function's record is not that of an actor's function")),
        }
    }
}

struct TaskRecord<F, M>(PhantomData<(F, M)>);

impl<F: TaskFn<M>, M> TaskRecord<F, M> {
    const RECORD: Record = Record { magic: MAGIC, name: type_name::<F>, code: FunctionCode::Task(Self::run) };

    const IS_ZERO_SIZED: () = assert!(
        size_of::<F>() == 0,
        "dtask: this closure captures variables, and captured variables cannot travel to another rank. \
         Pass them as arguments: `client.submit(|a, x| .., (a, x))` instead of `client.submit(|x| .. a .., (x,))`. \
         If it is a function pointer (`fn(i64) -> i64`): an address cannot travel either, so submit the function \
         itself by its name, or choose within a task: `client.submit(|kind, x| match kind {{ .. }}, (kind, x))`"
    );

    fn run(arguments: &mut Arguments<'_>) -> Computed {
        const { Self::IS_ZERO_SIZED }
        let function = conjured::<F>();
        let result = function.call(arguments)?;
        Ok(output(result)?)
    }
}

/// A value of a function type that has no size. The callers check the size at compile time.
pub(crate) fn conjured<F: Copy + 'static>() -> &'static F {
    assert!(size_of::<F>() == 0);
    // SAFETY: F has no size, so a dangling pointer to it is valid for reads; and it is Copy, so a value of it carries
    // no duty (no Drop). A value of F existed where the task was submitted: not necessarily in this process. That
    // matters only for a type of the program's own that implements `Fn` and whose values prove that something was done
    // in a process; the compiler's own function types, fn items and closures that capture nothing, prove nothing. The
    // docs of `Client::submit` say so.
    unsafe { NonNull::<F>::dangling().as_ref() }
}

struct CollectorRecord<T>(PhantomData<T>);

impl<T: Data> CollectorRecord<T> {
    const RECORD: Record =
        Record { magic: MAGIC, name: type_name::<T>, code: FunctionCode::Collector(Self::run) };

    fn run(values: &[AnyValue], _: &[u8]) -> Collected {
        let elements: Result<Vec<T>, CodecError> =
            values.iter().map(|value| value.get::<T>().cloned()).collect();
        Ok(Box::new(elements?))
    }
}

struct AssemblerRecord<S>(PhantomData<S>);

impl<S: Assembly> AssemblerRecord<S> {
    const RECORD: Record =
        Record { magic: MAGIC, name: type_name::<S::Values>, code: FunctionCode::Collector(Self::run) };

    fn run(values: &[AnyValue], form: &[u8]) -> Collected {
        Ok(Box::new(S::assemble(&mut values.iter(), &mut FormReader(form))?))
    }
}

/// The identity of the function that puts values together to a container of this kind.
pub(crate) fn assembler_of<S: Assembly>() -> u64 {
    let record: &'static Record = &AssemblerRecord::<S>::RECORD;
    offset(record)
}

/// The identity of a task function: the offset of its record, the same on every rank that runs this executable.
pub(crate) fn offset_of<F: TaskFn<M>, M>(_: &F) -> u64 {
    const { TaskRecord::<F, M>::IS_ZERO_SIZED }
    let record: &'static Record = &TaskRecord::<F, M>::RECORD;
    offset(record)
}

/// The last part of a task function's name, which task keys begin with.
pub(crate) fn name_of<F>(_: &F) -> String {
    short_name(type_name::<F>())
}

/// The identity of the function that collects values into a `Vec<T>`: the offset of its record, the same on every rank.
pub(crate) fn collector_of<T: Data>() -> u64 {
    let record: &'static Record = &CollectorRecord::<T>::RECORD;
    offset(record)
}

pub(super) fn offset(record: &'static Record) -> u64 {
    // dtask does not start on a rank whose image cannot be read; in a simulated cluster, which starts all the same,
    // this offset makes the task fail with the reason
    image().map_or(u64::MAX, |image| (std::ptr::from_ref(record).addr() - image.start) as u64)
}

/// Collects `values` into a `T`, which is a vector, by the function whose record is at `offset`.
///
/// # Errors
/// When there is no such function, an element is of another type, or `T` is not the vector that the function makes.
pub(crate) fn collect<T: Data>(offset: u64, values: &[AnyValue], form: &[u8]) -> Result<T, CodecError> {
    let FunctionCode::Collector(collector) = &find(offset)?.code else {
        return Err(CodecError::decode("the function's record is not that of a vector"));
    };
    let vector = collector(values, form)?;
    let vector = vector.downcast::<T>();
    Ok(*vector
        .map_err(|_| CodecError::decode(format!("another vector where a {} is wanted", type_name::<T>())))?)
}

/// Finds the record of a function at `offset` in the image, after checking that there is one.
///
/// # Errors
/// When the offset lies outside of the image, or there is no record at it.
pub(crate) fn find(offset: u64) -> Result<&'static Record, CodecError> {
    let image = image()?;
    let wrong = |why: &str| CodecError::decode(format!("function {offset:#x} of the executable: {why}"));
    let address = usize::try_from(offset).ok().and_then(|offset| image.start.checked_add(offset));
    let address = address.ok_or_else(|| wrong("out of range"))?;
    let end = address.checked_add(size_of::<Record>()).ok_or_else(|| wrong("out of range"))?;
    if !address.is_multiple_of(align_of::<Record>()) {
        return Err(wrong("not aligned"));
    }
    if !image.readable.iter().any(|range| range.start <= address && end <= range.end) {
        return Err(wrong("outside of the executable's data"));
    }
    // SAFETY: the two words lie within a readable mapping of the image, aligned, and stay mapped as long as the
    // process runs.
    let magic = unsafe { *(address as *const [u64; 2]) };
    // compared inverted, so that the compiler puts no copy of the two words into the image for this comparison: only
    // records have them there
    let inverted = magic.map(|word| !std::hint::black_box(word));
    if inverted != MAGIC.map(|word| !word) {
        return Err(wrong("nothing that can be called"));
    }
    // SAFETY: as above; and 128 bits of magic at an aligned place of this image are only in front of a `Record` that
    // the compiler made, since the same executable runs on every rank (`Hello`) and nothing else has them.
    Ok(unsafe { &*(address as *const Record) })
}

/// A mapping of a part of an image into memory: its range of addresses, and whether it is readable.
type Mapping = (Range<usize>, bool);

/// The loaded image (file mapped into memory) that this code is part of: the executable, or a shared library.
#[derive(Debug)]
pub(crate) struct Image {
    start: usize,
    readable: Vec<Range<usize>>,
    /// Hash of code and constants: equal on ranks that run the same build. Memory that the loader or the program writes
    /// is not part of it, since it differs from process to process.
    pub hash: u64,
}

impl Image {
    /// Finds the image that contains the address `inside` in the text of `/proc/self/maps`; `None` if there is none.
    fn parse(maps: &str, inside: usize) -> Option<(Vec<Mapping>, usize)> {
        let lines = || {
            maps.lines().filter_map(|line| {
                // five fields with a space behind each, then the path, which may have spaces itself
                let mut words = line.splitn(6, ' ');
                let (range, rights) = (words.next()?, words.next()?);
                let path = words.nth(3).unwrap_or("").trim_start();
                let (start, end) = range.split_once('-')?;
                let start = usize::from_str_radix(start, 16).ok()?;
                let end = usize::from_str_radix(end, 16).ok()?;
                Some((start..end, rights.starts_with('r'), path))
            })
        };
        let (.., path) = lines().find(|(range, ..)| range.contains(&inside))?;
        let parts: Vec<_> =
            lines().filter(|part| part.2 == path).map(|(range, readable, _)| (range, readable)).collect();
        let start = parts.iter().map(|part| part.0.start).min()?;
        Some((parts, start))
    }
}

/// The segments of an ELF image that nobody writes (code and constants), relative to the image's base, by its program
/// headers.
///
/// The mappings that are readable only would not do: the loader fills in addresses and makes them read-only afterwards.
fn constant_segments(header: &[u8]) -> Option<Vec<Range<usize>>> {
    const LOAD: u64 = 1;
    const WRITABLE: u64 = 2;
    let number = |at: usize, length: usize| -> Option<u64> {
        let mut bytes = [0; 8];
        bytes.get_mut(..length)?.copy_from_slice(header.get(at..at.checked_add(length)?)?);
        Some(u64::from_le_bytes(bytes))
    };
    // 64 bits and little-endian, as on every machine that this runs on
    if !header.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let table = usize::try_from(number(0x20, 8)?).ok()?;
    let (size, count) = (number(0x36, 2)? as usize, number(0x38, 2)? as usize);
    let (mut base, mut segments) = (None, Vec::new());
    for entry in (0..count).map(|index| index.checked_mul(size)?.checked_add(table)) {
        let entry = entry?;
        if number(entry, 4)? != LOAD {
            continue;
        }
        let offset = usize::try_from(number(entry + 8, 8)?).ok()?;
        let address = usize::try_from(number(entry + 16, 8)?).ok()?;
        let length = usize::try_from(number(entry + 32, 8)?).ok()?;
        // the first loaded segment begins with the ELF header itself, at the base of the image
        let base = *base.get_or_insert(address.checked_sub(offset)?);
        if number(entry + 4, 4)? & WRITABLE == 0 {
            let start = address.checked_sub(base)?;
            segments.push(start..start.checked_add(length)?);
        }
    }
    Some(segments)
}

/// The image that dtask was linked into.
///
/// # Errors
/// On a system without `/proc/self/maps`, or with images that are not ELF: dtask is for Linux.
pub(crate) fn image() -> Result<&'static Image, CodecError> {
    // process-wide: it describes the executable
    static IMAGE: OnceLock<Result<Image, CodecError>> = OnceLock::new();
    IMAGE.get_or_init(load).as_ref().map_err(Clone::clone)
}

fn load() -> Result<Image, CodecError> {
    static ANCHOR: Record =
        Record { magic: [0; 2], name: || "anchor", code: FunctionCode::Collector(|_, _| Ok(Box::new(()))) };
    let maps = std::fs::read_to_string("/proc/self/maps")
        .map_err(|error| foreign(&format!("/proc/self/maps: {error}")))?;
    let inside = std::ptr::from_ref(&ANCHOR).addr();
    let (parts, start) =
        Image::parse(&maps, inside).ok_or_else(|| foreign("its code is not in /proc/self/maps"))?;
    let readable: Vec<Range<usize>> = parts.into_iter().filter(|part| part.1).map(|part| part.0).collect();
    let mut hash = 0;
    for range in constant(start, &readable)? {
        hash = xxhash_rust::xxh3::xxh3_64_with_seed(bytes(&range), hash ^ (range.start - start) as u64);
    }
    Ok(Image { start, readable, hash })
}

fn foreign(why: &str) -> CodecError {
    CodecError::decode(format!("the running executable: {why}"))
}

/// The address ranges of the image at `start` that nobody writes: code and constants, and with them the linker's build
/// id where there is one. All ranges are readable.
fn constant(start: usize, readable: &[Range<usize>]) -> Result<Vec<Range<usize>>, CodecError> {
    let first = readable.iter().find(|range| range.start == start);
    let header = bytes(first.ok_or_else(|| foreign("its header cannot be read"))?);
    let segments =
        constant_segments(header).ok_or_else(|| foreign("it is no ELF image of 64 bits"))?.into_iter();
    let ranges: Vec<Range<usize>> = segments
        .map(|segment| start.saturating_add(segment.start)..start.saturating_add(segment.end))
        .collect();
    for range in &ranges {
        let mut at = range.start;
        while at < range.end {
            let part = readable.iter().find(|part| part.contains(&at));
            at = part.ok_or_else(|| foreign("a constant segment of it cannot be read"))?.end;
        }
    }
    Ok(ranges)
}

/// The bytes of a part of the image: of its first mapping, or of a range that [`constant`] has returned.
fn bytes(range: &Range<usize>) -> &'static [u8] {
    // SAFETY: both callers give a range in what the kernel says is mapped readable, which nobody unmaps while the
    // program runs; and nobody writes there: it is the image's header, its code or its constants.
    unsafe { std::slice::from_raw_parts(range.start as *const u8, range.len()) }
}

fn short_name(full: &str) -> String {
    let plain = full.split('<').next().unwrap_or(full);
    let mut parts = plain.rsplit("::").filter(|part| !part.is_empty());
    match parts.next() {
        Some("{{closure}}") => "closure".to_owned(),
        Some(last) => last.to_owned(),
        None => "task".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(x: i64) -> i64 {
        2 * x
    }

    #[test]
    fn a_function_is_found_by_its_offset_and_called() {
        let offset = offset_of::<_, _>(&double);
        let record = find(offset).unwrap();
        assert_eq!(record.name(), "double");
        let mut packed = Default::default();
        crate::protocol::push_argument(&mut packed, &crate::codec::encode(&21i64).unwrap());
        let (result, kept) = record.call(&mut Arguments::new(&Default::default(), &packed, &[])).unwrap();
        assert!(kept.is_none());
        assert_eq!(
            result,
            ReportedResult::Inline(crate::protocol::Blob::new(&crate::codec::encode(&42i64).unwrap()))
        );
    }

    #[test]
    fn an_offset_that_is_no_function_is_an_error() {
        let offset = offset_of::<_, _>(&double);
        for wrong in [0, 1, 8, offset + 8, offset + 1, u64::MAX, u64::MAX / 2, 1 << 40] {
            assert!(find(wrong).is_err(), "{wrong:#x}");
        }
        // of all aligned places around the record only records are found: none begins inside another
        let start = image().unwrap().start as u64;
        let near = (offset.saturating_sub(4096)..offset + 4096).step_by(8);
        let found: Vec<u64> = near.filter(|at| find(*at).is_ok()).collect();
        assert!(found.contains(&offset));
        assert!(found.is_sorted_by(|a, b| b - a >= size_of::<Record>() as u64), "{found:x?}");
        for at in found {
            assert!(!find(at).unwrap().name().is_empty());
        }
        // one of the two magic words is not enough, and outside of the image both are not
        static HALF: [u64; 8] = [MAGIC[0]; 8];
        let half = std::ptr::from_ref(std::hint::black_box(&HALF)).addr() as u64;
        let why = |address: u64| find(address.wrapping_sub(start)).map(|_| ()).unwrap_err().to_string();
        assert!(why(half).contains("nothing that can be called"), "{}", why(half));
        // inverted at run time, so that the words themselves stand in records alone
        let forged: Vec<u64> = MAGIC.iter().map(|word| !std::hint::black_box(!word)).collect();
        let why = why(forged.as_ptr().addr() as u64);
        assert!(why.contains("outside of the executable's data") || why.contains("out of range"), "{why}");
    }

    #[test]
    fn code_and_constants_are_hashed_and_nothing_that_is_written() {
        static COUNTER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(7);
        let image = image().unwrap();
        let constant = constant(image.start, &image.readable).unwrap();
        let hashed = |address: usize| constant.iter().any(|range| range.contains(&address));
        assert!(hashed(double as fn(i64) -> i64 as usize), "code");
        assert!(hashed("a text of this test".as_ptr().addr()), "constants");
        assert!(!hashed(std::ptr::from_ref(&COUNTER).addr()), "variables");
        // its pointers are filled in by the loader
        static POINTERS: [&str; 2] = ["one", "two"];
        assert!(!hashed(std::ptr::from_ref(std::hint::black_box(&POINTERS)).addr()), "relocated constants");
        assert_eq!(load().unwrap().hash, image.hash);
    }

    #[test]
    fn headers_that_are_damaged_are_refused() {
        assert_eq!(constant_segments(b""), None);
        assert_eq!(constant_segments(b"\x7fELF\x02\x01"), None);
        assert_eq!(constant_segments(b"\x7fELF\x01\x01"), None);
        let mut header = vec![0xFFu8; 0x40];
        header[..6].copy_from_slice(b"\x7fELF\x02\x01");
        assert_eq!(constant_segments(&header), None);
    }

    #[test]
    fn values_are_put_together_to_a_vector_of_their_type() {
        let values = [AnyValue::new("a".to_owned()), AnyValue::new("b".to_owned())];
        let offset = collector_of::<String>();
        assert_eq!(collect::<Vec<String>>(offset, &values, &[]).unwrap(), ["a", "b"]);
        assert!(collect::<Vec<i64>>(offset, &values, &[]).is_err());
        assert!(collect::<Vec<i64>>(collector_of::<i64>(), &values, &[]).is_err());
    }

    #[test]
    fn names_are_short() {
        assert_eq!(short_name("app::solve::step"), "step");
        assert_eq!(short_name("app::main::{{closure}}::{{closure}}"), "closure");
        assert_eq!(short_name("app::sort<alloc::vec::Vec<f64>>"), "sort");
    }

    #[test]
    fn the_image_is_found_in_the_maps() {
        let maps = "1000-2000 r--p 00000000 08:01 7 /bin/app\n2000-3000 r-xp 00001000 08:01 7 /bin/app\n\
                    3000-4000 ---p 00002000 08:01 7 /bin/app\n7000-8000 rw-p 00000000 00:00 0 \n";
        let (parts, start) = Image::parse(maps, 0x2800).unwrap();
        assert_eq!(start, 0x1000);
        assert_eq!(parts, [(0x1000..0x2000, true), (0x2000..0x3000, true), (0x3000..0x4000, false)]);
        assert!(Image::parse(maps, 0x9000).is_none());
    }
}
