//! Passes over the whole plan: [`save_paths`] and [`writers`] that clash, what is [`unused`], [`mod@walltime`],
//! [`array_shapes`], and [`scale`] (warnings).

pub(crate) mod array_shapes;
pub(crate) mod save_paths;
pub(crate) mod scale;
pub(crate) mod unused;
pub(crate) mod walltime;
mod writers;
