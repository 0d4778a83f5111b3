//! Families: the instances of a task, as a definition and an index, never as a list.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::range::NumRange;
use super::value::Value;

/// The values that a parameter takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Values {
    /// One by one, all different.
    List(Vec<Value>),
    /// At equal distances.
    Range(NumRange),
}

impl Values {
    /// How many there are; never zero.
    pub fn len(&self) -> u64 {
        match self {
            Values::List(list) => list.len() as u64,
            Values::Range(range) => range.len(),
        }
    }

    /// Never: an empty sweep is an error of the script.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at a position.
    pub fn get(&self, at: u64) -> Value {
        match self {
            Values::List(list) => {
                usize::try_from(at).ok().and_then(|at| list.get(at)).cloned().unwrap_or(Value::Int(0))
            }
            Values::Range(range) => range.value(at),
        }
    }
}

/// A parameter of a family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// The name, as references write it.
    pub name: String,
    /// What it takes.
    pub values: Values,
    /// The axis that it runs along; parameters that are zipped share one.
    pub axis: usize,
}

/// One dimension of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// How many positions there are.
    pub len: u64,
    /// How far apart in the index neighbours are.
    pub stride: u64,
}

impl Axis {
    /// The position on this axis of an instance.
    pub fn position(&self, instance: u64) -> u64 {
        instance / self.stride % self.len
    }
}

/// The values of one instance, in the order of the family's parameters.
pub type Bindings = SmallVec<[Value; 4]>;

/// The instances of a task: the product of its parameters, the last one fastest. Without parameters, one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Family {
    params: Vec<Param>,
    axes: Vec<Axis>,
    len: u64,
}

impl Family {
    /// The family of a task without parameters.
    pub fn single() -> Self {
        Self { params: Vec::new(), axes: Vec::new(), len: 1 }
    }

    /// Every combination of the parameters; `None` where there are more than can be counted.
    pub fn product(params: Vec<(String, Values)>) -> Option<Self> {
        let mut axes: Vec<Axis> = Vec::with_capacity(params.len());
        let mut len = 1u64;
        for (_, values) in params.iter().rev() {
            axes.push(Axis { len: values.len().max(1), stride: len });
            len = len.checked_mul(values.len().max(1))?;
        }
        axes.reverse();
        let params =
            params.into_iter().enumerate().map(|(axis, (name, values))| Param { name, values, axis });
        Some(Self { params: params.collect(), axes, len })
    }

    /// The number of instances.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Never: a task has at least one instance.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the task has no parameters.
    pub fn is_single(&self) -> bool {
        self.params.is_empty()
    }

    /// The parameters, in the order they are written.
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// The dimensions, outermost first.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// The position of a parameter among [`Family::params`].
    pub fn param(&self, name: &str) -> Option<usize> {
        self.params.iter().position(|p| p.name == name)
    }

    /// The axis that a parameter runs along.
    pub(super) fn axis_of(&self, param: &Param) -> Axis {
        self.axes.get(param.axis).copied().unwrap_or(Axis { len: 1, stride: 1 })
    }

    /// The value of one parameter in an instance.
    pub fn binding(&self, instance: u64, param: &Param) -> Value {
        param.values.get(self.axis_of(param).position(instance))
    }

    /// The values of all parameters in an instance.
    pub fn bindings(&self, instance: u64) -> Bindings {
        self.params.iter().map(|param| self.binding(instance, param)).collect()
    }

    /// `sim[T=300, p=1]`, or the bare name of a task without parameters.
    pub fn label(&self, task: &str, instance: u64) -> String {
        if self.is_single() {
            return task.to_string();
        }
        let parts: Vec<String> =
            self.params.iter().map(|p| format!("{}={}", p.name, self.binding(instance, p))).collect();
        format!("{task}[{}]", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(values: &[i64]) -> Values {
        Values::List(values.iter().map(|v| Value::Int(*v)).collect())
    }

    #[test]
    fn the_last_parameter_is_the_fastest() {
        let range = NumRange::parse("0..3").unwrap();
        let family =
            Family::product(vec![("T".into(), list(&[250, 300])), ("p".into(), Values::Range(range))])
                .unwrap();
        assert_eq!(family.len(), 6);
        let labels: Vec<String> = (0..6).map(|i| family.label("sim", i)).collect();
        assert_eq!(labels[..4], ["sim[T=250, p=0]", "sim[T=250, p=1]", "sim[T=250, p=2]", "sim[T=300, p=0]"]);
        assert_eq!(family.bindings(5).to_vec(), [Value::Int(300), Value::Int(2)]);
        assert_eq!(Family::single().label("mesh", 0), "mesh");
        assert_eq!(Family::single().len(), 1);
    }

    #[test]
    fn too_many_instances_are_refused() {
        let long = Values::Range(NumRange::parse("0..9_000_000_000_000_000_000").unwrap());
        assert!(Family::product(vec![("a".into(), long.clone()), ("b".into(), long)]).is_none());
    }

    #[test]
    fn an_index_out_of_range_is_no_panic() {
        let family = Family::product(vec![("T".into(), list(&[1, 2]))]).unwrap();
        assert_eq!(family.bindings(u64::MAX).len(), 1);
    }
}
