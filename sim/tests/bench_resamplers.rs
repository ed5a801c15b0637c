//! The comparison of resamplers: the engine's against its goals, and the keys that scripts rely on.

use sim::bench::{Contestant, ResamplerFigures, contestants, flat_to_hz, latency_ms, render_resampler_json, thdn_db};

fn engines(precision: &str) -> Vec<Contestant> {
    let name = format!("engine {precision}");
    contestants().into_iter().filter(|contestant| contestant.name.starts_with(&name)).collect()
}

#[test]
fn noise_and_distortion_are_below_the_goal() {
    for (precision, goal_db) in [("f32", -142.0), ("f64", -149.5)] {
        for contestant in engines(precision) {
            for hz in [997.0, 10_000.0, 19_000.0] {
                let thdn_db = thdn_db(&contestant, hz).unwrap();
                assert!(thdn_db < goal_db, "{}: {thdn_db} dB at {hz} Hz", contestant.name);
            }
        }
    }
}

#[test]
fn the_engine_is_flat_and_early() {
    for contestant in [engines("f32"), engines("f64")].iter().flatten() {
        let flat_to_hz = flat_to_hz(contestant).unwrap();
        assert!(flat_to_hz >= 22_500.0, "{}: {flat_to_hz} Hz", contestant.name);
        let latency_ms = latency_ms(contestant).unwrap();
        assert!(latency_ms < 1.000_01, "{}: {latency_ms} ms", contestant.name);
    }
}

/// Known of rubato: half its 256 taps and a little.
#[test]
fn rubatos_latency_is_measured_as_published() {
    let latency_ms = latency_ms(&contestants()[0]).unwrap();
    assert!((latency_ms - 2.66).abs() < 0.03, "{latency_ms} ms");
}

#[test]
fn json_has_these_keys() {
    let figures = ResamplerFigures {
        resampler: "one".to_owned(),
        ns_per_frame: 1.0,
        speed_vs_rubato_default: 2.0,
        thdn_997_db: -3.0,
        thdn_10k_db: -4.0,
        thdn_19k_db: -5.0,
        flat_to_hz: 6.0,
        latency_ms: 7.0,
    };
    let list: serde_json::Value = serde_json::from_str(&render_resampler_json(&[figures])).unwrap();
    let mut keys: Vec<&str> = list[0].as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = [
        "resampler",
        "ns_per_frame",
        "speed_vs_rubato_default",
        "thdn_997_db",
        "thdn_10k_db",
        "thdn_19k_db",
        "flat_to_hz",
        "latency_ms",
    ];
    expected.sort_unstable();
    keys.sort_unstable();
    assert_eq!(keys, expected);
}
