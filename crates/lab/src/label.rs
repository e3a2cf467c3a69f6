//! What tells the spans of one run from those of another.

use types::attribute;

/// The namespace of all services.
const NAMESPACE: &str = "nines";

/// Which run of which scenario it is: the resource attributes of the spans of all its processes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Label {
    /// The scenario, as a part of file names.
    pub scenario: String,
    /// The variant, as a part of file names, if the scenario has variants.
    pub variant: Option<String>,
    /// The seed.
    pub seed: u64,
    /// Which run of the scenario it is, from 1.
    pub run: usize,
}

impl Label {
    /// As resource attributes.
    pub(crate) fn attributes(&self) -> Vec<(&'static str, String)> {
        let variant = self.variant.as_ref();
        let all = [
            Some((attribute::NAMESPACE, NAMESPACE.to_owned())),
            Some((attribute::SCENARIO, plain(&self.scenario))),
            variant.map(|variant| (attribute::VARIANT, plain(variant))),
            Some((attribute::SEED, self.seed.to_string())),
            Some((attribute::RUN, self.run.to_string())),
        ];
        all.into_iter().flatten().collect()
    }

    /// As the value of `OTEL_RESOURCE_ATTRIBUTES`.
    pub(crate) fn as_variable(&self) -> String {
        let pairs = self.attributes();
        let pairs = pairs.iter().map(|(key, value)| format!("{key}={value}"));
        pairs.collect::<Vec<_>>().join(",")
    }
}

/// The value of `OTEL_RESOURCE_ATTRIBUTES` of processes that take part in no run.
pub(crate) fn namespace() -> String {
    format!("{}={NAMESPACE}", attribute::NAMESPACE)
}

/// A value without the characters that separate values, which the SDK does not decode.
fn plain(text: &str) -> String {
    let is_plain = |c: char| !matches!(c, ',' | '=' | '%') && !c.is_control();
    let plain = |c: char| if is_plain(c) { c } else { '-' };
    text.trim().chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_by_scenario_variant_seed_and_number() {
        let label = Label {
            scenario: "r2, retries=x".to_owned(),
            variant: Some("a-retry-budget".to_owned()),
            seed: 42,
            run: 2,
        };
        assert_eq!(
            label.as_variable(),
            "service.namespace=nines,nines.scenario=r2- retries-x,\
             nines.variant=a-retry-budget,nines.seed=42,nines.run=2"
        );
        let alone = Label {
            variant: None,
            ..label
        };
        assert!(!alone.as_variable().contains("variant"));
    }
}
