//! What can be asked for of a chain that somebody else has deployed.

use clap::Args;
use lab::deployed::Deployment;
use std::collections::BTreeMap;
use url::Url;

/// A chain that somebody else has deployed.
#[derive(Debug, Args)]
pub struct Deployed {
    /// Run against the chain that somebody else has deployed, whose edge is here, in place of
    /// starting one; nobody else may use it meanwhile
    #[arg(long, requires = "traces", value_parser = plain, value_name = "URL")]
    pub target: Option<Url>,
    /// The Jaeger that its services send their spans to, for example <http://127.0.0.1:16686>
    #[arg(long, requires = "target", value_parser = plain, value_name = "URL")]
    pub traces: Option<Url>,
    /// The admin listener of a service, or those of its replicas, so that faults and policies
    /// can be set; once for each service. The token comes from the environment variable
    /// `NINES_ADMIN_TOKEN`
    #[arg(
        long,
        requires = "target",
        conflicts_with = "namespace",
        value_parser = listeners,
        value_name = "SERVICE=URL|URL"
    )]
    pub admin: Vec<(String, Vec<Url>)>,
    /// The namespace of a cluster in which its pods are: their admin listeners are found, and
    /// pods are deleted where a scenario restarts services, by kubectl
    #[arg(long, requires = "target", value_parser = namespace, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
}

impl Deployed {
    /// The chain that is meant, if one is; or what is wrong with it.
    pub fn deployment(&self) -> Result<Option<Deployment>, String> {
        let (Some(target), Some(traces)) = (&self.target, &self.traces) else {
            return Ok(None);
        };
        let mut admin = BTreeMap::new();
        for (service, urls) in &self.admin {
            if admin.insert(service.clone(), urls.clone()).is_some() {
                return Err(format!(
                    "--admin {service}: given twice; allowed: once, with all replicas: \
                     {service}=URL|URL"
                ));
            }
        }
        Ok(Some(Deployment {
            target: target.clone(),
            traces: traces.clone(),
            admin,
            admin_token: std::env::var("NINES_ADMIN_TOKEN").unwrap_or_default(),
            namespace: self.namespace.clone(),
        }))
    }
}

/// An address that this program can speak to: it has no TLS for calls.
fn plain(text: &str) -> Result<Url, String> {
    let url: Url = text
        .parse()
        .map_err(|error| format!("{error}; allowed: an address such as http://127.0.0.1:8080"))?;
    if url.scheme() != "http" || url.host_str().is_none() {
        return Err(
            "not an http:// address; allowed: for example http://127.0.0.1:8080, to which \
             `kubectl port-forward` or a proxy can lead"
                .to_owned(),
        );
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a name or a password; allowed: an address without them".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("a query or a fragment; allowed: an address without them".to_owned());
    }
    Ok(url)
}

/// `database=http://10.0.0.1:9090|http://10.0.0.2:9090`.
fn listeners(text: &str) -> Result<(String, Vec<Url>), String> {
    let Some((service, urls)) = text
        .split_once('=')
        .filter(|(service, _)| !service.is_empty())
    else {
        return Err("allowed: SERVICE=URL, or SERVICE=URL|URL with all its replicas".to_owned());
    };
    let urls: Result<Vec<_>, _> = urls.split('|').map(plain).collect();
    Ok((service.to_owned(), urls?))
}

/// As Kubernetes has them: an RFC 1123 label.
fn namespace(text: &str) -> Result<String, String> {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = text.bytes().all(|byte| is_inner(byte) || byte == b'-')
        && text.bytes().next().is_some_and(is_inner)
        && text.bytes().last().is_some_and(is_inner)
        && text.len() <= 63;
    if is_label {
        return Ok(text.to_owned());
    }
    Err("allowed: a namespace's name, of at most 63 of a–z, 0–9 and -, such as nines".to_owned())
}

/// An address of the web that a page can link to.
pub fn web(text: &str) -> Result<Url, String> {
    let allowed = "allowed: the address of Jaeger's pages, such as http://127.0.0.1:16686";
    let url: Url = text
        .parse()
        .map_err(|error| format!("{error}; {allowed}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("not an http:// or https:// address; {allowed}"));
    }
    if url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("a password, a query or a fragment; {allowed}"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::{listeners, namespace, plain, web};

    #[test]
    fn replicas_are_listed_behind_the_service() {
        let (service, urls) = listeners("database=http://a:1|http://b:2").unwrap();
        assert_eq!((&*service, urls.len()), ("database", 2));
        for wrong in [
            "",
            "database",
            "=http://a:1",
            "database=",
            "database=http://a|ftp://b",
        ] {
            let said = listeners(wrong).unwrap_err();
            assert!(said.contains("allowed"), "{wrong}: {said}");
        }
    }

    #[test]
    fn what_is_no_address_of_its_kind_is_refused_with_what_is_allowed() {
        for wrong in [
            "",
            "x",
            "https://a",
            "http://u:p@a",
            "http://a/?q",
            "ftp://a",
        ] {
            assert!(plain(wrong).unwrap_err().contains("allowed"), "{wrong}");
        }
        for wrong in [
            "",
            "x",
            "javascript:alert(1)",
            "http://u:p@a",
            "http://a/#x",
            "file:///",
        ] {
            assert!(web(wrong).unwrap_err().contains("allowed"), "{wrong}");
        }
        assert!(web("https://jaeger.example/ui").is_ok());
        for wrong in ["", "-n", "a-", "A", "a b", &"a".repeat(64)] {
            assert!(namespace(wrong).is_err(), "{wrong}");
        }
        assert!(namespace("nines-1").is_ok());
    }
}
