//! Who answers at an admin listener, by its metrics.

use crate::{LabError, control::Control, member::Member};

/// Who a service says it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Its name.
    pub(super) service: String,
    /// The name of the replica.
    pub(super) replica: String,
}

/// Asks the listener of `member`, which must be a service's.
pub(super) async fn identify(control: &Control, member: &Member) -> Result<Identity, LabError> {
    let identity = seek(control, member).await?;
    identity.ok_or_else(|| LabError::Control {
        service: member.name.clone(),
        why: format!(
            "{}/metrics does not say whose they are (target_info); is it an admin listener?",
            member.admin
        ),
    })
}

/// Asks whoever listens there; none if it is no service that says who it is.
pub(super) async fn seek(control: &Control, member: &Member) -> Result<Option<Identity>, LabError> {
    let Some(answer) = control.find(member, "metrics").await? else {
        return Ok(None);
    };
    let text = answer.text().await.map_err(LabError::Client)?;
    let target = text.lines().find(|line| line.starts_with("target_info{"));
    let label = |name: &str| label(target?, name);
    let names = label("service_name").zip(label("service_instance_id"));
    Ok(names.map(|(service, replica)| Identity { service, replica }))
}

fn label(line: &str, name: &str) -> Option<String> {
    let (_, rest) = line.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_known_by_its_labels() {
        let line =
            r#"target_info{nines_replica="a-1",service_instance_id="a-1",service_name="a"} 1"#;
        assert_eq!(label(line, "service_name").as_deref(), Some("a"));
        assert_eq!(label(line, "service_instance_id").as_deref(), Some("a-1"));
        assert_eq!(label(line, "service_version"), None);
        assert_eq!(label("target_info{service_name=\"a", "service_name"), None);
    }
}
