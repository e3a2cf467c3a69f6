use super::*;
use crate::balance::{BalanceSettings, CheckSettings, EjectSettings};
use proptest::{collection::vec, prelude::*};
use std::collections::BTreeSet;
use types::Cause;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const FAILED: Outcome = Outcome::Failure(Cause::Reset);

fn board(replicas: usize, change: impl FnOnce(&mut BalanceSettings)) -> Board {
    let mut settings = BalanceSettings::default();
    change(&mut settings);
    let states = (0..replicas).map(|_| ReplicaState::new()).collect();
    Board::new(BalancePolicy::new(settings).unwrap(), states)
}

/// Ejects at the second failure in a row, for a second.
fn ejecting(replicas: usize, max_share: f64) -> Board {
    board(replicas, |it| {
        it.eject = Some(EjectSettings {
            consecutive: 2,
            time: SECOND,
            max_time: 10 * SECOND,
            max_share,
        });
    })
}

fn call(board: &Board, replica: usize, outcome: Outcome, now: Duration) -> Option<Ejection> {
    board.began(replica);
    board.ended(replica, outcome, MS, now)
}

fn fail_twice(board: &Board, replica: usize, now: Duration) -> Option<Ejection> {
    assert_eq!(call(board, replica, FAILED, now), None);
    call(board, replica, FAILED, now)
}

/// How often each is chosen, over many draws.
fn counts(board: &Board, tried: &Tried, admits: impl Fn(usize) -> bool) -> Vec<u32> {
    let mut counts = vec![0; board.replicas().len()];
    for draw in 0..DRAWS {
        let chosen = board.choose(tried, draw * 0x1234_5678_9ABC, SECOND, &admits);
        counts[chosen.unwrap()] += 1;
    }
    counts
}

const DRAWS: u64 = 10_000;

fn are_even(counts: &[u32], among: usize) {
    let even = DRAWS as f64 / among as f64;
    for count in counts.iter().filter(|count| **count > 0) {
        // Six standard deviations.
        assert!(
            (f64::from(*count) - even).abs() < 6.0 * even.sqrt(),
            "{counts:?}"
        );
    }
    let chosen = counts.iter().filter(|count| **count > 0);
    assert_eq!(chosen.count(), among, "{counts:?}");
}

fn tried(replicas: &[usize]) -> Tried {
    let tried = Tried::default();
    for replica in replicas {
        tried.mark(*replica);
    }
    tried
}

#[test]
fn without_replicas_there_is_nowhere_to_go() {
    let board = board(0, |_| ());
    assert_eq!(board.choose(&Tried::default(), 1, SECOND, |_| true), None);
    assert_eq!(call(&board, 0, FAILED, SECOND), None);
}

#[test]
fn replicas_that_are_alike_are_chosen_alike() {
    for pick in [Pick::Random, Pick::LessLoaded] {
        for replicas in [1, 2, 3, 7, 70] {
            let board = board(replicas, |it| it.pick = pick);
            are_even(&counts(&board, &Tried::default(), |_| true), replicas);
        }
    }
}

#[test]
fn of_two_the_one_with_fewer_calls_in_flight_is_chosen() {
    let board = board(2, |_| ());
    board.began(0);
    assert_eq!(counts(&board, &Tried::default(), |_| true), [0, 10_000]);
    board.ended(0, Outcome::Ignored, MS, SECOND);
    are_even(&counts(&board, &Tried::default(), |_| true), 2);
}

#[test]
fn a_slower_replica_gets_a_call_only_once_the_faster_one_has_enough_of_them() {
    let board = board(2, |_| ());
    for (replica, latency) in [(0, 10 * MS), (1, 35 * MS)] {
        board.began(replica);
        board.ended(replica, Outcome::Success, latency, SECOND);
    }
    for _ in 0..3 {
        assert_eq!(counts(&board, &Tried::default(), |_| true), [10_000, 0]);
        board.began(0);
    }
    assert_eq!(counts(&board, &Tried::default(), |_| true), [0, 10_000]);
}

