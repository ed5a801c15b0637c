//! A sound card: blocks of frames at the rate of its crystal, late callbacks, and faults.
//!
//! Model: the card plays the blocks that callbacks hand over, one after the other. The callback for
//! a block comes when the previous block ends, or later, which the card's buffer compensates.
//! Frames are counted from the start of the run, whether they are played or not: while the card has
//! no audio, it plays silence, and its crystal keeps running. This is an xrun, and it delays
//! playout by its length.

use super::crystal::{CrystalClock, TrueTime};
use super::streams::RandomStream;
use crate::scenario;
use engine::Nanos;

/// The card of one receiver.
#[derive(Clone, Debug)]
pub struct SoundCard {
    config: scenario::Card,
    clock: CrystalClock,
    lateness: RandomStream,
    /// Frames of the next callback.
    callback_frames: usize,
    /// Frames from the start of the run to the end of the last block.
    end: i64,
    last_callback: TrueTime,
    /// Frames that will be lost after the current block.
    xrun: i64,
    /// Silence since the last block.
    silence: usize,
    /// Whether callbacks are stopped; a callback that was due waits.
    stopped: bool,
    waiting: bool,
}

impl SoundCard {
    /// A card with a crystal. The lateness of its callbacks is drawn from `lateness`.
    #[must_use]
    pub fn new(config: scenario::Card, clock: CrystalClock, lateness: RandomStream) -> Self {
        Self {
            callback_frames: usize::from(config.callback_frames),
            config,
            clock,
            lateness,
            end: 0,
            last_callback: 0,
            xrun: 0,
            silence: 0,
            stopped: false,
            waiting: false,
        }
    }

    /// Its crystal.
    pub fn clock(&mut self) -> &mut CrystalClock {
        &mut self.clock
    }

    /// Frames that the next callback asks for.
    #[must_use]
    pub fn callback_frames(&self) -> usize {
        self.callback_frames
    }

    /// Sets the number of frames per callback; the initial one if none is given.
    pub fn set_callback_frames(&mut self, frames: Option<u16>) {
        self.callback_frames = usize::from(frames.unwrap_or(self.config.callback_frames));
    }

    /// Frames from the start of the run to the end of the last block.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.end as u64
    }

    /// Frames of silence before the block that is played next. They are returned once.
    pub fn take_silence(&mut self) -> usize {
        std::mem::take(&mut self.silence)
    }

    /// A callback is due. Returns whether it may be made now; otherwise it waits until the card
    /// resumes.
    pub fn may_call(&mut self) -> bool {
        self.waiting = self.stopped;
        !self.stopped
    }

    /// Plays the frames of a callback. Returns when they end.
    pub fn play(&mut self) -> TrueTime {
        self.end += self.callback_frames as i64;
        self.time_of(self.end)
    }

    /// When the next callback comes.
    pub fn next_callback(&mut self) -> TrueTime {
        let lost = std::mem::take(&mut self.xrun);
        self.lose(lost);
        let lateness = self.lateness.lateness(&self.config.callback_jitter);
        self.last_callback = (self.time_of(self.end) + lateness.as_nanos()).max(self.last_callback);
        self.last_callback
    }

    /// Adds a time after the current block in which the card has nothing to play.
    pub fn add_xrun(&mut self, length: Nanos) {
        self.xrun += libm::round(length.as_secs_f64() * self.rate()) as i64;
    }

    /// Stops callbacks until [`SoundCard::resume`].
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Resumes callbacks; one that was waiting is made now. The card's buffer compensates the
    /// pause, unless its audio is `lost`.
    pub fn resume(&mut self, now: TrueTime, lost: bool) -> Option<TrueTime> {
        self.stopped = false;
        if lost {
            let played = self.clock.read(now).as_secs_f64() * self.rate();
            self.lose(libm::ceil(played) as i64 - self.end);
        }
        self.last_callback = self.last_callback.max(now);
        std::mem::take(&mut self.waiting).then_some(now)
    }

    fn lose(&mut self, frames: i64) {
        let frames = frames.max(0);
        self.end += frames;
        self.silence += frames as usize;
    }

    fn time_of(&mut self, frame: i64) -> TrueTime {
        self.clock.true_time_of(frame as f64 * 1e9 / self.rate())
    }

    fn rate(&self) -> f64 {
        f64::from(self.config.sample_rate_hz.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: TrueTime = 1_000_000;

    /// An exact card with callbacks of 10 ms, all on time.
    fn card() -> SoundCard {
        let config = toml::from_str("sample_rate_hz = 48_000\nclock = {}\ncallback_frames = 480").unwrap();
        let stream = |name| RandomStream::new(1, name);
        SoundCard::new(config, CrystalClock::new(scenario::Crystal::default(), Vec::new(), stream("a")), stream("b"))
    }

    /// Plays a block; returns when it ends and when the next callback comes, ms.
    fn block(card: &mut SoundCard) -> (TrueTime, TrueTime) {
        assert!(card.may_call());
        let ends = card.play();
        (ends / MS, card.next_callback() / MS)
    }

    #[test]
    fn an_xrun_is_silence_and_moves_everything_after_it() {
        let mut card = card();
        assert_eq!(block(&mut card), (10, 10));
        card.add_xrun(Nanos::from_millis(7));
        assert_eq!((block(&mut card), card.take_silence(), card.take_silence()), ((20, 27), 336, 0));
        assert_eq!((block(&mut card), card.take_silence()), ((37, 37), 0));
    }

    #[test]
    fn callbacks_that_were_held_up_come_at_once_and_nothing_is_lost() {
        let mut card = card();
        block(&mut card);
        card.stop();
        assert!(!card.may_call());
        assert_eq!(card.resume(35 * MS, false), Some(35 * MS));
        assert_eq!([block(&mut card), block(&mut card), block(&mut card)], [(20, 35), (30, 35), (40, 40)]);
        assert_eq!(card.take_silence(), 0);
    }

    #[test]
    fn a_card_that_was_off_has_lost_the_time() {
        let mut card = card();
        block(&mut card);
        card.stop();
        assert!(!card.may_call());
        assert_eq!(card.resume(60_000 * MS, true), Some(60_000 * MS));
        assert_eq!((card.take_silence(), block(&mut card)), (59_990 * 48, (60_010, 60_010)));
        // A callback that was not due in the meantime waits for nobody.
        card.stop();
        assert_eq!(card.resume(60_005 * MS, true), None);
        assert_eq!((card.take_silence(), card.frames()), (0, 60_010 * 48));
    }

    #[test]
    fn the_size_of_callbacks_changes_on_the_fly() {
        let mut card = card();
        card.set_callback_frames(Some(960));
        assert_eq!((card.callback_frames(), block(&mut card)), (960, (20, 20)));
        card.set_callback_frames(None);
        assert_eq!(block(&mut card), (30, 30));
    }
}
