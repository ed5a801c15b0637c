//! Drift control: by which step to move through the sender's audio, so that the sound card neither starves nor lags.
//!
//! Model: the step is the ratio of two *measured* rates, both against the host's clock: the sender's media clock (from arrivals) over
//! the sound card's (from callbacks). A slow proportional trim on the phase error removes what the rates leave over. There is no
//! integrator: the estimators are the integrators. The buffer's level is nowhere in the loop, because it is a saw-tooth that beats at
//! ppm x packet rate, inside any bandwidth.

use crate::units::{Nanos, Ppb};

/// Phase trim bandwidths, Hz: the slow one keeps PTP's noise out of the pitch, the fast one ends an error that is worth it.
const SLOW_TRIM_HZ: f64 = 0.0007;
const FAST_TRIM_HZ: f64 = 0.01;
/// Phase errors beyond the first one are trimmed fast, until they are below the second.
const LARGE_ERROR: Nanos = Nanos::from_micros(250);
const SMALL_ERROR: Nanos = Nanos::from_micros(20);
/// Largest phase trim: inaudible as pitch even when it comes and goes (abrupt steps are noticed from about 170 ppm).
const TRIM_LIMIT: Ppb = Ppb::from_ppm(20.0);
/// How fast the trim comes and goes, ppb per second.
const TRIM_SLEW: f64 = 1000.0;
/// Corner of the two-pole low-pass on the ratio, Hz: keeps callback noise out of the pitch.
const SMOOTHING_HZ: f64 = 0.3;
/// A young ratio is smoothed over this share of its age only: the first measured rates are far off.
const YOUNG_SHARE: f64 = 0.25;
/// Authority: beyond it the sample rate is wrong, not the crystal.
const AUTHORITY: Ppb = Ppb::from_ppm(500.0);

/// What a drift law sees at each callback.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DriftInput {
    /// Length of the block to be played.
    pub block: Nanos,
    /// Rate of the sender's media clock against the host's clock, from packet arrivals.
    pub media_rate: Ppb,
    /// Rate of the sound card against the host's clock, from callbacks.
    pub card_rate: Ppb,
    /// How far playout is behind its target position, as far as that is to be trimmed; positive: it must speed up.
    pub behind: Nanos,
    /// Audio in the buffer at the callback, as a level feedback would see it.
    pub fill: Nanos,
    /// The depth that was asked for.
    pub target: Nanos,
}

/// Decides the ratio of media frames consumed to card frames played.
pub trait DriftLaw: Send {
    /// The ratio to have reached at the end of the coming block, relative to the nominal one.
    fn ratio(&mut self, input: &DriftInput) -> Ppb;
}

/// The engine's law: fused rates, slow phase trim.
///
/// ```
/// use engine::receive::{DriftInput, DriftLaw, FusedDrift};
/// use engine::{Nanos, Ppb};
/// let mut law = FusedDrift::default();
/// let input = DriftInput { block: Nanos::from_millis(20), media_rate: Ppb::ZERO, card_rate: Ppb::from_ppm(120.0),
///     behind: Nanos::ZERO, fill: Nanos::from_millis(50), target: Nanos::from_millis(50) };
/// let ratio = (0..1000).map(|_| law.ratio(&input)).last().unwrap();
/// assert!((ratio.as_ppm() + 120.0).abs() < 0.02, "{ratio}");
/// ```
#[derive(Clone, Debug, Default)]
pub struct FusedDrift {
    age: Nanos,
    /// Whether a large error is being trimmed.
    catching_up: bool,
    trim_ppb: f64,
    /// The two poles of the low-pass, ppb; `None` before the first block.
    poles: Option<[f64; 2]>,
}

impl FusedDrift {
    /// The trim that is wanted for an error.
    fn wanted_trim_ppb(&mut self, behind: Nanos) -> f64 {
        let limit = if self.catching_up { SMALL_ERROR } else { LARGE_ERROR };
        self.catching_up = behind.abs() > limit;
        let bandwidth_hz = if self.catching_up { FAST_TRIM_HZ } else { SLOW_TRIM_HZ };
        // ns of error times 1/s is ns/s, which is ppb.
        let trim = 2.0 * std::f64::consts::PI * bandwidth_hz * behind.as_nanos() as f64;
        trim.clamp(-TRIM_LIMIT.as_ppb(), TRIM_LIMIT.as_ppb())
    }

    fn trim_ppb(&mut self, input: &DriftInput) -> f64 {
        let change = self.wanted_trim_ppb(input.behind) - self.trim_ppb;
        let most = TRIM_SLEW * input.block.as_secs_f64();
        self.trim_ppb += change.clamp(-most, most);
        self.trim_ppb
    }
}

impl DriftLaw for FusedDrift {
    fn ratio(&mut self, input: &DriftInput) -> Ppb {
        let fused = Ppb::from_ratio(input.media_rate.ratio() / input.card_rate.ratio());
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
