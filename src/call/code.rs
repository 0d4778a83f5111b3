//! Functions by offset: all ranks run the same executable, so only an identity travels.
//!
//! For each function type that is submitted the compiler makes a constant [`Record`]: magic numbers, a name, a pointer
//! to the code that unpacks the arguments and calls the function. The record's offset from the start of the loaded
//! image is the same on every rank, wherever the loader has put the image. On receipt the offset is checked to lie in
//! a readable part of the image and the magic numbers to be right before the record is used; and ranks whose code
//! segments differ never get so far, since `Hello` carries [`Image::hash`]. UPC++ ships functions in the same way.
//!
//! # Safety
//! `unsafe` is here for three things: to read the code segment for its hash, to read a checked record, and to conjure
//! a function value that has no size.
#![allow(unsafe_code)]

use super::args::Arguments;
use super::task_fn::TaskFn;
use super::value::{Data, Value, output};
use crate::error::{CodecError, Failure};
use crate::protocol::Output;
use std::any::{Any, type_name};
use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::OnceLock;

const MAGIC: [u64; 2] = [0x6474_6173_6B5F_666E, 0x9E37_79B9_7F4A_7C15];

/// What a task function leaves behind: its result as reported, and the value if it is kept in the store.
pub type Computed = Result<(Output, Option<Value>), Failure>;

type Collected = Result<Box<dyn Any + Send>, CodecError>;

/// What is behind an offset.
enum Code {
    /// Unpacks arguments and calls a task function.
    Task(fn(&mut Arguments<'_>) -> Computed),
    /// Puts values together to a vector.
    Collector(fn(&[Value]) -> Collected),
}

/// A constant in the image that stands for a function.
#[repr(C)]
pub struct Record {
    magic: [u64; 2],
    name: fn() -> &'static str,
    code: Code,
}

impl Record {
    /// The last part of the function's name; `closure` for a closure.
    pub fn name(&self) -> String {
        short_name((self.name)())
    }

    /// Calls the task function.
    ///
    /// # Errors
    /// What the function fails with; or that this is no task function, or the arguments do not fit.
    ///
    /// # Panics
    /// When the function does.
    pub fn call(&self, arguments: &mut Arguments<'_>) -> Computed {
        match self.code {
            Code::Task(task) => task(arguments),
            Code::Collector(_) => Err(Failure::new("the function's record is not that of a task")),
        }
    }
}

struct TaskRecord<F, M>(PhantomData<(F, M)>);

impl<F: TaskFn<M>, M> TaskRecord<F, M> {
    const RECORD: Record = Record { magic: MAGIC, name: type_name::<F>, code: Code::Task(Self::run) };

    const IS_ZERO_SIZED: () = assert!(
        size_of::<F>() == 0,
        "dtask: this closure captures variables, and captured variables cannot travel to another rank. \
         Pass them as arguments: `client.submit(|a, x| .., (a, x))` instead of `client.submit(|x| .. a .., (x,))`"
    );

    fn run(arguments: &mut Arguments<'_>) -> Computed {
        const { Self::IS_ZERO_SIZED }
        // SAFETY: F has no size, so a dangling pointer to it is valid for reads; and it is Copy, so a value of it
        // carries no duty (no Drop) and no proof that only its creator could give. A value of F existed at submit.
        let function = unsafe { NonNull::<F>::dangling().as_ref() };
        let result = function.call(arguments)?;
        Ok(output(result)?)
    }
}

struct CollectorRecord<T>(PhantomData<T>);

impl<T: Data> CollectorRecord<T> {
    const RECORD: Record = Record { magic: MAGIC, name: type_name::<T>, code: Code::Collector(Self::run) };

    fn run(values: &[Value]) -> Collected {
        let elements: Result<Vec<T>, CodecError> =
            values.iter().map(|value| value.get::<T>().cloned()).collect();
        Ok(Box::new(elements?))
    }
}

/// The identity of a task function: the same number on every rank that runs this executable.
pub fn offset_of<F: TaskFn<M>, M>(_: &F) -> u64 {
    const { TaskRecord::<F, M>::IS_ZERO_SIZED }
    let record: &'static Record = &TaskRecord::<F, M>::RECORD;
    image().offset(record)
}

/// The name of a task function, for keys.
pub fn name_of<F>(_: &F) -> String {
    short_name(type_name::<F>())
}

/// The identity of the function that makes a `Vec<T>` from values.
pub fn collector_of<T: Data>() -> u64 {
    let record: &'static Record = &CollectorRecord::<T>::RECORD;
    image().offset(record)
}

/// Puts `values` together to a `T`, which is a vector, by the function at `offset`.
///
/// # Errors
/// When there is no such function, an element is of another type, or `T` is another vector.
pub fn collect<T: Data>(offset: u64, values: &[Value]) -> Result<T, CodecError> {
    let Code::Collector(collector) = &find(offset)?.code else {
        return Err(CodecError::decode("the function's record is not that of a vector"));
    };
    let vector = collector(values)?;
    let vector = vector.downcast::<T>();
    Ok(*vector
        .map_err(|_| CodecError::decode(format!("another vector where a {} is wanted", type_name::<T>())))?)
}

/// The record at `offset`.
///
/// # Errors
/// When there is none: the offset lies outside the image, or what is there is no record.
pub fn find(offset: u64) -> Result<&'static Record, CodecError> {
    let image = image();
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
    // compared so that the two words do not stand in the image for this comparison: only records have them
    let inverted = magic.map(|word| !std::hint::black_box(word));
    if inverted != MAGIC.map(|word| !word) {
        return Err(wrong("nothing that can be called"));
    }
    // SAFETY: as above; and 128 bits of magic at an aligned place of this image are only in front of a `Record` that
    // the compiler made, since the same executable runs on every rank (`Hello`) and nothing else has them.
    Ok(unsafe { &*(address as *const Record) })
}

/// A mapping of an image: where, readable, executable.
type Part = (Range<usize>, bool, bool);

/// The loaded image that this code is part of: the executable, or a shared library.
#[derive(Debug)]
pub struct Image {
    start: usize,
    readable: Vec<Range<usize>>,
    /// Hash of the code segment: equal on ranks that run the same build.
    pub hash: u64,
}

impl Image {
    fn offset(&self, record: &'static Record) -> u64 {
        (std::ptr::from_ref(record).addr() - self.start) as u64
    }