#[test]
fn a_replica_that_fails_fast_does_not_attract_load() {
    let board = board(2, |it| it.eject = None);
    board.began(1);
    board.ended(1, Outcome::Success, 50 * MS, SECOND);
    call(&board, 0, FAILED, SECOND);
    assert_eq!(counts(&board, &Tried::default(), |_| true), [0, 10_000]);
}

#[test]
fn the_least_loaded_of_many_gets_most_and_the_most_loaded_nothing() {
    let board = board(4, |_| ());
    for (replica, calls) in [(0, 0), (1, 1), (2, 2), (3, 3)] {
        (0..calls).for_each(|_| board.began(replica));
    }
    let counts = counts(&board, &Tried::default(), |_| true);
    // Of six pairs, the first wins in three, the second in two, the third in one.
    let expected = [5000.0, 10_000.0 / 3.0, 10_000.0 / 6.0, 0.0];
    for (count, expected) in counts.iter().zip(expected) {
        assert!(
            (f64::from(*count) - expected).abs() < 6.0 * 50.0,
            "{counts:?}"
        );
    }
}

#[test]
fn a_retry_goes_to_a_replica_that_the_call_has_not_tried() {
    let board = board(3, |_| ());
    let counted = counts(&board, &tried(&[0]), |_| true);
    assert_eq!(counted[0], 0);
    are_even(&counted, 2);
    assert_eq!(counts(&board, &tried(&[0, 2]), |_| true), [0, 10_000, 0]);
    // Once it has been everywhere, anywhere.
    are_even(&counts(&board, &tried(&[0, 1, 2]), |_| true), 3);
}

#[test]
fn a_retry_goes_back_rather_than_to_a_replica_that_refuses() {
    let board = board(3, |_| ());
    let only_0 = |it| it == 0;
    assert_eq!(counts(&board, &tried(&[0]), only_0), [10_000, 0, 0]);
    are_even(&counts(&board, &tried(&[0]), |_| false), 3);
}

#[test]
fn a_retry_to_any_does_not_look_at_what_was_tried_and_one_to_the_same_goes_back() {
    let any = board(3, |it| it.retry = RetryTo::Random);
    are_even(&counts(&any, &tried(&[0]), |_| true), 3);
    let same = board(3, |it| it.retry = RetryTo::Same);
    are_even(&counts(&same, &Tried::default(), |_| true), 3);
    assert_eq!(counts(&same, &tried(&[1, 2]), |_| true), [0, 10_000, 0]);
}

#[test]
fn active_passive_all_calls_go_to_the_active_one_even_if_it_refuses() {
    let board = board(3, |it| {
        it.pick = Pick::First;
        it.check = Some(CheckSettings::default());
    });
    assert_eq!(counts(&board, &tried(&[0]), |_| false), [10_000, 0, 0]);
    board.set_active(2);
    assert_eq!(board.active(), 2);
    assert_eq!(counts(&board, &tried(&[0]), |_| true), [0, 0, 10_000]);
    // A mistake of the caller is no panic.
    board.set_active(9);
    are_even(&counts(&board, &Tried::default(), |_| true), 3);
}

#[test]
fn a_replica_that_is_down_gets_nothing_until_it_is_up() {
    let board = board(2, |_| ());
    board.set_up(0, false);
    assert!(!board.is_usable(0, SECOND));
    assert_eq!(counts(&board, &Tried::default(), |_| true), [0, 10_000]);
    // A retry has nowhere else to go.
    assert_eq!(counts(&board, &tried(&[1]), |_| true), [0, 10_000]);
    board.set_up(0, true);
    are_even(&counts(&board, &Tried::default(), |_| true), 2);
}

#[test]
fn with_too_few_usable_replicas_all_are_used() {
    let panics = board(3, |_| ());
    let never = board(3, |it| it.panic_below = 0.0);
    for board in [&panics, &never] {
        board.set_up(0, false);
        are_even(&counts(board, &Tried::default(), |_| true), 2);
        board.set_up(1, false);
    }
    are_even(&counts(&panics, &Tried::default(), |_| true), 3);
    assert_eq!(counts(&never, &Tried::default(), |_| true), [0, 0, 10_000]);
    never.set_up(2, false);
    are_even(&counts(&never, &Tried::default(), |_| true), 3);
}

