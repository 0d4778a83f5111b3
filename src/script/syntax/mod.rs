//! The reader: from TOML to raw tables ([`script`]), with the place of every key.
//!
//! [`toml`] reads the text and [`top_level`] the script; [`task`], [`sweep`], [`command`], [`execution`],
//! [`resources`], [`policy`], [`reduce`] and [`mapreduce`] read one kind of table each, [`key_table`] names their keys,
//! [`known_keys`] looks them up;
//! [`placeholder`] finds `{references}` in texts, [`shell_words`] splits commands; [`symbols`] is the symbol table of
//! [`variables`], tasks and parameters.

pub(crate) mod command;
pub(crate) mod execution;
pub(crate) mod key_row;
pub(crate) mod key_table;
pub(crate) mod known_keys;
pub(crate) mod mapreduce;
pub(crate) mod near_reference;
pub(crate) mod placeholder;
pub(crate) mod policy;
pub(crate) mod reduce;
pub(crate) mod resources;
pub(crate) mod script;
pub(crate) mod shell_words;
pub(crate) mod sweep;
pub(crate) mod symbols;
pub(crate) mod task;
pub(crate) mod toml;
pub(crate) mod top_level;
pub(crate) mod variables;
