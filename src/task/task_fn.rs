//! Functions that can be tasks: fn items and closures that capture nothing, of up to eight parameters, each by value or
//! by reference, in any mix.
//!
//! The trait [`TaskFn`] carries a marker type `M` such as `fn(V<A>, R<B>) -> (O, Plain)`, which says for each parameter
//! how it is taken. The compiler infers it from the function's signature; nobody writes it.

use super::parameter_macros::{combinations, owned, parameter, pass, unpack};
use super::value::Data;
use crate::error::Failure;
use crate::task::arguments::Arguments;
use std::borrow::Borrow;
use std::fmt::Display;
use std::marker::PhantomData;

/// The marker for a parameter of a task function that is taken by value. Tells implementations of [`TaskFn`] apart.
pub struct V<T>(PhantomData<T>);

/// The marker for a parameter of a task function that is taken by reference: `&T`, `&[T]`.
pub struct R<T: ?Sized>(PhantomData<T>);

/// A function that can be a task: any `fn` item and any closure that captures nothing, of up to eight parameters, by
/// value or by reference.
///
/// # What to write instead
/// Where the compiler says that it cannot infer a type of `submit` or `map`, or that `!` is no `Data`, two readings of
/// the function are possible:
///
/// | in place of | write |
/// |---|---|
/// | a parameter `&str` | `&String` or `String`; the argument may be a `&str` |
/// | a parameter `&[u8]` | `&Vec<u8>` or `Vec<u8>` |
/// | a parameter `&Path` | `&PathBuf` or `PathBuf` |
/// | a result `Result<T, String>`, or with another error that serde can encode | `Result<T, Failure>`, with
/// `Failure::new(text)` |
///
/// Other slices of numbers, such as `&[f64]`, are parameters as they are. A parameter that holds references, such as
/// `Option<&T>` or `Vec<&str>`, is `Option<T>` or `Vec<String>`: what comes from another rank belongs to the task.
///
/// The names in the compiler's messages say the same: it "cannot infer the type parameter `WriteFailureAsTheErrorType`"
/// of a function that returns `Result<T, String>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a task",
    label = "not a function that dtask can send",
    note = "a task is a `fn` item, or a closure that captures nothing, of up to 8 parameters",
    note = "each parameter `T` or `&T`, and the result, must be `Serialize + DeserializeOwned + Clone + Send + Sync + 'static`",
    note = "a parameter `Option<&T>`, `Vec<&str>` or `&mut T` holds a reference that cannot travel: take `Option<T>`, `Vec<String>`, `T`",
    note = "a task that can fail returns `Result<T, E>` for an error `E` that can be printed, such as `dtask::Failure`"
)]
pub trait TaskFn<M>: Copy + Send + Sync + 'static {
    /// The types of the parameters, as a tuple of owned types.
    type Params;
    /// The type of the value that a call gives.
    type Output: Data;

    /// Unpacks the encoded arguments and calls the function.
    ///
    /// # Errors
    /// When the arguments do not fit the parameters, or the function returns a failure.
    fn call(&self, arguments: &mut Arguments<'_>) -> Result<Self::Output, Failure>;
}

/// The marker for a task function that returns a plain value.
pub struct Plain;

/// The marker for a task function that returns a `Result`.
pub struct Fallible;

/// A return type of a task function: a value, or a `Result` whose error can be printed, which fails the task.
///
/// The kind `K` is `Plain` or `Fallible`. The compiler finds it where the error is no [`Data`], as `Failure`,
/// `std::io::Error` and `anyhow::Error` are not. It cannot for `Result<T, String>`, which could be a value too.
pub trait TaskOutput<K> {
    /// The type of the value that the task gives.
    type Value: Data;

    /// Returns the value that the function has returned, or its failure.
    ///
    /// # Errors
    /// When the function has returned a failure.
    fn into_result(self) -> Result<Self::Value, Failure>;
}

impl<T: Data> TaskOutput<Plain> for T {
    type Value = T;
    fn into_result(self) -> Result<T, Failure> {
        Ok(self)
    }
}

