//! Rate control: determines the step by which audio is read from the source, so that the sink
//! neither runs out of audio nor falls behind.
//!
//! Model: the step is the ratio of two *measured* rates, both relative to the host's clock. In a
//! receiver, these are the rates of the sender's media clock (from arrivals) and of the sound card
//! (from callbacks). A slow proportional trim removes the remaining phase error. There is no
//! integrator, because the clock estimators already integrate. The buffer level is not used for
//! control. It varies as a sawtooth at the packet rate times the relative rate difference, for
//! example 0.01 Hz at 1000 packets/s and 10 ppm, a frequency too low for any loop to filter out.

use crate::clock::TargetMotion;
use crate::units::{Nanos, Ppb};

/// Bandwidth of the phase trim for small errors, Hz. Judgement: low enough to keep the noise of PTP
/// out of the pitch.
const SLOW_TRIM_HZ: f64 = 0.0007;
/// Bandwidth of the phase trim for large errors, Hz. Judgement: a large error is removed within a
/// minute.
const FAST_TRIM_HZ: f64 = 0.01;
/// Largest standard deviation of the pitch due to the uncertainty of the setpoint. If the
/// uncertainty is large, the bandwidth of the slow trim is reduced to keep this limit. Judgement:
/// far below what is audible.
const TRIM_NOISE: Ppb = Ppb::new(50.0);
/// Phase errors larger than this are trimmed fast. Judgement: 12 frames at 48 kHz.
const LARGE_ERROR: Nanos = Nanos::from_micros(250);
/// Fast trimming ends when the error is below this. Judgement: one frame at 48 kHz.
const SMALL_ERROR: Nanos = Nanos::from_micros(20);
/// Minimum error for fast trimming, in standard deviations of the setpoint; the error must also
/// exceed [`LARGE_ERROR`]. The larger of the stated standard deviation and the one estimated from
/// the setpoint's [motion](TargetMotion) is used. Judgement: a normally distributed error exceeds
/// this by chance in one of 16 000 cases.
const LARGE_SIGMAS: f64 = 4.0;
/// Fast trimming also ends when the error is below this many standard deviations. Judgement: a
/// normally distributed error exceeds this by chance about half of the time.
const SMALL_SIGMAS: f64 = 0.7;
/// Maximum phase trim, either way. Judgement: inaudible as a change of pitch even if the trim
/// starts and stops; listeners notice abrupt steps from about 170 ppm on.
const TRIM_LIMIT: Ppb = Ppb::from_ppm(20.0);
/// Maximum slew rate of the trim, ppb per second. Judgement: [`TRIM_LIMIT`] is reached in 20 s.
const TRIM_SLEW: f64 = 1000.0;
/// Corner frequency of the two-pole low-pass for the ratio, Hz. Judgement: low enough to keep the
/// noise of the callback times out of the pitch.
const SMOOTHING_HZ: f64 = 0.3;
/// Maximum averaging time of the low-pass, as a fraction of the stream's age. Judgement: the first
/// measured rates are inaccurate, so their influence must soon end.
const YOUNG_SHARE: f64 = 0.25;
/// Maximum deviation of the ratio from the nominal ratio. Judgement: crystals cannot cause a larger
/// deviation, so it means that the nominal sample rate is wrong.
const AUTHORITY: Ppb = Ppb::from_ppm(500.0);

/// Input of a rate controller for each block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateInput {
    /// Duration of the next block.
    pub block: Nanos,
    /// Rate, relative to the host's clock, of the clock that the audio comes from: the sender's
    /// media clock in a receiver, the sound card's clock in a capture.
    pub source_rate: Ppb,
    /// Rate, relative to the host's clock, of the clock that the audio goes to: the sound card's
    /// clock in a receiver, the media clock in a capture.
    pub sink_rate: Ppb,
    /// The phase error to be trimmed: how far the playback or capture position lags its setpoint.
    /// If it is positive, the ratio must increase.
    pub phase_error: Nanos,
    /// Standard deviation of the varying part of the setpoint's error: how accurately the reference
    /// is known.
    pub setpoint_sigma: Nanos,
}

/// Determines the ratio of frames read from the source to frames written to the sink.
pub trait RateController: Send {
    /// The ratio at the end of the next block, relative to the nominal ratio.
    fn ratio(&mut self, input: &RateInput) -> Ppb;
}

/// The engine's rate controller: the ratio of measured rates, with a slow phase trim.
///
/// ```
/// use engine::audio::{RateInput, RateController, FusedRateController};
/// use engine::{Nanos, Ppb};
/// let mut controller = FusedRateController::default();
/// let input = RateInput {
///     block: Nanos::from_millis(20),
///     source_rate: Ppb::ZERO,
///     sink_rate: Ppb::from_ppm(120.0),
///     phase_error: Nanos::ZERO,
///     setpoint_sigma: Nanos::ZERO,
/// };
/// let ratio = (0..1000).map(|_| controller.ratio(&input)).last().unwrap();
/// assert!((ratio.as_ppm() + 120.0).abs() < 0.02, "{ratio}");
/// ```
#[derive(Clone, Debug, Default)]
pub struct FusedRateController {
    age: Nanos,
    /// Whether a large error is being trimmed.
    catching_up: bool,
    trim_ppb: f64,
    motion: TargetMotion,
    /// State of the low-pass, ppb; `None` before the first block.
    poles: Option<[f64; 2]>,
}

