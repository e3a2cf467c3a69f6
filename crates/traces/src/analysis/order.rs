//! The order of hops along the chain: depth first by start, as most requests took it.

use std::collections::HashMap;

/// How often each sequence of hops was seen. A hop is known by its number.
#[derive(Debug, Default)]
pub(crate) struct Sequences(HashMap<Vec<usize>, u64>);

impl Sequences {
    /// Notes the hops one root request reached, in order of first call.
    pub(crate) fn note(&mut self, hops: impl Iterator<Item = usize>) {
        let mut sequence = Vec::new();
        for hop in hops {
            if !sequence.contains(&hop) {
                sequence.push(hop);
            }
        }
        *self.0.entry(sequence).or_default() += 1;
    }

    /// The hops in order: the most common sequence first, then what rarer ones add to it,
    /// each hop right after the one it followed. Requests that failed early are beginnings
    /// of the same sequence and change nothing.
    pub(crate) fn order(self) -> Vec<usize> {
        let mut sequences: Vec<_> = self.0.into_iter().collect();
        sequences.sort_unstable_by(|(a, a_times), (b, b_times)| {
            b_times
                .cmp(a_times)
                .then(b.len().cmp(&a.len()))
                .then(a.cmp(b))
        });
        let mut order = Vec::new();
        for (sequence, _) in sequences {
            merge(&mut order, &sequence);
        }
        order
    }
}

fn merge(order: &mut Vec<usize>, sequence: &[usize]) {
    let mut next = 0;
    for hop in sequence {
        let known = order.iter().position(|known| known == hop);
        if known.is_none() {
            order.insert(next, *hop);
        }
        next = known.unwrap_or(next) + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::Sequences;

    fn order(seen: &[(&[usize], usize)]) -> Vec<usize> {
        let mut sequences = Sequences::default();
        for (sequence, times) in seen {
            for _ in 0..*times {
                sequences.note(sequence.iter().copied());
            }
        }
        sequences.order()
    }

    #[test]
    fn requests_that_failed_early_do_not_disturb_the_order() {
        assert_eq!(
            order(&[(&[7, 3], 9), (&[7], 20), (&[7, 3, 5, 1], 4)]),
            [7, 3, 5, 1]
        );
    }

    #[test]
    fn a_rare_hop_stands_right_after_the_one_it_followed() {
        assert_eq!(
            order(&[(&[0, 1, 2], 9), (&[0, 1, 8, 2], 1), (&[0, 2, 1], 3)]),
            [0, 1, 8, 2]
        );
    }

    #[test]
    fn a_hop_called_twice_stands_where_it_was_called_first() {
        assert_eq!(order(&[(&[4, 2, 4, 3, 2], 1)]), [4, 2, 3]);
    }
}
