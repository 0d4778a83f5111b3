//! A pool of freed memory of large arrays, one for each thread, from which the next arrays that are read take theirs.
//! To get as much memory from the system takes about as long as to read into it.

#![cfg_attr(not(feature = "hdf5"), allow(dead_code, reason = "HDF5 alone reads into spare buffers"))]

use bytemuck::Pod;
use ndarray::ArrayD;
use std::any::Any;
use std::cell::RefCell;

/// The smallest memory that is kept for reuse, in bytes. Smaller memory is cheap to allocate anew.
const LEAST: usize = 256 << 10;
/// The most bytes that a thread keeps for reuse. More is freed, since the thread may never need it again.
const MOST: usize = 64 << 20;

thread_local! {
    static SPARE: RefCell<Vec<Spare>> = RefCell::default();
}

/// Memory that is kept for reuse: a vector of some element type, and its capacity in bytes.
struct Spare {
    vec: Box<dyn Any>,
    bytes: usize,
}

/// Provides a vector of `length` numbers, in memory that this thread has kept if some fits. The numbers are arbitrary
/// (left from earlier use): the caller overwrites them.
pub(crate) fn take<T: Pod>(length: usize) -> Vec<T> {
    let fits = |vec: &Vec<T>| vec.len() >= length && vec.len() - length <= length / 8;
    let spare = SPARE.with_borrow_mut(|all| {
        let at = all.iter().rposition(|spare| spare.vec.downcast_ref().is_some_and(fits))?;
        all.remove(at).vec.downcast::<Vec<T>>().ok()
    });
    match spare {
        Some(mut vec) => {
            vec.truncate(length);
            *vec
        }
        None => vec![T::zeroed(); length],
    }
}

/// Keeps the memory of `array` for a later array of this thread. Memory that was kept longest is freed if there is too
/// much.
pub(crate) fn give<T: Pod>(array: ArrayD<T>) {
    if size_of::<T>().saturating_mul(array.len()) < LEAST {
        return;
    }
    let vec = array.into_raw_vec_and_offset().0;
    let bytes = size_of::<T>().saturating_mul(vec.capacity());
    if bytes <= MOST {
        SPARE.with_borrow_mut(|all| {
            all.push(Spare { vec: Box::new(vec), bytes });
            while all.iter().map(|spare| spare.bytes).sum::<usize>() > MOST {
                all.remove(0);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array1;

    #[test]
    fn memory_is_taken_again_where_it_fits() {
        let array = Array1::from_elem(100_000, 1.5).into_dyn();
        let place = array.as_ptr();
        give(array);
        assert!(take::<f32>(100_000).iter().all(|x| *x == 0.0));
        assert_eq!(take::<f64>(100_001), vec![0.0; 100_001]);
        assert_eq!(take::<f64>(50_000), vec![0.0; 50_000]);
        let vec = take::<f64>(99_000);
        assert_eq!((vec.as_ptr(), vec.len()), (place, 99_000));
        let other = take::<f64>(99_000);
        assert_ne!(other.as_ptr(), place);
    }

    #[test]
    fn what_was_kept_first_goes_first() {
        for number in 0..4 {
            give(Array1::from_elem(MOST / 8 / 3, f64::from(number)).into_dyn());
        }
        let kept: Vec<f64> = (0..4).map(|_| take::<f64>(MOST / 8 / 3)[0]).collect();
        assert_eq!(kept, [3.0, 2.0, 1.0, 0.0]);
        give(Array1::from_elem(MOST / 8 / 3, 1.0).into_dyn());
        give(Array1::from_elem(MOST / 8, 2.0).into_dyn());
        assert_eq!([take::<f64>(MOST / 8)[0], take::<f64>(MOST / 8 / 3)[0]], [2.0, 0.0]);
    }

    #[test]
    fn little_and_much_is_not_kept() {
        for length in [100, MOST / 8 + 1] {
            give(Array1::from_elem(length, 1.5).into_dyn());
            assert_eq!(take::<f64>(length)[0], 0.0);
        }
    }
}
