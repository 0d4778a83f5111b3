//! The option `dtask --version`.

use crate::transport::mpi;

/// The versions of everything that a bug report needs: dtask, MPI and HDF5.
pub(super) fn text() -> String {
    let survives = if mpi::can_survive() { ", can go on after a rank has died (ULFM)" } else { "" };
    format!("dtask {}\nMPI   {}{survives}{}", env!("CARGO_PKG_VERSION"), mpi::library_version(), hdf5())
}

#[cfg(feature = "hdf5")]
fn hdf5() -> String {
    let (major, minor, patch) = hdf5::library_version();
    format!("\nHDF5  {major}.{minor}.{patch}")
}

#[cfg(not(feature = "hdf5"))]
fn hdf5() -> String {
    "\nHDF5  none: built without the feature `hdf5`".to_owned()
}
