//! The encoding half of strict values: a serializer that refuses what a compact encoding cannot carry.
//!
//! A compact encoding writes neither the names of fields nor the types of values: the reader has to expect exactly what
//! was written. serde's `skip_serializing_if` and `flatten` break that, and without a check the reader would take one
//! field for another. So every struct and every tuple struct is written with its number of fields before it, a field
//! that is skipped is an error, and so is a map without a length.

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use std::any::type_name;
use std::fmt::Display;

/// A value that is serialised strictly, with all values in it.
pub(super) struct StrictEncode<'v, T: ?Sized>(pub &'v T);

impl<T: Serialize + ?Sized> Serialize for StrictEncode<'_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(StrictSerializer { inner: serializer, of: type_name::<T> })
    }
}

/// A serializer that passes everything on to `inner` but what a compact encoding cannot carry.
struct StrictSerializer<S> {
    inner: S,
    /// Gives the name of the type that is serialised.
    of: fn() -> &'static str,
}

/// The elements of a sequence, map, tuple or struct, passed on to `inner`.
struct StrictElements<C> {
    inner: C,
    /// The name of the struct or variant, as serde knows it.
    name: &'static str,
    /// Number of fields that are still to come.
    open: usize,
}

impl<C> StrictElements<C> {
    fn plain(inner: C) -> Self {
        StrictElements { inner, name: "", open: 0 }
    }

    #[inline]
    fn field<E: Error>(&mut self) -> Result<(), E> {
        match self.open.checked_sub(1) {
            Some(open) => self.open = open,
            None => return Err(E::custom(self.wrong_number("more"))),
        }
        Ok(())
    }

    #[inline]
    fn finish<E: Error>(self) -> Result<C, E> {
        if self.open > 0 {
            return Err(E::custom(self.wrong_number("fewer")));
        }
        Ok(self.inner)
    }

    #[cold]
    fn wrong_number(&self, how: &str) -> String {
        format!("`{}`: its `Serialize` writes {how} fields than it has announced", self.name)
    }

    #[cold]
    fn skipped<E: Error>(&self, field: &'static str) -> E {
        E::custom(format!(
            "`{}`: the field `{field}` has `#[serde(skip_serializing_if)]` and would be left out, and values travel \
             without the names of their fields: remove the attribute (a value of its own may say that there is none, \
             such as `None`)",
            self.name
        ))
    }
}

macro_rules! pass_on {
    ($($method:ident($type:ty)),*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$method(value)
        }
    )*};
}

impl<S: Serializer> Serializer for StrictSerializer<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = StrictElements<S::SerializeSeq>;
    type SerializeTuple = StrictElements<S::SerializeTuple>;
    type SerializeTupleStruct = StrictElements<S::SerializeTuple>;
    type SerializeTupleVariant = StrictElements<S::SerializeTupleVariant>;
    type SerializeMap = StrictElements<S::SerializeMap>;
    type SerializeStruct = StrictElements<S::SerializeTuple>;
    type SerializeStructVariant = StrictElements<S::SerializeTupleVariant>;

    pass_on! {
        serialize_bool(bool), serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64),
        serialize_i128(i128), serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64),
        serialize_u128(u128), serialize_f32(f32), serialize_f64(f64), serialize_char(char), serialize_str(&str),
        serialize_bytes(&[u8]), serialize_unit_struct(&'static str)
    }

    #[inline]
    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_some(&StrictEncode(value))
    }

    #[inline]
    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_struct(name, &StrictEncode(value))
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_variant(name, index, variant, &StrictEncode(value))
    }

    #[inline]
    fn serialize_seq(self, length: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        if length.is_none() {
            let of = (self.of)();
            return Err(S::Error::custom(format!(
                "`{of}`: a sequence whose length is not known before its end"
            )));
        }
        self.inner.serialize_seq(length).map(StrictElements::plain)
    }

    #[inline]
    fn serialize_tuple(self, length: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.inner.serialize_tuple(length).map(StrictElements::plain)
    }

    #[inline]
    fn serialize_tuple_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        let mut inner = self.inner.serialize_tuple(length + 1)?;
        inner.serialize_element(&(length as u32))?;
        Ok(StrictElements { inner, name, open: length })
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        let mut inner = self.inner.serialize_tuple_variant(name, index, variant, length + 1)?;
        inner.serialize_field(&(length as u32))?;
        Ok(StrictElements { inner, name: variant, open: length })
    }

    #[inline]
    fn serialize_map(self, length: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        if length.is_none() {
            let of = (self.of)();
            return Err(S::Error::custom(format!(
                "`{of}`: a map whose length is not known before its end, as `#[serde(flatten)]` makes it of a struct, \
                 and values travel without the names of their fields: give the struct a field for the inner one, \
                 without the attribute"
            )));
        }
        self.inner.serialize_map(length).map(StrictElements::plain)
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.serialize_tuple_struct(name, length)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.serialize_tuple_variant(name, index, variant, length)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// Implements serde's traits for [`StrictElements`]: each method hands its value, encoded strictly, to a method of
/// `inner`. `[field]` marks values that are fields, which must be as many as announced.
macro_rules! implement {
    ($($trait:ident on $inner:ident {
        $($method:ident($($key:ty)?) => $write:ident $([$field:ident])?),+ $(; $skip:ident)?
    })+) => {$(
        impl<C: $inner> $trait for StrictElements<C> {
            type Ok = C::Ok;
            type Error = C::Error;
            $(
                #[inline]
                fn $method<T: Serialize + ?Sized>(&mut self, $(_: $key,)? value: &T) -> Result<(), C::Error> {
                    $(self.$field()?;)?
                    self.inner.$write(&StrictEncode(value))
                }
            )+
            $(
                fn $skip(&mut self, field: &'static str) -> Result<(), C::Error> {
                    Err(self.skipped(field))
                }
            )?
            #[inline]
            fn end(self) -> Result<C::Ok, C::Error> {
                self.finish()?.end()
            }
        }
    )+};
}

implement! {
    SerializeSeq on SerializeSeq { serialize_element() => serialize_element }
    SerializeTuple on SerializeTuple { serialize_element() => serialize_element }
    SerializeMap on SerializeMap { serialize_key() => serialize_key, serialize_value() => serialize_value }
    SerializeTupleStruct on SerializeTuple { serialize_field() => serialize_element [field] }
    SerializeTupleVariant on SerializeTupleVariant { serialize_field() => serialize_field [field] }
    SerializeStruct on SerializeTuple { serialize_field(&'static str) => serialize_element [field]; skip_field }
    SerializeStructVariant on SerializeTupleVariant {
        serialize_field(&'static str) => serialize_field [field]; skip_field
    }
}