impl<T: Data, E: Display + 'static> TaskOutput<Fallible> for Result<T, E> {
    type Value = T;
    fn into_result(self) -> Result<T, Failure> {
        self.map_err(Failure::of_error)
    }
}

macro_rules! implement {
    ([$(($how:tt $p:ident))*] [$($generics:tt)*] [$($bounds:tt)*]) => {
        #[allow(non_snake_case, unused_variables, clippy::too_many_arguments)]
        impl<Function, Out, WriteFailureAsTheErrorType, $($generics)*>
            TaskFn<fn($($how<$p>),*) -> (Out, WriteFailureAsTheErrorType)> for Function
        where
            Function: Fn($(parameter!($how $p)),*) -> Out + Copy + Send + Sync + 'static,
            Out: TaskOutput<WriteFailureAsTheErrorType>,
            $($bounds)*
        {
            type Params = ($(owned!($how $p),)*);
            type Output = Out::Value;

            fn call(&self, arguments: &mut Arguments<'_>) -> Result<Out::Value, Failure> {
                $(let $p = unpack!($how arguments $p);)*
                arguments.finish()?;
                self($(pass!($how $p)),*).into_result()
            }
        }
    };
}

combinations!([] [] [] []);
combinations!([A] [] [] []);
combinations!([A B] [] [] []);
combinations!([A B C] [] [] []);
combinations!([A B C D] [] [] []);
combinations!([A B C D E] [] [] []);
combinations!([A B C D E F] [] [] []);
combinations!([A B C D E F G] [] [] []);
combinations!([A B C D E F G H] [] [] []);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{ARGUMENT_INPUT, push_argument};
    use crate::task::value::AnyValue;

    fn run<M, F: TaskFn<M>>(function: F, inputs: &[AnyValue]) -> Result<F::Output, Failure> {
        let mut packed = Default::default();
        push_argument(&mut packed, &crate::codec::encode(&5i64).unwrap());
        packed.extend(inputs.iter().map(|_| ARGUMENT_INPUT));
        function.call(&mut Arguments::new(&Default::default(), &packed, inputs))
    }

    #[test]
    fn parameters_by_value_by_reference_and_mixed() {
        let inputs = [AnyValue::new(vec![1.0f64, 2.0])];
        assert_eq!(run(|a: i64, b: Vec<f64>| a as f64 + b[1], &inputs).unwrap(), 7.0);
        assert_eq!(run(|a: &i64, b: &[f64]| *a as f64 + b[1], &inputs).unwrap(), 7.0);
        assert_eq!(run(|a: i64, b: &Vec<f64>| a as usize + b.len(), &inputs).unwrap(), 7);
        assert_eq!(
            run(|a: i64, s: &String| format!("{a}{s}"), &[AnyValue::new("x".to_owned())]).unwrap(),
            "5x"
        );
    }

    #[test]
    fn a_borrowed_input_is_shared_not_copied() {
        let inputs = [AnyValue::new(vec![1.0f64; 1000])];
        let address = inputs[0].get::<Vec<f64>>().unwrap().as_ptr().addr() as u64;
        assert_eq!(run(|_: i64, b: &Vec<f64>| b.as_ptr().addr() as u64, &inputs).unwrap(), address);
    }

    #[test]
    fn failures_and_wrong_arguments_are_errors() {
        let parse = |_: i64, s: String| -> Result<i64, Failure> { Ok(s.parse()?) };
        let error = run(parse, &[AnyValue::new("x".to_owned())]).unwrap_err();
        assert_eq!(error.to_string(), "invalid digit found in string");
        let error = run(parse, &[AnyValue::new(7u8)]).unwrap_err().to_string();
        assert!(error.contains("u8") && error.contains("String"), "{error}");
        assert!(run(|a: i64| a, &[AnyValue::new(1u8)]).unwrap_err().to_string().contains("too many"));
        assert!(run(|a: i64, b: i64| a + b, &[]).unwrap_err().to_string().contains("too few"));
    }
}