    /// Finds the image in the text of `/proc/self/maps`, by an address in it.
    fn parse(maps: &str, inside: usize) -> Option<(Vec<Part>, usize)> {
        let lines = || {
            maps.lines().filter_map(|line| {
                // five fields with a space behind each, then the path, which may have spaces itself
                let mut words = line.splitn(6, ' ');
                let (range, rights) = (words.next()?, words.next()?);
                let path = words.nth(3).unwrap_or("").trim_start();
                let (start, end) = range.split_once('-')?;
                let start = usize::from_str_radix(start, 16).ok()?;
                let end = usize::from_str_radix(end, 16).ok()?;
                Some((start..end, rights.starts_with('r'), rights.as_bytes().get(2) == Some(&b'x'), path))
            })
        };
        let (_, _, _, path) = lines().find(|(range, ..)| range.contains(&inside))?;
        let parts: Vec<_> =
            lines().filter(|part| part.3 == path).map(|(range, r, x, _)| (range, r, x)).collect();
        let start = parts.iter().map(|part| part.0.start).min()?;
        Some((parts, start))
    }
}

/// The image that dtask was linked into.
///
/// # Panics
/// On a system without `/proc/self/maps`; dtask is for Linux.
pub fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    static ANCHOR: Record =
        Record { magic: [0; 2], name: || "anchor", code: Code::Collector(|_| Ok(Box::new(()))) };
    IMAGE.get_or_init(|| {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux has /proc/self/maps");
        let inside = std::ptr::from_ref(&ANCHOR).addr();
        let (parts, start) = Image::parse(&maps, inside).expect("the running code is mapped somewhere");
        let mut hash = 0;
        for (range, readable, executable) in &parts {
            if *readable && *executable {
                // SAFETY: the kernel says that this range is mapped readable, and it is this program's own code,
                // which nobody unmaps or writes while it runs.
                let code = unsafe { std::slice::from_raw_parts(range.start as *const u8, range.len()) };
                hash ^= xxhash_rust::xxh3::xxh3_64_with_seed(code, (range.start - start) as u64);
            }
        }
        let readable = parts.into_iter().filter(|part| part.1).map(|part| part.0).collect();
        Image { start, readable, hash }
    })
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
        let (result, kept) = record.call(&mut Arguments::new(&[], &packed, &[])).unwrap();
        assert!(kept.is_none());
        assert_eq!(
            result,
            Output::Inline(crate::protocol::Blob::new(&crate::codec::encode(&42i64).unwrap()))
        );
    }

    #[test]
    fn an_offset_that_is_no_function_is_an_error() {
        let offset = offset_of::<_, _>(&double);
        for wrong in [0, 1, 8, offset + 8, offset + 1, u64::MAX, u64::MAX / 2, 1 << 40] {
            assert!(find(wrong).is_err(), "{wrong:#x}");
        }
        // every aligned place around the record is looked at and refused, not called
        for near in (offset.saturating_sub(4096)..offset + 4096).step_by(8) {
            if let Ok(record) = find(near) {
                assert_eq!(record.magic, MAGIC);
            }
        }
    }

    #[test]
    fn values_are_put_together_to_a_vector_of_their_type() {
        let values = [Value::new("a".to_owned()), Value::new("b".to_owned())];
        let offset = collector_of::<String>();
        assert_eq!(collect::<Vec<String>>(offset, &values).unwrap(), ["a", "b"]);
        assert!(collect::<Vec<i64>>(offset, &values).is_err());
        assert!(collect::<Vec<i64>>(collector_of::<i64>(), &values).is_err());
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
        assert_eq!(
            parts,
            [(0x1000..0x2000, true, false), (0x2000..0x3000, true, true), (0x3000..0x4000, false, false)]
        );
        assert!(Image::parse(maps, 0x9000).is_none());
    }
}
