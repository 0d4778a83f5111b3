//! Requests to rank 0 about results as a whole: names under which they are published, and their spread over the ranks.

use crate::ids::TaskId;
use serde::{Deserialize, Serialize};

/// A request about results, of the client or a task. Rank 0 answers with a short result that it keeps under the number
/// of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryRequest {
    /// Publishes a result of the sender under a name, which keeps it. The answer is one byte, a
    /// [`PublishAnswer`].
    Publish {
        /// The name.
        name: Box<str>,
        /// The task whose result is published.
        of: TaskId,
    },
    /// Takes a name back. The answer is one byte: 1 if something was published under it, else 0.
    Unpublish {
        /// The name.
        name: Box<str>,
    },
    /// Asks for the task whose result is published under a name. The answer is its number as eight bytes, the lowest
    /// first; no bytes if there is none.
    Find {
        /// The name.
        name: Box<str>,
    },
    /// Asks that results move from ranks with many bytes to those with few. The answer is the number of bytes that were
    /// moved, as eight bytes, the lowest first, once all have arrived.
    Rebalance,
}

/// The answer to [`RegistryRequest::Publish`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum PublishAnswer {
    /// The result is published.
    Published,
    /// Another result is published under the name.
    Taken,
    /// The result was released already.
    Unknown,
}