#[test]
fn failures_in_a_row_eject_a_replica_for_a_while() {
    let board = ejecting(2, 0.5);
    assert_eq!(call(&board, 0, FAILED, SECOND), None);
    assert_eq!(
        call(&board, 0, Outcome::Success, SECOND),
        None,
        "not in a row"
    );
    let ejection = fail_twice(&board, 0, SECOND).unwrap();
    let expected = Ejection {
        replica: 0,
        number: 1,
        time: SECOND,
    };
    assert_eq!(ejection, expected);
    assert!(board.is_ejected(0, SECOND) && !board.is_usable(0, 1999 * MS));
    assert_eq!(counts(&board, &Tried::default(), |_| true), [0, 10_000]);
    assert!(board.is_usable(0, 2 * SECOND));
}

#[test]
fn refused_and_abandoned_calls_eject_nobody() {
    let board = ejecting(2, 0.5);
    for outcome in [Outcome::Ignored, Outcome::Cancelled, Outcome::Success] {
        for _ in 0..10 {
            assert_eq!(call(&board, 0, outcome, SECOND), None);
        }
    }
    assert!(board.is_usable(0, SECOND));
}

#[test]
fn each_ejection_is_twice_as_long_as_the_one_before_up_to_the_longest() {
    let board = ejecting(2, 0.5);
    let mut now = SECOND;
    for seconds in [1, 2, 4, 8, 10, 10] {
        let ejection = fail_twice(&board, 0, now).unwrap();
        assert_eq!(ejection.time, seconds * SECOND);
        assert_eq!(fail_twice(&board, 0, now), None, "it is out already");
        now += ejection.time;
    }
}

#[test]
fn after_a_long_good_time_the_first_ejection_is_short_again() {
    let board = ejecting(2, 0.5);
    assert_eq!(fail_twice(&board, 0, SECOND).unwrap().number, 1);
    assert_eq!(fail_twice(&board, 0, 2 * SECOND).unwrap().number, 2);
    // It came back at 4 s.
    let later = 14 * SECOND + MS;
    assert_eq!(fail_twice(&board, 0, later).unwrap().number, 1);
}

#[test]
fn never_more_than_the_largest_share_is_out_and_of_one_replica_none() {
    for (replicas, share, most) in [
        (1, 0.9, 0),
        (2, 0.5, 1),
        (3, 0.5, 1),
        (10, 0.1, 1),
        (4, 0.99, 3),
    ] {
        let board = ejecting(replicas, share);
        let ejections = (0..replicas).filter_map(|it| fail_twice(&board, it, SECOND));
        assert_eq!(ejections.count(), most, "{share} of {replicas}");
        // Once they are back, the next may go, and need not fail twice again.
        let next = call(&board, replicas - 1, FAILED, 3 * SECOND);
        assert_eq!(next.is_some(), most > 0);
    }
}

/// Another board for some of the replicas of `board`, as a change of their list makes one.
fn anew(board: &Board, replicas: &[usize]) -> Board {
    let states = replicas.iter().map(|it| board.replicas()[*it].clone());
    Board::new(*board.policy(), states.collect())
}

#[test]
fn whoever_is_out_stays_out_when_the_list_of_replicas_changes() {
    let board = ejecting(4, 0.5);
    assert!(fail_twice(&board, 1, SECOND).is_some());
    assert!(fail_twice(&board, 3, SECOND + MS).is_some());
    let next = anew(&board, &[3, 0, 1, 2]);
    let out = |board: &Board, now| -> Vec<usize> {
        (0..board.replicas().len())
            .filter(|it| board.is_ejected(*it, now))
            .collect()
    };
    assert_eq!(out(&next, 1900 * MS), [0, 2]);
    // Both seats are taken, until the first of the two is back.
    assert_eq!(fail_twice(&next, 1, 1900 * MS), None);
    assert_eq!(out(&next, 2 * SECOND), [0]);
    assert!(call(&next, 1, FAILED, 2 * SECOND).is_some());
    assert_eq!(out(&next, 2 * SECOND), [0, 1]);
    // Where fewer may be out, whoever would be for longer is.
    assert_eq!(out(&anew(&board, &[1, 3]), 1900 * MS), [1]);
    assert!(out(&anew(&board, &[1]), 1900 * MS).is_empty());
}

