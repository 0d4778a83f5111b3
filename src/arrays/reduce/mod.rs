//! TODO page

pub mod operator;
pub mod tree;
