//! Relates one clock to another by means of noisy timestamps.
//!
//! Purpose: PTP time, the sender's media clock and the sound card's clock are all described
//! relative to one reference, the host's monotonic clock, by *(offset, rate, uncertainty)*: a
//! [`ClockMap`]. The same [`Estimator`] produces all maps. [`SlaveClock`] adds what only a clock
//! that follows a master needs: lock state, holdover and step detection.
//!
//! Model: the engine never steers the host's clock, so there is no control loop that could become
//! unstable, only an estimate. This module depends neither on PTP or RTP messages nor on a sound
//! card; it takes timestamps from any source.

mod block;
mod card;
mod envelope;
mod estimator;
mod excess;
mod kalman;
mod lock;
mod map;
mod model_set;
mod newest;
mod noise;
mod outlier_run;
mod presumed_delay;
mod rate_prior;
mod reference;
mod round_trip;
mod sample;
mod servo;
mod shift;
mod slave;
mod slew;
mod step;
mod system;
mod timescale;
mod unsteady;
mod wander;

pub(crate) use card::CardClock;
pub use estimator::{DelayModel, Estimator, EstimatorConfig};
pub use lock::{LockCause, LockState, LockTransition};
pub use map::{ClockMap, MediaMap, PtpMap};
pub(crate) use rate_prior::RatePrior;
pub use reference::{ClockMode, Reference, ReferenceConfig, ReferenceEvent, Sources};
pub use sample::{Direction, Sample};
pub use servo::{Agreement, ClockReading, ClockServo, PathDelay, TimestampPair};
pub(crate) use shift::{Judgement, Shift, ShiftDetector};
pub use slave::{SlaveClock, SlaveClockConfig};
pub use system::{Discipline, SystemClock, SystemEpoch, SystemReading, SystemReport};
pub use timescale::{Difference, TimescaleMix};
pub(crate) use wander::TargetMotion;
