//! What the integration tests share: `mod common;` in a test binary.

pub mod mpirun;
