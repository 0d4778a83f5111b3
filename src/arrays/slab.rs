//! Names of datasets, or of rectangular parts of them (hyperslabs): `in.h5:/temperature[0:365, 0:90]`.

use std::fmt;
use std::ops::Range;

/// A dataset of an HDF5 file, or a rectangular part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slab {
    /// The path of the HDF5 file.
    pub file: String,
    /// The name of the dataset in the file, beginning with `/`.
    pub dataset: String,
    /// The range of each axis that is taken. Axes without a range here, the last ones, are taken whole; an empty list
    /// is the whole dataset.
    pub part: Vec<Range<usize>>,
}

impl Slab {
    /// Parses the name of a dataset or a part, `file.h5:/dataset[0:10]`; `None` if the text is no such name.
    pub(crate) fn parse(text: &str) -> Option<Slab> {
        let (file, rest) = split(text)?;
        let (dataset, part) = match rest.split_once('[') {
            Some((dataset, part)) => (dataset, part.strip_suffix(']')?),
            None => (rest, ""),
        };
        let ranges = part.split(',').filter(|range| !range.trim().is_empty());
        let part = ranges.map(range).collect::<Option<Vec<_>>>()?;
        Some(Slab { file: file.to_owned(), dataset: dataset.to_owned(), part })
    }

    /// The shape of the part: the lengths of its axes.
    pub(crate) fn shape(&self) -> Vec<usize> {
        self.part.iter().map(Range::len).collect()
    }
}

/// Splits `file.h5:/dataset` into the path of the file and the name of the dataset; `None` if one of them is missing.
pub(crate) fn split(text: &str) -> Option<(&str, &str)> {
    let at = text.find(":/")?;
    let (file, dataset) = (&text[..at], &text[at + 1..]);
    (!file.is_empty() && dataset.len() > 1).then_some((file, dataset))
}

fn range(text: &str) -> Option<Range<usize>> {
    let (start, end) = text.split_once(':')?;
    let (start, end) = (start.trim().parse().ok()?, end.trim().parse().ok()?);
    (start <= end).then_some(start..end)
}

impl fmt::Display for Slab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.dataset)?;
        if self.part.is_empty() {
            return Ok(());
        }
        let part: Vec<String> =
            self.part.iter().map(|range| format!("{}:{}", range.start, range.end)).collect();
        write!(f, "[{}]", part.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["in.h5:/t[0:365, 3:4]", "a b/in.h5:/group/t", "x:/y[0:0]"] {
            let slab = Slab::parse(text).unwrap();
            assert_eq!(slab.to_string(), text);
        }
        let slab = Slab::parse("in.h5:/t[0:365, 3:4]").unwrap();
        assert_eq!((slab.file.as_str(), slab.dataset.as_str(), slab.shape()), ("in.h5", "/t", vec![365, 1]));
        for text in
            ["in.h5", ":/t", "in.h5:/", "in.h5:/t[0:", "in.h5:/t[3]", "in.h5:/t[2:1]", "in.h5:/t[a:b]", ""]
        {
            assert_eq!(Slab::parse(text), None, "{text}");
        }
    }
}
