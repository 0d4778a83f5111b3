//! Tests of the parts of map-reduce, each against the simplest equivalent code.

use super::merge::{merge, sort};
use super::split::{FileSplit, plan, read};
use super::table::{CombineTable, partition};
use super::*;
use crate::error::Failure;
use std::collections::BTreeMap;

fn text(lines: usize) -> Vec<u8> {
    (0..lines).flat_map(|i| format!("The line {i}, the {} of many\n", i % 7).into_bytes()).collect()
}

#[test]
fn every_line_is_in_one_split() {
    let dir = tempfile::tempdir().unwrap();
    let contents: Vec<Vec<u8>> = vec![
        text(40),
        b"no end".to_vec(),
        Vec::new(),
        text(3),
        b"\n\n\n".to_vec(),
        vec![b'x'; 500],
        b"a\nb\nc".to_vec(),
    ];
    let paths: Vec<_> = (0..contents.len()).map(|i| dir.path().join(i.to_string())).collect();
    for (path, content) in paths.iter().zip(&contents) {
        std::fs::write(path, content).unwrap();
    }
    let lengths: Vec<u64> = contents.iter().map(|content| content.len() as u64).collect();
    let mut expected: Vec<Vec<u8>> = contents.iter().flat_map(|c| lines(c).map(<[u8]>::to_vec)).collect();
    expected.sort();
    for size in [1, 2, 7, 30, 31, 100, 1000, 1 << 20] {
        let splits = plan(&lengths, size);
        let mut found = Vec::new();
        for split in &splits {
            let mut bytes = Vec::new();
            for piece in split {
                read(&paths[piece.file as usize], piece, &mut bytes).unwrap();
            }
            assert!(bytes.is_empty() || bytes.ends_with(b"\n"));
            found.extend(lines(&bytes).map(<[u8]>::to_vec));
        }
        found.sort();
        assert!(found == expected, "{size}");
        let longest = splits.iter().map(|s| s.iter().map(|p| p.end - p.start).sum::<u64>()).max();
        assert!(longest.is_some_and(|longest| longest <= size), "{size}");
        let order: Vec<(u32, u64)> = splits.iter().flatten().map(|piece| (piece.file, piece.start)).collect();
        assert!(order.is_sorted(), "{size}: {order:?}");
    }
    assert_eq!(plan(&[10, 0, 3], 8)[0], [FileSplit { file: 0, start: 0, end: 5 }]);
    assert!(plan(&[0, 0], 8).is_empty() && plan(&[], 8).is_empty());
}

#[test]
fn words_and_pairs() {
    let mapped = |mapper: Mapper, text: &[u8]| {
        let mut found = Vec::new();
        let emit = |key: &[u8], value: &[u8]| -> Result<(), Failure> {
            found.push((
                String::from_utf8_lossy(key).into_owned(),
                String::from_utf8_lossy(value).into_owned(),
            ));
            Ok(())
        };
        mapper.map(text, emit).unwrap();
        found
    };
    let pairs =
        |of: &[(&str, &str)]| of.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>();
    assert_eq!(
        mapped(Mapper::Words, "Don't w\u{e9}!\n".as_bytes()),
        pairs(&[("don", "1"), ("t", "1"), ("w", "1")])
    );
    assert_eq!(mapped(Mapper::Identity, b"k\tv\tw\nalone\n"), pairs(&[("k", "v\tw"), ("alone", "")]));
    assert!(mapped(Mapper::Identity, b"").is_empty());
    for (name, mapper) in Mapper::NAMES {
        assert_eq!(Mapper::named(name), Some(mapper));
    }
}

#[test]
fn operators() {
    let of = |operator: Operator, values: &[&str]| {
        let mut so_far = operator.begin(values[0].as_bytes())?;
        values[1..].iter().try_for_each(|value| operator.add(&mut so_far, value.as_bytes()))?;
        let mut text = Vec::new();
        so_far.write(&mut text)?;
        Ok::<_, Failure>(String::from_utf8_lossy(&text).into_owned())
    };
    let cases = [
        (Operator::Sum, "10"),
        (Operator::Count, "3"),
        (Operator::Min, "-2"),
        (Operator::Max, "9"),
        (Operator::First, "3"),
        (Operator::Concat, "3,9,-2"),
    ];
    for (operator, expected) in cases {
        assert_eq!(of(operator, &["3", "9", "-2"]).unwrap(), expected, "{operator:?}");
    }
    assert_eq!(of(Operator::Sum, &["1", "0.5"]).unwrap(), "1.5");
    assert_eq!(of(Operator::Sum, &["9223372036854775807", "1"]).unwrap(), "9.223372036854776e18");
    assert_eq!(of(Operator::Max, &["9007199254740993", "9007199254740992"]).unwrap(), "9007199254740993");
    assert_eq!(of(Operator::Min, &["0.5", "-1e3", "2"]).unwrap(), "-1000.0");
    assert_eq!(of(Operator::Sum, &["x"]).unwrap_err().message(), "the value `x` is no number");
}

#[test]
fn tables_give_the_same_whether_they_spill_or_not() {
    let dir = tempfile::tempdir().unwrap();
    for operator in
        [None, Some(Operator::Sum), Some(Operator::Count), Some(Operator::Max), Some(Operator::Concat)]
    {
        let runs = |budget: usize| {
            let mut table = CombineTable::new(3, operator, budget, dir.path());
            for number in 0..9000 {
                let key = format!("key {}", number * 7919 % 1009);
                table.add(key.as_bytes(), (number % 11).to_string().as_bytes())?;
            }
            let spilled = table.has_spilled();
            Ok::<_, Failure>((table.finish()?, spilled))
        };
        let (whole, not) = runs(usize::MAX).unwrap();
        let (spilled, has) = runs(300).unwrap();
        assert!(!not && has, "{operator:?}");
        assert!(whole == spilled, "{operator:?}");
        for (at, run) in whole.iter().enumerate() {
            assert!(lines(run).all(|line| partition(key_and_value(line).0, 3) == at));
            assert_eq!(&sort(run), run);
        }
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn runs_are_merged_in_the_order_of_keys_and_runs() {
    let runs: [&[u8]; 4] = [b"a\t1\nc\t2\n", b"", b"a\t10\nb\t20", b"a\x01\t1\na b\t7\n"];
    let merged = |operator| {
        let mut to = Vec::new();
        merge(runs, operator, &mut to).map(|()| String::from_utf8_lossy(&to).into_owned())
    };
    assert_eq!(merged(None).unwrap(), "a\t1\na\t10\na\x01\t1\na b\t7\nb\t20\nc\t2\n");
    assert_eq!(merged(Some(Operator::Sum)).unwrap(), "a\t11\na\x01\t1\na b\t7\nb\t20\nc\t2\n");
    let mut to = Vec::new();
    let error = merge([&b"k\tno\n"[..]], Some(Operator::Sum), &mut to).unwrap_err();
    assert_eq!(error.message(), "the value `no` is no number, of the key `k`");
}

#[test]
fn counting_words_is_counting_words() {
    let text = text(500);
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for word in
        String::from_utf8_lossy(&text).split(|c: char| !c.is_ascii_alphabetic()).filter(|w| !w.is_empty())
    {
        *expected.entry(word.to_lowercase()).or_default() += 1;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut table = CombineTable::new(1, Some(Operator::Count), 1 << 20, dir.path());
    Mapper::Words.map(&text, |key, value| table.add(key, value)).unwrap();
    let expected: String = expected.iter().map(|(word, count)| format!("{word}\t{count}\n")).collect();
    assert_eq!(String::from_utf8_lossy(&table.finish().unwrap()[0]), expected);
}
