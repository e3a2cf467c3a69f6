//! Pods, as `kubectl get pods --output json` lists them.

use serde::Deserialize;

/// What the port of a container is called that its admin listener has.
const ADMIN: &str = "admin";

/// A list of pods, as far as it is needed.
#[derive(Debug, Deserialize)]
pub(super) struct Pods {
    pub(super) items: Vec<Pod>,
}

/// A pod.
#[derive(Debug, Deserialize)]
pub(super) struct Pod {
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    deletion_timestamp: Option<String>,
    #[serde(default)]
    owner_references: Vec<Owner>,
}

#[derive(Debug, Deserialize)]
struct Owner {
    uid: String,
}

#[derive(Debug, Deserialize)]
struct Spec {
    containers: Vec<Container>,
}

#[derive(Debug, Deserialize)]
struct Container {
    #[serde(default)]
    ports: Vec<Port>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Port {
    name: Option<String>,
    container_port: u16,
}

#[derive(Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Debug, Deserialize)]
struct Condition {
    r#type: String,
    status: String,
}

impl Pod {
    pub(super) fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Whether it takes requests. One that is being deleted is ready for a while yet.
    pub(super) fn is_ready(&self) -> bool {
        let is_ready = |it: &Condition| it.r#type == "Ready" && it.status == "True";
        self.metadata.deletion_timestamp.is_none() && self.status.conditions.iter().any(is_ready)
    }

    /// The port of its admin listener, if it has one.
    pub(super) fn admin_port(&self) -> Option<u16> {
        let mut ports = self.spec.containers.iter().flat_map(|it| &it.ports);
        let admin = ports.find(|port| port.name.as_deref() == Some(ADMIN));
        admin.map(|port| port.container_port)
    }

    /// The set of pods that it is one of.
    pub(super) fn owner(&self) -> Option<String> {
        let owner = self.metadata.owner_references.first();
        owner.map(|owner| owner.uid.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_counts_once_it_is_ready_and_until_it_is_deleted() {
        let pod = |deletion: &str, ready: &str| {
            let json = format!(
                r#"{{"metadata":{{"name":"a-1","ownerReferences":[{{"uid":"7"}}]{deletion}}},
                "spec":{{"containers":[{{"ports":[{{"name":"admin","containerPort":9090}}]}}]}},
                "status":{{"conditions":[{{"type":"Ready","status":"{ready}"}}]}}}}"#
            );
            serde_json::from_str::<Pod>(&json).unwrap()
        };
        let deleted = r#","deletionTimestamp":"2026-01-01T00:00:00Z""#;
        assert!(pod("", "True").is_ready());
        assert!(!pod("", "False").is_ready());
        assert!(!pod(deleted, "True").is_ready());
        assert_eq!(pod("", "True").admin_port(), Some(9090));
        assert_eq!(pod("", "True").owner().as_deref(), Some("7"));
    }
}
