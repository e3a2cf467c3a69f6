//! Weighted least squares for N/X = a + b(N − 1) + cN(N − 1), with 0 ≤ b ≤ a and 0 ≤ c.

use super::{Law, Point};
use crate::linear::{Matrix, solve};

/// The parameters a, b and c; those that a law does not have are 0.
pub(super) type Parameters = [f64; 3];

/// The best parameters that can be, and how far the points are from them: the sum of squares,
/// each in units of its own error. None if the points do not tell.
pub(super) fn bounded(points: &[Point], law: Law) -> Option<(Parameters, f64)> {
    // The best lies inside or on an edge, and each edge is a smaller problem without bounds:
    // few enough to try them all.
    let of_c: &[bool] = match law {
        Law::Amdahl => &[false],
        Law::Universal => &[true, false],
    };
    let edges = [Contention::Free, Contention::None, Contention::All];
    let each = edges
        .into_iter()
        .flat_map(|b| of_c.iter().map(move |c| (b, *c)));
    let solved = each.filter_map(|(b, c)| on_edge(points, b, c));
    let possible = solved.filter(|[a, b, c]| *a > 0.0 && (0.0..=*a).contains(b) && *c >= 0.0);
    let measured = possible.map(|parameters| (parameters, distance(points, parameters)));
    measured.min_by(|(_, one), (_, other)| one.total_cmp(other))
}

/// The best parameters without bounds, and their covariance.
pub(super) fn free(points: &[Point], law: Law) -> Option<(Parameters, Matrix)> {
    let has_c = law == Law::Universal;
    let parameters = on_edge(points, Contention::Free, has_c)?;
    let (normal, _) = normal_equations(points, &|point| row(point, has_c));
    let size = normal.len();
    let unit = |at: usize| (0..size).map(|i| f64::from(u8::from(i == at))).collect();
    let column = |at: usize| solve(normal.clone(), unit(at));
    let mut covariance: Matrix = (0..size).map(column).collect::<Option<_>>()?;
    for row in &mut covariance {
        row.resize(3, 0.0);
    }
    covariance.resize(3, vec![0.0; 3]);
    Some((parameters, covariance))
}

/// What b is: anything, nothing, or as much as a.
#[derive(Clone, Copy)]
enum Contention {
    Free,
    None,
    All,
}

fn on_edge(points: &[Point], contention: Contention, has_c: bool) -> Option<Parameters> {
    let columns = |point: &Point| {
        let all = row(point, true);
        let mut columns = match contention {
            Contention::Free => vec![all[0], all[1]],
            Contention::None => vec![all[0]],
            Contention::All => vec![all[0] + all[1]],
        };
        columns.extend(has_c.then_some(all[2]));
        columns
    };
    let (normal, right) = normal_equations(points, &columns);
    let found = solve(normal, right)?;
    let c = if has_c { *found.last()? } else { 0.0 };
    let a = *found.first()?;
    let b = match contention {
        Contention::Free => *found.get(1)?,
        Contention::None => 0.0,
        Contention::All => a,
    };
    [a, b, c]
        .iter()
        .all(|it| it.is_finite())
        .then_some([a, b, c])
}

/// What a, b and c are multiplied with.
fn row(point: &Point, has_c: bool) -> Vec<f64> {
    let replicas = f64::from(point.replicas);
    let others = replicas - 1.0;
    let mut row = vec![1.0, others];
    row.extend(has_c.then_some(replicas * others));
    row
}

fn normal_equations(points: &[Point], columns: &dyn Fn(&Point) -> Vec<f64>) -> (Matrix, Vec<f64>) {
    let rows: Vec<_> = points
        .iter()
        .map(|point| (columns(point), point.time(), point.weight()))
        .collect();
    let size = rows.first().map_or(0, |(columns, ..)| columns.len());
    let product = |i: usize, j: usize| rows.iter().map(|(row, _, w)| w * row[i] * row[j]).sum();
    let right = |i: usize| rows.iter().map(|(row, time, w)| w * row[i] * time).sum();
    let normal = (0..size).map(|i| (0..size).map(|j| product(i, j)).collect());
    (normal.collect(), (0..size).map(right).collect())
}

fn distance(points: &[Point], [a, b, c]: Parameters) -> f64 {
    let one = |point: &Point| {
        let row = row(point, true);
        let off = point.time() - (a * row[0] + b * row[1] + c * row[2]);
        point.weight() * off * off
    };
    points.iter().map(one).sum()
}
