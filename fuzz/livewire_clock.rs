//! What must hold of the Livewire clock for any bytes whatsoever. Each function panics where it
//! does not.

use engine::clock::LockState;
use engine::livewire_clock::{ClockPacket, LivewireClock, LivewireMaster, MacAddress, MasterIdentity, PACKET_LEN};
use engine::{LocalTime, Nanos, PtpTime};
use std::net::Ipv4Addr;

/// Far more than any queue holds.
const MANY: usize = 1_000;
/// Half of what time there is, so that no sum saturates.
const END: i64 = i64::MAX / 2;
/// Packets come at this pace.
const PACE: Nanos = Nanos::from_millis(35);
/// A locked clock is no more uncertain than this, ns.
const CEILING_NS: f64 = 1e6;

/// A packet that can be parsed can be emitted, and the *emitted* bytes mean the same.
pub(crate) fn packet(datagram: &[u8]) {
    let Ok(packet) = ClockPacket::parse(datagram) else { return };
    let emitted = packet.emit();
    assert_eq!(ClockPacket::parse(&emitted), Ok(packet));
    assert!(packet.within_frame() < Nanos::from_micros(250));
}

/// A script is a row of steps: packets of few masters that are nearly right, any bytes in place of
/// a packet, and pauses. Whatever comes: nothing panics, events end, timers do not fire for ever,
/// and a clock that says that it is locked does not claim to be uncertain by more than the ceiling.
pub(crate) fn clock(script: &[u8]) {
    let mut clock = LivewireClock::new();
    let mut master = LivewireMaster::new(identity(0), LocalTime::ZERO);
    let mut now = LocalTime::ZERO;
    let mut rest = script;
    while let Some((&kind, after)) = rest.split_first() {
        rest = after;
        match kind % 3 {
            0 => {
                let Some((&[who, off, scale, number], after)) = rest.split_first_chunk() else { return };
                rest = after;
                // Mostly of one master and right.
                let number = if number < 200 { 1 } else { number % 32 };
                let off = if who < 200 { 0 } else { i64::from(off as i8) << (scale % 40) };
                let time = PtpTime::from_nanos(i128::from(now.as_nanos())) + Nanos::from_secs(1000) + Nanos::new(off);
                let bytes = ClockPacket::at(time, 0, identity(number)).emit();
                hear(&mut clock, &mut master, now, number, &bytes);
                now = later(now, PACE);
            }
            1 => {
                let Some((&source, after)) = rest.split_first() else { return };
                let (bytes, after) = after.split_at(PACKET_LEN.min(after.len()));
                rest = after;
                hear(&mut clock, &mut master, now, source % 4, bytes);
            }
            _ => {
                let Some((&exponent, after)) = rest.split_first() else { return };
                rest = after;
                // From 1 ns to a century.
                now = later(now, Nanos::new(1 << (exponent % 62)));
                clock.handle_timeout(now);
            }
        }
        settle(&mut clock, &mut master, now);
    }
}

fn identity(number: u8) -> MasterIdentity {
    MasterIdentity::new(number % 16, address(number), MacAddress([0, 0x50, 0xC2, 0, 0, number]))
}

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, last)
}

fn later(now: LocalTime, by: Nanos) -> LocalTime {
    LocalTime::from_nanos(now.as_nanos().saturating_add(by.as_nanos()).min(END))
}

fn hear(clock: &mut LivewireClock, master: &mut LivewireMaster, now: LocalTime, source: u8, bytes: &[u8]) {
    let heard = clock.handle_datagram(now, address(source), bytes);
    assert!(heard.is_err() || ClockPacket::parse(bytes).is_ok());
    master.handle_datagram(now, bytes);
}

fn settle(clock: &mut LivewireClock, master: &mut LivewireMaster, now: LocalTime) {
    if clock.poll_timeout().is_some_and(|due| due <= now) {
        clock.handle_timeout(now);
        assert!(clock.poll_timeout().is_none_or(|due| due > now), "a timer that is always due at {now:?}");
    }
    assert!((0..MANY).any(|_| clock.poll_event().map(|event| event.to_string()).is_none()), "events without end");
    if let Some(sent) = master.poll_transmit(now, PtpTime::from_nanos(now.as_nanos().into())) {
        assert!(ClockPacket::parse(&sent).is_ok());
        assert!(master.poll_timeout() > now, "a packet that is always due at {now:?}");
    }
    let reading = clock.reading(now);
    if let (LockState::Locked, Some(map)) = (reading.state, reading.map) {
        let sigma_ns = map.clock().sigma_ns(now);
        assert!(sigma_ns < CEILING_NS, "locked and uncertain by {sigma_ns} ns");
    }
    if let Some(diagnosis) = clock.diagnosis(now) {
        assert!(!diagnosis.to_string().is_empty());
    }
}
