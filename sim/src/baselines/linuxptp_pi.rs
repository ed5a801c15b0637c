//! linuxptp's proportional-integral servo, with its defaults for software timestamps.
//!
//! Law: kp = 0.1 T^-0.3 and ki = 0.001 T^0.4 for a Sync interval T, limited to 0.7 / T and 0.3 / T.
//! The frequency that holds the clock is first estimated from two offsets that are at least 0.016 /
//! ki seconds apart; then the clock is stepped if it is off by more than the threshold. From then
//! on, each offset x gives the frequency kp x + the sum of ki x.

use super::linuxptp::{FIRST_STEP_THRESHOLD_NS, MAX_FREQUENCY_PPB, Servo, ServoAnswer, ServoSample};
use engine::{Nanos, Ppb, PtpTime};

const KP_SCALE: f64 = 0.1;
const KP_EXPONENT: f64 = -0.3;
const KP_NORM_MAX: f64 = 0.7;
const KI_SCALE: f64 = 0.001;
const KI_EXPONENT: f64 = 0.4;
const KI_NORM_MAX: f64 = 0.3;
/// Time that the first estimate of the frequency takes, times ki.
const ESTIMATE: f64 = 0.016;
const LONGEST_ESTIMATE_S: f64 = 1000.0;
/// The estimate may be made earlier by this share, so that it coincides with a Sync.
const ESTIMATE_MARGIN: f64 = 0.001;

#[derive(Clone, Copy, Debug, Default)]
enum Phase {
    /// No sample yet.
    #[default]
    Fresh,
    /// The first sample: time and offset.
    Estimating(PtpTime, Nanos),
    /// Under control.
    Running,
}

/// The servo. Its frequencies state by how much the steered clock is too fast.
#[derive(Clone, Copy, Debug)]
pub struct PiServo {
    kp: f64,
    ki: f64,
    phase: Phase,
    drift_ppb: f64,
}

impl Default for PiServo {
    fn default() -> Self {
        let mut servo = Self { kp: 0.0, ki: 0.0, phase: Phase::Fresh, drift_ppb: 0.0 };
        servo.set_interval(1.0);
        servo
    }
}

impl PiServo {
    fn begin(&mut self, sample: &ServoSample, since: PtpTime, offset: Nanos) -> ServoAnswer {
        let elapsed = sample.local - since;
        if elapsed <= Nanos::ZERO {
            self.phase = Phase::Fresh;
            return ServoAnswer::Unlocked;
        }
        let wanted_s = (ESTIMATE / self.ki).min(LONGEST_ESTIMATE_S);
        if elapsed.as_secs_f64() * (1.0 + ESTIMATE_MARGIN) < wanted_s {
            return ServoAnswer::Unlocked;
        }
        let gained = (sample.offset - offset).as_nanos() as f64 / elapsed.as_nanos() as f64;
        // Seconds are measured by the steered clock, which already runs at the drift.
        self.drift_ppb += (1e9 - self.drift_ppb) * gained;
        self.drift_ppb = self.drift_ppb.clamp(-MAX_FREQUENCY_PPB, MAX_FREQUENCY_PPB);
        self.phase = Phase::Running;
        let rate = Ppb::new(-self.drift_ppb);
        let far = sample.offset.as_nanos().abs() as f64 > FIRST_STEP_THRESHOLD_NS;
        if far { ServoAnswer::Jump(rate) } else { ServoAnswer::Locked(rate) }
    }
}

impl Servo for PiServo {
    fn set_interval(&mut self, interval_s: f64) {
        self.kp = (KP_SCALE * libm::pow(interval_s, KP_EXPONENT)).min(KP_NORM_MAX / interval_s);
        self.ki = (KI_SCALE * libm::pow(interval_s, KI_EXPONENT)).min(KI_NORM_MAX / interval_s);
    }

    fn sample(&mut self, sample: &ServoSample) -> ServoAnswer {
        match self.phase {
            Phase::Fresh => {
                self.phase = Phase::Estimating(sample.local, sample.offset);
                ServoAnswer::Unlocked
            }
            Phase::Estimating(since, offset) => self.begin(sample, since, offset),
            Phase::Running => {
                let offset_ns = sample.offset.as_nanos() as f64;
                let integral = self.ki * offset_ns;
                let wanted = self.kp * offset_ns + self.drift_ppb + integral;
                let limited = wanted.clamp(-MAX_FREQUENCY_PPB, MAX_FREQUENCY_PPB);
                if (limited - wanted).abs() < f64::EPSILON {
                    self.drift_ppb += integral;
                }
                ServoAnswer::Locked(Ppb::new(-limited))
            }
        }
    }
}
