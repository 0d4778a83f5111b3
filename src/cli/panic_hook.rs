//! The message of a panic outside of tasks.

use super::launch;
use crate::console;

/// Installs the hook that prints a panic outside of tasks, which is a bug of dtask, as one line with what a report needs.
pub(super) fn install() {
    std::panic::set_hook(Box::new(|info| {
        let rank = launch::rank().map_or_else(|| "the only rank".to_owned(), |rank| format!("rank {rank}"));
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("a panic without a message").replace('\n', " ");
        let at = info.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
        let version = env!("CARGO_PKG_VERSION");
        console::error(format_args!(
            "dtask {version}: internal error on {rank}{at}: {text}. This is a bug of dtask: please report this line, \
             with the script, to its authors"
        ));
    }));
}
