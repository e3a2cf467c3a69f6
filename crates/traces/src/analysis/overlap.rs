//! How many things were under way at once, at most.

/// The peak number of overlapping intervals of `(start, end)`. One that ends as another
/// begins does not overlap it; one that ends before it begins is as short as can be.
pub(crate) fn peak(intervals: &[(u64, u64)]) -> u64 {
    let mut edges: Vec<(u64, i8)> = Vec::with_capacity(intervals.len() * 2);
    for (start, end) in intervals.iter().filter(|(start, end)| start < end) {
        edges.extend([(*start, 1), (*end, -1)]);
    }
    edges.sort_unstable();
    let (mut now, mut most) = (0_i64, i64::from(!intervals.is_empty()));
    for (_, change) in edges {
        now += i64::from(change);
        most = most.max(now);
    }
    most.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::peak;

    #[test]
    fn the_peak_counts_what_overlaps_and_not_what_touches() {
        assert_eq!(peak(&[]), 0);
        assert_eq!(peak(&[(1, 1)]), 1);
        assert_eq!(peak(&[(1, 5), (5, 9)]), 1);
        assert_eq!(peak(&[(1, 6), (5, 9), (2, 3), (9, 4)]), 2);
        assert_eq!(peak(&[(1, 9), (2, 9), (3, 9)]), 3);
    }
}
