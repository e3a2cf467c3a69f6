//! What every policy has in common: it is checked once, where it is made.

/// A setting of a policy that can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {value} can't be; allowed: {allowed}")]
pub struct InvalidPolicy {
    /// The setting, by its name in the policy.
    pub field: &'static str,
    /// Its value.
    pub value: String,
    /// What it may be.
    pub allowed: &'static str,
}

impl InvalidPolicy {
    /// That `field` must not have `value`.
    pub(crate) fn new(
        field: &'static str,
        value: impl std::fmt::Display,
        allowed: &'static str,
    ) -> Self {
        Self {
            field,
            value: value.to_string(),
            allowed,
        }
    }
}

/// A duration as people write it.
pub(crate) fn show(duration: std::time::Duration) -> humantime::FormattedDuration {
    humantime::format_duration(duration)
}

/// Durations written as people write them: `250ms`, `1m 30s`.
pub(crate) mod human {
    use serde::{
        Deserialize, Deserializer, Serializer,
        de::{Error, Unexpected},
    };
    use std::time::Duration;

    pub(crate) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*duration))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        let expected = "a duration such as \"250ms\" or \"1m 30s\"";
        humantime::parse_duration(&text)
            .map_err(|_| D::Error::invalid_value(Unexpected::Str(&text), &expected))
    }
}

/// The same for durations that may be left out.
pub(crate) mod human_option {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    #[derive(Deserialize)]
    struct Human(#[serde(with = "super::human")] Duration);

    #[expect(clippy::ref_option, reason = "the signature serde calls")]
    pub(crate) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::human::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let human = Option::<Human>::deserialize(deserializer)?;
        Ok(human.map(|Human(duration)| duration))
    }
}

/// Parts that can be switched off: `false` is none, `true` has the default settings, and
/// settings are themselves. Nothing at all can't mean none where the default is some.
pub(crate) mod switch {
    use serde::{
        Deserialize, Deserializer, Serialize, Serializer,
        de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
    };
    use std::{fmt, marker::PhantomData};

    #[expect(clippy::ref_option, reason = "the signature serde calls")]
    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        part: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match part {
            Some(part) => part.serialize(serializer),
            None => serializer.serialize_bool(false),
        }
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: Deserialize<'de> + Default,
        D: Deserializer<'de>,
    {
        deserializer.deserialize_any(Part(PhantomData))
    }

    struct Part<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for Part<T> {
        type Value = Option<T>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("settings, `true` for the default ones, or `false` for none")
        }

        fn visit_bool<E: Error>(self, on: bool) -> Result<Option<T>, E> {
            Ok(on.then(T::default))
        }

        fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, settings: A) -> Result<Option<T>, A::Error> {
            T::deserialize(MapAccessDeserializer::new(settings)).map(Some)
        }
    }
}
