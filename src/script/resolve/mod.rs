//! Name resolution: the meaning of a `{reference}` ([`mod@reference`], as [`written`]), the outputs
//! ([`output_select`]) and the instances ([`index_select`]) that it takes, put together by the [`resolver`].

pub(crate) mod index_select;
pub(crate) mod output_select;
pub(crate) mod reference;
pub(crate) mod resolver;
pub(crate) mod shell_text;
pub(crate) mod written;
