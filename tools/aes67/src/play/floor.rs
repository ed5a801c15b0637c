//! The smallest latency that works with an output. A callback takes a whole block at once, so the
//! latency must exceed the length of this block by the lateness of packets and callbacks.

use engine::Nanos;

/// Smallest margin between the latency and a callback: enough on a quiet network and an undisturbed
/// host.
const LEAST: Nanos = Nanos::from_millis(2);
/// Margin if the latency is raised: an ordinary host occasionally delays a thread by a few
/// milliseconds.
const ROOM: Nanos = Nanos::from_millis(5);

/// The latency that works with a callback of this length; `None` if the requested latency works.
pub(super) fn raised(latency: Nanos, callback: Nanos) -> Option<Nanos> {
    (latency < callback + LEAST).then(|| callback + ROOM)
}

/// A sentence that says why the latency is too short.
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
