//! The decoding half of strict values: a deserializer that reads as many fields as were written, and names the type
//! that cannot be read from a compact encoding.

use serde::Deserialize;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};
use std::any::type_name;
use std::fmt;

/// A value that is deserialised strictly, as `StrictEncode` has serialised it.
pub(super) struct StrictDecode<T>(pub T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for StrictDecode<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let position = DecodePosition { of: type_name::<T>, struct_name: "", field: None };
        T::deserialize(StrictDeserializer { inner: deserializer, position }).map(StrictDecode)
    }
}

/// The position of a value within the type that is being decoded, for error messages.
#[derive(Clone, Copy)]
struct DecodePosition {
    /// Gives the name of the type that is deserialised.
    of: fn() -> &'static str,
    /// The name of the struct or variant that the value is a field of; empty for none.
    struct_name: &'static str,
    field: Option<&'static str>,
}

impl DecodePosition {
    #[cold]
    fn needs_names<E: Error>(self) -> E {
        let of = (self.of)();
        let field = match (self.struct_name, self.field) {
            ("", _) => String::new(),
            (name, Some(field)) => format!(" (the field `{field}` of `{name}`)"),
            (name, None) => format!(" (in `{name}`)"),
        };
        E::custom(format!(
            "`{of}`{field}: the value has to say itself what it is, as with `#[serde(untagged)]`, `#[serde(tag = ..)]` \
             or `#[serde(flatten)]` or in a JSON value, and values travel without names and types: use an enum without \
             these attributes, or a `String` with the text in it"
        ))
    }
}

struct StrictDeserializer<D> {
    inner: D,
    position: DecodePosition,
}

