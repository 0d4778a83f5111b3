//! Tells the sources what the HDF5 library can do that they are built with.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(hdf5_chunk_info)");
    if std::env::var_os("DEP_HDF5_VERSION_1_10_5").is_some() {
        println!("cargo::rustc-cfg=hdf5_chunk_info");
    }
}
