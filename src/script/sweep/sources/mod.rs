//! Sources of a parameter's values other than lists and files of values: [`date_range`] counts through the calendar,
//! [`range_arithmetic`] computes the ends of a range, [`file_match`] takes values from the names of files, and
//! [`list_variable`] from variables that are lists.

pub(crate) mod date_range;
pub(crate) mod file_match;
pub(crate) mod list_variable;
pub(crate) mod range_arithmetic;
