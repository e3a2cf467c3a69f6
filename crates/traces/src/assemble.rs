//! Spans, in any order, into one tree for each trace.
//!
//! Spans of real systems come twice, come without their parent, or point in circles.
//! All of this is counted and none of it is fatal: a duplicate is left out, a span
//! without its parent becomes the top of its own tree, a circle is cut at its first span.

use crate::span::{Span, SpanId, TraceId};
use std::collections::HashMap;

/// Spans in order, ready to be read trace by trace.
#[derive(Debug)]
pub struct Forest<'a> {
    sorted: Vec<&'a Span>,
}

impl<'a> Forest<'a> {
    /// Sorts the spans. Their order on arrival plays no part in what follows.
    pub fn plant(spans: &'a [Span]) -> Self {
        let mut sorted: Vec<&Span> = spans.iter().collect();
        sorted.sort_unstable();
        Self { sorted }
    }

    /// The traces, in order of their ids.
    pub fn traces(&self) -> impl Iterator<Item = Trace<'a>> {
        self.sorted
            .chunk_by(|a, b| a.trace == b.trace)
            .map(Trace::assemble)
    }
}

/// The spans of one trace as trees. Spans are referred to by their place in `spans`.
#[derive(Debug)]
pub struct Trace<'a> {
    /// Its identity.
    pub id: TraceId,
    /// Its spans, by start.
    pub spans: Vec<&'a Span>,
    /// The children of each span, by start.
    pub children: Vec<Vec<usize>>,
    /// Spans with no span above them, by start: true roots, orphans and cut circles.
    pub tops: Vec<usize>,
    /// How many spans name a parent that is not there. Statements do not count: the attempt
    /// that their request belongs to says already that its span is missing.
    pub orphans: u64,
    /// How many spans came more than once and were left out.
    pub duplicates: u64,
    /// How many circles of parents were cut.
    pub cycles: u64,
    /// How many spans begin before their parent or end before they begin.
    pub skewed: u64,
}

impl<'a> Trace<'a> {
    /// `sorted` is not empty, of one trace, and in order.
    fn assemble(sorted: &[&'a Span]) -> Self {
        let (spans, places) = unique(sorted);
        let mut parents = parents(&spans, &places);
        let cycles = cut_cycles(&mut parents);
        let mut trace = Self {
            id: sorted[0].trace,
            duplicates: (sorted.len() - spans.len()) as u64,
            children: vec![Vec::new(); spans.len()],
            tops: Vec::new(),
            orphans: spans.iter().filter(|s| is_orphan(s, &places)).count() as u64,
            skewed: skewed(&spans, &parents),
            cycles,
            spans,
        };
        for (place, parent) in parents.into_iter().enumerate() {
            parent
                .map_or(&mut trace.tops, |parent| &mut trace.children[parent])
                .push(place);
        }
        trace
    }

    /// Whether the span at `place` is a root by its own word: it names no parent.
    pub fn is_root(&self, place: usize) -> bool {
        self.spans[place].parent.is_none()
    }
}

type Places = HashMap<SpanId, usize>;

/// Keeps the first of all spans that share an id.
fn unique<'a>(sorted: &[&'a Span]) -> (Vec<&'a Span>, Places) {
    let mut spans = Vec::with_capacity(sorted.len());
    let mut places = HashMap::with_capacity(sorted.len());
    for span in sorted {
        places.entry(span.id).or_insert_with(|| {
            spans.push(*span);
            spans.len() - 1
        });
    }
    (spans, places)
}

fn parents(spans: &[&Span], places: &Places) -> Vec<Option<usize>> {
    spans
        .iter()
        .map(|span| places.get(&span.parent?).copied())
        .collect()
}

fn is_orphan(span: &Span, places: &Places) -> bool {
    let is_missing = |parent| !places.contains_key(&parent);
    !span.is_statement && span.parent.is_some_and(is_missing)
}

