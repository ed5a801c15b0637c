//! Output streams: sends a BASS channel as an AES67 stream.
//!
//! Model: the sender's thread decodes the audio for a packet from the channel when the packet is
//! due according to the clock. So the channel is pulled at the pace of PTP, and nothing is
//! resampled. A second thread keeps the description up to date and announces it.

use crate::bass;
use crate::clock;
use crate::error::{BassError, code};
use crate::settings;
use bass_ffi::threads;
use engine::announce::sdp::{ReferenceClock, Session};
use engine::rtp::format::StreamFormat;
use engine::send::SenderConfig;
use engine::{Frames, Nanos};
use net::interface::Interface;
use net::ptp::PtpClient;
use net::sap::SapAnnouncer;
use net::send::{Outgoing, SenderClock, SenderStatus, StreamSender};
use net::timeline::Timeline;
use net::{Urgency, Worker};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How often the description is updated.
const INTERVAL: Nanos = Nanos::from_millis(100);
/// Interval between two announcements.
const SAP_INTERVAL: Nanos = Nanos::from_secs(30);
/// Maximum number of reads from a channel for one packet.
const MOST_READS: usize = 4;

/// The clock that paces a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// The PTP master of the network.
    Ptp,
    /// PTP, served by ourselves unless there is a better clock.
    Serve,
    /// The system clock.
    System,
    /// The clock according to the options, with a fallback while it is not usable.
    BySetting,
}

/// A stream to send.
#[derive(Clone, Debug)]
pub(crate) struct OutputConfig {
    pub(crate) channel: u32,
    pub(crate) name: String,
    pub(crate) sender: SenderConfig,
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) ttl: u8,
    pub(crate) domain: u8,
    pub(crate) pace: Pace,
    pub(crate) announced: bool,
}

/// Counts of the audio that the channel provided.
#[derive(Debug, Default)]
struct Fed {
    /// Number of frames of silence that were sent because the channel had no audio.
    starved_frames: AtomicU64,
    /// Number of packets with such frames.
    underruns: AtomicU64,
    /// Whether the channel has ended or was freed.
    ended: AtomicBool,
}

/// An output stream, which can be started and stopped.
pub(crate) struct Output {
    config: OutputConfig,
    fed: Arc<Fed>,
    running: Mutex<Option<Running>>,
    /// The status of the last run at the time it was stopped.
    last: Mutex<Option<Arc<SenderStatus>>>,
}

struct Running {
    ptp: Option<Arc<PtpClient>>,
    /// Declared before the sender, and so dropped first: the session is withdrawn while its packets
    /// are still being sent.
    announcing: Option<Worker>,
    sender: Arc<StreamSender>,
}

/// The status of an output.
pub(crate) struct OutputView {
    /// The status of the current run, or of the last run if the output is stopped; `None` before
    /// the first run.
    pub(crate) sender: Option<Arc<SenderStatus>>,
    pub(crate) stopped: bool,
    pub(crate) starved_frames: u64,
    pub(crate) underruns: u64,
    pub(crate) ended: bool,
    pub(crate) frequency_ppm: f64,
}

impl Output {
    pub(crate) fn new(config: OutputConfig) -> Self {
        Self { config, fed: Arc::default(), running: Mutex::new(None), last: Mutex::new(None) }
    }

    /// Starts to send.
    ///
    /// # Errors
    /// If the output is already running, or PTP or a socket is refused.
    pub(crate) fn start(&self) -> Result<(), BassError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_some() {
            return Err(BassError::new(code::ALREADY, "the output is running"));
        }
        threads::stay_loaded();
        let config = &self.config;
        let pace = self.pace()?;
        let ptp = match &pace {
            SenderClock::Ptp(client) => Some(Arc::clone(client)),
            _ => None,
        };
        let source = source(config.channel, config.sender.format.channels(), Arc::clone(&self.fed));
        self.fed.ended.store(false, Ordering::Relaxed);
        let stream = Outgoing { ttl: config.ttl, ..Outgoing::new(config.sender, source) };
        let sender = Arc::new(StreamSender::start(vec![stream], &config.interfaces, pace)?);
        let announcing = config.announced.then(|| announce(config, ptp.clone(), Arc::clone(&sender)));
        *running = Some(Running { ptp, announcing: announcing.transpose()?, sender });
        Ok(())
    }

    fn pace(&self) -> Result<SenderClock, BassError> {
        let interface = self.config.interfaces[0].clone();
        if self.config.pace == Pace::BySetting {
            // If PTP is not available, for example because the program has no access to its ports,
            // this computer's clock is used.
            let timeline = clock::timeline(&settings::get(), &interface, self.config.domain);
            return Ok(match timeline {
                Ok(Some(Timeline::Ptp(client))) => SenderClock::Ptp(client),
                Ok(Some(Timeline::Livewire(client))) => SenderClock::Livewire(client),
                Ok(Some(Timeline::System(_)) | None) | Err(_) => SenderClock::System,
            });
        }
        let mut config = match self.config.pace {
            Pace::System | Pace::BySetting => return Ok(SenderClock::System),
            Pace::Ptp => settings::get().slave(interface, self.config.domain),
            Pace::Serve => settings::get().master(interface, self.config.domain),
        };
        // Nothing is sent before timestamps can be PTP time. If the master is lost later, its time
        // is held without limit.
        config.reference.fallback_after = None;
        clock::client(config).map(SenderClock::Ptp)
    }

    /// Stops the output, and waits for its threads. Returns false if it was not running.
    pub(crate) fn stop(&self) -> bool {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { ptp, announcing, sender }) = running else { return false };
        drop(announcing);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.status());
        drop(sender);
        drop(ptp);
        true
    }

    /// Whether the output has been started, and its channel has not ended.
    pub(crate) fn is_running(&self) -> bool {
        let started = self.running.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        started && !self.fed.ended.load(Ordering::Relaxed)
    }

    /// Number of frames in a packet.
    pub(crate) fn packet_frames(&self) -> usize {
        let config = &self.config.sender;
        config.packet_time.frames(config.format.sample_rate()).unwrap_or(0)
    }

    /// The status of the output.
    pub(crate) fn view(&self) -> OutputView {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = running.as_ref().map(|running| running.sender.status());
        let ptp = running.as_ref().and_then(|running| running.ptp.as_ref());
        let rate = match (ptp, &sender) {
            (Some(ptp), _) => ptp.status().rate(),
            (None, Some(status)) => status.reading.map.map(|map| map.clock().rate()),
            (None, None) => None,
        };
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        OutputView {
            stopped: sender.is_none(),
            underruns: self.fed.underruns.load(Ordering::Relaxed),
            starved_frames: self.fed.starved_frames.load(Ordering::Relaxed),
            ended: self.fed.ended.load(Ordering::Relaxed),
            frequency_ppm: rate.unwrap_or_default().as_ppm(),
            sender: sender.or_else(last),
        }
    }
}

