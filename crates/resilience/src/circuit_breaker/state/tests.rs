use super::*;
use proptest::prelude::*;

fn phases() -> impl Strategy<Value = Phase> {
    let tick = || any::<u64>().prop_map(Tick::lowest);
    prop_oneof![
        Just(Phase::Closed),
        Just(Phase::Forced),
        (tick(), 0..=15_u8).prop_map(|(until, doublings)| Phase::Open { until, doublings }),
        (tick(), 0..=15_u8, 0..=15_u8, 0..=15_u8).prop_map(|(until, doublings, issued, ok)| {
            Phase::HalfOpen {
                until,
                doublings,
                issued,
                ok,
            }
        }),
    ]
}

proptest! {
    #[test]
    fn a_word_holds_all_of_its_parts(generation in 0..MOST_GENERATIONS, phase in phases()) {
        let word = Word::new(generation, phase);
        prop_assert_eq!(word.generation(), generation);
        prop_assert_eq!(word.phase(), phase);
    }
}

#[test]
fn after_the_last_generation_comes_the_first_and_no_other_part_changes() {
    let last = Word::new(MOST_GENERATIONS - 1, Phase::Forced);
    let next = last.next(Phase::Closed);
    assert_eq!(next, Word::FIRST);
    assert_eq!((next.generation(), next.phase()), (0, Phase::Closed));
}

#[test]
fn doublings_beyond_their_four_bits_stay_at_the_most() {
    let until = Tick(1);
    let word = Word::new(
        7,
        Phase::Open {
            until,
            doublings: 16,
        },
    );
    let doublings = MOST_DOUBLINGS;
    assert_eq!(word.phase(), Phase::Open { until, doublings });
    assert_eq!(word.generation(), 7);
}
