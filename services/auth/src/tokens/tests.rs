//! Tokens of two replicas that share a store.

use super::*;
use crate::{
    moment::tests::Clock,
    store::{self, memory::MemoryStore},
};
use std::{collections::VecDeque, sync::atomic::Ordering::SeqCst};
use stores::StoreUrl;
use tokio::{sync::Semaphore, time::Instant};

const LEASE: Duration = Duration::from_millis(500);
const LIFETIME: Duration = Duration::from_hours(1);
const LEAD: Duration = Duration::from_mins(5);

async fn replica(store: Arc<dyn Store>, every: Option<Duration>, moment: Moment) -> Tokens {
    let terms = Terms {
        lease: LEASE,
        lifetime_s: LIFETIME.as_secs(),
    };
    let rotation = Rotation { lead: LEAD, every };
    Tokens::join(store, terms, rotation, moment).await.unwrap()
}

async fn two(clock: Clock) -> (Arc<MemoryStore>, [Tokens; 2]) {
    let store = Arc::new(MemoryStore::new());
    let one = replica(store.clone(), None, clock.0).await;
    let two = replica(store.clone(), None, clock.0).await;
    (store, [one, two])
}

async fn issue(tokens: &Tokens, moment: Moment) -> LoginResponse {
    let issued = tokens.issue("ann", &[Role::User], moment).await;
    issued.unwrap().unwrap()
}

async fn is_good(tokens: &Tokens, token: &str, moment: Moment) -> bool {
    tokens.check(token, moment).await.unwrap().is_some()
}

