//! The option `dtask --version`.

/// The versions of everything that a bug report needs: dtask, MPI and HDF5.
pub(super) fn text() -> String {
    let mpi = crate::transport::mpi::library_version();
    format!("dtask {}\nMPI   {mpi}{}", env!("CARGO_PKG_VERSION"), hdf5())
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
