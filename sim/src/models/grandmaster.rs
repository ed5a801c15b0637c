//! A PTP master whose time is perfect unless the scenario specifies otherwise. It sends Announce,
//! Sync and Follow_Up at its intervals, and answers Delay_Reqs.

use super::crystal::TrueTime;
use super::lies::Lying;
use super::streams::RandomStream;
use super::wander::Wander;
use crate::scenario::{self, Dialect};
use engine::livewire_clock::{ClockPacket, MacAddress, MasterIdentity};
use engine::ptp::wire::{
    Announce, Body, ClockQuality, CorrectionField, Flags, Header, Message, PortIdentity, Tlvs, WireError,
};
use engine::{NANOS_PER_SECOND, Nanos, PtpTime};

/// clockAccuracy "within 100 ns" and timeSource GPS (IEEE 1588-2019, tables 5 and 6).
const ACCURACY_100_NS: u8 = 0x21;
const TIME_SOURCE_GPS: u8 = 0x20;
const OFFSET_SCALED_LOG_VARIANCE: u16 = 0x4E5D;
/// Difference between TAI and UTC since 2017.
const TAI_MINUS_UTC_S: i16 = 37;
/// Longest message: an Announce.
const MAX_LENGTH: usize = 64;

/// The grandmaster.
#[derive(Clone, Debug)]
pub struct GrandmasterModel {
    config: scenario::Grandmaster,
    port: PortIdentity,
    /// PTP time at true time 0.
    start: PtpTime,
    wander: Option<Wander>,
    lying: Option<Lying>,
    announce_id: u16,
    sync_id: u16,
}

impl GrandmasterModel {
    /// A grandmaster; its wander, if it has any, is drawn from `wander`.
    #[must_use]
    pub fn new(config: scenario::Grandmaster, wander: RandomStream) -> Self {
        let port = PortIdentity { clock_identity: config.identity.0, port_number: 1 };
        let start = i128::from(config.start_time_s) * i128::from(NANOS_PER_SECOND);
        let start = PtpTime::from_nanos(start) + config.time_offset_us.nanos();
        let wander = config.wander.map(|config| Wander::new(config, wander));
        let first = config.first_sequence;
        Self { config, port, start, wander, lying: None, announce_id: first, sync_id: first }
    }

    /// The same master with a changed configuration; its time continues.
    #[must_use]
    pub fn reconfigured(mut self, change: impl FnOnce(&mut scenario::Grandmaster)) -> Self {
        change(&mut self.config);
        self.port.clock_identity = self.config.identity.0;
        self
    }

    /// Sets whether it lies. Its true time stays the truth.
    pub fn set_lying(&mut self, lying: Option<Lying>) {
        self.lying = lying;
    }

    /// Whether Follow_Ups carry the departure times of its Syncs.
    #[must_use]
    pub fn is_two_step(&self) -> bool {
        self.config.two_step
    }

    /// Whether it announces itself.
    #[must_use]
    pub fn announces(&self) -> bool {
        self.config.dialect != Dialect::Livewire
    }

    /// Steps its time.
    pub fn step(&mut self, by: Nanos) {
        self.start = self.start + by;
    }

    /// Restarts it at true time `now`, when its own time is `time`.
    pub fn restart(&mut self, now: TrueTime, time: PtpTime) {
        self.start = time - Nanos::new(now);
        (self.announce_id, self.sync_id) = (0, 0);
    }

    /// PTP time at true time `t`. Calls must come in order of time.
    #[must_use]
    pub fn time(&mut self, t: TrueTime) -> PtpTime {
        let wandered = self.wander.as_mut().map_or(Nanos::ZERO, |wander| wander.at(t));
        self.start + Nanos::new(t) + wandered
    }

    /// Interval between Announces.
    #[must_use]
    pub fn announce_interval(&self) -> Nanos {
        Nanos::from_log2_secs(self.config.log_announce_interval)
    }

    /// Interval between Syncs.
    #[must_use]
    pub fn sync_interval(&self) -> Nanos {
        Nanos::from_log2_secs(self.config.log_sync_interval)
    }

    /// The next Announce.
    pub fn announce(&mut self) -> Vec<u8> {
        self.announce_id = self.announce_id.wrapping_add(1);
        let announce = Announce {
            origin_timestamp: PtpTime::EPOCH,
            current_utc_offset: TAI_MINUS_UTC_S,
            grandmaster_priority_1: self.config.priority_1,
            grandmaster_clock_quality: ClockQuality {
                clock_class: self.config.clock_class,
                clock_accuracy: ACCURACY_100_NS,
                offset_scaled_log_variance: OFFSET_SCALED_LOG_VARIANCE,
            },
            grandmaster_priority_2: self.config.priority_2,
            grandmaster_identity: self.port.clock_identity,
            steps_removed: 0,
            time_source: TIME_SOURCE_GPS,
        };
        let flags = Flags::PTP_TIMESCALE | Flags::CURRENT_UTC_OFFSET_VALID | Flags::TIME_TRACEABLE;
        self.emit(self.announce_id, flags, self.config.log_announce_interval, Body::Announce(announce))
    }

