//! Unpacking of arguments at the rank that computes. Start with [`Arguments::take`]; the other side is
//! `client::arguments`.

use super::value::{AnyValue, Data, decode};
use crate::error::CodecError;
use crate::protocol::{
    ARGUMENT_CONTAINER, ARGUMENT_INLINE, ARGUMENT_INPUT, ARGUMENT_INPUTS, ARGUMENT_NEVER, ARGUMENT_REFUSED,
    behind_tickets, take_length,
};
use crate::task::function;

/// The arguments that all instances of a family (tasks of one function) share. Each is decoded once at a rank, by the
/// first instance that takes it.
#[derive(Debug, Default)]
pub struct SharedArguments {
    values: Vec<AnyValue>,
    /// The bytes behind the last argument that could be read; empty unless the message is damaged. Each task of the
    /// family then takes them as its next argument and fails with an error that names the damage, so that the rank
    /// goes on.
    rest: Vec<u8>,
}

impl SharedArguments {
    /// Makes the shared arguments from the encoded ones that the client has packed.
    pub fn new(mut packed: &[u8]) -> Self {
        let mut values = Vec::new();
        while let Some((&ARGUMENT_INLINE, mut after)) = packed.split_first() {
            let Ok(bytes) = take_bytes(&mut after) else { break };
            values.push(AnyValue::from_encoded(bytes));
            packed = after;
        }
        SharedArguments { values, rest: packed.to_vec() }
    }
}

/// The arguments of one task, which its function takes in the order of the parameters.
pub struct Arguments<'a> {
    /// The arguments that are shared with other instances of the family and not taken yet.
    shared: &'a [AnyValue],
    /// The encoded arguments that are not taken yet: the damaged rest of the shared ones, empty as a rule, then the
    /// task's own.
    packed: [&'a [u8]; 2],
    inputs: &'a [AnyValue],
}

/// An argument as it is taken from the message, before it is decoded.
pub enum ArgumentView<'a> {
    /// A value that the client gave, encoded in the message.
    Inline(&'a [u8]),
    /// The result of one other task, or an argument that is shared with other instances of the family.
    Input(&'a AnyValue),
    /// The results of several other tasks, to be collected into a vector by the function at this offset in the
    /// executable.
    Inputs(&'a [AnyValue], u64),
    /// The results of several other tasks, to be put together to a container by the function at this offset; the bytes
    /// tell the form of the container.
    Container(&'a [AnyValue], u64, &'a [u8]),
}

impl<'a> Arguments<'a> {
    /// Makes the arguments of a task from the shared ones, from its own encoded ones that the client has packed, and
    /// from `inputs`, the results of the tasks that these name.
    pub fn new(shared: &'a SharedArguments, own: &'a [u8], inputs: &'a [AnyValue]) -> Self {
        Arguments { shared: &shared.values, packed: [&shared.rest, behind_tickets(own)], inputs }
    }

    /// Takes the next argument, for the function's next parameter.
    ///
    /// # Errors
    /// When there are no more, or the bytes are damaged.
    pub fn take(&mut self) -> Result<ArgumentView<'a>, CodecError> {
        if let Some((value, rest)) = self.shared.split_first() {
            self.shared = rest;
            return Ok(ArgumentView::Input(value));
        }
        let packed = if self.packed[0].is_empty() { &mut self.packed[1] } else { &mut self.packed[0] };
        let (&kind, rest) = packed.split_first().ok_or_else(|| CodecError::decode("too few arguments"))?;
        *packed = rest;
        match kind {
            ARGUMENT_INLINE => Ok(ArgumentView::Inline(take_bytes(packed)?)),
            ARGUMENT_INPUT => Ok(ArgumentView::Input(&self.take_inputs(1)?[0])),
            ARGUMENT_INPUTS => {
                let count = take_length(packed)?;
                let (&offset, rest) =
                    packed.split_first_chunk().ok_or_else(|| CodecError::decode("an argument is cut off"))?;
                *packed = rest;
                Ok(ArgumentView::Inputs(self.take_inputs(count)?, u64::from_le_bytes(offset)))
            }
            ARGUMENT_CONTAINER => {
                let count = take_length(packed)?;
                let (&offset, rest) =
                    packed.split_first_chunk().ok_or_else(|| CodecError::decode("an argument is cut off"))?;
                *packed = rest;
                let form = take_bytes(packed)?;
                Ok(ArgumentView::Container(self.take_inputs(count)?, u64::from_le_bytes(offset), form))
            }
            ARGUMENT_REFUSED => {
                let why = String::from_utf8_lossy(take_bytes(packed)?);
                Err(CodecError::decode(format!("an argument: {why}")))
            }
            ARGUMENT_NEVER => {
                Err(CodecError::never(String::from_utf8_lossy(take_bytes(packed)?).into_owned()))
            }
            kind => Err(CodecError::decode(format!("an argument of unknown kind {kind}"))),
        }
    }

    fn take_inputs(&mut self, count: usize) -> Result<&'a [AnyValue], CodecError> {
        let (taken, rest) =
            self.inputs.split_at_checked(count).ok_or_else(|| CodecError::decode("an input is missing"))?;
        self.inputs = rest;
        Ok(taken)
    }

    /// Checks that the function has taken every argument.
    ///
    /// # Errors
    /// When an argument or an input was not taken.
    pub fn finish(&mut self) -> Result<(), CodecError> {
        if self.packed[1].first() == Some(&ARGUMENT_NEVER) {
            self.take()?; // a function without parameters takes nothing
        }
        let left = self.packed.iter().any(|packed| !packed.is_empty());
        if self.shared.is_empty() && !left && self.inputs.is_empty() {
            return Ok(());
        }
        Err(CodecError::decode("too many arguments"))
    }
}

