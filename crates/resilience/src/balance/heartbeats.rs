//! The core: whether a replica is up, by its heartbeats.

use super::CheckSettings;

/// What the heartbeats of one replica say.
///
/// ```text
/// up    => down   so many misses in a row
/// down  => up     so many answers in a row
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeats {
    misses: u32,
    hits: u32,
    up: bool,
    /// How many in a row have said the opposite.
    against: u32,
}

impl Heartbeats {
    /// A replica that is up, or known to be down.
    pub const fn new(settings: &CheckSettings, up: bool) -> Self {
        Self {
            misses: settings.misses,
            hits: settings.hits,
            up,
            against: 0,
        }
    }

    /// Whether it is up.
    pub const fn is_up(&self) -> bool {
        self.up
    }

    /// It was asked, and has `answered` or not. Says whether it is up if that is news.
    pub const fn heard(&mut self, answered: bool) -> Option<bool> {
        if answered == self.up {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let needed = if self.up { self.misses } else { self.hits };
        if self.against < needed {
            return None;
        }
        self.against = 0;
        self.up = answered;
        Some(answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heartbeats(misses: u32, hits: u32) -> Heartbeats {
        let settings = CheckSettings {
            misses,
            hits,
            ..CheckSettings::default()
        };
        Heartbeats::new(&settings, true)
    }

    #[test]
    fn so_many_misses_in_a_row_are_down_and_so_many_answers_in_a_row_up_again() {
        let mut heartbeats = heartbeats(3, 2);
        let heard = [
            (false, None),
            (false, None),
            (true, None),
            (false, None),
            (false, None),
            (false, Some(false)),
            (false, None),
            (true, None),
            (false, None),
            (true, None),
            (true, Some(true)),
            (true, None),
        ];
        for (at, (answered, news)) in heard.into_iter().enumerate() {
            assert_eq!(heartbeats.heard(answered), news, "heartbeat {at}");
        }
        assert!(heartbeats.is_up());
    }

    #[test]
    fn a_single_one_can_be_enough() {
        let mut heartbeats = heartbeats(1, 1);
        assert_eq!(heartbeats.heard(false), Some(false));
        assert_eq!(heartbeats.heard(true), Some(true));
    }
}