fn skewed(spans: &[&Span], parents: &[Option<usize>]) -> u64 {
    let before_parent = |(span, parent): &(&&Span, &Option<usize>)| {
        parent.is_some_and(|p| span.start < spans[p].start)
    };
    let skewed = spans
        .iter()
        .zip(parents)
        .filter(|pair| pair.0.end < pair.0.start || before_parent(pair));
    skewed.count() as u64
}

/// Follows every chain of parents once. A chain that meets itself is a circle: it is cut
/// above its first span. Returns how many were cut.
fn cut_cycles(parents: &mut [Option<usize>]) -> u64 {
    let mut walked_by = vec![usize::MAX; parents.len()];
    let mut cycles = 0;
    for walk in 0..parents.len() {
        let mut at = Some(walk);
        while let Some(place) = at.filter(|place| walked_by[*place] == usize::MAX) {
            walked_by[place] = walk;
            at = parents[place];
        }
        if let Some(met) = at.filter(|place| walked_by[*place] == walk) {
            let first = first_of_cycle(parents, met);
            parents[first] = None;
            cycles += 1;
        }
    }
    cycles
}

fn first_of_cycle(parents: &[Option<usize>], member: usize) -> usize {
    let mut first = member;
    let mut at = parents[member];
    while let Some(place) = at.filter(|place| *place != member) {
        first = first.min(place);
        at = parents[place];
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Kind;

    fn span(trace: u128, id: u64, parent: u64, start: u64) -> Span {
        let (trace, id) = (TraceId::new(trace).unwrap(), SpanId::new(id).unwrap());
        Span {
            parent: SpanId::new(parent),
            start,
            end: start + 1,
            ..Span::new(trace, id, Kind::Internal, "s".into())
        }
    }

    fn only(spans: &[Span]) -> Trace<'_> {
        Forest::plant(spans).traces().next().unwrap()
    }

    #[test]
    fn spans_become_one_tree_for_each_trace_whatever_their_order() {
        let spans = [
            span(2, 1, 0, 5),
            span(1, 3, 1, 9),
            span(1, 2, 1, 7),
            span(1, 1, 0, 5),
        ];
        let forest = Forest::plant(&spans);
        let traces: Vec<_> = forest.traces().collect();
        assert_eq!(traces.len(), 2);
        assert_eq!(
            (&traces[0].tops, &traces[0].children[0]),
            (&vec![0], &vec![1, 2])
        );
        assert_eq!(
            (traces[0].orphans, traces[0].duplicates, traces[0].cycles),
            (0, 0, 0)
        );
    }

    #[test]
    fn an_orphan_is_the_top_of_its_own_tree_and_counted() {
        let spans = [span(1, 1, 0, 1), span(1, 2, 77, 2), span(1, 3, 2, 3)];
        let trace = only(&spans);
        assert_eq!((&trace.tops, trace.orphans), (&vec![0, 1], 1));
        assert_eq!(trace.children[1], [2]);
    }

    #[test]
    fn a_duplicate_is_left_out_and_counted() {
        let spans = [span(1, 1, 0, 1), span(1, 1, 0, 1), span(1, 1, 9, 4)];
        let trace = only(&spans);
        assert_eq!(
            (trace.spans.len(), trace.duplicates, trace.orphans),
            (1, 2, 0)
        );
    }

    #[test]
    fn circles_of_any_length_are_cut_once_and_keep_what_hangs_from_them() {
        let spans = [
            span(1, 1, 1, 1), // its own parent
            span(1, 2, 4, 2), // 2 → 4 → 3 → 2
            span(1, 3, 2, 3),
            span(1, 4, 3, 4),
            span(1, 5, 4, 5), // hangs from it
        ];
        let trace = only(&spans);
        assert_eq!(
            (&trace.tops, trace.cycles, trace.orphans),
            (&vec![0, 1], 2, 0)
        );
        assert_eq!(trace.children.iter().map(Vec::len).sum::<usize>(), 3);
    }

    #[test]
    fn clocks_that_disagree_are_counted() {
        let mut backwards = span(1, 3, 1, 6);
        backwards.end = 2;
        assert_eq!(
            only(&[span(1, 1, 0, 5), span(1, 2, 1, 4), backwards]).skewed,
            2
        );
    }
}
