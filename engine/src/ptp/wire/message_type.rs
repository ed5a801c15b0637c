//! The types of messages, and their properties.

use std::fmt;

use super::WireError;

/// messageType (IEEE 1588-2008 table 19).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MessageType {
    /// A master's time; with [`super::Flags::TWO_STEP`], the time follows in a Follow_Up.
    Sync = 0x0,
    /// End-to-end delay request, from slave to master.
    DelayReq = 0x1,
    /// Peer delay request.
    PdelayReq = 0x2,
    /// Peer delay response.
    PdelayResp = 0x3,
    /// Departure time of a two-step Sync.
    FollowUp = 0x8,
    /// Arrival time of a Delay_Req.
    DelayResp = 0x9,
    /// Departure time of a two-step Pdelay_Resp.
    PdelayRespFollowUp = 0xA,
    /// A master describes its grandmaster.
    Announce = 0xB,
    /// TLVs from port to port.
    Signaling = 0xC,
    /// Reading and writing a clock's data sets.
    Management = 0xD,
}

impl MessageType {
    pub(super) const fn from_field(message_type: u8) -> Result<Self, WireError> {
        Ok(match message_type {
            0x0 => Self::Sync,
            0x1 => Self::DelayReq,
            0x2 => Self::PdelayReq,
            0x3 => Self::PdelayResp,
            0x8 => Self::FollowUp,
            0x9 => Self::DelayResp,
            0xA => Self::PdelayRespFollowUp,
            0xB => Self::Announce,
            0xC => Self::Signaling,
            0xD => Self::Management,
            _ => return Err(WireError::UnknownMessageType { message_type }),
        })
    }

    /// Whether messages of this type are timestamped event messages, which use UDP port 319; all
    /// others are general messages, which use port 320 (IEEE 1588-2008 6.6.2.2 and annex D.2).
    #[must_use]
    pub const fn is_event(self) -> bool {
        (self as u8) < 0x8
    }

    /// The value of controlField, which only PTPv1 hardware still uses (IEEE 1588-2008 table 23).
    pub(super) const fn control_field(self) -> u8 {
        match self {
            Self::Sync => 0,
            Self::DelayReq => 1,
            Self::FollowUp => 2,
            Self::DelayResp => 3,
            Self::Management => 4,
            _ => 5,
        }
    }
}

impl fmt::Display for MessageType {
    /// Writes the standard's spelling, such as `Delay_Req`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sync => "Sync",
            Self::DelayReq => "Delay_Req",
            Self::PdelayReq => "Pdelay_Req",
            Self::PdelayResp => "Pdelay_Resp",
            Self::FollowUp => "Follow_Up",
            Self::DelayResp => "Delay_Resp",
            Self::PdelayRespFollowUp => "Pdelay_Resp_Follow_Up",
            Self::Announce => "Announce",
            Self::Signaling => "Signaling",
            Self::Management => "Management",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_their_fields_match() {
        let mut known = 0;
        for field in 0..=u8::MAX {
            match MessageType::from_field(field) {
                Ok(message_type) => {
                    known += 1;
                    assert_eq!(message_type as u8, field);
                }
                Err(error) => assert_eq!(error, WireError::UnknownMessageType { message_type: field }),
            }
        }
        assert_eq!(known, 10);
    }

    #[test]
    fn event_messages_are_the_timestamped_ones() {
        assert!(MessageType::PdelayResp.is_event());
        assert!(!MessageType::FollowUp.is_event());
    }
}
