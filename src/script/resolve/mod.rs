//! Name resolution: gives each `{reference}` in a text its meaning, and makes templates of the texts.
//!
//! [`resolver`] is where to start: it takes the texts of one task apart. [`mod@reference`] finds the meaning of a name,
//! as [`written`] defines it; [`output_select`] chooses the output of the task that is read, [`index_select`] its
//! instances.

pub(crate) mod index_select;
pub(crate) mod output_select;
pub(crate) mod reference;
pub(crate) mod resolver;
pub(crate) mod shell_text;
pub(crate) mod written;
