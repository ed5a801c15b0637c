//! The function for a stream's statistics.

use super::write_sized;
use crate::boundary::{guarded, report};
use crate::layout::Stats;
use crate::streams::{self, SILENCE, Stream};
use bass_ffi::clock_view::ClockView;
use bass_ffi::threads::isolated;
use engine::Nanos;
use net::stream::ReceiverStatus;

/// The values of `BASS_AES67_STATE_*`.
mod state {
    pub(super) const WAITING: u32 = 0;
    pub(super) const STARTING: u32 = 1;
    pub(super) const PLAYING: u32 = 2;
    pub(super) const SILENT: u32 = 3;
}

#[unsafe(no_mangle)]
unsafe extern "system" fn BASS_AES67_GetStats(handle: u32, out: *mut Stats) -> i32 {
    guarded(0, || {
        let known = isolated(|| {
            let stream = streams::find(handle)?;
            let status = stream.status().unwrap_or_default();
            Ok(stats_of(&stream, &status))
        });
        // SAFETY: the C header requires the host to guarantee this.
        i32::from(report(known.and_then(|stats| unsafe { write_sized(out, stats) })).is_some())
    })
}

fn stats_of(stream: &Stream, status: &ReceiverStatus) -> Stats {
    let (ingest, playout, sequence) = (&status.ingest, &status.playout, &status.ingest.sequence);
    let ms = |duration: Nanos| duration.as_secs_f64() * 1e3;
    Stats {
        size: 0,
        state: match status.last_packet {
            None => state::WAITING,
            Some(last) if status.at - last >= SILENCE => state::SILENT,
            Some(_) if playout.started => state::PLAYING,
            Some(_) => state::STARTING,
        },
        rate_hz: stream.format.sample_rate().as_hz(),
        channels: stream.format.channels() as u32,
        packet_frames: stream.packet_frames(status) as u32,
        generation: ingest.sources,
        on_ptp: u32::from(playout.link_offset.is_some()),
        locked: u32::from(stream.with_timeline(|timeline| ClockView::of(timeline).locked).unwrap_or(false)),
        packets_received: ingest.packets,
        packets_lost: sequence.lost,
        packets_late: playout.late_packets,
        packets_dropped: playout.dropped_packets,
        packets_duplicate: sequence.duplicates,
        packets_reordered: sequence.reordered,
        packets_refused: ingest.refused,
        packets_overflowed: ingest.overflows + status.legs.iter().map(|leg| leg.socket.dropped).sum::<u64>(),
        concealed_frames: playout.concealed_frames,
        underruns: playout.underruns,
        jumps: playout.jumps,
        ratio_ppm: playout.ratio.as_ppm(),
        card_ppm: playout.card_rate.as_ppm(),
        sender_ppm: ingest.media_rate.as_ppm(),
        buffer_ms: ms(stream.waiting()),
        target_ms: ms(playout.target_depth),
        latency_ms: ms(playout.link_offset.unwrap_or(playout.actual_depth + stream.packet_time(status))),
        jitter_ms: ms(ingest.arrival_jitter),
    }
}
