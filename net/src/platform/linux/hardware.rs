//! PTP hardware clocks of network cards: finds a card's clock, makes the card stamp packets, and
//! reads the clock.
//!
//! Model: a card stamps packets in the time of its own clock, `/dev/ptpN`. Nothing is assumed about
//! this clock: it may run freely, or another program such as ptp4l may slew or step it. It is read
//! together with the host clock whenever a stamp is converted. If a card does not stamp packets
//! yet, it is configured to stamp PTP messages, which affects all programs on the host. This
//! setting is not reverted later, because other programs may rely on it by then. A card with other
//! settings is not changed.
//!
//! `libc` has most of the kernel's structures. Crates that wrap them (`timestamped-socket`) provide
//! their own sockets, which can neither join a source-specific group nor be polled by our threads.

use super::clock::system_time;
use crate::platform::{Bracket, HardwareReading};
use engine::{LocalTime, Nanos, PtpTime};
use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

/// Number of readings per measurement, of which the fastest is used.
const SAMPLES: usize = 5;
/// A clock that takes longer to read, such as one behind a slow bus, is read only once.
const SLOW: Nanos = Nanos::from_micros(50);
/// `ETHTOOL_GET_TS_INFO` (linux/ethtool.h).
const GET_TS_INFO: u32 = 0x41;
/// `SIOCETHTOOL` (linux/sockios.h).
const SIOCETHTOOL: libc::Ioctl = 0x8946;
/// The features that a card must have.
const STAMPS_BOTH_WAYS: u32 =
    libc::SOF_TIMESTAMPING_TX_HARDWARE | libc::SOF_TIMESTAMPING_RX_HARDWARE | libc::SOF_TIMESTAMPING_RAW_HARDWARE;
/// `HWTSTAMP_FLAG_BONDED_PHC_INDEX` (linux/net_tstamp.h): the interface is a bond of several cards,
/// and the card in use may change at any time.
const OF_A_BOND: libc::c_int = 1;
/// Filters that accept PTP messages over UDP, the narrowest first.
const FILTERS: [u32; 3] =
    [libc::HWTSTAMP_FILTER_PTP_V2_L4_EVENT, libc::HWTSTAMP_FILTER_PTP_V2_EVENT, libc::HWTSTAMP_FILTER_ALL];

/// `struct ethtool_ts_info` (linux/ethtool.h).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Abilities {
    command: u32,
    so_timestamping: u32,
    phc_index: i32,
    tx_types: u32,
    tx_reserved: [u32; 3],
    rx_filters: u32,
    rx_reserved: [u32; 3],
}

/// Ways to read a clock, the most accurate first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The card itself records host time.
    Precise,
    /// The kernel records system time directly before and after it reads the card's register.
    Extended,
    /// This program requests the clock's time from the kernel, between two readings of the host
    /// clock.
    Plain,
}

/// The clock of a card that stamps the packets of its interface.
#[derive(Debug)]
pub(crate) struct HardwareClock {
    device: File,
    path: String,
    ways: Vec<Way>,
    samples: usize,
}

