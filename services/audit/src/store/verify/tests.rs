//! Any change of the log is found, at the first place where it is not as it was; and an
//! honest log is never accused.

use super::*;
use crate::store::tests::honest;
use proptest::{prelude::*, test_runner::TestRng};

/// What somebody does to a log of some length.
#[derive(Debug, Clone)]
enum Tampering {
    Sequence(usize, i64),
    Time(usize, i64),
    Key(usize, String),
    Actor(usize, String),
    Action(usize, String),
    Hash(usize, Vec<u8>),
    /// A letter moves from one text to the next.
    Boundary(usize),
    Delete(usize),
    /// A copy of another row, under a sequence of its own.
    Insert(usize, i64),
    Swap(usize, usize),
    /// The end is cut off, and the head left as it is.
    Cut(usize),
    /// The end is cut off, and the head moved back: only who has noted it can tell.
    CutWithHead(usize),
    /// All is written anew from some row on, with good hashes and a good head.
    WriteAnew(usize),
}

fn tampering(rows: usize) -> impl Strategy<Value = Tampering> {
    use Tampering::*;
    let at = 0..rows;
    prop_oneof![
        (at.clone(), any::<i64>()).prop_map(|(at, to)| Sequence(at, to)),
        (at.clone(), any::<i64>()).prop_map(|(at, to)| Time(at, to)),
        (at.clone(), ".{0,12}").prop_map(|(at, to)| Key(at, to)),
        (at.clone(), ".{0,12}").prop_map(|(at, to)| Actor(at, to)),
        (at.clone(), ".{0,12}").prop_map(|(at, to)| Action(at, to)),
        (at.clone(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(at, to)| Hash(at, to)),
        at.clone().prop_map(Boundary),
        at.clone().prop_map(Delete),
        (at.clone(), -3_i64..60).prop_map(|(of, to)| Insert(of, to)),
        (at.clone(), at.clone()).prop_map(|(one, two)| Swap(one, two)),
        at.clone().prop_map(Cut),
        at.clone().prop_map(CutWithHead),
        at.prop_map(WriteAnew),
    ]
}

/// Does it to an honest log, and verifies that, with its last hash noted or without.
fn verified(
    rows: &[Row],
    heads: &[Head],
    tampering: &Tampering,
    is_noted: bool,
) -> (Vec<Row>, Head, Verification) {
    use Tampering::*;
    let mut changed = rows.to_vec();
    let mut kept = heads[rows.len()];
    match tampering.clone() {
        Sequence(at, to) => changed[at].0 = to,
        Time(at, to) => changed[at].1 = to,
        Key(at, to) => changed[at].2 = to,
        Actor(at, to) => changed[at].3 = to,
        Action(at, to) => changed[at].4 = to,
        Hash(at, to) => changed[at].5 = to,
        Boundary(at) => {
            let letter = changed[at].4.remove(0);
            changed[at].3.push(letter);
        }
        Delete(at) => drop(changed.remove(at)),
        Insert(of, to) => {
            changed.push(rows[of].clone());
            changed[rows.len()].0 = to;
        }
        Swap(one, two) => {
            changed.swap(one, two);
            (changed[one].0, changed[two].0) = (rows[one].0, rows[two].0);
        }
        Cut(at) => changed.truncate(at),
        CutWithHead(at) => {
            changed.truncate(at);
            kept = heads[at];
        }
        WriteAnew(from) => {
            kept = heads[from];
            for row in &mut changed[from..] {
                row.3 = "mallory".to_owned();
                let (key, actor, action) = (row.2.clone(), row.3.clone(), row.4.clone());
                let event = NewEvent { key, actor, action };
                kept = kept.next(&event, row.1.cast_unsigned());
                row.5 = kept.hash.to_vec();
            }
        }
    }
    // A database gives them in the order of their sequence.
    changed.sort_by_key(|row| row.0);
    let mut walk = Walk::new(is_noted.then_some(heads[rows.len()].hash));
    let found = if changed.iter().all(|row| walk.follow(row.clone())) {
        walk.end(Some(&kept))
    } else {
        walk.broken()
    };
    (changed, kept, found)
}

/// The first sequence at which a log is not as it was recorded: told by comparison, which
/// only a test can do. A log that was written anew leads somewhere else at its end.
fn first_difference(rows: &[Row], changed: &[Row], tampering: &Tampering) -> u64 {
    let same = rows
        .iter()
        .zip(changed)
        .take_while(|(was, is)| was == is)
        .count();
    match tampering {
        Tampering::WriteAnew(_) => rows.len() as u64 + 1,
        _ => same as u64 + 1,
    }
}

/// What leaves a log that is sound in itself.
fn needs_a_note(tampering: &Tampering) -> bool {
    matches!(
        tampering,
        Tampering::CutWithHead(_) | Tampering::WriteAnew(_)
    )
}

fn runner() -> proptest::test_runner::TestRunner {
    let config = ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let rng = TestRng::from_seed(prop::test_runner::RngAlgorithm::ChaCha, &[42; 32]);
    proptest::test_runner::TestRunner::new_with_rng(config, rng)
}

#[test]
fn any_change_is_found_at_the_first_place_where_the_log_is_not_as_it_was() {
    let logs = (1_usize..40)
        .prop_flat_map(|rows| (Just(rows), tampering(rows), any::<bool>()))
        .prop_filter("needs a note", |(_, tampering, is_noted)| {
            *is_noted || !needs_a_note(tampering)
        });
    let found = runner().run(&logs, |(length, tampering, is_noted)| {
        let (rows, heads) = honest(length as u64);
        let (changed, kept, found) = verified(&rows, &heads, &tampering, is_noted);
        let nothing_happened = changed == rows && kept == heads[length];
        prop_assert_eq!(found.intact, nothing_happened);
        if !nothing_happened {
            let at = first_difference(&rows, &changed, &tampering);
            prop_assert_eq!((found.broken_at, found.events), (Some(at), at - 1));
            prop_assert_eq!(found.head, None);
        }
        Ok(())
    });
    found.unwrap();
}

#[test]
fn an_honest_log_is_never_accused_wherever_it_was_noted() {
    for length in 0..40 {
        let (rows, heads) = honest(length);
        for noted in [None]
            .into_iter()
            .chain(heads.iter().skip(1).map(|head| Some(head.hash)))
        {
            let mut walk = Walk::new(noted);
            assert!(rows.iter().all(|row| walk.follow(row.clone())));
            let found = walk.end(Some(&heads[rows.len()]));
            assert_eq!((found.intact, found.events), (true, length));
            assert_eq!(found.head, Some(heads[rows.len()].hex()));
        }
    }
}

#[test]
fn a_log_that_was_cut_off_with_its_head_looks_good_to_who_has_noted_nothing() {
    let (rows, heads) = honest(5);
    let cut = |noted| {
        let mut walk = Walk::new(noted);
        assert!(rows[..3].iter().all(|row| walk.follow(row.clone())));
        walk.end(Some(&heads[3]))
    };
    assert!(cut(None).intact);
    assert_eq!(cut(Some(heads[5].hash)).broken_at, Some(4));
}
