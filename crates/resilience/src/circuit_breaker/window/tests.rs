use super::*;
use proptest::{collection::vec, prelude::*};

const MS: u64 = 1_000_000;
const OK: Record = Record {
    failed: false,
    slow: false,
};
const FAILED: Record = Record {
    failed: true,
    slow: false,
};
const SLOW: Record = Record {
    failed: false,
    slow: true,
};

fn window() -> Window {
    Window::new(Duration::from_secs(1))
}

fn add(window: &Window, record: Record, now: u64) {
    window.record(record, 0, now, || true);
}

/// What a list of all calls says of those later than `from`.
fn exact(log: &[(u64, Record)], from: u64) -> Counts {
    let mut counts = Counts::default();
    for (_, record) in log.iter().filter(|(at, _)| *at > from) {
        counts.succeeded += u64::from(!record.failed);
        counts.failed += u64::from(record.failed);
        counts.slow += u64::from(record.slow);
    }
    counts
}

fn is_between(counts: Counts, least: Counts, most: Counts) -> bool {
    let between = |part: fn(Counts) -> u64| (part(least)..=part(most)).contains(&part(counts));
    between(|it| it.succeeded) && between(|it| it.failed) && between(|it| it.slow)
}

proptest! {
    #[test]
    fn invariant_08_the_counts_are_those_of_an_exact_log_within_one_bucket(
        begin in prop_oneof![Just(0), any::<u32>().prop_map(u64::from)],
        calls in vec((0..300_u64, any::<bool>(), any::<bool>()), 1..200),
    ) {
        let window = window();
        let mut log = Vec::new();
        let mut now = (begin + 2000) * MS;
        for (pause, failed, slow) in calls {
            now += pause * pause / 100 * MS;
            let record = Record { failed, slow };
            add(&window, record, now);
            log.push((now, record));
            let counts = window.counts(0, now);
            let (least, most) = (exact(&log, now - 900 * MS), exact(&log, now - 1000 * MS));
            prop_assert!(is_between(counts, least, most), "{:?} {:?} {:?}", least, counts, most);
        }
    }
}

#[test]
fn at_the_beginning_of_time_there_is_nothing_before() {
    let window = window();
    assert_eq!(window.counts(0, 0), Counts::default());
    add(&window, OK, 0);
    assert_eq!(window.counts(0, 0).calls(), 1);
}

#[test]
fn another_generation_counts_from_nothing_and_leaves_nothing_behind() {
    let window = window();
    add(&window, FAILED, MS);
    add(&window, SLOW, MS);
    assert_eq!(window.counts(1, MS), Counts::default());
    window.record(FAILED, 1, MS, || true);
    let one = Counts {
        failed: 1,
        ..Counts::default()
    };
    assert_eq!(window.counts(1, MS), one);
    // A thread that was held up since generation 0 finds that it is over.
    window.record(FAILED, 0, MS, || false);
    assert_eq!(window.counts(1, MS), one);
}

#[test]
fn a_thread_whose_clock_lags_by_a_lap_does_not_wipe_out_what_others_have_counted() {
    let window = window();
    add(&window, FAILED, 2000 * MS);
    add(&window, FAILED, 1000 * MS);
    assert_eq!(window.counts(0, 2000 * MS).failed, 1);
}

#[test]
fn idle_for_any_time_a_window_counts_what_comes_then() {
    for laps in [1, 2, u64::from(LAPS) - 1, u64::from(LAPS), 1 << 30] {
        // Fresh, whose words look like lap 0.
        let window = window();
        add(&window, OK, laps * 1000 * MS);
        assert_eq!(window.counts(0, laps * 1000 * MS).calls(), 1, "{laps} laps");
    }
}
