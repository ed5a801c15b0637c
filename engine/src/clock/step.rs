//! Detects steps of the other clock and changes of the path.
//!
//! Model: a packet can be late for many reasons, but early only if the clock stepped forward or the
//! path became shorter. If it is earlier by more than the path delay, the clock stepped. Early
//! packets have little noise, so even a smaller deviation is suspicious if the packet is early. A
//! step backward makes forward packets late, but so do queues and longer paths. The step is proven
//! as soon as a reverse packet is early by the same amount, or at once if no path could be that
//! long. Forward packets that stay late by the same amount, without an early reverse packet, took
//! another path.
//!
//! While such a run lasts, its packets are withheld from the estimator, but only for a limited
//! time: a network that has become worse must be learnt. Early reverse packets are not withheld if
//! forward packets are not late at the same time. A step is then impossible, and the reverse
//! packets only appear early because previous ones were late.

use super::newest::Newest;
use super::sample::Direction;

/// Number of consecutive packets that must agree to prove a step or a change of path. Judgement:
/// half a second of Syncs at the interval of AES67's media profile.
const PROOF: u32 = 4;
/// Maximum number of packets in one run that are withheld from the estimator. Judgement: 2 s of
/// Syncs at the interval of AES67's media profile.
const QUARANTINE: u32 = 16;
/// Packets agree if their deviations from the estimate differ by less than this fraction of the
/// largest deviation. Judgement: packets that differ by more are a burst of late packets, which
/// shows no step.
const AGREEMENT: f64 = 0.5;
/// Packets must also differ by less than this multiple of the possible noise to agree. Judgement:
/// the noise of each packet may have either sign. Packets that queue while a host is stalled are
/// timestamped together, so their lateness differs by the interval at which they were sent. This
/// interval usually exceeds the limit, so such packets show no step.
const AGREEMENT_LIMITS: f64 = 2.0;
/// Delay that no path exceeds, ns. Judgement: four times the delay of a path via a geostationary
/// satellite.
const LONGEST_DELAY_NS: f64 = 1e9;
/// Largest expected difference between the delays of two paths, ns. Judgement: a few switches that
/// forward full frames at 100 Mbit/s.
pub(super) const ROUTE_DIFFERENCE_NS: f64 = 200_000.0;

/// The decision about a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Judgement {
    /// The estimator may use the sample.
    Accept,
    /// The sample is withheld from the estimator.
    Quarantine,
    /// The other clock has stepped by this amount, ns. Apply the step, then process the sample.
    Step(f64),
    /// Forward packets now take this much longer, ns. Apply the change, then process the sample.
    PathChange(f64),
}

/// Limits against which deviations are judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Largest deviation that may be noise, ns.
    pub(super) noise_ns: f64,
    /// Largest earliness of forward packets that may be noise, ns.
    pub(super) earliness_ns: f64,
    /// Largest amount by which the path may become shorter, ns.
    pub(super) shortening_ns: f64,
}

/// Consecutive packets in one direction that are all early or all late.
#[derive(Clone, Copy, Debug)]
struct Run {
    count: u32,
    /// Smallest and largest deviation in the run.
    least_ns: f64,
    most_ns: f64,
    /// Deviations of the newest packets.
    newest_ns: Newest<f64, { PROOF as usize }>,
    /// Largest deviation of the newest packet that may be noise.
    limit_ns: f64,
}

impl Default for Run {
    fn default() -> Self {
        Self { count: 0, least_ns: f64::INFINITY, most_ns: 0.0, newest_ns: Newest::default(), limit_ns: 0.0 }
    }
}

impl Run {
    /// Adds a packet that deviates by `by_ns`, or ends the run if the deviation is less than
    /// `from_ns`.
    fn add(&mut self, by_ns: f64, from_ns: f64, limits: &Limits) {
        if by_ns < from_ns {
            *self = Self::default();
            return;
        }
        self.newest_ns.push(by_ns);
        self.limit_ns = limits.noise_ns;
        self.count = self.count.saturating_add(1);
        self.least_ns = self.least_ns.min(by_ns);
        self.most_ns = self.most_ns.max(by_ns);
    }

    /// Smallest and largest deviation of the newest packets, if they agree.
    fn agreed(&self) -> Option<(f64, f64)> {
        let extremes = |(least, most): (f64, f64), &by_ns: &f64| (least.min(by_ns), most.max(by_ns));
        let (least_ns, most_ns) = self.newest_ns.iter().fold((f64::INFINITY, 0.0), extremes);
        let apart_ns = most_ns - least_ns;
        let agree = apart_ns < AGREEMENT * most_ns && apart_ns < AGREEMENT_LIMITS * self.limit_ns;
        (self.count >= PROOF && agree).then_some((least_ns, most_ns))
    }

