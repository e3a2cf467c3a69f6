//! The little linear algebra that Markov chains need.

/// A square matrix, row by row.
pub(crate) type Matrix = Vec<Vec<f64>>;

/// The product of two square matrices of the same size.
pub(crate) fn multiply(a: &Matrix, b: &Matrix) -> Matrix {
    let column = |j: usize| b.iter().map(move |row| row[j]);
    let entry = |row: &[f64], j| row.iter().zip(column(j)).map(|(x, y)| x * y).sum();
    a.iter()
        .map(|row| (0..b.len()).map(|j| entry(row, j)).collect())
        .collect()
}

/// The long-run shares of time in each state of a Markov chain with these transition
/// probabilities, whose last state can be reached from all others.
///
/// States are folded into the rest one by one (Grassmann, Taksar and Heyman 1985,
/// *Regenerative Analysis and Steady State Distributions for Markov Chains*). Nothing is
/// ever subtracted, so that rare states come out as exactly as frequent ones. What a state
/// does not reach is skipped: chains that only take short steps are solved in linear time.
pub(crate) fn stationary(mut chain: Matrix) -> Vec<f64> {
    let states = chain.len();
    for folded in 0..states.saturating_sub(1) {
        let leaving: f64 = chain[folded][folded + 1..].iter().sum();
        let onward: Vec<_> = (folded + 1..states)
            .filter(|to| chain[folded][*to] > 0.0)
            .map(|to| (to, chain[folded][to] / leaving))
            .collect();
        for row in &mut chain[folded + 1..] {
            let into = row[folded];
            if into > 0.0 {
                for (to, share) in &onward {
                    row[*to] += into * share;
                }
                // Kept for the way back: visits to the folded state per visit of this one.
                row[folded] = into / leaving;
            }
        }
    }
    unfold(&chain)
}

/// Visits of each state, from those of the states folded after it.
fn unfold(chain: &Matrix) -> Vec<f64> {
    let states = chain.len();
    let mut visits = vec![0.0; states];
    for state in (0..states).rev() {
        let later = (state + 1..states).map(|from| visits[from] * chain[from][state]);
        visits[state] = if state + 1 == states {
            1.0
        } else {
            later.sum()
        };
    }
    let all: f64 = visits.iter().sum();
    visits.iter().map(|visits| visits / all).collect()
}

/// The solution of a system of linear equations: Gauss elimination, each time with the
/// largest pivot. None if there is not exactly one.
pub(crate) fn solve(mut rows: Matrix, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let size = rows.len();
    for column in 0..size {
        let pivot = (column..size).max_by(|a, b| {
            let at = |row: usize| rows[row][column].abs();
            at(*a).total_cmp(&at(*b))
        })?;
        rows.swap(column, pivot);
        right.swap(column, pivot);
        let (upper, lower) = rows.split_at_mut(column + 1);
        let head = &upper[column];
        if head[column] == 0.0 || !head[column].is_finite() {
            return None;
        }
        for (offset, row) in lower.iter_mut().enumerate() {
            let factor = row[column] / head[column];
            if factor != 0.0 {
                let pairs = row.iter_mut().zip(head).skip(column);
                pairs.for_each(|(entry, head)| *entry -= factor * head);
                right[column + 1 + offset] -= factor * right[column];
            }
        }
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|j| rows[row][j] * right[j]).sum();
        right[row] = (right[row] - known) / rows[row][row];
    }
    Some(right)
}

/// The exponential of a square matrix, by scaling and squaring: eᴬ = (e^(A/2ˢ))^(2ˢ), with
/// the inner one from its series (Moler and Van Loan 2003, *Nineteen Dubious Ways to
/// Compute the Exponential of a Matrix*, method 3).
pub(crate) fn exponential(matrix: &Matrix) -> Matrix {
    let norm = matrix
        .iter()
        .map(|row| row.iter().map(|entry| entry.abs()).sum())
        .fold(0.0_f64, f64::max);
    let mut halvings = 0;
    let mut scale = 1.0;
    while norm * scale > 0.5 && halvings < 1_000 {
        scale /= 2.0;
        halvings += 1;
    }
    let scaled: Matrix = matrix
        .iter()
        .map(|row| row.iter().map(|entry| entry * scale).collect())
        .collect();
    let mut result = series(&scaled);
    for _ in 0..halvings {
        result = multiply(&result, &result);
    }
    result
}

/// The first terms of Σ Aⁿ/n!, enough for a norm of up to one half.
fn series(matrix: &Matrix) -> Matrix {
    const TERMS: u32 = 18;
    let size = matrix.len();
    let mut term: Matrix = (0..size)
        .map(|i| (0..size).map(|j| f64::from(u8::from(i == j))).collect())
        .collect();
    let mut sum = term.clone();
    for n in 1..=TERMS {
        term = multiply(&term, matrix);
        for (row, terms) in sum.iter_mut().zip(&mut term) {
            for (entry, term) in row.iter_mut().zip(terms) {
                *term /= f64::from(n);
                *entry += *term;
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(actual: &[f64], expected: &[f64]) {
        let close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-14;
        assert!(actual.iter().zip(expected).all(close), "{actual:?}");
    }

    #[test]
    fn a_chain_spends_its_time_where_its_flows_balance() {
        let weather = vec![vec![0.9, 0.1], vec![0.5, 0.5]];
        assert_close(&stationary(weather), &[5.0 / 6.0, 1.0 / 6.0]);
        let circle = vec![
            vec![0.0, 1.0, 0.0],
            vec![0.0, 0.0, 1.0],
            vec![1.0, 0.0, 0.0],
        ];
        assert_close(&stationary(circle), &[1.0 / 3.0; 3]);
        let left_for_good = vec![vec![0.5, 0.5], vec![0.0, 1.0]];
        assert_close(&stationary(left_for_good), &[0.0, 1.0]);
    }

    #[test]
    fn equations_are_solved_whatever_their_order() {
        let rows = vec![vec![0.0, 2.0], vec![4.0, 1.0]];
        assert_close(&solve(rows, vec![6.0, 7.0]).unwrap(), &[1.0, 3.0]);
        let dependent = vec![vec![1.0, 2.0], vec![2.0, 4.0]];
        assert_eq!(solve(dependent, vec![1.0, 2.0]), None);
    }

    #[test]
    fn an_exponential_turns_rates_into_probabilities() {
        let rates = vec![vec![-3.0, 3.0], vec![1.0, -1.0]];
        let up = 0.25 + 0.75 * (-4.0_f64).exp();
        let after = exponential(&rates);
        assert_close(&after[0], &[up, 1.0 - up]);
        assert_close(&exponential(&vec![vec![0.0]])[0], &[1.0]);
    }
}
