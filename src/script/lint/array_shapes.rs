//! Shape inference: the shapes of arrays as far as they are known before the run, so that arrays that do not go
//! together are reported before the job waits in a queue.
//!
//! A few instances of each family are checked, each with exactly the instances of other tasks that it reads. So every
//! report is right, but some mistakes are not found. Start at [`check`].

use std::cell::RefCell;
use std::collections::HashMap;

use crate::arrays::reduce::operator::{Reduce, ReduceError, ReduceOperator};
use crate::arrays::{ExprError, Sketch};
use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::Text;
use crate::script::plan::runtime_vars::RuntimeVar;
use crate::script::plan::task::{NameSource, PlanTask, TaskAction};
use crate::script::syntax::script::{RawAction, RawScript};
use crate::script::values::value::{Scalar, ScriptValue};

/// The largest family (the instances of one task) of which the shapes of every instance are checked. Of larger ones
/// only those of the first and the last instance are.
const WHOLE: u64 = 16;
/// The most instances in a gather (the results of several instances) whose shape is inferred. The shape of a larger
/// gather is unknown.
const GATHERED: u64 = 256;
/// The longest chain of tasks along which shapes are inferred. The shapes of tasks beyond it are unknown.
const DEEPEST: usize = 64;

/// The shape of a task's result; `None` where it is not known before the run.
type KnownShape = Option<Vec<usize>>;

/// The tasks of a plan in the plan's order, and the shapes found so far, by task and instance.
struct Shapes<'a> {
    tasks: &'a [PlanTask],
    known: RefCell<HashMap<(usize, u64), KnownShape>>,
}

/// Reports array expressions and reductions that would fail in the run since their shapes do not match.
pub(crate) fn check(script: &RawScript, tasks: &[PlanTask], cx: &mut DiagnosticCollector) {
    let shapes = Shapes { tasks, known: RefCell::default() };
    let raw: HashMap<&str, &RawAction> = script
        .tasks
        .iter()
        .filter_map(|task| Some((task.name.value.as_str(), task.action.as_ref()?)))
        .collect();
    for (at, task) in tasks.iter().enumerate() {
        let Some(action) = raw.get(task.name.as_str()) else { continue };
        let count = task.family.len();
        let instances = if count <= WHOLE { (0..count).collect() } else { vec![0, count - 1] };
        let error = instances.into_iter().find_map(|instance| {
            let error = shapes.shape(at, instance, 0).err()?;
            Some((instance, error))
        });
        let Some((instance, ExprError { range, message, help })) = error else { continue };
        let label = if task.family.is_single() {
            "in this array expression".to_owned()
        } else {
            format!("in `{}`", task.label(instance))
        };
        let diagnostic = match action {
            RawAction::Array(Text { value, span }) => {
                let text = Text { value: value.clone(), span: span.clone() };
                Diagnostic::new(Code::ArrayExpression, cx.source.inside(&text, range), message).label(label)
            }
            RawAction::Reduce(raw) => Diagnostic::new(Code::BadReduction, raw.span.clone(), message)
                .label(label.replace("in this array expression", "these do not go together")),
            _ => continue,
        };
        cx.push(diagnostic.maybe_help(help));
    }
}

impl Shapes<'_> {
    /// Infers the shape of the array that an instance of the task of index `at` makes; `None` where it is not known
    /// before the run. `depth` is the number of tasks between the checked instance and this one, for [`DEEPEST`].
    fn shape(&self, at: usize, instance: u64, depth: usize) -> Result<Option<Vec<usize>>, ExprError> {
        if let Some(known) = self.known.borrow().get(&(at, instance)) {
            return Ok(known.clone());
        }
        let Some(task) = self.tasks.get(at).filter(|_| depth < DEEPEST) else { return Ok(None) };
        let found = match &task.action {
            TaskAction::Array { expr, .. } => {
                let sketch = expr.sketch(&|name| self.named(task, name, instance, depth));
                sketch.map(|sketch| if let Sketch::Shape(shape) = sketch { Some(shape) } else { None })
            }
            TaskAction::Reduce { of, with, .. } => self.reduced(task, *of, *with, instance, depth),
            _ => Ok(None),
        };
        let known = found.as_ref().ok().cloned().flatten();
        self.known.borrow_mut().insert((at, instance), known);
        found
    }

    fn named(&self, task: &PlanTask, name: &str, instance: u64, depth: usize) -> Sketch {
        let TaskAction::Array { names, .. } = &task.action else { return Sketch::Unknown };
        let Some(name) = names.iter().find(|known| known.name == name) else { return Sketch::Unknown };
        match &name.binding {
            NameSource::Param(at) => {
                task.family.bindings(instance).get(*at).map_or(Sketch::Unknown, of_value)
            }
            NameSource::Var(value) => of_value(value),
            NameSource::Fact(RuntimeVar::Index) => Sketch::Number(instance as f64),
            NameSource::Fact(_) | NameSource::First(_) | NameSource::Own(_) => Sketch::Unknown,
            NameSource::Input(at) => {
                let Some(reference) = task.references.get(*at) else { return Sketch::Unknown };
                let mut instances = reference.instances(instance);
                let of = |other: u64| {
                    let shape = self.shape(reference.task, other, depth + 1).ok().flatten();
                    shape.map_or(Sketch::Unknown, Sketch::Shape)
                };
                let one = self.tasks.get(reference.task).is_some_and(|other| {
                    other.family.params().iter().all(|param| task.family.param(&param.name).is_some())
                });
                match instances.remaining() {
                    1 if one => instances.next().map_or(Sketch::Unknown, of),
                    count if count <= GATHERED => Sketch::List(instances.map(of).collect()),
                    _ => Sketch::Unknown,
                }
            }
        }
    }

    fn reduced(
        &self,
        task: &PlanTask,
        of: usize,
        with: Reduce,
        instance: u64,
        depth: usize,
    ) -> Result<Option<Vec<usize>>, ExprError> {
        let Some(reference) = task.references.get(of) else { return Ok(None) };
        let leaves = reference.instances(instance);
        if leaves.remaining() > GATHERED {
            return Ok(None);
        }
        let mut whole: Option<Vec<usize>> = None;
        for leaf in leaves {
            let Some(shape) = self.shape(reference.task, leaf, depth + 1).ok().flatten() else {
                return Ok(None);
            };
            let shape = with.leaf_shape(&shape).map_err(told)?;
            whole = Some(match whole {
                None => shape,
                Some(before) => with.merged_shape(&before, &shape).map_err(told)?,
            });
        }
        Ok(whole.map(
            |shape| if with.with == ReduceOperator::Moments { [vec![3], shape].concat() } else { shape },
        ))
    }
}

/// Converts the error of a reduction to that of an expression. Its range is empty, because a reduction has no place in
/// an expression.
fn told(ReduceError { message, help, .. }: ReduceError) -> ExprError {
    ExprError { range: 0..0, message, help }
}

fn of_value(value: &ScriptValue) -> Sketch {
    match value.scalar() {
        Scalar::Int(number) => Sketch::Number(number as f64),
        Scalar::Float(number) => Sketch::Number(number),
        Scalar::Bool(truth) => Sketch::Number(f64::from(u8::from(truth))),
        Scalar::Text(text) => Sketch::Text(text.to_owned()),
    }
}