impl HardwareClock {
    /// Opens the clock of the interface `name`, and makes its card stamp packets from now on.
    ///
    /// # Errors
    /// If the card has no clock, or this program has no permission; the message says what would
    /// help.
    pub(crate) fn open(name: &str) -> io::Result<Self> {
        let card = Nic::new(name)?;
        let abilities = card.abilities()?;
        let path = format!("/dev/ptp{}", abilities.phc_index);
        let device = File::open(&path).map_err(|error| {
            let advice = match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    ": allow it with a rule of udev, or until the next start with `sudo chmod a+r`"
                }
                io::ErrorKind::NotFound => ": a container has to be given it",
                _ => "",
            };
            told(&error, &format!("cannot read {path} ({error}){advice}"))
        })?;
        let mut clock = Self { device, path, ways: vec![Way::Precise, Way::Extended, Way::Plain], samples: SAMPLES };
        clock.learn()?;
        card.have_it_stamp(&abilities)?;
        Ok(clock)
    }

    /// Finds the ways in which the clock can be read.
    fn learn(&mut self) -> io::Result<()> {
        let is_known = |way: &Way| {
            let unknown = [io::ErrorKind::Unsupported, io::ErrorKind::InvalidInput];
            let is_unknown =
                |error: io::Error| unknown.contains(&error.kind()) || error.raw_os_error() == Some(libc::ENOTTY);
            !self.read_by(*way).is_err_and(is_unknown)
        };
        let ways = self.ways.iter().copied().filter(is_known).collect();
        self.ways = ways;
        let took = match self.read()?.bracket {
            Bracket::Host { before, after } => after - before,
            Bracket::System { before, after } => after - before,
        };
        if took > SLOW {
            self.samples = 1;
        }
        Ok(())
    }

    /// The path of the clock's device file.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Reads the clock.
    ///
    /// # Errors
    /// If the clock cannot be read, for example because the card was unplugged.
    pub(crate) fn read(&self) -> io::Result<HardwareReading> {
        let mut last = io::ErrorKind::Unsupported.into();
        for &way in &self.ways {
            // The card may be too busy for one way of reading, but not for the next.
            match self.read_by(way) {
                Ok(reading) => return Ok(reading),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn read_by(&self, way: Way) -> io::Result<HardwareReading> {
        match way {
            Way::Precise => self.read_precisely(),
            Way::Extended => self.read_extended(),
            Way::Plain => self.read_plainly(),
        }
    }

    fn read_precisely(&self) -> io::Result<HardwareReading> {
        // SAFETY: this is a C struct of integers, for which all zeros are a valid value.
        let mut offset: libc::ptp_sys_offset_precise = unsafe { std::mem::zeroed() };
        // SAFETY: the request takes that struct, which lives through the call.
        let code = unsafe { libc::ioctl(self.device.as_raw_fd(), libc::PTP_SYS_OFFSET_PRECISE, &raw mut offset) };
        Errno::result(code)?;
        let raw = LocalTime::from_nanos(nanos(&offset.sys_monoraw) as i64);
        Ok(HardwareReading { device: ptp_time(&offset.device), bracket: Bracket::Host { before: raw, after: raw } })
    }

    fn read_extended(&self) -> io::Result<HardwareReading> {
        // SAFETY: this is a C struct of integers, for which all zeros are a valid value: clock 0 is
        // the system clock.
        let mut offset: libc::ptp_sys_offset_extended = unsafe { std::mem::zeroed() };
        offset.n_samples = self.samples as libc::c_uint;
        // SAFETY: the request takes that struct, which lives through the call.
        let code = unsafe { libc::ioctl(self.device.as_raw_fd(), libc::PTP_SYS_OFFSET_EXTENDED, &raw mut offset) };
        Errno::result(code)?;
        let samples = offset.ts.iter().take(self.samples);
        let quickest = samples.min_by_key(|[before, _, after]| nanos(after) - nanos(before));
        let [before, device, after] = quickest.ok_or(io::ErrorKind::Unsupported)?;
        let bracket = Bracket::System { before: ptp_time(before), after: ptp_time(after) };
        Ok(HardwareReading { device: ptp_time(device), bracket })
    }

    fn read_plainly(&self) -> io::Result<HardwareReading> {
        // The kernel's clock ID for a clock that is a file (clock_gettime(2), dynamic clocks).
        let id = ClockId::from_raw((!self.device.as_raw_fd() << 3) | 3);
        let read = || {
            let before = super::clock::now();
            let time: TimeSpec = clock_gettime(id)?;
            Ok((before, time, super::clock::now()))
        };
        let readings: Result<Vec<_>, Errno> = (0..self.samples).map(|_| read()).collect();
        let quickest = readings?.into_iter().min_by_key(|&(before, _, after)| after - before);
        let (before, time, after) = quickest.ok_or(io::ErrorKind::Unsupported)?;
        Ok(HardwareReading { device: system_time(&time), bracket: Bracket::Host { before, after } })
    }
}

fn nanos(time: &libc::ptp_clock_time) -> i128 {
    i128::from(time.sec) * 1_000_000_000 + i128::from(time.nsec)
}

fn ptp_time(time: &libc::ptp_clock_time) -> PtpTime {
    PtpTime::from_nanos(nanos(time))
}

/// Creates an error of the same kind with a more informative message.
fn told(error: &io::Error, message: &str) -> io::Error {
    io::Error::new(error.kind(), message)
}

/// Sends requests to a network card.
struct Nic<'a> {
    name: &'a str,
    socket: UdpSocket,
}

impl<'a> Nic<'a> {
    fn new(name: &'a str) -> io::Result<Self> {
        // Any socket can carry the requests.
        Ok(Self { name, socket: UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))? })
    }

    /// # Safety
    /// `request` must be one for which `ifr_data` points to a `T`.
    unsafe fn ask<T>(&self, request: libc::Ioctl, data: &mut T) -> io::Result<()> {
        // SAFETY: this is a C struct of integers and a pointer, for which all zeros are a valid
        // value.
        let mut asked: libc::ifreq = unsafe { std::mem::zeroed() };
        if self.name.len() >= asked.ifr_name.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for (to, from) in asked.ifr_name.iter_mut().zip(self.name.bytes()) {
            *to = from as libc::c_char;
        }
        asked.ifr_ifru.ifru_data = ptr::from_mut(data).cast();
        // SAFETY: the caller guarantees that the request takes a `T`, and the structures live
        // through the call.
        let code = unsafe { libc::ioctl(self.socket.as_raw_fd(), request, &raw mut asked) };
        Errno::result(code).map(drop).map_err(io::Error::from)
    }

    fn abilities(&self) -> io::Result<Abilities> {
        let mut abilities = Abilities { command: GET_TS_INFO, phc_index: -1, ..Abilities::default() };
        // SAFETY: the request takes a struct that begins with the command; for this command, it is
        // an `ethtool_ts_info`.
        unsafe { self.ask(SIOCETHTOOL, &mut abilities) }?;
        let stamps = abilities.so_timestamping & STAMPS_BOTH_WAYS == STAMPS_BOTH_WAYS;
        let sends = abilities.tx_types & (1 << libc::HWTSTAMP_TX_ON) != 0;
        if abilities.phc_index < 0 || !stamps || !sends {
            return Err(unsupported("it has no clock that stamps packets"));
        }
        Ok(abilities)
    }

    /// The current settings: the type of transmit stamps, and the filter for receive stamps.
    fn settings(&self) -> io::Result<(u32, u32)> {
        let mut config = libc::hwtstamp_config { flags: 0, tx_type: 0, rx_filter: 0 };
        // SAFETY: the request takes that struct.
        match unsafe { self.ask(libc::SIOCGHWTSTAMP, &mut config) } {
            Ok(()) if config.flags & OF_A_BOND != 0 => Err(unsupported("it is one of several of a bond")),
            Ok(()) => Ok((config.tx_type as u32, config.rx_filter as u32)),
            // Older drivers do not report their settings.
            Err(_) => Ok((libc::HWTSTAMP_TX_OFF, libc::HWTSTAMP_FILTER_NONE)),
        }
    }

    /// Makes the card stamp packets, if it does not do so yet.
    fn have_it_stamp(&self, abilities: &Abilities) -> io::Result<()> {
        let Some(filter) = choose(self.settings()?, abilities.rx_filters).map_err(io::Error::other)? else {
            return Ok(());
        };
        let mut config = libc::hwtstamp_config {
            flags: 0,
            tx_type: libc::HWTSTAMP_TX_ON as libc::c_int,
            rx_filter: filter as libc::c_int,
        };
        // SAFETY: the request takes that struct.
        unsafe { self.ask(libc::SIOCSHWTSTAMP, &mut config) }.map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => {
                let set = format!("`sudo hwstamp_ctl -i {} -t 1 -r {filter}`", self.name);
                told(&error, &format!("this program may not set it: {set} does, or CAP_NET_ADMIN allows it"))
            }
            _ => error,
        })?;
        // The driver returns its actual setting, which may exceed the request.
        let does = FILTERS.contains(&(config.rx_filter as u32));
        if does { Ok(()) } else { Err(unsupported("it stamps no PTP messages over UDP")) }
    }
}

