//! The setting of a run: masters, network, computer and, for a stream, the whole audio chain.

use super::draw::Dice;
use std::path::Path;

/// The scenario of a run, in which nothing happens yet.
pub(super) fn scene(
    dice: &mut Dice,
    seed: u64,
    run: u64,
    has_stream: bool,
    duration_s: u32,
    programme: &Path,
) -> String {
    let audio = if has_stream { "heard" } else { "none" };
    let log_sync_interval = dice.pick(&[-4, -3, -3, -3, -2]);
    let two_step = dice.chance(0.7);
    let (ptp_us, ptp_mean_us) = (dice.between(10.0, 400.0), dice.between(2.0, 60.0));
    let (host_ppm, walk_ppb) = (dice.between(-80.0, 80.0), dice.pick(&[0.5, 1.0, 3.0]));
    let mut text = format!(
        "title = \"Soak, seed {seed}, run {run}\"
duration_s = {duration_s}
seed = {run}

[record]
audio = \"{audio}\"
interval_s = 1

[grandmaster]
identity = \"dca600fffeff2eea\"
domain = 0
priority_1 = 128
clock_class = 6
log_announce_interval = {announce}
log_sync_interval = {log_sync_interval}
log_min_delay_req_interval = 0
two_step = {two_step}
start_time_s = 1_790_000_000

[network.ptp]
delay_us = {ptp_us}
jitter.exponential = {{ mean_us = {ptp_mean_us} }}

[host]
clock = {{ offset_ppm = {host_ppm}, random_walk_ppb = {walk_ppb} }}

[[receiver]]
name = \"engine\"
kind = \"engine\"
",
        announce = dice.pick(&[0, 0, 1]),
    );
    if dice.chance(0.3) {
        let offset_us = dice.between(-5.0, 5.0);
        text += &format!(
            "
[[rival]]
identity = \"00b0c2fffe000001\"
domain = 0
priority_1 = 200
clock_class = 6
log_announce_interval = 0
log_sync_interval = {log_sync_interval}
log_min_delay_req_interval = 0
two_step = {two_step}
start_time_s = 1_790_000_000
time_offset_us = {offset_us}
"
        );
    }
    if has_stream {
        text += &stream(dice, programme);
    }
    text
}

/// Sender, path, sound card, and the requested depth.
fn stream(dice: &mut Dice, programme: &Path) -> String {
    let clock = if dice.chance(0.5) {
        "\"grandmaster\"".to_owned()
    } else {
        format!("{{ crystal = {{ offset_ppm = {} }} }}", dice.between(-50.0, 50.0))
    };
    let (packet_frames, callback_frames) = (dice.pick(&[48, 48, 192, 240]), dice.pick(&[128, 480, 960]));
    let (media_us, media_mean_us) = (dice.between(50.0, 500.0), dice.between(10.0, 100.0));
    let card_ppm = dice.between(-80.0, 80.0);
    // The depth must cover a callback, a packet, and some lateness.
    let least_ms = (callback_frames + packet_frames) / 48 + 5;
    let depth_ms = dice.pick(&[20, 30, 50]).max(least_ms);
    // The path is written as a literal string of TOML, in which nothing is escaped.
    let programme = programme.display();
    format!(
        "
[talker]
group = \"239.192.0.1:5004\"
encoding = \"L16\"
channels = 2
sample_rate_hz = 48_000
packet_frames = {packet_frames}
payload_type = 96
clock = {clock}
source.wav = '{programme}'

[network.media]
delay_us = {media_us}
jitter.exponential = {{ mean_us = {media_mean_us} }}

[card]
sample_rate_hz = 48_000
clock = {{ offset_ppm = {card_ppm}, random_walk_ppb = 1 }}
callback_frames = {callback_frames}
callback_jitter.exponential = {{ mean_us = 50 }}

[playout]
target_depth_ms = {depth_ms}
"
    )
}
