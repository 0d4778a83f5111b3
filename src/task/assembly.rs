//! Containers of values that are put together from the results of several tasks, in the form that the submitter told.

use crate::codec;
use crate::error::CodecError;
use crate::task::value::{AnyValue, Data};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::marker::PhantomData;
use std::slice::Iter;

/// The form of a container, in bytes: lengths, and the keys of maps, in the order in which they are needed.
#[derive(Debug, Default)]
pub(crate) struct ContainerForm(pub Vec<u8>);

impl ContainerForm {
    /// Notes a number, such as a length.
    pub(crate) fn push(&mut self, number: usize) {
        self.0.extend_from_slice(&(number as u64).to_le_bytes());
    }

    /// Notes a key of a map.
    ///
    /// # Errors
    /// When the key cannot be encoded.
    pub(crate) fn push_key<K: Data>(&mut self, key: &K) -> Result<(), CodecError> {
        let bytes = codec::encode_value(key)?;
        self.push(bytes.len());
        self.0.extend_from_slice(&bytes);
        Ok(())
    }
}

/// The rest of a form that is read.
pub(crate) struct FormReader<'f>(pub &'f [u8]);

impl FormReader<'_> {
    fn number(&mut self) -> Result<usize, CodecError> {
        let cut = || CodecError::decode("the form of a container is cut off");
        let (number, rest) = self.0.split_first_chunk().ok_or_else(cut)?;
        self.0 = rest;
        usize::try_from(u64::from_le_bytes(*number)).map_err(|_| cut())
    }

    fn key<K: Data>(&mut self) -> Result<K, CodecError> {
        let length = self.number()?;
        let (bytes, rest) = self
            .0
            .split_at_checked(length)
            .ok_or_else(|| CodecError::decode("the form of a container is cut off"))?;
        self.0 = rest;
        super::value::decode(bytes)
    }
}

/// A kind of container that is put together from values.
pub(crate) trait Assembly: 'static {
    /// The container of values.
    type Values: Data;

    /// Takes as many values as the form says and puts them together.
    ///
    /// # Errors
    /// When values are missing or of another type, or the form is damaged.
    fn assemble(
        values: &mut Iter<'_, AnyValue>,
        form: &mut FormReader<'_>,
    ) -> Result<Self::Values, CodecError>;
}

/// A single value.
pub(crate) struct One<T>(PhantomData<T>);
/// A vector.
pub(crate) struct Many<S>(PhantomData<S>);
/// An option.
pub(crate) struct Maybe<S>(PhantomData<S>);
/// An array.
pub(crate) struct Fixed<S, const N: usize>(PhantomData<S>);
/// A map by hash.
pub(crate) struct Hashed<K, S>(PhantomData<(K, S)>);
/// A map by order.
pub(crate) struct Ordered<K, S>(PhantomData<(K, S)>);

impl<T: Data> Assembly for One<T> {
    type Values = T;
    fn assemble(values: &mut Iter<'_, AnyValue>, _: &mut FormReader<'_>) -> Result<T, CodecError> {
        let value = values.next().ok_or_else(|| CodecError::decode("an input is missing"))?;
        value.get::<T>().cloned()
    }
}

impl<S: Assembly> Assembly for Many<S> {
    type Values = Vec<S::Values>;
    fn assemble(
        values: &mut Iter<'_, AnyValue>,
        form: &mut FormReader<'_>,
    ) -> Result<Self::Values, CodecError> {
        (0..form.number()?).map(|_| S::assemble(values, form)).collect()
    }
}

impl<S: Assembly> Assembly for Maybe<S> {
    type Values = Option<S::Values>;
    fn assemble(
        values: &mut Iter<'_, AnyValue>,
        form: &mut FormReader<'_>,
    ) -> Result<Self::Values, CodecError> {
        (form.number()? > 0).then(|| S::assemble(values, form)).transpose()
    }
}

impl<S: Assembly, const N: usize> Assembly for Fixed<S, N>
where
    [S::Values; N]: Data,
{
    type Values = [S::Values; N];
    fn assemble(
        values: &mut Iter<'_, AnyValue>,
        form: &mut FormReader<'_>,
    ) -> Result<Self::Values, CodecError> {
        let all: Vec<S::Values> = (0..N).map(|_| S::assemble(values, form)).collect::<Result<_, _>>()?;
        all.try_into().map_err(|_| CodecError::decode("an array of another length"))
    }
}

impl<K: Data + Eq + Hash, S: Assembly> Assembly for Hashed<K, S> {
    type Values = HashMap<K, S::Values>;
    fn assemble(
        values: &mut Iter<'_, AnyValue>,
        form: &mut FormReader<'_>,
    ) -> Result<Self::Values, CodecError> {
        (0..form.number()?).map(|_| Ok((form.key()?, S::assemble(values, form)?))).collect()
    }
}

impl<K: Data + Ord, S: Assembly> Assembly for Ordered<K, S> {
    type Values = BTreeMap<K, S::Values>;
    fn assemble(
        values: &mut Iter<'_, AnyValue>,
        form: &mut FormReader<'_>,
    ) -> Result<Self::Values, CodecError> {
        (0..form.number()?).map(|_| Ok((form.key()?, S::assemble(values, form)?))).collect()
    }
}

macro_rules! tuples {
    ($(($($name:ident)*))*) => {$(
        impl<$($name: Assembly),*> Assembly for ($($name,)*) {
            type Values = ($($name::Values,)*);
            fn assemble(
                values: &mut Iter<'_, AnyValue>,
                form: &mut FormReader<'_>,
            ) -> Result<Self::Values, CodecError> {
                Ok(($($name::assemble(values, form)?,)*))
            }
        }
    )*};
}

tuples! {
    (A B)
    (A B C)
    (A B C D)
}
