//! Lists of ranks that are small enough to be copied like a number.

use crate::ids::Rank;
use parking_lot::Mutex;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;

/// A list of ranks, ascending and without repetitions. Equal lists share one piece of memory, which is never freed: a
/// program names few lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RankList(&'static [Rank]);

/// The lists of the process. They are process-wide since they live as long as the process.
static LISTS: Mutex<BTreeSet<&'static [Rank]>> = Mutex::new(BTreeSet::new());

impl RankList {
    /// Makes the list of these ranks.
    pub fn new(ranks: impl IntoIterator<Item = Rank>) -> Self {
        let ranks: Vec<Rank> = ranks.into_iter().collect::<BTreeSet<Rank>>().into_iter().collect();
        let mut lists = LISTS.lock();
        if let Some(known) = lists.get(ranks.as_slice()) {
            return RankList(known);
        }
        let new: &'static [Rank] = ranks.leak();
        lists.insert(new);
        RankList(new)
    }
}

impl Deref for RankList {
    type Target = [Rank];
    fn deref(&self) -> &[Rank] {
        self.0
    }
}

/// Prints the numbers of the ranks: `1, 2 and 5`.
impl fmt::Display for RankList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.iter().map(Rank::to_string).collect();
        match texts.split_last() {
            Some((last, rest)) if !rest.is_empty() => write!(f, "{} and {last}", rest.join(", ")),
            _ => f.write_str(&texts.concat()),
        }
    }
}

impl Serialize for RankList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RankList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Rank>::deserialize(deserializer).map(RankList::new)
    }
}