    /// The next Sync, sent at `t`, and its Follow_Up.
    pub fn sync(&mut self, t: TrueTime) -> (Vec<u8>, Option<Vec<u8>>) {
        self.sync_id = self.sync_id.wrapping_add(1);
        self.sync_as(t, self.sync_id)
    }

    /// A Sync with the given sequenceId, sent at `t`, and its Follow_Up.
    pub fn sync_as(&mut self, t: TrueTime, sequence_id: u16) -> (Vec<u8>, Option<Vec<u8>>) {
        let interval = self.config.log_sync_interval;
        if self.config.dialect == Dialect::Livewire {
            return (self.clock_packet(t, sequence_id), None);
        }
        if !self.config.two_step {
            let origin_timestamp = self.told(t, Lying::sync_time);
            return (self.emit(sequence_id, Flags::PTP_TIMESCALE, interval, Body::Sync { origin_timestamp }), None);
        }
        let flag_cleared = self.lying.as_ref().is_some_and(Lying::clears_flag);
        let flags = if flag_cleared { Flags::PTP_TIMESCALE } else { Flags::PTP_TIMESCALE | Flags::TWO_STEP };
        let sync = self.emit(sequence_id, flags, interval, Body::Sync { origin_timestamp: PtpTime::EPOCH });
        (sync, Some(self.follow_up_as(t, sequence_id)))
    }

    /// A packet of the Livewire clock, sent at `t`.
    fn clock_packet(&mut self, t: TrueTime, sequence: u16) -> Vec<u8> {
        let [a, b, c, _, _, d, e, f] = self.config.identity.0.0;
        let master = MasterIdentity {
            priority: self.config.priority_1,
            hardware_id: u16::from_be_bytes([e, f]),
            mac: MacAddress([a, b, c, d, e, f]),
        };
        ClockPacket::at(self.told(t, Lying::sync_time), sequence, master).emit().to_vec()
    }

    /// The Follow_Up of a Sync with the given sequenceId that was sent at `t`.
    pub fn follow_up_as(&mut self, t: TrueTime, sequence_id: u16) -> Vec<u8> {
        let body = Body::FollowUp { precise_origin_timestamp: self.told(t, Lying::sync_time) };
        self.emit(sequence_id, Flags::PTP_TIMESCALE, self.config.log_sync_interval, body)
    }

    /// The time that it sends instead of its true time at `t`.
    fn told(&mut self, t: TrueTime, lie: fn(&mut Lying, TrueTime, PtpTime) -> PtpTime) -> PtpTime {
        let time = self.time(t);
        self.lying.as_mut().map_or(time, |lying| lie(lying, t, time))
    }

    /// The correctionField of a message.
    fn correction(&self, body: &Body) -> CorrectionField {
        let has_the_time = match body {
            Body::Sync { .. } => !self.config.two_step,
            Body::FollowUp { .. } => true,
            _ => false,
        };
        self.lying.as_ref().filter(|_| has_the_time).map_or_else(CorrectionField::default, Lying::correction)
    }

    /// The answer to a datagram that arrived at `t`, if that is a Delay_Req of our domain.
    #[must_use]
    pub fn answer(&mut self, t: TrueTime, datagram: &[u8]) -> Option<Vec<u8>> {
        let ours =
            |header: &Header| (header.domain_number, header.major_sdo_id) == (self.config.domain, self.major_sdo_id());
        let request = Message::parse(datagram).ok().filter(|message| ours(&message.header))?;
        let Body::DelayReq { .. } = request.body else { return None };
        let body = Body::DelayResp {
            receive_timestamp: self.told(t, Lying::answer_time),
            requesting_port_identity: request.header.source_port_identity,
        };
        let interval = self.config.log_min_delay_req_interval;
        Some(self.emit(request.header.sequence_id, Flags::PTP_TIMESCALE, interval, body))
    }

    fn major_sdo_id(&self) -> u8 {
        match self.config.dialect {
            Dialect::Ieee1588 | Dialect::Livewire => 0,
            Dialect::Airplay => 1,
        }
    }

    fn emit(&self, sequence_id: u16, flags: Flags, log_message_interval: i8, body: Body) -> Vec<u8> {
        let header = Header {
            major_sdo_id: self.major_sdo_id(),
            domain_number: self.config.domain,
            flags: match self.config.dialect {
                Dialect::Ieee1588 | Dialect::Livewire => flags,
                Dialect::Airplay => flags | Flags::UNICAST,
            },
            correction_field: self.correction(&body),
            source_port_identity: self.port,
            sequence_id,
            log_message_interval,
            ..Header::default()
        };
        let mut bytes = vec![0; MAX_LENGTH];
        let length: Result<usize, WireError> = Message { header, body, tlvs: Tlvs::default() }.emit(&mut bytes);
        bytes.truncate(length.expect("every time of a run fits in 48 bits of seconds"));
        bytes
    }
}
