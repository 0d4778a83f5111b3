//! What a compact encoding cannot carry is refused, whichever attribute of serde it comes from.

use super::{decode_value, encode_value};
use crate::error::CodecError;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

fn through<T: Serialize + DeserializeOwned>(value: &T) -> Result<T, CodecError> {
    decode_value(&encode_value(value)?)
}

/// The text of the error that `value` gives on its way.
fn refused<T: Serialize + DeserializeOwned + std::fmt::Debug>(value: &T) -> String {
    match through(value) {
        Ok(came) => panic!("{value:?} went through, as {came:?}"),
        Err(error) => error.to_string(),
    }
}

fn whole<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: T) {
    assert_eq!(through(&value).as_ref(), Ok(&value));
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Row {
    id: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    size: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pair(u32, #[serde(default, skip_serializing_if = "is_zero")] u32, #[serde(default)] u32);

fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Nothing,
    One(u8),
    Two(u8, #[serde(default, skip_serializing_if = "is_zero")] u32),
    Named {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<u8>,
        size: u8,
    },
}

#[test]
fn a_field_that_is_skipped_is_named_with_its_attribute() {
    let row = |note: Option<&str>| Row { id: 7, note: note.map(str::to_owned), size: Some("x".into()) };
    whole(row(Some("there")));
    let text = refused(&row(None));
    assert!(["`Row`", "`note`", "skip_serializing_if"].iter().all(|word| text.contains(word)), "{text}");
    let text = refused(&vec![(1u8, BTreeMap::from([(3, Some(row(None)))]))]);
    assert!(text.contains("`note`"), "nested: {text}");
    whole(Shape::Named { note: Some(1), size: 2 });
    let text = refused(&Shape::Named { note: None, size: 2 });
    assert!(text.contains("`Named`") && text.contains("`note`"), "{text}");
}

#[test]
fn an_element_of_a_tuple_that_is_skipped_is_an_error() {
    whole(Pair(1, 2, 3));
    let text = refused(&vec![Pair(1, 0, 3)]);
    assert!(text.contains("`Pair`: 2 fields") && text.contains("skip_serializing_if"), "{text}");
    whole(Shape::Two(1, 2));
    assert!(refused(&Shape::Two(1, 0)).contains("skip_serializing_if"));
}

#[test]
fn a_field_that_only_one_side_knows_is_an_error() {
    #[derive(Debug, Serialize, Deserialize)]
    struct WriteThree {
        a: u32,
        #[serde(default, skip_serializing)]
        b: u32,
        c: u32,
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct ReadThree {
        a: u32,
        #[serde(skip_deserializing)]
        b: u32,
        c: u32,
    }
    let written = WriteThree { a: 1, b: 2, c: 3 };
    assert_eq!(written.b, 2);
    let both = [refused(&written), refused(&vec![ReadThree { a: 1, b: 2, c: 3 }; 1])];
    for (text, name) in both.iter().zip(["`WriteThree`", "`ReadThree`"]) {
        assert!(text.contains(name) && text.contains("`#[serde(skip)]`"), "{text}");
    }
    impl Clone for ReadThree {
        fn clone(&self) -> Self {
            ReadThree { a: self.a, b: self.b, c: self.c }
        }
    }
}

#[test]
fn what_has_to_say_itself_what_it_is_is_named_with_its_field() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
    }
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        A { x: u8 },
    }
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Holder {
        first: u8,
        either: Either,
    }
    let text = refused(&Holder { first: 1, either: Either::Number(1) });
    assert!(["Either", "`either` of `Holder`", "untagged"].iter().all(|word| text.contains(word)), "{text}");
    assert!(refused(&Either::Text("x".into())).contains("Either"));
    assert!(refused(&Tagged::A { x: 1 }).contains("Tagged"));
}

#[test]
fn a_flattened_struct_is_an_error_that_says_so() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Inner {
        x: u8,
    }
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Outer {
        y: u8,
        #[serde(flatten)]
        inner: Inner,
    }
    let text = refused(&(1u8, Outer { y: 1, inner: Inner { x: 2 } }));
    assert!(text.contains("Outer") && text.contains("flatten"), "{text}");
}

#[test]
fn what_a_compact_encoding_carries_goes_through() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "t", content = "c")]
    enum Adjacent {
        A(u8),
        B(String),
    }
    #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Renamed {
        #[serde(alias = "old", alias = "older")]
        new_name: u8,
        #[serde(skip)]
        cache: u8,
        last: Option<Box<Renamed>>,
    }
    whole(vec![Adjacent::A(1), Adjacent::B("x".into())]);
    whole(Renamed { new_name: 1, cache: 0, last: Some(Box::default()) });
    whole((
        Shape::Nothing,
        Shape::One(1),
        std::time::Duration::from_millis(3),
        [1.5f32; 4],
        'x',
        "text".to_owned(),
    ));
    whole(BTreeMap::from([("a".to_owned(), Some(1u128)), ("b".to_owned(), None)]));
    whole(ndarray::arr2(&[[1.5f64, 2.0], [3.0, 4.0]]));
    whole((1..5usize, std::net::Ipv4Addr::LOCALHOST, std::path::PathBuf::from("/x"), Ok::<u8, String>(1)));
}
