//! `aes67 ptp --livewire`: follows the Livewire clock and reports how accurately, or serves it.

use crate::clock_wait::{ClockWait, local_clock};
use crate::failure::{Failure, Result};
use crate::session::{Session, print};
use engine::livewire_clock::{ClockEvent, GROUP, Master, PORT};
use engine::{LocalTime, Nanos, Ppb};
use net::clock;
use net::livewire_clock::{LivewireClient, LivewireClockEvent, LivewireConfig, LivewireStatus};
use serde::Serialize;
use std::process::ExitCode;

pub(crate) fn run(config: LivewireConfig, wait_s: Option<f64>, seconds: Option<f64>, json: bool) -> Result<ExitCode> {
    let interface = config.interface.clone();
    let client = LivewireClient::shared(config)?;
    let events = client.subscribe();
    let mut wait = ClockWait::new(wait_s)?;
    let mut session = Session::start(seconds)?.kept_awake();
    if !json {
        print(&format!("Livewire clock {GROUP}:{PORT} on {interface}"));
    }
    let mut findings = Vec::new();
    while session.goes_on() {
        for event in events.try_iter() {
            if !json {
                print(&format!("  {:.1} s: {event}", session.elapsed().as_secs_f64()));
            } else if is_finding(&event) {
                findings.push(event.to_string());
            }
        }
        let status = client.status();
        let known = status.is_usable() || status.serves.is_some();
        wait.look(session.elapsed(), known, || status.reason.clone())?;
        if session.second_is_over() {
            if json {
                print(&to_json(&status, clock::now(), session.elapsed().as_secs_f64(), std::mem::take(&mut findings))?);
            } else {
                print(&status.to_string());
                details(&status).iter().for_each(|line| print(line));
            }
        }
    }
    if !json {
        print(&summary(&client.status()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether an event reports a peculiarity of a master.
fn is_finding(event: &LivewireClockEvent) -> bool {
    matches!(event, LivewireClockEvent::Clock(ClockEvent::Contested(_) | ClockEvent::Settled))
}

/// The line below the status line, if there is more to say.
fn details(status: &LivewireStatus) -> Option<String> {
    if status.serves.is_some() {
        return Some(format!("    {} packets sent", status.sent));
    }
    let uncertainty = status.uncertainty()?;
    let LivewireStatus { presumed_delay, jitter, .. } = status;
    let mac = status.master.map_or_else(String::new, |master| format!("MAC {}, ", master.identity.mac));
    // The status line already contains the diagnosis.
    let reason = if status.diagnosis.is_some() { String::new() } else { format!("; {}", status.reason) };
    Some(format!("    {mac}path delay presumed {presumed_delay}, uncertainty {uncertainty}, jitter {jitter}{reason}"))
}

fn summary(status: &LivewireStatus) -> String {
    let counters = &status.counters;
    format!(
        "packets {}, contested {}, of other masters {}, from another address {}, malformed {}; sent {}\n\
         timestamps: {} (by user space {}, error of conversion at most {})\n\
         local clock: {}\nthread: {}\nsystem clock: {}",
        counters.packets,
        counters.contested,
        counters.not_the_master,
        counters.other_source,
        counters.malformed,
        status.sent,
        status.timestamping,
        status.socket.stamped_by_user_space,
        status.socket.stamp_error,
        local_clock(clock::steps_back()),
        status.scheduling,
        status.system,
    )
}

#[derive(Serialize)]
struct Line<'a> {
    elapsed_s: f64,
    state: String,
    reason: &'a str,
    /// Peculiarities, each reported once.
    findings: Vec<String>,
    /// The master as Livewire devices display it.
    master: Option<String>,
    mac: Option<String>,
    hardware_id: Option<u16>,
    priority: Option<u8>,
    /// The source address of the master's packets.
    address: Option<String>,
    /// Whether this computer is the master.
    serves: bool,
    prediction_error_ns: Option<i64>,
    presumed_delay_ns: i64,
    rate_ppm: Option<f64>,
    uncertainty_ns: Option<i64>,
    jitter_ns: i64,
    epoch: u32,
    /// The clock's current count of 250 us units.
    frame: Option<u32>,
    /// The Livewire clock's time minus the local clock.
    livewire_minus_local_ns: Option<i64>,
    local_clock: &'static str,
    local_clock_steps_back: u64,
    timestamping: String,
    stamped_by_user_space: u64,
    stamp_error_ns: i64,
    packets: u64,
    contested: u64,
    not_the_master: u64,
    other_source: u64,
    malformed: u64,
    sent: u64,
    scheduling: String,
}

fn to_json(status: &LivewireStatus, now: LocalTime, elapsed_s: f64, findings: Vec<String>) -> Result<String> {
    let followed = status.master.as_ref();
    let identity = status.serves.or(followed.map(|master| master.identity));
    let time_ns = status.time_at(now).map(engine::PtpTime::as_nanos);
    let counters = &status.counters;
    let line = Line {
        elapsed_s,
        state: if status.serves.is_some() { "MASTER".to_owned() } else { status.clock.state.to_string() },
        reason: &status.reason,
        findings,
        master: identity.map(|identity| identity.to_string()),
        mac: identity.map(|identity| identity.mac.to_string()),
        hardware_id: identity.map(|identity| identity.hardware_id),
        priority: identity.map(|identity| identity.priority),
        address: followed.map(|Master { source, .. }| source.to_string()),
        serves: status.serves.is_some(),
        prediction_error_ns: status.prediction_error.map(Nanos::as_nanos),
        presumed_delay_ns: status.presumed_delay.as_nanos(),
        rate_ppm: status.rate().map(Ppb::as_ppm),
        uncertainty_ns: status.uncertainty().map(Nanos::as_nanos),
        jitter_ns: status.jitter.as_nanos(),
        epoch: status.clock.epoch,
        frame: time_ns.map(|ns| ns.div_euclid(i128::from(engine::livewire_clock::CLOCK_FRAME.as_nanos())) as u32),
        livewire_minus_local_ns: time_ns.and_then(|ns| i64::try_from(ns - i128::from(now.as_nanos())).ok()),
        local_clock: clock::NAME,
        local_clock_steps_back: clock::steps_back().0,
        timestamping: status.timestamping.to_string(),
        stamped_by_user_space: status.socket.stamped_by_user_space,
        stamp_error_ns: status.socket.stamp_error.as_nanos(),
        packets: counters.packets,
        contested: counters.contested,
        not_the_master: counters.not_the_master,
        other_source: counters.other_source,
        malformed: counters.malformed,
        sent: status.sent,
        scheduling: status.scheduling.to_string(),
    };
    serde_json::to_string(&line).map_err(Failure::run)
}