fn unsupported(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, message)
}

/// The filter to set on a card with these settings; `None` if the card already stamps the required
/// packets. `filters` has a bit for each filter that the card supports.
fn choose((tx_type, filter): (u32, u32), filters: u32) -> Result<Option<u32>, String> {
    if tx_type == libc::HWTSTAMP_TX_ON && FILTERS.contains(&filter) {
        return Ok(None);
    }
    let is_one_step = tx_type > libc::HWTSTAMP_TX_ON;
    let is_others = filter != libc::HWTSTAMP_FILTER_NONE && !FILTERS.contains(&filter);
    if is_one_step || is_others {
        return Err(format!("another program has set it to something else (type {tx_type}, filter {filter})"));
    }
    if FILTERS.contains(&filter) {
        return Ok(Some(filter));
    }
    let wanted = FILTERS.into_iter().find(|wanted| filters & (1 << wanted) != 0);
    wanted.map(Some).ok_or_else(|| "it stamps no PTP messages over UDP".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON: u32 = libc::HWTSTAMP_TX_ON;
    const OFF: u32 = libc::HWTSTAMP_TX_OFF;

    /// Bits of filters.
    fn able(filters: &[u32]) -> u32 {
        filters.iter().fold(1, |all, filter| all | 1 << filter)
    }

    #[test]
    fn a_card_that_stamps_already_is_left_alone() {
        for filter in FILTERS {
            assert_eq!(choose((ON, filter), able(&FILTERS)), Ok(None));
        }
    }

    #[test]
    fn the_narrowest_filter_is_set_on_a_card_that_nobody_has_set() {
        assert_eq!(choose((OFF, 0), able(&[1, 6, 12])), Ok(Some(libc::HWTSTAMP_FILTER_PTP_V2_L4_EVENT)));
        assert_eq!(choose((OFF, 0), able(&[1, 12])), Ok(Some(libc::HWTSTAMP_FILTER_PTP_V2_EVENT)));
        assert_eq!(choose((ON, 0), able(&[1])), Ok(Some(libc::HWTSTAMP_FILTER_ALL)));
        assert!(choose((OFF, 0), able(&[9])).is_err());
    }

    #[test]
    fn what_another_program_has_set_is_not_taken_away() {
        let second_layer = libc::HWTSTAMP_FILTER_PTP_V2_L2_EVENT;
        assert!(choose((ON, second_layer), able(&FILTERS)).unwrap_err().contains("filter 9"));
        assert!(choose((libc::HWTSTAMP_TX_ONESTEP_SYNC, 12), able(&FILTERS)).unwrap_err().contains("type 2"));
        let all = libc::HWTSTAMP_FILTER_ALL;
        assert_eq!(choose((OFF, all), able(&[1, 6])), Ok(Some(all)), "only what is sent is added");
    }

    #[test]
    fn interfaces_without_such_a_clock_say_so() {
        let refused = HardwareClock::open("lo").unwrap_err();
        assert_eq!(refused.to_string(), "it has no clock that stamps packets");
        assert!(HardwareClock::open("an interface with a long name").is_err());
    }
}
