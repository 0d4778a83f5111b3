//! Allocation of memory whose size comes from data. Where it fails, the task fails, and not the job: a failed
//! `vec![..]` would abort the process.

use bytemuck::Zeroable;

/// The size in bytes from which on it is checked beforehand whether the system has the memory. A process that is
/// refused less than this could not go on anyway.
const WORTH_ASKING: usize = 1 << 20;

/// The error of an allocation: the rank has not so much memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this rank has no memory for {}; make smaller pieces, or start fewer ranks on a host", amount(*.0))]
pub(crate) struct NoMemory(
    /// The number of bytes that were wanted.
    u128,
);

impl NoMemory {
    /// The error for `length` elements of a type.
    pub(crate) fn of<T>(length: usize) -> NoMemory {
        NoMemory(length as u128 * size_of::<T>() as u128)
    }
}

/// Formats a number of bytes with a unit: `1.5 GiB`.
pub(crate) fn amount(bytes: u128) -> String {
    match bytes {
        0..0x0010_0000 => format!("{bytes} bytes"),
        0x0010_0000..0x4000_0000 => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
        _ => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    }
}

/// Checks that memory for `length` elements can be had now. Memory is reserved and freed at once, which for a large
/// array is one `mmap`: what follows asks for zeroed memory, whose pages are touched first by the threads that fill
/// them.
///
/// # Errors
/// When there is not so much.
pub(crate) fn check<T>(length: usize) -> Result<(), NoMemory> {
    let small = length.checked_mul(size_of::<T>()).is_some_and(|bytes| bytes < WORTH_ASKING);
    if small || Vec::<T>::new().try_reserve_exact(length).is_ok() {
        Ok(())
    } else {
        Err(NoMemory::of::<T>(length))
    }
}

/// Makes a vector of zeros.
///
/// # Errors
/// When there is not so much memory.
pub(crate) fn zeros<T: Zeroable + Clone>(length: usize) -> Result<Vec<T>, NoMemory> {
    check::<T>(length)?;
    Ok(vec![T::zeroed(); length])
}

/// Makes an empty vector with room for `length` elements.
///
/// # Errors
/// When there is not so much memory.
pub(crate) fn with_room<T>(length: usize) -> Result<Vec<T>, NoMemory> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(length).map_err(|_| NoMemory::of::<T>(length))?;
    Ok(vec)
}

/// Appends an element to a vector, which grows to twice its size if it is full.
///
/// # Errors
/// When there is not so much memory.
pub(crate) fn push<T>(vec: &mut Vec<T>, element: T) -> Result<(), NoMemory> {
    if vec.len() == vec.capacity() {
        let more = vec.len().max(1);
        vec.try_reserve(more).map_err(|_| NoMemory::of::<T>(vec.len().saturating_add(more)))?;
    }
    vec.push(element);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_had_is_an_error() {
        let most = usize::MAX / 8;
        assert_eq!(check::<u8>(most), Err(NoMemory::of::<u8>(most)));
        assert!(
            check::<f64>(usize::MAX).is_err()
                && zeros::<f64>(most).is_err()
                && with_room::<u8>(most).is_err()
        );
        let text = NoMemory::of::<f64>(1 << 30).to_string();
        assert!(text.starts_with("this rank has no memory for 8.0 GiB; make smaller pieces"), "{text}");
        assert_eq!((NoMemory(5).to_string().contains(" 5 bytes;"), zeros::<u16>(3)), (true, Ok(vec![0; 3])));
        let mut vec = Vec::new();
        (0..100).for_each(|n| push(&mut vec, n).unwrap());
        assert_eq!(vec, (0..100).collect::<Vec<_>>());
    }
}
