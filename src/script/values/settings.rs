//! The `[settings]` table: what a run takes of its hosts.

/// The settings of a run; `None` where neither the script nor the command line has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunSettings {
    /// The directory in which each rank makes its scratch directory, an absolute path on every host.
    pub scratch: Option<String>,
    /// Bytes of commands' output that a rank holds in memory.
    pub output_memory: Option<u64>,
}

impl RunSettings {
    /// Parses a directory for scratch.
    ///
    /// # Errors
    /// When the path is relative; the text is for the user.
    pub(crate) fn scratch(text: &str) -> Result<String, String> {
        match text.starts_with('/') {
            true => Ok(text.to_owned()),
            false => Err("an absolute path, which every host has, such as \"/local/scratch\"".to_owned()),
        }
    }
}