#[test]
fn an_odd_end_of_a_call_harms_nothing() {
    let board = ejecting(2, 0.5);
    assert_eq!(board.ended(0, FAILED, MS, SECOND), None);
    assert_eq!(board.replicas()[0].in_flight(), 0);
    board.began(9);
    assert_eq!(board.ended(9, FAILED, Duration::MAX, Duration::MAX), None);
    assert_eq!(
        call(&board, 0, FAILED, Duration::MAX).map(|it| it.replica),
        Some(0)
    );
}

/// The ejections, as plainly as they can be written.
#[derive(Debug)]
struct Model {
    most: usize,
    failures: Vec<u32>,
    number: Vec<u32>,
    until: Vec<Duration>,
}

impl Model {
    fn new(replicas: usize, most: usize) -> Self {
        Self {
            most,
            failures: vec![0; replicas],
            number: vec![0; replicas],
            until: vec![Duration::ZERO; replicas],
        }
    }

    fn is_out(&self, replica: usize, now: Duration) -> bool {
        self.until[replica] > now
    }

    fn ended(&mut self, replica: usize, failed: bool, now: Duration) -> Option<Ejection> {
        let counts = failed && !self.is_out(replica, now);
        self.failures[replica] = if counts {
            self.failures[replica] + 1
        } else {
            0
        };
        let out = self.until.iter().filter(|until| **until > now).count();
        if self.failures[replica] < 2 || out >= self.most {
            return None;
        }
        if now > self.until[replica] + 10 * SECOND {
            self.number[replica] = 0;
        }
        let time = (SECOND * 2_u32.pow(self.number[replica].min(10))).min(10 * SECOND);
        self.number[replica] += 1;
        self.failures[replica] = 0;
        self.until[replica] = now + time;
        Some(Ejection {
            replica,
            number: self.number[replica],
            time,
        })
    }
}

proptest! {
    #[test]
    fn ejections_are_those_of_a_naive_model(
        replicas in 1_usize..6,
        history in vec((0_usize..6, prop::bool::weighted(0.8), 0_u32..3000), 0..200),
    ) {
        let board = ejecting(replicas, 0.5);
        let mut model = Model::new(replicas, replicas / 2);
        let mut now = Duration::ZERO;
        for (replica, failed, pause) in history {
            now += MS * (pause / 3);
            let replica = replica % replicas;
            let outcome = if failed { FAILED } else { Outcome::Success };
            prop_assert_eq!(call(&board, replica, outcome, now), model.ended(replica, failed, now));
            for replica in 0..replicas {
                prop_assert_eq!(board.is_ejected(replica, now), model.is_out(replica, now));
            }
        }
    }

    #[test]
    fn a_choice_is_always_the_best_there_is(
        draw: u64,
        up in vec(any::<bool>(), 1..80),
        admits in vec(any::<bool>(), 80),
        tried_before in vec(0_usize..64, 0..8),
    ) {
        let board = board(up.len(), |it| it.panic_below = 0.0);
        for (replica, up) in up.iter().enumerate() {
            board.set_up(replica, *up);
        }
        let tried = tried(&tried_before);
        let chosen = board.choose(&tried, draw, SECOND, |it| admits[it]).unwrap();
        let all: BTreeSet<usize> = (0..up.len()).collect();
        let among = |keep: &dyn Fn(usize) -> bool| -> BTreeSet<usize> {
            all.iter().copied().filter(|it| keep(*it)).collect()
        };
        let classes = [
            among(&|it| up[it] && admits[it] && !tried.contains(it)),
            among(&|it| up[it] && admits[it]),
            among(&|it| up[it]),
            all.clone(),
        ];
        let best = classes.iter().find(|class| !class.is_empty()).unwrap();
        prop_assert!(best.contains(&chosen), "{chosen} of {best:?}");
    }
}
