//! How a sender of OTLP over HTTP reacts to answers: one policy for the services' exporters and for
//! the receiver that passes their spans on.
//!
//! The statuses are those of the specification
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>); the times are those that
//! `opentelemetry-otlp` recommends, with one more retry.

use std::time::Duration;

/// How often a request is sent again, at most.
pub const RETRIES: u32 = 4;
/// The pause before the first retry. It doubles with each one.
pub const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause that the sender chooses by itself.
pub const LONGEST_PAUSE: Duration = Duration::from_millis(1600);
/// Up to this much is added to each pause, at random, so that senders do not retry in step.
pub const JITTER: Duration = Duration::from_millis(100);
/// How long one request may take, with all retries and pauses: the specification's default.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Whether a request that got this status should be sent again.
pub const fn is_retryable(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

/// The pause before a retry, of which there were `before` already. A receiver may have `asked` for
/// one (`Retry-After`), which is never cut short. `draw` is a random number from 0 to 1.
pub fn pause(before: u32, asked: Option<Duration>, draw: f64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(before));
    let pause = doubled.min(LONGEST_PAUSE).max(asked.unwrap_or_default());
    pause.saturating_add(JITTER.mul_f64(draw.clamp(0.0, 1.0)))
}

/// Why a request that was redirected has failed. Redirects are not followed: most turn the request
/// into a GET without a body, and a receiver may answer that with 200 although it got nothing.
pub fn redirected(status: u16, location: Option<&str>) -> String {
    let location = location.unwrap_or("an address that the answer does not name");
    format!("the receiver redirects to {location} (status {status}); set that as the endpoint")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_receiver_is_tried_again_and_one_that_refuses_is_not() {
        let retryable: Vec<u16> = (100..600).filter(|status| is_retryable(*status)).collect();
        assert_eq!(retryable, [429, 502, 503, 504]);
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_are_never_shorter_than_the_receiver_asks() {
        let ms = |before, asked, draw| pause(before, asked, draw).as_millis();
        assert_eq!([0, 1, 2, 3].map(|n| ms(n, None, 0.0)), [100, 200, 400, 800]);
        assert_eq!([4, 5, 40].map(|n| ms(n, None, 0.0)), [1600; 3]);
        assert_eq!(ms(0, None, 1.0), 200, "with all of the jitter");
        let asked = Some(Duration::from_secs(3));
        assert_eq!((ms(0, asked, 0.0), ms(9, asked, 0.5)), (3000, 3050));
    }
}
