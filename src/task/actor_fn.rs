//! Functions of actors: a constructor, and functions whose first parameter is the actor's value.
//!
//! As with tasks, each parameter is taken by value or by reference, and the compiler finds the marker type `M` from the
//! function's signature.

use super::function::{self, ActorValue, Computed, FunctionCode, Made, Record};
use super::output::output;
use super::parameter_macros::{combinations, owned, parameter, pass, unpack};
use super::task_fn::{R, TaskOutput, V};
use super::value::Data;
use crate::error::Failure;
use crate::task::arguments::Arguments;
use std::any::type_name;
use std::borrow::Borrow;
use std::marker::PhantomData;

/// The marker for a function that takes the actor's value as `&mut A`.
pub struct Mutable<A>(PhantomData<A>);

/// The marker for a function that takes the actor's value as `&A`.
pub struct ReadOnly<A>(PhantomData<A>);

/// A function that makes the value of an actor. The value itself never travels, so it can be of any type that is
/// `Send`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot make an actor",
    note = "a constructor is a `fn` item, or a closure that captures nothing, of up to 6 parameters",
    note = "each parameter `T` or `&T` must be `Serialize + DeserializeOwned + Clone + Send + Sync + 'static`, and the \
            value that it returns `Send + 'static`"
)]
pub trait MakerFn<M>: Copy + Send + Sync + 'static {
    /// The types of the parameters, as a tuple of owned types.
    type Params;
    /// The type of the actor's value.
    type Actor: Send + 'static;

    /// Unpacks the encoded arguments and makes the value.
    ///
    /// # Errors
    /// When the arguments do not fit the parameters.
    fn make(&self, arguments: &mut Arguments<'_>) -> Result<Self::Actor, Failure>;
}

/// A function that can be called on an actor whose value is an `A`: its first parameter is `&mut A` or `&A`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called on an actor of type `{A}`",
    note = "it is a `fn` item, or a closure that captures nothing, with `&mut {A}` or `&{A}` and up to 6 more parameters",
    note = "each further parameter `T` or `&T`, and the result, must be `Serialize + DeserializeOwned + Clone + Send + \
            Sync + 'static`"
)]
pub trait MethodFn<A, M>: Copy + Send + Sync + 'static {
    /// The types of the parameters behind the actor's value, as a tuple of owned types.
    type Params;
    /// The type of the value that a call gives.
    type Output: Data;

    /// Unpacks the encoded arguments and calls the function on the actor's value.
    ///
    /// # Errors
    /// When the arguments do not fit the parameters, or the function returns a failure.
    fn call(&self, actor: &mut A, arguments: &mut Arguments<'_>) -> Result<Self::Output, Failure>;
}

struct MakerRecord<F, M>(PhantomData<(F, M)>);

impl<F: MakerFn<M>, M> MakerRecord<F, M> {
    const RECORD: Record = Record::new(type_name::<F>, FunctionCode::Maker(Self::run));
    const IS_ZERO_SIZED: () =
        assert!(size_of::<F>() == 0, "dtask: an actor's constructor must capture nothing");

    fn run(arguments: &mut Arguments<'_>) -> Made {
        const { Self::IS_ZERO_SIZED }
        Ok(Box::new(function::conjured::<F>().make(arguments)?))
    }
}

struct MethodRecord<A, F, M>(PhantomData<(A, F, M)>);

impl<A: Send + 'static, F: MethodFn<A, M>, M> MethodRecord<A, F, M> {
    const RECORD: Record = Record::new(type_name::<F>, FunctionCode::Method(Self::run));
    const IS_ZERO_SIZED: () =
        assert!(size_of::<F>() == 0, "dtask: a function of an actor must capture nothing");

    fn run(value: &mut ActorValue, arguments: &mut Arguments<'_>) -> Computed {
        const { Self::IS_ZERO_SIZED }
        let value = value.downcast_mut::<A>().ok_or_else(|| Failure::new("the actor is of another type"))?;
        Ok(output(function::conjured::<F>().call(value, arguments)?)?)
    }
}

/// The identity of an actor's constructor: the offset of its record, the same on every rank.
pub(crate) fn maker_of<F: MakerFn<M>, M>(_: &F) -> u64 {
    const { MakerRecord::<F, M>::IS_ZERO_SIZED }
    let record: &'static Record = &MakerRecord::<F, M>::RECORD;
    function::offset(record)
}

/// The identity of an actor's function: the offset of its record, the same on every rank.
pub(crate) fn method_of<A: Send + 'static, F: MethodFn<A, M>, M>(_: &F) -> u64 {
    const { MethodRecord::<A, F, M>::IS_ZERO_SIZED }
    let record: &'static Record = &MethodRecord::<A, F, M>::RECORD;
    function::offset(record)
}

macro_rules! method {
    ($receiver:ident, $actor:ty, [$(($how:tt $p:ident))*] [$($generics:tt)*] [$($bounds:tt)*]) => {
        #[allow(non_snake_case, unused_variables, clippy::too_many_arguments)]
        impl<Act, Function, Out, Kind, $($generics)*>
            MethodFn<Act, fn($receiver<Act>, $($how<$p>),*) -> (Out, Kind)> for Function
        where
            Act: 'static,
            Function: Fn($actor, $(parameter!($how $p)),*) -> Out + Copy + Send + Sync + 'static,
            Out: TaskOutput<Kind>,
            $($bounds)*
        {
            type Params = ($(owned!($how $p),)*);
            type Output = Out::Value;

            fn call(&self, actor: &mut Act, arguments: &mut Arguments<'_>) -> Result<Out::Value, Failure> {
                $(let $p = unpack!($how arguments $p);)*
                arguments.finish()?;
                self(actor, $(pass!($how $p)),*).into_result()
            }
        }
    };
}

macro_rules! implement {
    ([$(($how:tt $p:ident))*] [$($generics:tt)*] [$($bounds:tt)*]) => {
        #[allow(non_snake_case, unused_variables, clippy::too_many_arguments)]
        impl<Function, Act, $($generics)*> MakerFn<fn($($how<$p>),*) -> Act> for Function
        where
            Function: Fn($(parameter!($how $p)),*) -> Act + Copy + Send + Sync + 'static,
            Act: Send + 'static,
            $($bounds)*
        {
            type Params = ($(owned!($how $p),)*);
            type Actor = Act;

            fn make(&self, arguments: &mut Arguments<'_>) -> Result<Act, Failure> {
                $(let $p = unpack!($how arguments $p);)*
                arguments.finish()?;
                Ok(self($(pass!($how $p)),*))
            }
        }

        method!(Mutable, &mut Act, [$(($how $p))*] [$($generics)*] [$($bounds)*]);
        method!(ReadOnly, &Act, [$(($how $p))*] [$($generics)*] [$($bounds)*]);
    };
}

combinations!([] [] [] []);
combinations!([A] [] [] []);
combinations!([A B] [] [] []);
combinations!([A B C] [] [] []);
combinations!([A B C D] [] [] []);
combinations!([A B C D E] [] [] []);
combinations!([A B C D E F] [] [] []);
