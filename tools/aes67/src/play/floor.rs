//! The latency that an output can work with: a callback takes its whole block at once, so what is
//! asked for must be longer than that, by what packets and callbacks are late by.

use engine::Nanos;

/// What must be left of the latency beside a callback, for it to work at all: on a quiet network
/// and a host that keeps its times.
const LEAST: Nanos = Nanos::from_millis(2);
/// What is left where the latency is raised: hosts that are not made for it hold a thread up by
/// some milliseconds now and then.
const ROOM: Nanos = Nanos::from_millis(5);

/// The latency that works with a callback of that length, if the one asked for does not.
pub(super) fn raised(latency: Nanos, callback: Nanos) -> Option<Nanos> {
    (latency < callback + LEAST).then(|| callback + ROOM)
}

/// Why the latency does not do.
pub(super) fn reason(latency: Nanos, callback: Nanos) -> String {
    let [latency_ms, callback_ms] = [latency, callback].map(|time| time.as_secs_f64() * 1e3);
    format!(
        "the output asks for {callback_ms:.1} ms at a time, which a latency of {latency_ms:.1} ms leaves no time for"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_no_time_beside_a_callback_is_raised() {
        let raised = |latency_ms, callback_ms| raised(Nanos::from_millis(latency_ms), Nanos::from_millis(callback_ms));
        assert_eq!(raised(20, 10), None);
        assert_eq!(raised(12, 10), None);
        assert_eq!(raised(11, 10), Some(Nanos::from_millis(15)));
        assert_eq!(raised(5, 21), Some(Nanos::from_millis(26)));
    }
}
