//! Slips of senders and paths: playout follows each of them within a second.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bench_support;

use sim::bench::{
    SlipFigures, SlipKind, SlipPlan, compare_slips, render_slip_cells, render_slip_json, render_slip_table,
};
use sim::world::Control;

fn bench(overrides: &[&str], sizes_ms: &[f64], packets: &[u16], callbacks: &[u16]) -> Vec<SlipFigures> {
    let plan = SlipPlan {
        condition: bench_support::condition("slips/lan", overrides).remove(0),
        kinds: SlipKind::ALL.to_vec(),
        sizes_ms: sizes_ms.to_vec(),
        depths_ms: vec![20.0],
        packets: packets.to_vec(),
        callbacks: callbacks.to_vec(),
    };
    compare_slips(&plan, &Control::default()).unwrap().unwrap()
}

#[test]
fn slips_of_any_size_are_followed_within_a_second_and_the_rate_is_kept() {
    let figures = bench(&["duration_s=15"], &[1.0, 18.0, 300.0], &[48, 240], &[48, 480]);
    assert_eq!(figures.len(), 48);
    for run in &figures {
        assert!(run.is_good(), "{run:?}");
        assert!(run.told_error_ms.abs() < 0.1 && run.rate_ppm < 1.0 && run.jumps == 1, "{run:?}");
    }
    assert!(render_slip_table(&figures).contains("sender_later 12 of 12"), "{}", render_slip_table(&figures));
    assert!(render_slip_cells(&figures).contains(" met"));
}

/// A network that jitters and stalls moves playout once, and that is for the slip. The depth is as
/// before within what the jitter, of 0.5 ms, leaves open.
#[test]
fn a_network_that_stalls_does_not_move_playout() {
    let stall = "network.media.stall={ mean_interval_s = 2, min_ms = 5, max_ms = 12 }";
    let jitter = "network.media.jitter.exponential.mean_us=500";
    for run in bench(&["duration_s=15", stall, jitter], &[12.0], &[48], &[96]) {
        let off_ms = run.depth_after_ms - run.depth_before_ms;
        assert!(run.jumps == 1 && run.not_heard_ms < 1.0 && off_ms.abs() < 1.0, "{run:?}");
    }
}

#[test]
fn the_result_is_the_same_on_any_threads_and_has_its_names() {
    let json = || render_slip_json(&bench(&["duration_s=6"], &[18.0], &[48], &[480]));
    bench_support::assert_same_on_any_threads(json);
    let result: serde_json::Value = serde_json::from_str(&json()).unwrap();
    let keys = "kind size_ms depth_ms packet_frames callback_frames not_heard_ms right_after_s jumps depth_before_ms \
                depth_after_ms told_error_ms rate_ppm restarts_told";
    bench_support::assert_keys(&result[0], &keys.split(' ').collect::<Vec<_>>());
}

#[test]
fn sizes_and_scenarios_that_make_no_sense_are_refused() {
    let plan = |name: &str, size_ms| SlipPlan {
        condition: bench_support::condition(name, &[]).remove(0),
        kinds: SlipKind::ALL.to_vec(),
        sizes_ms: vec![size_ms],
        depths_ms: vec![20.0],
        packets: vec![48],
        callbacks: vec![480],
    };
    let refused = |name, size_ms| plan(name, size_ms).check().unwrap_err().to_string();
    assert!(refused("slips/lan", 0.0).contains("more than 0 ms and at most 5000 ms"));
    assert!(refused("clocks/a", 1.0).contains("has no audio chain"));
    assert_eq!(plan("slips/lan", 1.0).total_ms(), 4 * 30_000);
}
