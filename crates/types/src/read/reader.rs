//! A deserializer of parsed JSON that knows where it is.

use super::Misfit;
use serde::{
    Deserializer,
    de::{
        DeserializeSeed, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, StrDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{Map, Value, map};
use std::slice;

/// Reads a value.
pub(super) struct Reader<'de>(pub(super) &'de Value);

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let read = match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(items) => visitor.visit_seq(Items {
                left: items.iter(),
                index: 0,
            }),
            Value::Object(members) => visitor.visit_map(Members::of(members)),
        };
        read.map_err(|misfit| misfit.of_value(self.0))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        // serde_json asks for text that is kept as it came by a name that it alone knows.
        if name.starts_with("$serde_json::private::") {
            let raw = self.0.deserialize_newtype_struct(name, visitor);
            return raw.map_err(Misfit::custom);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::String(word) => {
                let word: StrDeserializer<'de, Misfit> = word.as_str().into_deserializer();
                visitor.visit_enum(word)
            }
            Value::Object(members) => {
                visitor.visit_enum(MapAccessDeserializer::new(Members::of(members)))
            }
            other => {
                let misfit = Misfit::invalid_type(serde::de::Unexpected::Other(""), &visitor);
                Err(misfit.of_value(other).of_words(words))
            }
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// The items of a list that are still to be read.
struct Items<'de> {
    left: slice::Iter<'de, Value>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Misfit> {
        let Some(item) = self.left.next() else {
            return Ok(None);
        };
        let index = self.index;
        self.index += 1;
        let read = seed.deserialize(Reader(item));
        read.map(Some).map_err(|misfit| misfit.in_list(index))
    }
}

/// The members of an object that are still to be read.
struct Members<'de> {
    left: map::Iter<'de>,
    current: Option<(&'de str, &'de Value)>,
}

impl<'de> Members<'de> {
    fn of(members: &'de Map<String, Value>) -> Self {
        Self {
            left: members.iter(),
            current: None,
        }
    }
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Misfit> {
        let Some((key, value)) = self.left.next() else {
            return Ok(None);
        };
        self.current = Some((key, value));
        let key: StrDeserializer<'de, Misfit> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let Some((key, value)) = self.current.take() else {
            return Err(Misfit::custom("a value was asked for before its key"));
        };
        let read = seed.deserialize(Reader(value));
        read.map_err(|misfit| misfit.in_key(key))
    }
}
