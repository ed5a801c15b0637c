//! The subjects of a scenario and the events in it, for reports on its trace.

use super::describe;
use crate::record::{Incident, Occurrence, ShownMask, Subjects};
use crate::scenario::{Fault, FaultKind, Metric, Scenario, Seconds};
use engine::Nanos;

/// What a scenario simulates and checks in addition to playback.
pub(super) fn subjects(scenario: &Scenario) -> Subjects {
    let looks_at =
        |of: fn(Metric) -> bool| scenario.expectations.iter().any(|expectation| of(*expectation.metric.as_ref()));
    Subjects {
        clock: scenario.chain().is_none() || looks_at(Metric::is_of_clock),
        sender: scenario.sender.is_some(),
        legs: scenario.network.media_b.is_some(),
        skew: looks_at(Metric::compares_receivers),
    }
}

/// The masks by which clocks are judged, each once, for the plots. A mask of filtered values is
/// left out, because the plots show unfiltered ones: a clock within it would be drawn beyond it.
pub(super) fn masks(scenario: &Scenario) -> Vec<ShownMask> {
    let mut shown: Vec<ShownMask> = Vec::new();
    for expectation in &scenario.expectations {
        let (Some(clock), Some(mask)) = (expectation.clock, expectation.mask) else { continue };
        // A mask that cannot be read is told where it is judged.
        let Ok(limits) = mask.read() else { continue };
        let is_new = !shown.iter().any(|other| (other.clock, other.mask) == (clock, mask));
        if limits.low_pass_hz.is_none() && is_new {
            shown.push(ShownMask { clock, mask, limits });
        }
    }
    shown
}

/// The faults, and the masters that appear and disappear, in order of time.
pub(super) fn incidents(scenario: &Scenario) -> Vec<Incident> {
    let duration = scenario.duration_s.nanos();
    let incident = |fault: &Fault| {
        let silences_master = matches!(fault.what, FaultKind::GrandmasterLost | FaultKind::NetworkLost);
        let ends = |to: Option<Nanos>| to.or(silences_master.then_some(duration)).filter(|_| !fault.what.is_instant());
        let occurrence = |(from, to): (Nanos, Option<Nanos>)| Occurrence {
            from_s: from.as_secs_f64(),
            to_s: ends(to).map(|to| to.min(duration).as_secs_f64()),
        };
        Incident {
            text: describe(&fault.what),
            silences_master,
            times: fault.times(duration).map(occurrence).collect(),
        }
    };
    let mut incidents: Vec<Incident> = scenario.faults.iter().map(incident).chain(masters(scenario)).collect();
    let starts = |incident: &Incident| incident.times.first().map_or(0.0, |first| first.from_s);
    incidents.sort_by(|a, b| starts(a).total_cmp(&starts(b)));
    incidents
}

/// The masters that appear or disappear according to their own settings.
fn masters(scenario: &Scenario) -> impl Iterator<Item = Incident> {
    let rivals = scenario.rivals.iter().map(|rival| (format!("master {}", rival.identity.0), rival));
    [("grandmaster".to_owned(), &scenario.grandmaster)].into_iter().chain(rivals).flat_map(|(name, master)| {
        let at = |time: Seconds, what: &str| Incident {
            text: format!("{name} {what}"),
            silences_master: false,
            times: vec![Occurrence { from_s: time.get(), to_s: None }],
        };
        let comes = Some(master.present_from_s).filter(|from| from.get() > 0.0).map(|from| at(from, "comes"));
        let goes = master.present_to_s.map(|to| at(to, "goes"));
        [comes, goes].into_iter().flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Loaded;
    use std::path::Path;

    fn scenario(name: &str) -> Scenario {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../scenarios/{name}.toml"));
        Loaded::read(&path, &["record.audio=\"none\"".to_owned()]).unwrap().scenario
    }

    fn told(name: &str) -> Vec<(String, Option<f64>, usize)> {
        let incidents = incidents(&scenario(name)).into_iter();
        incidents.map(|incident| (incident.text, incident.times[0].to_s, incident.times.len())).collect()
    }

    #[test]
    fn a_fault_has_its_end_and_comes_as_often_as_it_does() {
        let told = told("card_xruns");
        let of = |text: &str| told.iter().find(|(found, ..)| found == text).map(|(_, to_s, times)| (*to_s, *times));
        // In an instant; 15 ms every 5 s from 105 s to 180 s; 20 s; and to the end of the run.
        assert_eq!(of("xrun of 12 ms"), Some((None, 1)));
        assert_eq!(of("callbacks held up"), Some((Some(105.015), 16)));
        assert_eq!(of("callbacks of 1024 frames"), Some((Some(160.0), 1)));
        assert_eq!(of("callbacks of 64 frames"), Some((None, 1)));
    }

    #[test]
    fn a_lost_grandmaster_is_told_from_one_that_goes() {
        let incident = incidents(&scenario("gm_loss")).remove(0);
        assert!(incident.silences_master && incident.times[0].to_s == Some(120.0), "{incident:?}");
        let told: Vec<String> = told("gm_switch").into_iter().map(|(text, ..)| text).collect();
        assert_eq!(told, ["grandmaster goes", "master 00b0c2fffe000001 comes"]);
    }

    #[test]
    fn a_scenario_is_about_what_it_has_and_what_it_expects() {
        let none = Subjects::default();
        assert_eq!(subjects(&scenario("asymmetry_step")), Subjects { clock: true, ..none });
        assert_eq!(subjects(&scenario("gm_loss")), Subjects { clock: true, ..none });
        assert_eq!(subjects(&scenario("redundancy_skew_10ms")), Subjects { legs: true, ..none });
        assert_eq!(subjects(&scenario("two_receivers_in_phase")), Subjects { skew: true, ..none });
        assert_eq!(subjects(&scenario("sender_ptp")), Subjects { sender: true, ..none });
        assert_eq!(subjects(&scenario("cpal_direct")), none);
    }
}