/// Creates the source that decodes the audio for packets from the channel. Missing audio is
/// replaced with silence.
fn source(channel: u32, channels: usize, fed: Arc<Fed>) -> impl FnMut(Frames, &mut [f32]) + Send {
    move |_, out| {
        // Decoding may call the host, which may stop the output during this call. The call then
        // comes from this thread, which must not wait for its own end.
        threads::mark_as_ours();
        let mut done = 0;
        for _ in 0..MOST_READS {
            let Some(bass) = bass::get().filter(|_| done < out.len()) else { break };
            match bass.data(channel, &mut out[done..]) {
                Ok(0) => break,
                Ok(samples) => {
                    // If the channel had ended, it has been played again, or its position has been
                    // set.
                    fed.ended.store(false, Ordering::Relaxed);
                    done += samples;
                }
                Err(_) => {
                    fed.ended.store(true, Ordering::Relaxed);
                    break;
                }
            }
        }
        let missing = &mut out[done..];
        missing.fill(0.0);
        fed.underruns.fetch_add(u64::from(!missing.is_empty()), Ordering::Relaxed);
        fed.starved_frames.fetch_add((missing.len() / channels) as u64, Ordering::Relaxed);
    }
}

/// Starts the thread that announces the session. The thread withdraws the session when it ends.
fn announce(
    config: &OutputConfig,
    ptp: Option<Arc<PtpClient>>,
    sender: Arc<StreamSender>,
) -> Result<Worker, BassError> {
    let interface = config.interfaces[0].clone();
    let started_s = net::clock::now_with_system().1.as_nanos() / 1_000_000_000;
    let session = Session::new(&config.sender, interface.address.into(), started_s as u64, &config.name, config.ttl);
    let mut session = session.map_err(|error| BassError::parameter(error.to_string()))?;
    let mut announcer = SapAnnouncer::new(&interface, SAP_INTERVAL, config.sender.seed)?;
    let worker = Worker::spawn("aes67 sap", Urgency::Normal, move |context| {
        while context.pause(INTERVAL) {
            // The description is announced once packets are being sent, because the clock is not
            // known before.
            if sender.status().streams[0].packets > 0 {
                session.set_clock(&reference_clock(ptp.as_deref(), &interface));
                announcer.advance(net::clock::now(), &session.to_sdp());
            }
        }
    });
    worker.map_err(|error| BassError::new(code::MEM, error.to_string()))
}

/// The reference clock for the description: the grandmaster of the timestamps, or our own clock.
fn reference_clock(ptp: Option<&PtpClient>, interface: &Interface) -> ReferenceClock {
    let status = ptp.map(PtpClient::status);
    let usable = status.filter(|status| status.reference.reading().map.is_some());
    match usable.and_then(|status| Some((status.grandmaster()?, status.domain))) {
        Some((grandmaster, domain)) => ReferenceClock::ptp(grandmaster, domain),
        None => interface.mac.map_or(ReferenceClock::Unknown, ReferenceClock::LocalMac),
    }
}

/// The stream format for a channel.
pub(crate) fn format_of(channel: u32, bits: u32) -> Result<StreamFormat, BassError> {
    use engine::SampleRate;
    use engine::rtp::format::Encoding;
    let bass = bass::get().ok_or_else(|| BassError::new(code::INIT, "no BASS 2.4 in this process"))?;
    let info = bass.channel(channel)?;
    if info.flags & crate::abi::STREAM_DECODE == 0 {
        return Err(BassError::new(
            code::NOTAVAIL,
            "an output needs a decode channel: create it with BASS_STREAM_DECODE",
        ));
    }
    let encoding = match bits {
        0 | 24 => Encoding::L24,
        16 => Encoding::L16,
        _ => return Err(BassError::parameter(format!("{bits} bits: right would be 16 or 24"))),
    };
    let rate = SampleRate::from_hz(info.frequency_hz).ok_or_else(|| BassError::new(code::FORMAT, "a rate of 0"))?;
    StreamFormat::new(encoding, rate, info.channels as usize)
        .map_err(|error| BassError::new(code::FORMAT, error.to_string()))
}
