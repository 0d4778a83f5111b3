//! The language against numpy, its errors, and what must hold for any text.

pub(crate) mod errors;
pub(crate) mod integers;
pub(crate) mod numpy;
mod order;
pub(crate) mod random;
pub(crate) mod robust;

use super::{ArrayValue, Binding, Expr, ExprError, RandomContext, Scope, Sketch};
use ndarray::{ArrayD, array};
use std::collections::BTreeMap;

/// The names that the expressions of `testdata/expressions.py` use, with their values.
struct Names {
    typed: BTreeMap<&'static str, ArrayValue>,
    arrays: BTreeMap<&'static str, ArrayD<f64>>,
    lists: BTreeMap<&'static str, Vec<ArrayD<f64>>>,
    context: RandomContext,
}

impl Names {
    fn new() -> Names {
        let numbers = |n: usize, shape: &[usize], f: fn(f64) -> f64| {
            let elements = (0..n).map(|i| f(i as f64)).collect();
            ArrayD::from_shape_vec(shape, elements).expect("the shapes below fit")
        };
        let arrays = [
            ("x", numbers(10, &[10], |i| i * 1.5 - 4.0)),
            ("y", array![0.5, -1.0, 2.0, 3.25].into_dyn()),
            ("m", numbers(12, &[3, 4], |i| i / 3.0)),
            ("t", numbers(24, &[2, 3, 4], f64::sin)),
            ("e", numbers(0, &[0, 3], |i| i)),
            ("point", numbers(1, &[], |_| 7.0)),
            ("sim.probe", numbers(3, &[3], |i| i)),
        ];
        let lists = [
            (
                "g",
                vec![
                    array![1.0, 2.0, 3.0, 4.0].into_dyn(),
                    array![10.0, 20.0, 30.0, 40.0].into_dyn(),
                    array![0.1, 0.2, 0.3, 0.4].into_dyn(),
                ],
            ),
            (
                "h",
                vec![array![1.0, 2.0].into_dyn(), array![3.0].into_dyn(), array![4.0, 5.0, 6.0].into_dyn()],
            ),
            ("points", (0..3).map(|i| ndarray::arr0(f64::from(i)).into_dyn()).collect()),
            ("nothing", vec![]),
        ];
        let integers =
            |n: i64, of: fn(i64) -> i64| (0..n).map(of).collect::<ndarray::Array1<i64>>().into_dyn();
        let table = integers(12, |i| i - 5).into_shape_with_order(vec![3, 4]).expect("twelve");
        let typed = [
            ("f", ArrayValue::F32(arrays[0].1.mapv(|x| x as f32))),
            ("n", ArrayValue::I32(integers(6, |i| (i - 2) * 40_000).mapv(|x| x as i32))),
            ("b", ArrayValue::U8(integers(6, |i| i * 40).mapv(|x| x as u8))),
            ("l", ArrayValue::I64(table)),
        ];
        Names {
            typed: typed.into(),
            arrays: arrays.into(),
            lists: lists.into(),
            context: RandomContext { task: 1, index: 2 },
        }
    }
}

impl Scope for Names {
    fn get(&self, name: &str) -> Option<Binding<'_>> {
        match name {
            "k" => return Some(Binding::Number(2.5)),
            "i" => return Some(Binding::Int(3)),
            "table" => return Some(Binding::Bytes(b"t,p\n0,1.5\n1,2.5\n"[..].into())),
            "printed" => return Some(Binding::Bytes(b"1 2\n3 4\n"[..].into())),
            "tables" => return Some(Binding::BytesList(vec![b"1\n2\n"[..].into(), b"3\n4\n"[..].into()])),
            "model" => return Some(Binding::Text("normal".into())),
            _ => {}
        }
        if let Some(value) = self.typed.get(name) {
            return Some(Binding::Array(value.into()));
        }
        if let Some(array) = self.arrays.get(name) {
            return Some(Binding::Array(array.into()));
        }
        self.lists.get(name).map(|list| Binding::List(list.iter().map(Into::into).collect()))
    }

    fn context(&self) -> RandomContext {
        self.context
    }
}

fn value(text: &str) -> Result<ArrayValue, ExprError> {
    Expr::parse(text)?.eval(&Names::new())
}

fn eval(text: &str) -> Result<ArrayD<f64>, ExprError> {
    Ok(value(text)?.into_f64())
}
