//! No acknowledged revocation is ignored, whatever the order of events: two replicas and the
//! one who revokes, each with a clock of its own rate.

use super::*;
use proptest::prelude::*;

const TOKENS: u8 = 4;
const LEASE: Duration = Duration::from_millis(500);

fn token(number: u8) -> TokenId {
    [number; 16].into()
}

/// What happens next.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Time passes: so many milliseconds, by the best of clocks.
    Pass(u32),
    /// The revocation of a token is committed, with the number that follows.
    Revoke(u8),
    /// A replica begins to ask the store: it reads its clock.
    Ask(usize),
    /// The store reads what it will answer.
    Read(usize),
    /// The replica hears the answer.
    Hear(usize),
    /// A replica is asked about a token.
    Check(usize, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let (replica, token) = (0..2_usize, 0..TOKENS);
    prop_oneof![
        // Often around a lease, because that is where it matters.
        3 => prop_oneof![0..1200_u32, 480..520_u32].prop_map(Step::Pass),
        1 => token.clone().prop_map(Step::Revoke),
        2 => replica.clone().prop_map(Step::Ask),
        2 => replica.clone().prop_map(Step::Read),
        2 => replica.clone().prop_map(Step::Hear),
        4 => (replica, token).prop_map(|(replica, token)| Step::Check(replica, token)),
    ]
}

/// A clock that runs fast or slow, by parts per million.
#[derive(Debug, Clone, Copy)]
struct Clock {
    start: Instant,
    ppm: i32,
}

impl Clock {
    /// What it shows after `ms` milliseconds.
    fn read(self, ms: u64) -> Instant {
        let nanos = i128::from(ms) * i128::from(1_000_000 + self.ppm);
        self.start + Duration::from_nanos(nanos.try_into().unwrap())
    }

    /// How many milliseconds pass while it shows that `time` does, rounded up.
    fn passes(self, time: Duration) -> u64 {
        let nanos = i128::try_from(time.as_nanos()).unwrap() * 1_000_000;
        let per_ms = i128::from(1_000_000 + self.ppm) * 1_000_000;
        (nanos + per_ms - 1).div_euclid(per_ms).try_into().unwrap()
    }
}

struct Replica {
    clock: Clock,
    known: Revocations,
    asked_at: Option<Instant>,
    answer: Option<Vec<Revocation>>,
}

/// Everything there is, and when each revocation is acknowledged.
struct World {
    now: u64,
    wait: Duration,
    revoker: Clock,
    replicas: [Replica; 2],
    committed: Vec<Revocation>,
    acknowledged: [Option<u64>; TOKENS as usize],
    /// Tokens accepted that were not revoked: otherwise refusing everything would do.
    accepted: u32,
}

impl World {
    fn new(rates: [i32; 3], wait: Duration) -> Self {
        let start = Instant::now();
        let clock = |ppm| Clock { start, ppm };
        let replica = |ppm| Replica {
            clock: clock(ppm),
            known: Revocations::default(),
            asked_at: None,
            answer: None,
        };
        Self {
            now: 0,
            wait,
            revoker: clock(rates[2]),
            replicas: [replica(rates[0]), replica(rates[1])],
            committed: Vec::new(),
            acknowledged: [None; TOKENS as usize],
            accepted: 0,
        }
    }

    /// Whether all is well.
    fn take(&mut self, step: Step) -> bool {
        match step {
            Step::Pass(ms) => self.now += u64::from(ms),
            Step::Revoke(number) => self.revoke(number),
            Step::Ask(at) => {
                let replica = &mut self.replicas[at];
                replica.asked_at = Some(replica.clock.read(self.now));
                replica.answer = None;
            }
            Step::Read(at) => self.read(at),
            Step::Hear(at) => self.replicas[at].hear(),
            Step::Check(at, number) => return self.check(at, number),
        }
        true
    }

    fn revoke(&mut self, number: u8) {
        let sequence = i64::try_from(self.committed.len()).unwrap() + 1;
        self.committed.push(Revocation {
            sequence,
            token: token(number),
            expires_at_s: u64::MAX,
        });
        let done = self.now + self.revoker.passes(self.wait);
        self.acknowledged[usize::from(number)].get_or_insert(done);
    }

    fn read(&mut self, at: usize) {
        let replica = &mut self.replicas[at];
        let last = replica.known.last();
        let news = self.committed.iter().filter(|it| it.sequence > last);
        if replica.asked_at.is_some() && replica.answer.is_none() {
            replica.answer = Some(news.copied().collect());
        }
    }

    fn check(&mut self, at: usize, number: u8) -> bool {
        let Replica { clock, known, .. } = &self.replicas[at];
        let current = known.are_current(clock.read(self.now), LEASE);
        let accepts = current && !known.contain(&token(number));
        self.accepted += u32::from(accepts);
        let acknowledged = self.acknowledged[usize::from(number)];
        !accepts || acknowledged.is_none_or(|done| self.now < done)
    }
}

impl Replica {
    fn hear(&mut self) {
        if let (Some(asked_at), Some(news)) = (self.asked_at, self.answer.take()) {
            self.known.learn(asked_at, news);
            self.asked_at = None;
        }
    }
}

/// What NTP does at most, either way.
const RATES: [std::ops::RangeInclusive<i32>; 3] = [-500..=500, -500..=500, -500..=500];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_acknowledged_revocation_is_ignored(
        rates in RATES,
        steps in proptest::collection::vec(step(), 0..80),
    ) {
        let mut world = World::new(rates, wait(LEASE));
        for step in steps {
            prop_assert!(world.take(step), "{step:?} at {} ms", world.now);
        }
    }
}

/// Asks, revokes at once, and checks as long as the lease lets it: whether all is well.
fn at_the_edge_of_the_lease(waited: Duration) -> bool {
    let mut world = World::new([-500, 0, 500], waited);
    let before = [Step::Ask(0), Step::Read(0), Step::Revoke(1), Step::Hear(0)];
    let all = before.into_iter().all(|step| world.take(step));
    all && (0..600).all(|_| world.take(Step::Pass(1)) && world.take(Step::Check(0, 1)))
        && world.accepted > 400
}

#[test]
fn waiting_for_a_lease_is_needed_and_with_clocks_that_differ_a_little_more() {
    assert!(at_the_edge_of_the_lease(wait(LEASE)));
    assert!(!at_the_edge_of_the_lease(LEASE));
    assert!(!at_the_edge_of_the_lease(Duration::ZERO));
}

#[test]
fn nothing_is_known_before_the_store_was_asked() {
    let now = Instant::now();
    let mut known = Revocations::default();
    assert!(!known.are_current(now, LEASE));
    known.learn(now, Vec::new());
    assert!(known.are_current(now, LEASE));
    assert!(!known.are_current(now + LEASE, LEASE));
    known.learn(now - LEASE, Vec::new());
    assert!(
        known.are_current(now, LEASE),
        "an older answer does not take back a newer one"
    );
}

#[test]
fn a_revocation_is_forgotten_some_time_after_its_token_has_expired() {
    let mut known = Revocations::default();
    let revocation = Revocation {
        sequence: 7,
        token: token(1),
        expires_at_s: 100,
    };
    known.learn(Instant::now(), vec![revocation]);
    known.forget(100 + KEPT_AFTER - 1);
    assert!(known.contain(&token(1)));
    known.forget(100 + KEPT_AFTER);
    assert!(!known.contain(&token(1)));
    assert_eq!(known.last(), 7, "it is not asked for again");
}