impl FusedRateController {
    /// The trim for a phase error, before the slew-rate limit.
    fn wanted_trim_ppb(&mut self, behind: Nanos, sigma: Nanos) -> f64 {
        let behind_ns = behind.as_nanos_f64();
        let reported_ns = sigma.as_nanos_f64();
        let (sigma_ns, at_most_ns) =
            (reported_ns.max(self.motion.sigma_ns()), reported_ns.max(self.motion.at_most_ns()));
        let (floor, sigmas) = if self.catching_up { (SMALL_ERROR, SMALL_SIGMAS) } else { (LARGE_ERROR, LARGE_SIGMAS) };
        self.catching_up = behind_ns.abs() > floor.as_nanos_f64().max(sigmas * at_most_ns);
        let [fast, slow] = [FAST_TRIM_HZ, SLOW_TRIM_HZ].map(|hz| 2.0 * std::f64::consts::PI * hz);
        // ns of error times 1/s is ns/s, which is ppb.
        let bandwidth = if self.catching_up { fast } else { slow.min(TRIM_NOISE.as_ppb() / sigma_ns.max(1.0)) };
        let trim = bandwidth * behind_ns;
        trim.clamp(-TRIM_LIMIT.as_ppb(), TRIM_LIMIT.as_ppb())
    }

    fn trim_ppb(&mut self, input: &RateInput) -> f64 {
        // A phase error of exactly zero means that there is nothing to trim, because the stream is
        // settling or is about to jump.
        let behind_ns = (input.phase_error != Nanos::ZERO).then_some(input.phase_error.as_nanos_f64());
        self.motion.take(behind_ns, self.trim_ppb, input.block.as_secs_f64());
        let change = self.wanted_trim_ppb(input.phase_error, input.setpoint_sigma) - self.trim_ppb;
        let most = TRIM_SLEW * input.block.as_secs_f64();
        self.trim_ppb += change.clamp(-most, most);
        self.trim_ppb
    }
}

impl RateController for FusedRateController {
    fn ratio(&mut self, input: &RateInput) -> Ppb {
        let fused = Ppb::from_ratio(input.source_rate.ratio() / input.sink_rate.ratio());
        let wanted = fused.as_ppb() + self.trim_ppb(input);
        let wanted = wanted.clamp(-AUTHORITY.as_ppb(), AUTHORITY.as_ppb());
        let block_s = input.block.as_secs_f64();
        self.age += input.block;
        let young = block_s / (YOUNG_SHARE * self.age.as_secs_f64());
        let steady = 1.0 - libm::exp(-2.0 * std::f64::consts::PI * SMOOTHING_HZ * block_s);
        let alpha = steady.max(young).min(1.0);
        let poles = self.poles.get_or_insert([wanted; 2]);
        poles[0] += alpha * (wanted - poles[0]);
        poles[1] += alpha * (poles[0] - poles[1]);
        Ppb::new(poles[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: Nanos = Nanos::from_millis(10);

    /// The phase error after some seconds, and the largest trim until then, ppm, for an initial
    /// phase error.
    fn removed(behind: Nanos, target_sigma: Nanos, seconds: i64) -> (f64, f64) {
        let (mut controller, mut behind_ns, mut largest) = (FusedRateController::default(), behind.as_nanos_f64(), 0.0);
        for _ in 0..seconds * 100 {
            let input = RateInput {
                block: BLOCK,
                source_rate: Ppb::ZERO,
                sink_rate: Ppb::ZERO,
                phase_error: Nanos::new(behind_ns as i64),
                setpoint_sigma: target_sigma,
            };
            let ratio = controller.ratio(&input);
            largest = f64::max(largest, ratio.as_ppm().abs());
            behind_ns -= ratio.as_ppb() * BLOCK.as_secs_f64();
        }
        (behind_ns / behind.as_nanos_f64(), largest)
    }

    #[test]
    fn an_error_that_the_target_is_certain_of_is_removed_within_two_minutes() {
        for behind in [Nanos::from_micros(300), Nanos::from_micros(-1900)] {
            let (left, largest) = removed(behind, Nanos::from_micros(1), 120);
            assert!(left.abs() < 0.1 && largest <= 20.0 + 1e-9, "{behind}: {left} left, {largest} ppm");
        }
    }

    #[test]
    fn an_error_within_what_the_target_is_uncertain_by_is_hardly_heard() {
        for sigma in [Nanos::from_micros(50), Nanos::from_micros(250), Nanos::from_millis(1)] {
            let (left, largest) = removed(sigma, sigma, 600);
            assert!(largest < 0.06 && left < 1.0, "{sigma}: {left} left, {largest} ppm");
        }
    }

    #[test]
    fn an_error_beyond_what_a_wandering_target_explains_is_removed_all_the_same() {
        let sigma = Nanos::from_micros(250);
        let (left, _) = removed(Nanos::from_micros(1100), sigma, 120);
        assert!(left < 0.3, "{left}");
    }
}
