//! The board under threads that race.

use loom::{sync::Arc, thread};
use resilience::{
    balance::{BalancePolicy, BalanceSettings, Board, EjectSettings, Ejection, ReplicaState},
    circuit_breaker::Outcome,
};
use std::time::Duration;
use types::Cause;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Ejects at the first failure, for a second.
fn board(replicas: usize, max_share: f64) -> Arc<Board> {
    let settings = BalanceSettings {
        eject: Some(EjectSettings {
            consecutive: 1,
            time: SECOND,
            max_time: SECOND,
            max_share,
        }),
        ..BalanceSettings::default()
    };
    let states = (0..replicas).map(|_| ReplicaState::new()).collect();
    Arc::new(Board::new(BalancePolicy::new(settings).unwrap(), states))
}

fn fail(board: &Board, replica: usize, now: Duration) -> Option<Ejection> {
    board.began(replica);
    board.ended(replica, Outcome::Failure(Cause::Error), MS, now)
}

/// Both fail at the same moment; how many ejections were told.
fn both_fail(board: &Arc<Board>, replicas: [usize; 2], now: Duration) -> usize {
    let other = {
        let board = board.clone();
        thread::spawn(move || fail(&board, replicas[1], now))
    };
    let mine = fail(board, replicas[0], now);
    usize::from(mine.is_some()) + usize::from(other.join().unwrap().is_some())
}

fn out(board: &Board, now: Duration) -> usize {
    (0..board.replicas().len())
        .filter(|replica| board.is_ejected(*replica, now))
        .count()
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(4);
    builder.check(model);
}

#[test]
fn of_two_replicas_that_fail_at_once_exactly_one_is_ejected() {
    check(|| {
        let board = board(2, 0.5);
        assert_eq!(both_fail(&board, [0, 1], SECOND), 1);
        assert_eq!(out(&board, SECOND), 1);
        assert!(board.replicas().iter().all(|it| it.in_flight() == 0));
    });
}

#[test]
fn a_replica_that_fails_twice_at_once_is_ejected_once_and_takes_one_seat() {
    check(|| {
        let board = board(4, 0.5);
        assert_eq!(both_fail(&board, [0, 0], SECOND), 1);
        assert_eq!(out(&board, SECOND), 1);
        assert!(fail(&board, 1, SECOND).is_some(), "there is a second seat");
        assert_eq!(out(&board, SECOND), 2);
    });
}

#[test]
fn a_seat_whose_time_is_over_is_taken_by_one_only() {
    check(|| {
        let board = board(3, 0.5);
        assert!(fail(&board, 0, SECOND).is_some());
        let later = 3 * SECOND;
        assert_eq!(both_fail(&board, [0, 1], later), 1);
        assert_eq!(out(&board, later), 1);
    });
}

#[test]
fn a_call_beside_another_is_counted_whatever_the_order() {
    check(|| {
        let board = board(2, 0.5);
        let other = {
            let board = board.clone();
            thread::spawn(move || {
                board.began(0);
                board.ended(0, Outcome::Success, MS, SECOND);
            })
        };
        board.began(0);
        other.join().unwrap();
        assert_eq!(board.replicas()[0].in_flight(), 1);
        board.ended(0, Outcome::Success, MS, SECOND);
        assert_eq!(board.replicas()[0].in_flight(), 0);
        assert!(board.replicas()[0].latency(SECOND).is_some());
    });
}
