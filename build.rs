//! Tells the sources what the HDF5 library can do that they are built with, and the linker to compress debug sections.

use std::env::var_os;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(hdf5_chunk_info)");
    if var_os("DEP_HDF5_VERSION_1_10_5").is_some() {
        println!("cargo::rustc-cfg=hdf5_chunk_info");
    }
    // The standard library reads such sections for backtraces, so a release keeps its line numbers.
    let linux = var_os("CARGO_CFG_TARGET_OS").is_some_and(|os| os == "linux");
    if linux && var_os("PROFILE").is_some_and(|profile| profile == "release") {
        println!("cargo::rustc-link-arg-bins=-Wl,--compress-debug-sections=zlib");
    }
}
