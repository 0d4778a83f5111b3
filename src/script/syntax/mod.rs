//! The parser: reads TOML into the raw tables of [`script`], with the place of every key.
//!
//! [`top_level`] is where to start: it reads the script from the tree that [`toml`] makes of the text. [`task`],
//! [`sweep`], [`command`], [`execution`], [`resources`], [`policy`], [`settings`], [`reduce`] and [`mapreduce`] read
//! one kind of table each. [`key_table`] lists the keys of all tables, [`known_keys`] checks scripts against it, and
//! [`foreign_keys`] knows what other tools call them.
//!
//! [`placeholder`] finds `{references}` in texts, [`shell_words`] splits commands, and [`symbols`] is the symbol table
//! of [`variables`] and tasks.

pub(crate) mod command;
pub(crate) mod execution;
pub(crate) mod foreign_keys;
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
pub(crate) mod settings;
pub(crate) mod shell_words;
pub(crate) mod sweep;
pub(crate) mod symbols;
pub(crate) mod task;
pub(crate) mod toml;
pub(crate) mod top_level;
pub(crate) mod until;
pub(crate) mod variables;
