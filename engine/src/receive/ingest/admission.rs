//! Decides which datagrams belong to the stream: by their address, by their kind, and by whether
//! they continue the stream.

use super::super::refusals::Companion;
use super::{Datagram, Frames, Ingest, IngestError, RtpPacket};
use crate::receive::continuity::Verdict;
use crate::receive::refusals::is_keep_alive;

impl Ingest {
    /// Handles a datagram. If its sender is given, the stream is bound to one address; see
    /// [`SourceGate`](crate::receive::SourceGate).
    ///
    /// # Errors
    /// If the datagram is not an audio packet of this stream. It is then only counted, by reason
    /// ([`Refusals`](crate::receive::Refusals)). A packet that may come from another sender is held
    /// for a while ([`Continuity`](crate::receive::Continuity)), and is counted if it is refused
    /// later.
    pub fn handle(&mut self, datagram: Datagram<'_>) -> Result<(), IngestError> {
        let taken = self.admit(datagram);
        self.count(&taken);
        let refused = self.continuity.take_refused();
        self.stats.refused += refused;
        self.stats.refusals.not_continuing += refused;
        taken
    }

    fn count(&mut self, taken: &Result<(), IngestError>) {
        let Err(error) = taken else { return };
        self.stats.refusals.count(error);
        self.stats.refused += u64::from(error.is_refusal());
        if let IngestError::OtherAddress(intruder) = error {
            self.stats.intruder = Some(*intruder);
        }
    }

    fn admit(&mut self, datagram: Datagram<'_>) -> Result<(), IngestError> {
        if let Some(companion) = Companion::of(datagram.bytes) {
            return Err(IngestError::Companion(companion));
        }
        let packet = RtpPacket::parse(datagram.bytes)?;
        if let Some(from) = datagram.from {
            self.gates[datagram.leg as usize].check(datagram.at, from).map_err(IngestError::OtherAddress)?;
        }
        self.check(datagram, &packet)?;
        if self.judge(datagram, &packet) == Verdict::Held {
            return Ok(());
        }
        while let Some(held) = self.continuity.poll_released() {
            let Ok(packet) = RtpPacket::parse(held.datagram().bytes) else { continue };
            let taken = self.accept_from(held.datagram(), &packet);
            self.count(&taken);
        }
        self.accept_from(datagram, &packet)
    }

    /// Checks that a packet has the described payload type and carries audio. Records the sequence
    /// number of any other packet of the stream.
    fn check(&mut self, datagram: Datagram<'_>, packet: &RtpPacket<'_>) -> Result<(), IngestError> {
        let found = packet.header.payload_type.get();
        let wrong_type = self.config.payload_type.filter(|&expected| expected != found);
        let (ssrc, sequence) = (packet.header.ssrc, packet.header.sequence);
        let mut own = self.timeline.as_mut().filter(|timeline| timeline.rtp.ssrc == ssrc);
        let is_keep_alive = is_keep_alive(packet, self.config.payload_type, own.is_some());
        if let Some(timeline) = own.as_mut().filter(|_| is_keep_alive || wrong_type.is_some()) {
            // The packet has used a sequence number of the stream, so that number must not count as
            // lost.
            timeline.legs.skip(datagram.leg, sequence);
            self.continuity.skip(ssrc, sequence);
        }
        if is_keep_alive {
            return Err(IngestError::KeepAlive);
        }
        let Some(expected) = wrong_type else { return Ok(()) };
        // While packets of the described type arrive, others do not belong to the stream.
        if !self.continuity.goes_on(datagram.at) {
            self.conformance.observe(datagram.at, packet);
        }
        Err(IngestError::PayloadType { found, expected })
    }

    /// Judges whether a packet continues the stream. A packet from another source is judged here
    /// only if it may be the stream's next one; otherwise [`Ingest`](crate::receive::Ingest)
    /// accepts it if the stream's source has fallen silent.
    fn judge(&mut self, datagram: Datagram<'_>, packet: &RtpPacket<'_>) -> Verdict {
        let ssrc = packet.header.ssrc;
        let frames = self.config.format.frames_in_payload(packet.payload.len()).unwrap_or(0);
        let mut is_early = false;
        if let Some(timeline) = &self.timeline {
            let is_own = timeline.rtp.ssrc == ssrc;
            let goes_on = || timeline.goes_on_with(packet, Frames::of(frames));
            if !is_own && !goes_on() && !self.continuity.holds_of(ssrc) {
                return Verdict::Take;
            }
            // A packet is sent when its last frame has been captured. So the timestamp of a packet
            // of an unusual length is shifted to that of a packet of the usual length with the same
            // last frame.
            let longer = self.continuity.packet_frames().map_or(0, |usual| Frames::of(frames).get() - usual);
            let position = packet.header.timestamp.unwrap_near(timeline.rtp.newest) + Frames::new(longer);
            let sample = timeline.sample(datagram.at, position, self.config.format.sample_rate());
            is_early = is_own && timeline.legs.is_early(datagram.leg, &sample);
        }
        self.continuity.judge(datagram, packet, frames, is_early)
    }

    fn accept_from(&mut self, datagram: Datagram<'_>, packet: &RtpPacket<'_>) -> Result<(), IngestError> {
        self.accept(datagram.leg, datagram.at, packet)?;
        let Some(from) = datagram.from else { return Ok(()) };
        self.gates[datagram.leg as usize].accept(datagram.at, from);
        if let Some(takeover) = self.gates[datagram.leg as usize].take_takeover() {
            self.stats.takeovers = self.stats.takeovers.wrapping_add(1);
            self.stats.takeover = Some(takeover);
        }
        Ok(())
    }

    /// The number of frames in a packet.
    ///
    /// # Errors
    /// If the payload is not a whole number of frames, or is longer than described.
    pub(super) fn frames_of(&self, packet: &RtpPacket<'_>) -> Result<Frames, IngestError> {
        let frames = Frames::of(self.config.format.frames_in_payload(packet.payload.len())?).get();
        match self.config.longest_packet {
            Some(longest) if frames > i64::from(longest) => Err(IngestError::TooLong { frames, longest }),
            _ => Ok(Frames::new(frames)),
        }
    }
}