    /// Whether all packets in the run agree.
    fn is_uniform(&self) -> bool {
        self.most_ns - self.least_ns < AGREEMENT * self.most_ns
    }
}

/// Detects runs of early and late packets in both directions.
#[derive(Clone, Debug, Default)]
pub(super) struct StepDetector {
    early_forward: Run,
    late_forward: Run,
    early_reverse: Run,
    /// Number of consecutive forward packets that have not been late since the run of early reverse
    /// packets began. They show that the run is not caused by a step.
    on_time_forward: u32,
}

impl StepDetector {
    /// Judges a packet that is early by `early_ns` relative to the envelope and late by `late_ns`
    /// relative to the mean.
    pub(super) fn judge(&mut self, direction: Direction, early_ns: f64, late_ns: f64, limits: &Limits) -> Judgement {
        match direction {
            Direction::Forward => {
                self.early_forward.add(early_ns, limits.earliness_ns, limits);
                self.late_forward.add(late_ns, limits.noise_ns, limits);
                let on_time = self.late_forward.count == 0;
                self.on_time_forward = if on_time { self.on_time_forward.saturating_add(1) } else { 0 };
            }
            Direction::Reverse => {
                if self.early_reverse.count == 0 {
                    self.on_time_forward = 0;
                }
                self.early_reverse.add(early_ns, limits.noise_ns, limits);
            }
        }
        if let Some(proven) = self.proven(limits) {
            *self = Self::default();
            return proven;
        }
        let quarantined = |run: &Run, from: u32| (from..=QUARANTINE).contains(&run.count);
        let suspect = match direction {
            // A single late packet is normal.
            Direction::Forward => quarantined(&self.early_forward, 1) || quarantined(&self.late_forward, 2),
            Direction::Reverse => quarantined(&self.early_reverse, 1) && self.on_time_forward < PROOF,
        };
        if suspect { Judgement::Quarantine } else { Judgement::Accept }
    }

