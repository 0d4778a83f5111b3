//! Direct reads of datasets: bypasses the HDF5 library where a file stores elements as memory does.
//!
//! The library tells where the elements are: a contiguous dataset has one address, a chunked one without filters an
//! address for each chunk. Everything else is left to the library: other element types, fill values, short runs.

use crate::arrays::buffer_pool;
use bytemuck::Pod;
use hdf5::datatype::Datatype;
use hdf5::file::FileDriver;
use hdf5::plist::dataset_create::Layout;
use hdf5::{Dataset, H5Type};
use ndarray::ArrayD;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// Average length of contiguous runs, in bytes, from which on a part of a dataset is read directly. Parts with shorter
/// runs are left to the HDF5 library, which reads this much at a time.
const SHORTEST: usize = 64 << 10;
/// Bytes that are read at a time. Between two reads the reactor (the thread that handles messages) may run, which
/// shares a core with compute threads. Without these gaps it would hand on the next task only after the whole read, and
/// another thread would be idle meanwhile.
const PIECE: usize = 1 << 20;
/// The largest number of chunks of a dataset that is read directly. To find a chunk, the HDF5 library counts all chunks
/// before it.
#[cfg(hdf5_chunk_info)]
const MOST_CHUNKS: usize = 1 << 14;

/// An HDF5 file to be read directly, without the library, with the identity (device and inode) that its path had before
/// the library opened it.
pub(crate) struct DirectFile<'a> {
    path: &'a Path,
    identity: (u64, u64),
}

/// The places in a file where the elements of a part of a dataset are stored.
pub(crate) struct StoredPart {
    file: File,
    shape: Vec<usize>,
    runs: Vec<ContiguousRun>,
}

/// A run of bytes that is contiguous both in the file and in memory.
#[derive(Debug, PartialEq)]
struct ContiguousRun {
    from: u64,
    to: usize,
    length: usize,
}

/// A box of elements that is contiguous in the file: a whole dataset or a chunk.
struct Tile {
    address: u64,
    start: Vec<usize>,
    shape: Vec<usize>,
}

impl<'a> DirectFile<'a> {
    /// Notes the identity (device and inode) of a file before the HDF5 library opens it, so that a replaced file is
    /// noticed. `None` if there is no such file.
    pub(crate) fn new(path: &'a Path) -> Option<DirectFile<'a>> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(DirectFile { path, identity: (metadata.dev(), metadata.ino()) })
    }

    /// Finds where a part of a dataset is stored; an empty `part` means the whole. `None` if it cannot be read directly
    /// (without the HDF5 library). The part must lie within the dataset.
    pub(crate) fn find<T: H5Type + Pod>(
        &self,
        dataset: &Dataset,
        part: &[Range<usize>],
    ) -> Option<StoredPart> {
        let whole = dataset.shape();
        let part: Vec<Range<usize>> =
            if part.is_empty() { whole.iter().map(|n| 0..*n).collect() } else { part.to_vec() };
        let shape: Vec<usize> = part.iter().map(Range::len).collect();
        let most = bytes::<T>(&shape)? / SHORTEST;
        if most == 0 || !self.is_plain::<T>(dataset)? {
            return None;
        }
        let tiles = tiles::<T>(dataset, whole, &part)?;
        let mut runs = Vec::new();
        for tile in &tiles {
            tile.runs(&part, size_of::<T>(), most, &mut runs)?;
        }
        let file = File::open(self.path).ok()?;
        let metadata = file.metadata().ok()?;
        // the path may name another file by now, to which the addresses that the HDF5 library gave do not apply
        ((metadata.dev(), metadata.ino()) == self.identity).then_some(StoredPart { file, shape, runs })
    }

    /// Whether the addresses of a dataset are offsets in this file, and its elements have the format of memory, so that
    /// its bytes can be read as they are. `None` if the library cannot tell.
    fn is_plain<T: H5Type>(&self, dataset: &Dataset) -> Option<bool> {
        let file = dataset.file().ok()?;
        Some(
            // a dataset behind an external link lies in another file: then this is that file's name
            Path::new(&dataset.filename()) == self.path
                // a file open for writing may have data that are not written yet
                && file.is_read_only()
                && matches!(file.access_plist().ok()?.get_driver().ok()?, FileDriver::Sec2)
                // a user block is a prefix of the file that HDF5 does not read; with one, addresses of chunks count
                // from the start of the file in some versions of the library, and from the block's end in others
                && file.create_plist().ok()?.get_userblock().ok()? == 0
                && dataset.dtype().ok()? == Datatype::from_type::<T>().ok()?,
        )
    }
}

fn bytes<T>(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(size_of::<T>(), |product, n| product.checked_mul(*n))
}

