//! PTP messages of an attacker: with any content, so they are not written by the engine's encoder,
//! which refuses invalid values.

use super::super::Forger;

pub(crate) const HEADER_BYTES: usize = 34;

/// `messageType` (IEEE 1588-2019 table 36).
pub(super) const SYNC: u8 = 0;
pub(super) const DELAY_REQ: u8 = 1;
pub(super) const PDELAY_REQ: u8 = 2;
pub(super) const PDELAY_RESP: u8 = 3;
pub(super) const FOLLOW_UP: u8 = 8;
pub(super) const DELAY_RESP: u8 = 9;
pub(super) const ANNOUNCE: u8 = 11;
pub(super) const SIGNALING: u8 = 12;
pub(super) const MANAGEMENT: u8 = 13;

/// Flags (table 37), as the two bytes of `flagField`.
pub(super) const TWO_STEP: u16 = 0x0200;
pub(super) const UNICAST: u16 = 0x0400;
pub(super) const LEAP_61: u16 = 0x0001;
pub(super) const LEAP_59: u16 = 0x0002;
pub(super) const UTC_VALID: u16 = 0x0004;
pub(super) const PTP_TIMESCALE: u16 = 0x0008;

/// `preciseOriginTimestamp` and similar fields: 48 bits of seconds and 32 of nanoseconds.
pub(super) fn timestamp(ns: i64) -> [u8; 10] {
    let (seconds, nanoseconds) = (ns.div_euclid(1_000_000_000), ns.rem_euclid(1_000_000_000) as u32);
    let mut bytes = [0; 10];
    bytes[..6].copy_from_slice(&seconds.to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&nanoseconds.to_be_bytes());
    bytes
}

/// The time of a Follow_Up or Delay_Resp, in nanoseconds.
pub(super) fn time_of(message: &[u8]) -> i64 {
    let mut seconds = [0; 8];
    seconds[2..].copy_from_slice(&message[34..40]);
    let nanoseconds = u32::from_be_bytes([message[40], message[41], message[42], message[43]]);
    i64::from_be_bytes(seconds) * 1_000_000_000 + i64::from(nanoseconds)
}

/// A message: its header and body.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) domain: u8,
    pub(super) flags: u16,
    /// In units of 2^-16 ns.
    pub(super) correction: i64,
    /// `sourcePortIdentity`.
    pub(super) sender: [u8; 10],
    pub(super) sequence: u16,
    pub(super) log_interval: i8,
    pub(super) body: Vec<u8>,
}

impl Message {
    /// A message of the given type from the attacked master: identity, domain and interval are
    /// those of the master's Syncs.
    pub(super) fn of_master(forger: &Forger, kind: u8, sequence: u16, body: &[u8]) -> Self {
        let sync = forger.messages.get(&SYNC).map_or(&[0; HEADER_BYTES][..], |sync| &sync.bytes);
        Self {
            kind,
            domain: sync[4],
            flags: 0,
            correction: 0,
            sender: sender(sync),
            sequence,
            log_interval: sync[33] as i8,
            body: body.to_vec(),
        }
    }

    pub(super) fn flags(self, flags: u16) -> Self {
        Self { flags, ..self }
    }

    pub(super) fn correction(self, correction: i64) -> Self {
        Self { correction, ..self }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.kind, 2];
        bytes.extend(((HEADER_BYTES + self.body.len()) as u16).to_be_bytes());
        bytes.extend([self.domain, 0]);
        bytes.extend(self.flags.to_be_bytes());
        bytes.extend(self.correction.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.sender);
        bytes.extend(self.sequence.to_be_bytes());
        // `controlField` of version 1 (table 42).
        bytes.push(match self.kind {
            SYNC => 0,
            DELAY_REQ => 1,
            FOLLOW_UP => 2,
            DELAY_RESP => 3,
            MANAGEMENT => 4,
            _ => 5,
        });
        bytes.push(self.log_interval as u8);
        bytes.extend(&self.body);
        bytes
    }
}

/// The `sourcePortIdentity` of a message.
pub(super) fn sender(message: &[u8]) -> [u8; 10] {
    std::array::from_fn(|n| message[20 + n])
}

/// The `sequenceId` of a message.
pub(super) fn sequence(message: &[u8]) -> u16 {
    u16::from_be_bytes([message[30], message[31]])
}

/// Body of an Announce with this `grandmasterPriority1` and `stepsRemoved`: a clock of class 6,
/// which is better than any that ptp4l serves by default.
pub(super) fn announce_body(utc_offset: i16, priority_1: u8, grandmaster: &[u8], steps: u16) -> Vec<u8> {
    let mut body = vec![0; 10];
    body.extend(utc_offset.to_be_bytes());
    body.extend([0, priority_1, 6, 0x21, 0x4e, 0x5d, 128]);
    body.extend(&grandmaster[..8]);
    body.extend(steps.to_be_bytes());
    body.push(0x20);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_they_are_read() {
        let ns = 1_795_254_395_810_025_984;
        let message = [&[0; HEADER_BYTES][..], &timestamp(ns)].concat();
        assert_eq!(time_of(&message), ns);
    }

    #[test]
    fn a_header_has_its_fields_where_they_belong() {
        let message = Message {
            kind: ANNOUNCE,
            domain: 10,
            flags: TWO_STEP,
            correction: -1,
            sender: [7; 10],
            sequence: 0x0102,
            log_interval: -3,
            body: announce_body(37, 50, &[9; 8], 255),
        };
        let bytes = message.bytes();
        assert_eq!((bytes.len(), &bytes[2..4], bytes[4]), (64, &[0, 64][..], 10));
        assert_eq!((bytes[6], sender(&bytes), sequence(&bytes), bytes[33]), (2, [7; 10], 0x0102, 0xfd));
        assert_eq!(
            (&bytes[44..46], bytes[47], &bytes[53..61], &bytes[61..63]),
            (&[0, 37][..], 50, &[9; 8][..], &[0, 255][..])
        );
    }
}
