//! How often somebody may try a password: per account, and per client address.
//!
//! Every attempt counts that would hash a password, also one that succeeds: the limits protect
//! the threads that hash as well as the passwords, and whether an attempt will succeed is not
//! known before. A registration counts too, because for a name that is taken it is an
//! attempt. A name that does not exist is limited like any other, so the answer does not tell.
//!
//! The rate is enforced by the generic cell rate algorithm, in `governor`. Names and addresses
//! are mapped to a fixed number of slots by a keyed hash (`SipHash`), so that memory is bounded
//! whatever comes: 2^18 slots take some 10 MB at most. Two names share a slot once in 262,144
//! pairs, and nobody can choose which. Each replica counts for itself.

use governor::{
    Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, state::keyed::HashMapStateStore,
};
use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    str::FromStr,
    time::Duration,
};
use tokio::time::Instant;

const SLOTS: u64 = 1 << 18;
const ALLOWED: &str = "allowed: COUNT/DURATION, for example 10/1m, or none";

/// So many attempts within some time, or any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(Option<Rate>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rate {
    count: NonZeroU32,
    per: Duration,
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let (count, per) = text.split_once('/').ok_or(ALLOWED)?;
        let count: NonZeroU32 = count.parse().map_err(|_| ALLOWED)?;
        let per = chassis::options::positive(per).map_err(|error| format!("{error}; {ALLOWED}"))?;
        // Less than a nanosecond for each attempt is no limit.
        if (per / count.get()).is_zero() {
            return Err(ALLOWED.to_owned());
        }
        Ok(Self(Some(Rate { count, per })))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(Rate { count, per }) => write!(f, "{count}/{}", humantime::format_duration(per)),
            None => f.write_str("none"),
        }
    }
}

/// Both limits.
pub(crate) struct Limits {
    accounts: Option<Limiter>,
    addresses: Option<Limiter>,
}

/// There were too many attempts. When there may be another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany {
    pub wait: Duration,
}

impl Limits {
    pub(crate) fn new(per_account: Limit, per_address: Limit) -> Self {
        Self {
            accounts: per_account.0.map(Limiter::new),
            addresses: per_address.0.map(Limiter::new),
        }
    }

    /// Counts an attempt on the account `username` from `address`.
    pub(crate) fn admit(&self, username: &str, address: IpAddr) -> Result<(), TooMany> {
        let check = |limiter: &Option<Limiter>, key: &dyn Fn(&Limiter) -> u64| {
            limiter
                .as_ref()
                .map_or(Ok(()), |limiter| limiter.admit(key(limiter)))
        };
        check(&self.addresses, &|limiter| limiter.slot(network(address)))?;
        check(&self.accounts, &|limiter| limiter.slot(username))
    }

    /// Gives back the memory of those who have not tried for a while.
    pub(crate) fn tidy(&self) {
        for limiter in self.accounts.iter().chain(&self.addresses) {
            limiter.governor.retain_recent();
            limiter.governor.shrink_to_fit();
        }
    }
}

/// Whoever has one address of IPv6 has 2^64 of them: a network counts as one client. An
/// address of IPv4 is the same in the clothes of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = address.to_bits() >> 64 << 64;
            Ipv6Addr::from_bits(prefix).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

type Governor = RateLimiter<u64, HashMapStateStore<u64>, Ticks, NoOpMiddleware<Duration>>;

struct Limiter {
    governor: Governor,
    hasher: RandomState,
}

impl Limiter {
    fn new(Rate { count, per }: Rate) -> Self {
        // A rate was checked: there is a time for each attempt, and it is not zero.
        let one_per = (per / count.get()).max(Duration::from_nanos(1));
        let quota = Quota::with_period(one_per).unwrap_or_else(|| Quota::per_second(count));
        Self {
            governor: RateLimiter::hashmap_with_clock(quota.allow_burst(count), Ticks::start()),
            hasher: RandomState::new(),
        }
    }

    fn slot(&self, key: impl Hash) -> u64 {
        self.hasher.hash_one(key) % SLOTS
    }

    fn admit(&self, slot: u64) -> Result<(), TooMany> {
        let admitted = self.governor.check_key(&slot);
        admitted.map_err(|not_until| TooMany {
            wait: not_until.wait_time_from(self.governor.clock().now()),
        })
    }
}

/// The runtime's clock, which tests can stop.
#[derive(Debug, Clone, Copy)]
struct Ticks(Instant);

impl Ticks {
    fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    fn limits(per_account: &str, per_address: &str) -> Limits {
        Limits::new(per_account.parse().unwrap(), per_address.parse().unwrap())
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_may_be_tried_so_often_and_again_after_the_time_that_is_said() {
        let limits = limits("3/1m", "none");
        let anybody = address("192.0.2.1");
        for _ in 0..3 {
            assert_eq!(limits.admit("ann", anybody), Ok(()));
        }
        let too_many = limits.admit("ann", anybody).unwrap_err();
        assert_eq!(too_many.wait, Duration::from_secs(20));
        assert_eq!(limits.admit("bob", anybody), Ok(()), "another account");
        advance(Duration::from_millis(19_999)).await;
        assert!(limits.admit("ann", anybody).is_err());
        advance(Duration::from_millis(1)).await;
        assert_eq!(limits.admit("ann", anybody), Ok(()));
        assert!(limits.admit("ann", anybody).is_err());
        advance(Duration::from_mins(1)).await;
        for _ in 0..3 {
            assert_eq!(limits.admit("ann", anybody), Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_its_address_or_its_network_of_ipv6() {
        let same = [
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ];
        for (one, two, is_same) in same {
            let limits = limits("none", "1/1m");
            assert_eq!(limits.admit("ann", address(one)), Ok(()));
            let admitted = limits.admit("bob", address(two)).is_ok();
            assert_eq!(admitted, !is_same, "{one} {two}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_whatever_comes_and_given_back() {
        let limits = limits("1/1m", "none");
        let limiter = limits.accounts.as_ref().unwrap();
        assert!((0..10_000).all(|name| limiter.slot(name) < SLOTS));
        for name in 0..10_000 {
            let _ = limits.admit(&name.to_string(), address("::1"));
        }
        assert!(limiter.governor.len() > 9000);
        advance(Duration::from_mins(2)).await;
        limits.tidy();
        assert_eq!(limiter.governor.len(), 0);
    }

    #[tokio::test]
    async fn without_limits_everybody_is_admitted() {
        let limits = limits("none", "none");
        assert!((0..10_000).all(|_| limits.admit("ann", address("::1")).is_ok()));
    }

    #[test]
    fn a_limit_is_a_count_and_a_time_or_none() {
        for good in ["10/1m", "1/1h", "6000/1m", "none"] {
            assert_eq!(good.parse::<Limit>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "10",
            "0/1m",
            "10/0s",
            "10/",
            "/1m",
            "-1/1m",
            "10/1x",
            "4000000000/1ns",
        ] {
            let error = bad.parse::<Limit>().unwrap_err();
            assert!(error.contains("allowed: COUNT/DURATION"), "{bad}: {error}");
        }
    }
}
