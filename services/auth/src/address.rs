//! From where a request came.

use axum::extract::FromRequestParts;
use chassis::PeerAddress;
use http::request::Parts;
use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
};
use types::header::CLIENT_ADDRESS;

/// The address of the client: what the edge says, and otherwise the other end of the
/// connection. Only the edge may reach this service; it replaces what a client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientAddress(pub IpAddr);

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let said = parts.headers.get(CLIENT_ADDRESS);
        let said = said.and_then(|value| value.to_str().ok()?.parse().ok());
        let peer = || parts.extensions.get::<PeerAddress>().map(|peer| peer.0);
        let nowhere = Ipv4Addr::UNSPECIFIED.into();
        Ok(Self(said.or_else(peer).unwrap_or(nowhere)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    async fn found(said: Option<&str>, peer: Option<&str>) -> String {
        let mut request = Request::builder();
        if let Some(said) = said {
            request = request.header(CLIENT_ADDRESS, said);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        if let Some(peer) = peer {
            parts.extensions.insert(PeerAddress(peer.parse().unwrap()));
        }
        let Ok(ClientAddress(address)) = ClientAddress::from_request_parts(&mut parts, &()).await;
        address.to_string()
    }

    #[tokio::test]
    async fn the_edge_knows_the_client_and_otherwise_it_is_the_peer() {
        assert_eq!(
            found(Some("2001:db8::1"), Some("192.0.2.1")).await,
            "2001:db8::1"
        );
        assert_eq!(found(None, Some("192.0.2.1")).await, "192.0.2.1");
        assert_eq!(
            found(Some("nonsense"), Some("192.0.2.1")).await,
            "192.0.2.1"
        );
        assert_eq!(found(None, None).await, "0.0.0.0");
    }
}