#[tokio::test(start_paused = true)]
async fn a_token_is_good_on_every_replica_until_it_expires_and_says_whose_it_is() {
    let clock = Clock::new();
    let (_, replicas) = two(clock).await;
    let issued = issue(&replicas[0], clock.0).await;
    for replica in &replicas {
        // First verified, then remembered.
        for _ in 0..2 {
            let claims = replica
                .check(&issued.token, clock.0)
                .await
                .unwrap()
                .unwrap();
            assert_eq!((&*claims.sub, claims.exp), ("ann", issued.expires_at));
            assert_eq!(claims.roles, [Role::User]);
        }
        let almost = clock.after(Duration::from_secs(3599));
        assert!(is_good(replica, &issued.token, almost).await);
        assert!(!is_good(replica, &issued.token, clock.after(LIFETIME)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_of_another_house_is_not_good() {
    let clock = Clock::new();
    let (_, [ours, _]) = two(clock).await;
    let (_, [theirs, _]) = two(clock).await;
    let token = issue(&theirs, clock.0).await.token;
    assert!(!is_good(&ours, &token, clock.0).await);
}

#[tokio::test(start_paused = true)]
async fn once_a_revocation_is_acknowledged_no_replica_accepts_the_token() {
    let clock = Clock::new();
    let (_, replicas) = two(clock).await;
    let token = issue(&replicas[0], clock.0).await.token;
    let other = issue(&replicas[0], clock.0).await.token;
    for replica in &replicas {
        assert!(is_good(replica, &token, clock.0).await);
    }
    let begun = Instant::now();
    replicas[0].revoke(&token, clock.0).await.unwrap();
    let took = begun.elapsed();
    assert!(
        took >= revocation::wait(LEASE) && took < LEASE * 2,
        "{took:?}"
    );
    for replica in &replicas {
        assert!(!is_good(replica, &token, clock.after(took)).await);
        assert!(is_good(replica, &other, clock.after(took)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_revocation_waits_like_the_first_which_may_not_be_over() {
    let clock = Clock::new();
    let (store, [one, two]) = two(clock).await;
    let token = issue(&one, clock.0).await.token;
    // The second one knows of the first.
    for (replica, moment) in [(&one, clock.0), (&two, clock.after(LEASE))] {
        let begun = Instant::now();
        replica.revoke(&token, moment).await.unwrap();
        assert!(begun.elapsed() >= revocation::wait(LEASE));
    }
    // One that was never good needs no waiting, and is not kept.
    let kept = store.revocations_after(0).await.unwrap().len();
    let begun = Instant::now();
    one.revoke("garbage", clock.after(LEASE)).await.unwrap();
    let long_after = LIFETIME + Duration::from_secs(KEPT_AFTER);
    one.revoke(&token, clock.after(long_after)).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(store.revocations_after(0).await.unwrap().len(), kept);
}

#[tokio::test(start_paused = true)]
async fn the_store_is_asked_once_a_lease_however_many_ask() {
    let clock = Clock::new();
    let (store, [tokens, _]) = two(clock).await;
    let token = issue(&tokens, clock.0).await.token;
    let asked = || store.asked.swap(0, SeqCst);
    asked();
    for _ in 0..1000 {
        assert!(is_good(&tokens, &token, clock.after(LEASE / 2)).await);
    }
    assert_eq!(asked(), 0);
    let late = clock.after(LEASE);
    let many = (0..100).map(|_| is_good(&tokens, &token, late));
    // Nobody gets an answer before all have asked.
    store.permits.forget_permits(usize::MAX);
    let mut asking = Box::pin(futures_util::future::join_all(many));
    assert!(futures_util::poll!(&mut asking).is_pending());
    store.permits.add_permits(Semaphore::MAX_PERMITS);
    let answers = asking.await;
    assert!(answers.iter().all(|good| *good));
    assert_eq!(asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_a_failure_once_the_lease_is_over_and_no_guess() {
    let clock = Clock::new();
    let (store, [tokens, _]) = two(clock).await;
    let token = issue(&tokens, clock.0).await.token;
    store.is_down.store(true, SeqCst);
    store.asked.store(0, SeqCst);
    assert!(is_good(&tokens, &token, clock.after(LEASE / 2)).await);
    let late = clock.after(LEASE);
    // Nobody gets an answer before all have asked: then all share the first failure.
    store.permits.forget_permits(usize::MAX);
    let asking = (0..10).map(|_| tokens.check(&token, late));
    let mut asking = Box::pin(futures_util::future::join_all(asking));
    assert!(futures_util::poll!(&mut asking).is_pending());
    store.permits.add_permits(Semaphore::MAX_PERMITS);
    let failed = asking.await;
    assert!(failed.iter().all(Result::is_err));
    assert_eq!(store.asked.load(SeqCst), 1);
    let status = |error: &StoreError| error.problem().status;
    assert!(
        failed
            .iter()
            .all(|it| it.as_ref().is_err_and(|error| status(error) == 503))
    );
    store.is_down.store(false, SeqCst);
    assert!(is_good(&tokens, &token, late).await);
}

#[tokio::test(start_paused = true)]
async fn who_asks_and_is_given_up_leaves_the_asking_to_the_next() {
    let clock = Clock::new();
    let (store, [tokens, _]) = two(clock).await;
    let token = issue(&tokens, clock.0).await.token;
    let late = clock.after(LEASE);
    store.permits.forget_permits(usize::MAX);
    let mut given_up = Box::pin(tokens.check(&token, late));
    assert!(futures_util::poll!(&mut given_up).is_pending());
    let mut next = Box::pin(tokens.check(&token, late));
    assert!(futures_util::poll!(&mut next).is_pending());
    drop(given_up);
    store.permits.add_permits(1);
    assert!(next.await.unwrap().is_some());
}

/// Somebody who verifies tokens with a copy of the key set, kept for as long as it may be.
struct Verifier {
    keys: Vec<String>,
    until: Duration,
}

impl Verifier {
    async fn knows(&mut self, tokens: &Tokens, clock: Clock, time: Duration, token: &str) -> bool {
        if time >= self.until {
            let (set, age) = tokens.public_keys(clock.after(time)).await.unwrap();
            self.keys = set.keys.into_iter().map(|key| key.kid).collect();
            self.until = time + age;
        }
        let header = token.split('.').next().unwrap();
        let headers = self.keys.iter().map(|kid| token::header(kid));
        headers.into_iter().any(|known| known == header)
    }
}

/// Two replicas whose clocks differ, over eight hours of virtual time in which keys change
/// every 20 minutes: logins now here, now there, and every token checked on both as long as it
/// is good.
#[tokio::test]
async fn not_one_good_token_is_refused_while_keys_change() {
    let clock = Clock::new();
    let behind = |time: Duration| time.saturating_sub(LEAD / 3);
    let every = Some(Duration::from_mins(20));
    let store = store::open(&StoreUrl::MEMORY).await.unwrap();
    let replicas = [
        replica(store.clone(), every, clock.0).await,
        replica(store.clone(), every, clock.0).await,
    ];
    let mut verifier = Verifier {
        keys: Vec::new(),
        until: Duration::ZERO,
    };
    let mut alive: VecDeque<(Duration, String)> = VecDeque::new();
    let mut signers = std::collections::BTreeSet::new();
    for step in 0..8 * 60_u32 {
        let time = LEAD + Duration::from_mins(1) * step;
        let moments = [clock.after(time), clock.after(behind(time))];
        let here = step as usize % 2;
        let token = issue(&replicas[here], moments[here]).await.token;
        assert!(
            verifier
                .knows(&replicas[1 - here], clock, time, &token)
                .await,
            "{time:?}"
        );
        signers.insert(token.split('.').next().unwrap().to_owned());
        alive.push_back((time, token));
        for (replica, moment) in replicas.iter().zip(moments) {
            replica.tidy(moment).await.unwrap();
        }
        // By the clock that is ahead it expires first, made by the one that is behind.
        let is_over = |made: Duration| time >= behind(made) + LIFETIME;
        while alive.front().is_some_and(|(made, _)| is_over(*made)) {
            alive.pop_front();
        }
        // One that was just started remembers nothing.
        let started = if step.is_multiple_of(10) {
            Some(replica(store.clone(), every, moments[0]).await)
        } else {
            None
        };
        let running = replicas.iter().zip(moments);
        for (replica, moment) in running.chain(started.iter().map(|it| (it, moments[0]))) {
            for (_, token) in &alive {
                assert!(is_good(replica, token, moment).await, "{time:?}");
            }
        }
    }
    assert!(signers.len() >= 20, "{} keys have signed", signers.len());
    let kept = store.keys().await.unwrap().len();
    assert!((2..=6).contains(&kept), "{kept} keys are kept");
}

#[tokio::test]
async fn a_key_made_by_hand_signs_after_its_lead_time_and_waits_for_no_other() {
    let clock = Clock::new();
    let store = store::open(&StoreUrl::MEMORY).await.unwrap();
    let tokens = replica(store, None, clock.0).await;
    let stages = |moment| {
        let stages = tokens.stages(moment).into_iter();
        stages.map(|(_, stage)| stage).collect::<Vec<_>>()
    };
    let begin = clock.after(LEAD);
    assert_eq!(stages(begin), [Stage::Signing]);
    for _ in 0..3 {
        tokens.rotate(begin).await.unwrap();
        assert_eq!(stages(begin), [Stage::Signing, Stage::Published]);
    }
    let token = issue(&tokens, begin).await.token;
    let then = clock.after(LEAD * 2);
    assert_eq!(stages(then), [Stage::Verifying, Stage::Signing]);
    assert!(is_good(&tokens, &token, then).await);
    let end = clock.after(LEAD * 3 + LIFETIME);
    tokens.tidy(end).await.unwrap();
    tokens.tidy(end).await.unwrap();
    tokens.rotate(end).await.unwrap();
    assert_eq!(stages(end), [Stage::Signing, Stage::Published]);
}
