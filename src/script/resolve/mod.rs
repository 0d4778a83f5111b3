//! Name resolution: what a `{reference}` means ([`mod@reference`]), which outputs ([`output_select`]) and which
//! instances
//! ([`index_select`]) it takes, put together by the [`resolver`].

pub(crate) mod index_select;
pub(crate) mod output_select;
pub(crate) mod reference;
pub(crate) mod resolver;
