//! Header names, in the lower case that HTTP/2 requires.

/// The identity of a request, kept from the edge down the whole chain.
pub const REQUEST_ID: &str = "x-request-id";
/// Milliseconds left until the caller stops waiting, as an unsigned integer.
///
/// Relative, as in gRPC's `grpc-timeout`, because clocks of two machines disagree.
pub const DEADLINE_MS: &str = "nines-deadline-ms";
/// Which attempt of which call this is, from the edge down: `gateway:0/auth:1`, and
/// `gateway:0/auth.1:0` for the first attempt of a second call to the same service.
///
/// Together with the request id it keys the seeded fault decisions, so that a second
/// attempt draws anew and the order of arrival plays no part.
pub const ATTEMPT_PATH: &str = "nines-attempt";
/// The key under which a write may be sent again without being done twice.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// On whose behalf a write is made: the user's identifier, as the edge has found it.
pub const ACTOR: &str = "nines-actor";
/// The address of the client, as the edge has seen it.
pub const CLIENT_ADDRESS: &str = "nines-client-address";

/// On a heartbeat: whether the replica is the active one of its kind, or stands by.
pub const ROLE: &str = "nines-role";
/// The role of the replica that serves.
pub const ROLE_ACTIVE: &str = "active";
/// The role of all others.
pub const ROLE_STANDBY: &str = "standby";

/// `degraded`, on an answer without a part that could be left out.
pub const OUTCOME: &str = "nines-outcome";

/// On an answer of the edge: how long each service took that was called for it (W3C, *Server
/// Timing*). An entry's `dur` is in milliseconds, its `desc` an outcome.
pub const SERVER_TIMING: &str = "server-timing";

/// The longest attempt path accepted from outside, in bytes: room for the deepest chain.
pub const ATTEMPT_PATH_MAX: usize = 4096;
/// The longest request id accepted from outside, in bytes.
pub const REQUEST_ID_MAX: usize = 64;

/// Whether `id` may serve as a request id: 1 to 64 letters, digits, `.`, `_` or `-`.
pub fn is_request_id(id: &str) -> bool {
    (1..=REQUEST_ID_MAX).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::is_request_id;

    #[test]
    fn a_request_id_is_short_and_plain() {
        assert!(is_request_id("a1-42.b_c"));
        assert!(is_request_id(&"x".repeat(64)));
        for bad in ["", " ", "a b", "é", "a\n", &"x".repeat(65)] {
            assert!(!is_request_id(bad), "{bad:?}");
        }
    }
}
