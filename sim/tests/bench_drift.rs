//! The comparison of drift laws: its models against figures of an earlier model, and its result
//! against itself.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bench_support;

use sim::bench::{DriftFigures, DriftLawKind, DriftPlan, compare_drift_laws, render_drift_json, render_drift_table};
use sim::world::Control;

fn bench(name: &str, overrides: &[&str], laws: &[DriftLawKind], seeds: u64) -> Vec<DriftFigures> {
    let conditions = bench_support::condition(&format!("drift/{name}"), overrides);
    let plan = DriftPlan { conditions, laws: laws.to_vec(), seeds };
    compare_drift_laws(&plan, &Control::default()).unwrap().unwrap()
}

/// A law without memory shows the model as it is: level, jitter, stalls and beat, and what becomes
/// of them.
#[test]
fn the_proportional_law_wobbles_as_in_the_model_of_which_the_goals_come() {
    for (name, rms_ppm, phase_noise_dbc) in [("A", 6.25, -48.0), ("B", 15.4, -39.0)] {
        let figures = &bench(name, &[], &[DriftLawKind::PrototypeP], 1)[0];
        let rms = figures.ratio_rms_ppm.unwrap();
        assert!((rms / rms_ppm - 1.0).abs() < 0.05, "{figures:?}");
        assert!((figures.phase_noise_dbc.unwrap() - phase_noise_dbc).abs() < 1.5, "{figures:?}");
        // Standing off by the card's 100 ppm over the gain, more than the level says by up to half
        // a packet.
        assert!((9.0..13.0).contains(&figures.delay_max_ms), "{figures:?}");
    }
}

/// Other receivers' loops, with what their sources say they look at, against figures of an earlier
/// model of them.
#[test]
fn loops_on_the_level_wobble_as_in_the_model_of_which_the_goals_come() {
    let published = [
        (DriftLawKind::PipewireRtp, [(2.32, -82.0), (10.95, -80.0)]),
        (DriftLawKind::PipewireAlsa, [(4.57, -67.0), (18.1, -52.0)]),
        (DriftLawKind::RocGradual, [(3.38, -66.0), (69.0, -54.0)]),
        (DriftLawKind::Zita, [(7.6, -61.0), (15.2, -55.0)]),
    ];
    for (index, name) in ["A", "B"].into_iter().enumerate() {
        let figures = bench(name, &[], &published.map(|(law, _)| law), 1);
        for (figures, (_, published)) in figures.iter().zip(published) {
            let (rms_ppm, phase_noise_dbc) = published[index];
            let rms = figures.ratio_rms_ppm.unwrap();
            assert!((rms / rms_ppm - 1.0).abs() < 0.15, "{figures:?}");
            assert!((figures.phase_noise_dbc.unwrap() - phase_noise_dbc).abs() < 1.5, "{figures:?}");
        }
    }
}

/// 40 ms at 80 ppm last for 500 s, where no stall comes before.
#[test]
fn a_trim_of_20_ppm_runs_dry_at_100_ppm() {
    let short = bench("J", &["duration_s=400"], &[DriftLawKind::PrototypePi], 1);
    let long = bench("J", &["duration_s=700"], &[DriftLawKind::PrototypePi], 1);
    assert!(short[0].underruns == 0 && long[0].underruns > 0, "{short:?} {long:?}");
}

#[test]
fn the_engine_is_steady_where_others_wobble() {
    for name in ["A", "B"] {
        let laws = [DriftLawKind::Engine, DriftLawKind::PipewireRtp, DriftLawKind::RocGradual];
        let figures = bench(name, &["duration_s=600"], &laws, 1);
        let rms = |index: usize| figures[index].ratio_rms_ppm.unwrap();
        assert!(rms(0) * 10.0 < rms(1).min(rms(2)), "{figures:?}");
        assert!(figures.iter().all(|figures| figures.underruns + figures.overruns == 0), "{figures:?}");
    }
}

/// A master that wanders by 100 us over 5 s is not chased, and its step is followed all the same.
#[test]
fn a_master_that_wanders_is_not_chased_and_its_step_is_followed() {
    let overrides = [
        "duration_s=520",
        "fault.0.at_s=400",
        "fault.1.at_s=500",
        "talker.packet_frames=240",
        "card.callback_frames=960",
    ];
    let figures = &bench("wander/W", &overrides, &[DriftLawKind::Engine], 1)[0];
    assert!(figures.ratio_rms_ppm.unwrap() < 0.15, "{figures:?}");
    assert!(figures.step_removed_s.unwrap() <= 60.0 && figures.xrun_removed_s.unwrap() <= 2.0, "{figures:?}");
    assert_eq!((figures.underruns, figures.overruns), (0, 0), "{figures:?}");
}

/// One that wanders too fast to be locked to, and one that wanders too slowly to be told from a
/// crystal before it has: neither is heard.
#[test]
fn wander_of_any_speed_is_not_chased() {
    for (rms_us, tau_s, duration_s) in [(500, 1, 400), (100, 50, 800)] {
        let overrides = [
            format!("duration_s={duration_s}"),
            format!("fault.0.at_s={}", duration_s - 2),
            format!("fault.1.at_s={}", duration_s - 1),
            format!("grandmaster.wander.rms_us={rms_us}"),
            format!("grandmaster.wander.tau_s={tau_s}"),
            "talker.packet_frames=240".to_owned(),
            "card.callback_frames=960".to_owned(),
        ];
        let overrides: Vec<&str> = overrides.iter().map(String::as_str).collect();
        let figures = &bench("wander/W", &overrides, &[DriftLawKind::Engine], 1)[0];
        assert!(figures.ratio_rms_ppm.unwrap() < 0.15, "{rms_us} us, {tau_s} s: {figures:?}");
    }
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    bench_support::assert_same_on_any_threads(|| {
        let figures = bench("D", &["duration_s=100", "fault.1.at_s=50"], DriftLawKind::ALL, 2);
        render_drift_json(&figures) + &render_drift_table(&figures)
    });
}

#[test]
fn json_has_these_keys() {
    let figures = bench("H", &["duration_s=60"], &[DriftLawKind::Engine], 1);
    let list: serde_json::Value = serde_json::from_str(&render_drift_json(&figures)).unwrap();
    let expected = [
        "condition",
        "law",
        "seeds",
        "settle_s",
        "ratio_rms_ppm",
        "ratio_pp_ppm",
        "slew_max_ppm_per_s",
        "delay_pp_ms",
        "delay_max_ms",
        "phase_noise_dbc",
        "underruns",
        "overruns",
        "step_removed_s",
        "xrun_removed_s",
    ];
    bench_support::assert_keys(&list[0], &expected);
}
