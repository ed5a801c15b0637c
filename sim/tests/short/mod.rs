//! A scenario of a few seconds: a tone over a calm network, played by the engine.

use std::path::{Path, PathBuf};

/// The scenario; every line that a test changes is there once.
pub(crate) const SCENARIO: &str = r#"title = "A tone over a calm network"
duration_s = 20
seed = 3

[record]
audio = "full"
interval_s = 1
wav_bits = "pcm16"

[grandmaster]
identity = "dca600fffeff2eea"
domain = 0
priority_1 = 128
clock_class = 6
log_announce_interval = 0
log_sync_interval = -3
log_min_delay_req_interval = 0
two_step = true
start_time_s = 1_790_000_000

[talker]
group = "239.192.0.1:5004"
encoding = "L24"
channels = 2
sample_rate_hz = 48_000
packet_frames = 48
payload_type = 96
clock = "grandmaster"
source.tones = [{ frequency_hz = 440, level_dbfs = -12 }]

[network.media]
delay_us = 200
jitter.exponential = { mean_us = 50 }

[network.ptp]
delay_us = 150
jitter.exponential = { mean_us = 20 }

[host]
clock = { offset_ppm = 10 }
receive_jitter.uniform = { min_us = 0, max_us = 20 }

[card]
sample_rate_hz = 48_000
clock = { offset_ppm = 20 }
callback_frames = 480
callback_jitter.exponential = { mean_us = 50 }

[playout]
target_depth_ms = 30

[[receiver]]
name = "engine"
kind = "engine"

[[fault]]
at_s = 15
for_s = 2
what = "grandmaster_lost"

[[expect]]
receiver = "engine"
metric = "underruns"
max = 0
"#;

/// Writes a scenario file into a folder.
pub(crate) fn write(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("short.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// The scenario with one line's text replaced by another.
pub(crate) fn with(line: &str, replacement: &str) -> String {
    assert_eq!(SCENARIO.matches(line).count(), 1, "`{line}` is not there once");
    SCENARIO.replace(line, replacement)
}