/// Takes bytes from the front of `packed`, where their length stands before them, and advances `packed` past both.
fn take_bytes<'a>(packed: &mut &'a [u8]) -> Result<&'a [u8], CodecError> {
    let length = take_length(packed)?;
    let (bytes, rest) =
        packed.split_at_checked(length).ok_or_else(|| CodecError::decode("an argument is cut off"))?;
    *packed = rest;
    Ok(bytes)
}

impl<'a> ArgumentView<'a> {
    /// Decodes or copies the argument into an owned value, for a parameter that is taken by value.
    ///
    /// # Errors
    /// When the argument is of another type, or its bytes are no `T`.
    pub fn into_owned<T: Data>(self) -> Result<T, CodecError> {
        match self {
            ArgumentView::Inline(bytes) => decode(bytes),
            ArgumentView::Input(value) => value.get::<T>().cloned(),
            ArgumentView::Inputs(values, collector) => function::collect(collector, values, &[]),
            ArgumentView::Container(values, assembler, form) => function::collect(assembler, values, form),
        }
    }

    /// The argument for a parameter that borrows it: shared without a copy where the rank's store (of task results) has
    /// it as a value, else decoded.
    ///
    /// # Errors
    /// When the argument is of another type, or its bytes are no `T`.
    pub fn hold<T: Data>(self) -> Result<BorrowedArgument<'a, T>, CodecError> {
        match self {
            ArgumentView::Input(value) => value.get().map(BorrowedArgument::Shared),
            other => other.into_owned().map(BorrowedArgument::Owned),
        }
    }
}

/// An argument for a parameter that borrows its value.
pub enum BorrowedArgument<'a, T> {
    /// A value that was decoded for this call only.
    Owned(T),
    /// A value in the rank's store (of task results), which is not copied.
    Shared(&'a T),
}

impl<T> BorrowedArgument<'_, T> {
    /// Borrows the value.
    pub fn get(&self) -> &T {
        match self {
            BorrowedArgument::Owned(value) => value,
            BorrowedArgument::Shared(value) => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{push_argument, push_refusal};

    #[test]
    fn shared_arguments_come_before_own_ones() {
        let (mut shared, mut own) = (Default::default(), Default::default());
        push_argument(&mut shared, &[1]);
        push_argument(&mut own, &[2]);
        let shared = SharedArguments::new(&shared);
        let mut arguments = Arguments::new(&shared, &own, &[]);
        assert_eq!(arguments.take().unwrap().into_owned::<u8>().unwrap(), 1);
        assert_eq!(arguments.take().unwrap().into_owned::<u8>().unwrap(), 2);
        arguments.finish().unwrap();
        assert!(arguments.take().is_err());
    }

    #[test]
    fn a_shared_argument_is_decoded_once() {
        let mut packed = Default::default();
        push_argument(&mut packed, &crate::codec::encode("all").unwrap());
        let shared = SharedArguments::new(&packed);
        let taken = || Arguments::new(&shared, &[], &[]).take().unwrap().hold::<String>().unwrap();
        let (first, second) = (taken(), taken());
        assert_eq!(first.get(), "all");
        assert!(std::ptr::eq(first.get(), second.get()));
    }

    #[test]
    fn damaged_arguments_are_errors() {
        let none = SharedArguments::default();
        for bytes in [&[9u8][..], &[0], &[0, 5, 1], &[1], &[2, 1], &[2, 0xFF, 0xFF, 0xFF], &[0, 0x80]] {
            assert!(Arguments::new(&none, bytes, &[]).take().is_err(), "{bytes:?}");
            let shared = SharedArguments::new(bytes);
            assert!(Arguments::new(&shared, &[], &[]).take().is_err(), "{bytes:?}");
        }
        let mut never = Default::default();
        crate::protocol::push_never(&mut never, "no such host");
        let error = Arguments::new(&none, &never, &[]).finish().unwrap_err();
        assert_eq!(error.to_string(), "no such host");
        let inputs = [AnyValue::new(1u8)];
        assert!(Arguments::new(&none, &[], &inputs).finish().is_err());
    }

    #[test]
    fn a_refused_argument_says_why_and_nothing_of_its_neighbours() {
        let mut packed = Default::default();
        push_refusal(&mut packed, "no way");
        push_argument(&mut packed, b"neighbour");
        let error = Arguments::new(&SharedArguments::default(), &packed, &[]).take().map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "cannot decode: an argument: no way");
    }
}
