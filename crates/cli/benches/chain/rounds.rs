//! Rounds of a measurement, and their repetition where the machine was busy with something else.

use crate::trouble::Trouble;

/// The rounds that were measured.
#[derive(Debug)]
pub struct Rounds<R> {
    /// What each whole round came to.
    pub whole: Vec<R>,
    /// How many rounds were disturbed, and count for nothing.
    disturbed: usize,
    /// Why there are fewer rounds than wanted.
    gave_up: Option<Trouble>,
}

impl<R> Rounds<R> {
    /// Makes `wanted` rounds, and up to as many more in place of those that were disturbed. Then
    /// this machine is too busy, and what was measured so far is all there is.
    ///
    /// # Errors
    ///
    /// Any trouble but a disturbance.
    pub async fn measure(
        wanted: usize,
        mut round: impl AsyncFnMut(usize) -> Result<R, Trouble>,
    ) -> Result<Self, Trouble> {
        let mut rounds = Self {
            whole: Vec::new(),
            disturbed: 0,
            gave_up: None,
        };
        while rounds.whole.len() < wanted {
            match round(rounds.whole.len() + 1).await {
                Ok(whole) => rounds.whole.push(whole),
                Err(trouble) if trouble.is_disturbance() => {
                    eprintln!("disturbed: {trouble}");
                    rounds.disturbed += 1;
                    if rounds.disturbed > wanted {
                        rounds.gave_up = Some(Trouble::TooBusy {
                            whole: rounds.whole.len(),
                            wanted,
                            last: Box::new(trouble),
                        });
                        break;
                    }
                }
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(rounds)
    }

    /// Prints the whole rounds with `print`, if there are any, and how many were disturbed.
    ///
    /// # Errors
    ///
    /// If there are fewer rounds than wanted.
    pub fn show(self, print: impl FnOnce(&[R])) -> Result<(), Trouble> {
        if !self.whole.is_empty() {
            print(&self.whole);
        }
        if self.disturbed > 0 {
            let all = self.whole.len() + self.disturbed;
            let repeated = match self.gave_up {
                None => " and repeated",
                Some(_) => "",
            };
            println!(
                "{} of {all} rounds were disturbed{repeated}",
                self.disturbed
            );
        }
        self.gave_up.map_or(Ok(()), Err)
    }
}