/// The tiles (chunks, or the whole dataset) that a part of a dataset touches; `None` if not all of them are stored.
fn tiles<T>(dataset: &Dataset, whole: Vec<usize>, part: &[Range<usize>]) -> Option<Vec<Tile>> {
    let properties = dataset.create_plist().ok()?;
    // filtered chunks, such as compressed ones, are no plain elements; `has_filters` would miss an unknown filter
    if !properties.get_filters().ok()?.is_empty() {
        return None;
    }
    match properties.get_layout().ok()? {
        Layout::Contiguous if properties.get_external().ok()?.is_empty() => {
            Some(vec![Tile { address: dataset.offset()?, start: vec![0; whole.len()], shape: whole }])
        }
        #[cfg(hdf5_chunk_info)]
        Layout::Chunked => chunks::<T>(dataset, &whole, &properties.get_chunk().ok()??, part),
        _ => None,
    }
}

/// The chunks that a part of a dataset touches. The library finds a chunk by its number among the stored ones. Here the
/// number is computed as if all chunks were stored, in the order of their positions. `None` if the library has a chunk
/// at another position under a number.
#[cfg(hdf5_chunk_info)]
fn chunks<T>(
    dataset: &Dataset,
    whole: &[usize],
    chunk: &[usize],
    part: &[Range<usize>],
) -> Option<Vec<Tile>> {
    if chunk.len() != whole.len() || chunk.contains(&0) {
        return None;
    }
    let counts: Vec<usize> = whole.iter().zip(chunk).map(|(n, chunk)| n.div_ceil(*chunk)).collect();
    let size = bytes::<T>(chunk)?;
    if size < SHORTEST || counts.iter().try_fold(1usize, |n, count| n.checked_mul(*count))? > MOST_CHUNKS {
        return None;
    }
    let touched = part.iter().zip(chunk).map(|(range, n)| range.start / n..range.end.div_ceil(*n));
    let mut tiles = Vec::new();
    for at in places(&touched.collect::<Vec<_>>()) {
        let number = at.iter().zip(&counts).fold(0, |number, (at, count)| number * count + at);
        let start: Vec<usize> = at.iter().zip(chunk).map(|(at, n)| at * n).collect();
        let info = dataset.chunk_info(number)?;
        let is_it = info.offset.iter().map(|n| *n as usize).eq(start.iter().copied());
        if !is_it || info.size != size as u64 || info.addr == u64::MAX {
            return None;
        }
        tiles.push(Tile { address: info.addr, start, shape: chunk.to_vec() });
    }
    Some(tiles)
}

/// The positions of all elements within a box, in the order of memory.
fn places(ranges: &[Range<usize>]) -> impl Iterator<Item = Vec<usize>> + '_ {
    let count: usize = ranges.iter().map(Range::len).product();
    (0..count).map(|mut number| {
        let mut at = vec![0; ranges.len()];
        for axis in (0..ranges.len()).rev() {
            at[axis] = ranges[axis].start + number % ranges[axis].len();
            number /= ranges[axis].len();
        }
        at
    })
}

impl Tile {
    /// Appends the contiguous runs of a part that this tile holds. Fails if there are more than `most`, since many
    /// short reads would be slow.
    fn runs(
        &self,
        part: &[Range<usize>],
        size: usize,
        most: usize,
        runs: &mut Vec<ContiguousRun>,
    ) -> Option<()> {
        let mut both: Vec<Range<usize>> = Vec::with_capacity(part.len());
        for (axis, range) in part.iter().enumerate() {
            let end = self.start[axis] + self.shape[axis];
            both.push(range.start.max(self.start[axis])..range.end.min(end));
        }
        // the outermost axis that one run can cover: all axes behind it must be whole, in the tile and in the part
        let mut axis = both.len();
        let mut length = size;
        while axis > 0 {
            axis -= 1;
            length *= both[axis].len();
            if both[axis].len() != self.shape[axis] || both[axis].len() != part[axis].len() {
                break;
            }
        }
        if runs.len() + both[..axis].iter().map(Range::len).product::<usize>() > most {
            return None;
        }
        for range in &mut both[axis..] {
            range.end = range.start + 1;
        }
        for at in places(&both) {
            let (mut from, mut to) = (0, 0);
            for axis in 0..at.len() {
                from = from * self.shape[axis] + at[axis] - self.start[axis];
                to = to * part[axis].len() + at[axis] - part[axis].start;
            }
            let from = self.address.checked_add(u64::try_from(from.checked_mul(size)?).ok()?)?;
            runs.push(ContiguousRun { from, to: to * size, length });
        }
        Some(())
    }
}

impl StoredPart {
    /// Reads the elements of the part; `None` if the file cannot be read.
    pub(crate) fn read<T: Pod>(&self) -> Option<ArrayD<T>> {
        let mut elements = buffer_pool::take::<T>(self.shape.iter().product());
        let memory: &mut [u8] = bytemuck::cast_slice_mut(&mut elements);
        for run in &self.runs {
            let mut from = run.from;
            for piece in memory.get_mut(run.to..run.to + run.length)?.chunks_mut(PIECE) {
                self.file.read_exact_at(piece, from).ok()?;
                from += piece.len() as u64;
                std::thread::yield_now();
            }
        }
        ArrayD::from_shape_vec(self.shape.clone(), elements).ok()
    }
}

#[cfg(test)]
mod tests;