    fn proven(&self, limits: &Limits) -> Option<Judgement> {
        if let Some((_, early_ns)) = self.early_forward.agreed() {
            // The earliest packet of the run has the least jitter, so its earliness is used. If
            // this wrongly assumes a shorter path, reverse packets will show that the time has
            // stepped.
            let shorter = early_ns < limits.shortening_ns.max(ROUTE_DIFFERENCE_NS);
            return Some(if shorter { Judgement::PathChange(-early_ns) } else { Judgement::Step(early_ns) });
        }
        let (late, mirror) = (&self.late_forward, &self.early_reverse);
        let (least_ns, _) = late.agreed()?;
        let mirrored = mirror.count > 0 && (least_ns - mirror.most_ns).abs() < AGREEMENT * least_ns;
        if mirrored || least_ns > LONGEST_DELAY_NS {
            return Some(Judgement::Step(-least_ns));
        }
        let longer = late.count == QUARANTINE && late.is_uniform() && mirror.count == 0;
        longer.then_some(Judgement::PathChange(least_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { noise_ns: 100.0, earliness_ns: 100.0, shortening_ns: 0.0 };

    fn judge_by(limits: &Limits, detector: &mut StepDetector, packets: &[(Direction, f64)]) -> Vec<Judgement> {
        packets.iter().map(|&(direction, late_ns)| detector.judge(direction, -late_ns, late_ns, limits)).collect()
    }

    fn judge(detector: &mut StepDetector, packets: &[(Direction, f64)]) -> Vec<Judgement> {
        judge_by(&LIMITS, detector, packets)
    }

    use Direction::{Forward, Reverse};

    #[test]
    fn four_early_packets_that_agree_prove_a_step_forward_or_a_shorter_route() {
        for (early_ns, proof) in [(1e6, Judgement::Step(1_000_010.0)), (1000.0, Judgement::PathChange(-1010.0))] {
            let early = [0.0, 10.0, -10.0, 0.0].map(|late_ns| (Forward, late_ns - early_ns));
            let judged = judge(&mut StepDetector::default(), &early);
            assert_eq!(judged[..3], [Judgement::Quarantine; 3]);
            assert_eq!(judged[3], proof);
        }
    }

    #[test]
    fn packets_that_are_early_by_less_than_the_delay_took_a_shorter_route() {
        let packets = [(Forward, -300_000.0); 4];
        for (shortening_ns, proof) in
            [(250_000.0, Judgement::Step(300_000.0)), (350_000.0, Judgement::PathChange(-300_000.0))]
        {
            let limits = Limits { shortening_ns, ..LIMITS };
            assert_eq!(judge_by(&limits, &mut StepDetector::default(), &packets)[3], proof);
        }
    }

    /// The noise of late packets does not matter for early ones.
    #[test]
    fn packets_prove_that_they_are_early_however_late_others_were() {
        let limits = Limits { noise_ns: 1e6, ..LIMITS };
        let judged = judge_by(&limits, &mut StepDetector::default(), &[(Forward, -400_000.0); 4]);
        assert_eq!(judged[3], Judgement::Step(400_000.0));
        assert_eq!(judge_by(&limits, &mut StepDetector::default(), &[(Forward, 400_000.0); 4])[3], Judgement::Accept);
    }

    #[test]
    fn early_packets_that_disagree_prove_nothing() {
        let judged = judge(
            &mut StepDetector::default(),
            &[(Forward, -1000.0), (Forward, -200.0), (Forward, -3000.0), (Forward, -500.0)],
        );
        assert_eq!(judged, [Judgement::Quarantine; 4]);
    }

    #[test]
    fn packets_that_queued_while_the_host_stood_still_do_not_hide_what_follows() {
        // After a pause of a second, eight Syncs are timestamped together, each early by 125 ms
        // more than the one before.
        let queued = (1..=8).map(|i| (Forward, -125e6 * f64::from(i)));
        let after = [-1000.00e6, -1000.03e6, -999.97e6, -1000.01e6].map(|late_ns| (Forward, late_ns));
        let mut detector = StepDetector::default();
        let limits = Limits { noise_ns: 60_000.0, earliness_ns: 60_000.0, shortening_ns: 0.0 };
        let judged = judge_by(&limits, &mut detector, &queued.chain(after).collect::<Vec<_>>());
        assert_eq!(judged[..10], [Judgement::Quarantine; 10]);
        assert_eq!(judged[10], Judgement::Step(1000.03e6), "three after the pause, and the last one that queued");
    }

    #[test]
    fn a_step_is_proven_however_long_the_run_before_it() {
        let storm = (1..=40).map(|i| (Forward, -1000.0 * f64::from(i)));
        let step = [(Forward, -500_000.0); 4];
        let judged = judge(&mut StepDetector::default(), &storm.chain(step).collect::<Vec<_>>());
        assert_eq!(judged[43], Judgement::Step(500_000.0));
    }

    #[test]
    fn late_packets_prove_a_step_only_with_an_early_one_the_other_way() {
        let mut detector = StepDetector::default();
        let judged = judge(&mut detector, &[(Forward, 1000.0); 8]);
        assert_eq!(judged[0], Judgement::Accept, "one late packet is the rule");
        assert_eq!(judged[1..], [Judgement::Quarantine; 7]);
        assert_eq!(judge(&mut detector, &[(Reverse, -900.0)]), [Judgement::Step(-1000.0)]);
    }

    #[test]
    fn packets_that_stay_late_together_took_a_longer_route() {
        let judged = judge(&mut StepDetector::default(), &[(Forward, 1000.0); 16]);
        assert_eq!(judged[15], Judgement::PathChange(1000.0));
    }

    #[test]
    fn a_network_that_has_become_worse_is_learnt_in_the_end() {
        let late: Vec<_> = (0..20).map(|i| (Forward, if i % 2 == 0 { 200.0 } else { 5000.0 })).collect();
        let judged = judge(&mut StepDetector::default(), &late);
        assert_eq!(judged[16..], [Judgement::Accept; 4]);
    }

    #[test]
    fn packets_late_by_more_than_any_route_prove_a_step_alone() {
        let judged = judge(&mut StepDetector::default(), &[(Forward, 3.6e12); 4]);
        assert_eq!(judged[3], Judgement::Step(-3.6e12));
    }

    /// The first Delay_Resp was late, so all others appear early in comparison.
    #[test]
    fn early_answers_are_believed_where_syncs_are_not_late() {
        let mut detector = StepDetector::default();
        let on_time = [(Forward, 0.0); 8];
        assert_eq!(judge(&mut detector, &[(Reverse, -500.0)]), [Judgement::Quarantine], "a step may have begun");
        judge(&mut detector, &on_time);
        assert_eq!(judge(&mut detector, &[(Reverse, -500.0)]), [Judgement::Accept]);
        // A later step is still detected.
        judge(&mut detector, &[(Reverse, 0.0)]);
        judge(&mut detector, &[(Reverse, -500.0)]);
        let late = judge(&mut detector, &[(Forward, 500.0); 4]);
        assert_eq!(late[3], Judgement::Step(-500.0));
    }
}