macro_rules! pass_on {
    ($($method:ident($($argument:ident: $type:ty),*)),* $(,)?) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($argument,)* StrictVisitor { inner: visitor, position: self.position })
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for StrictDeserializer<D> {
    type Error = D::Error;

    pass_on! {
        deserialize_bool(), deserialize_i8(), deserialize_i16(), deserialize_i32(), deserialize_i64(),
        deserialize_i128(), deserialize_u8(), deserialize_u16(), deserialize_u32(), deserialize_u64(),
        deserialize_u128(), deserialize_f32(), deserialize_f64(), deserialize_char(), deserialize_str(),
        deserialize_string(), deserialize_bytes(), deserialize_byte_buf(), deserialize_option(), deserialize_unit(),
        deserialize_unit_struct(name: &'static str), deserialize_newtype_struct(name: &'static str),
        deserialize_seq(), deserialize_tuple(length: usize), deserialize_map(),
        deserialize_enum(name: &'static str, variants: &'static [&'static str]),
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, D::Error> {
        Err(self.position.needs_names())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, D::Error> {
        Err(self.position.needs_names())
    }

    /// Reads the number of a variant: the tag of an enum with `tag` and `content`, which is written as such.
    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_u32(visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_tuple(
            length + 1,
            FieldsVisitor { inner: visitor, name, fields: &[], expected: length },
        )
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_tuple(
            usize::MAX,
            FieldsVisitor { inner: visitor, name, fields, expected: fields.len() },
        )
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

struct StrictVisitor<V> {
    inner: V,
    position: DecodePosition,
}

macro_rules! visit {
    ($($method:ident($type:ty)),*) => {$(
        #[inline]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for StrictVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visit! {
        visit_bool(bool), visit_i8(i8), visit_i16(i16), visit_i32(i32), visit_i64(i64), visit_i128(i128),
        visit_u8(u8), visit_u16(u16), visit_u32(u32), visit_u64(u64), visit_u128(u128), visit_f32(f32),
        visit_f64(f64), visit_char(char), visit_str(&str), visit_borrowed_str(&'de str), visit_string(String),
        visit_bytes(&[u8]), visit_borrowed_bytes(&'de [u8]), visit_byte_buf(Vec<u8>)
    }

    #[inline]
    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(StrictDeserializer { inner: deserializer, position: self.position })
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(StrictDeserializer { inner: deserializer, position: self.position })
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(StrictAccess { inner: access, position: self.position })
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(StrictAccess { inner: access, position: self.position })
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(StrictAccess { inner: access, position: self.position })
    }
}

/// A seed of serde that deserialises its value strictly.
struct StrictSeed<S> {
    inner: S,
    position: DecodePosition,
}

impl<S> StrictSeed<S> {
    #[inline]
    fn new<'de>(inner: S, position: DecodePosition) -> Self
    where
        S: DeserializeSeed<'de>,
    {
        StrictSeed { inner, position: DecodePosition { of: type_name::<S::Value>, ..position } }
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for StrictSeed<S> {
    type Value = S::Value;
    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(StrictDeserializer { inner: deserializer, position: self.position })
    }
}

/// The elements of a sequence, map or enum.
struct StrictAccess<A> {
    inner: A,
    position: DecodePosition,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for StrictAccess<A> {
    type Error = A::Error;
    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_element_seed(StrictSeed::new(seed, self.position))
    }
    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for StrictAccess<A> {
    type Error = A::Error;
    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_key_seed(StrictSeed::new(seed, self.position))
    }
    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(StrictSeed::new(seed, self.position))
    }
    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for StrictAccess<A> {
    type Error = A::Error;
    type Variant = StrictAccess<A::Variant>;
    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, variant) = self.inner.variant_seed(seed)?;
        Ok((value, StrictAccess { inner: variant, position: self.position }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for StrictAccess<A> {
    type Error = A::Error;
    #[inline]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }
    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.newtype_variant_seed(StrictSeed::new(seed, self.position))
    }
    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, A::Error> {
        let name = (self.position.of)();
        self.inner
            .tuple_variant(length + 1, FieldsVisitor { inner: visitor, name, fields: &[], expected: length })
    }
    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let name = (self.position.of)();
        self.inner
            .tuple_variant(usize::MAX, FieldsVisitor { inner: visitor, name, fields, expected: fields.len() })
    }
}

/// A visitor of a struct, a tuple struct or such a variant, before whose fields their number was written.
struct FieldsVisitor<V> {
    inner: V,
    name: &'static str,
    /// The names of the fields and their aliases; empty for a tuple.
    fields: &'static [&'static str],
    /// Number of fields that the type has, at most: aliases count too.
    expected: usize,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for FieldsVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<V::Value, A::Error> {
        let FieldsVisitor { inner, name, fields, expected } = self;
        let count: u32 = access.next_element()?.ok_or_else(|| A::Error::custom("the fields are cut off"))?;
        let mut access =
            FieldAccess { inner: access, name, fields, expected, count: count as usize, read: 0 };
        let value = inner.visit_seq(&mut access)?;
        if access.read != access.count {
            return Err(access.wrong_number("fewer"));
        }
        Ok(value)
    }
}

struct FieldAccess<A> {
    inner: A,
    name: &'static str,
    fields: &'static [&'static str],
    expected: usize,
    /// Number of fields that were written.
    count: usize,
    read: usize,
}

impl<A> FieldAccess<A> {
    #[cold]
    fn wrong_number<E: Error>(&self, how: &str) -> E {
        E::custom(format!(
            "`{}`: {} fields were written and {how} are read, as with `#[serde(skip_serializing)]`, \
             `#[serde(skip_deserializing)]` or `#[serde(skip_serializing_if)]`: use `#[serde(skip)]`, which leaves a \
             field out on both sides, or remove the attribute",
            self.name, self.count
        ))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for &mut FieldAccess<A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        if self.read == self.count {
            // a visitor that asks for more after the last field has found the end
            return if self.count >= self.expected { Ok(None) } else { Err(self.wrong_number("more")) };
        }
        // with aliases among them the names do not tell which field is next
        let field = if self.fields.len() == self.count { Some(self.fields[self.read]) } else { None };
        self.read += 1;
        let position = DecodePosition { of: type_name::<S::Value>, struct_name: self.name, field };
        self.inner.next_element_seed(StrictSeed { inner: seed, position })
    }
}
