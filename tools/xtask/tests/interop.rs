//! The short forms of `cargo xtask interop`, each a test. A case that this machine cannot run tells
//! so, and is counted as skipped. The cases of sound servers, `cpal-pulseaudio` and
//! `cpal-pipewire`, are run by hand: on two processors, three cards at once take the real time from
//! each other.

use std::path::Path;
use std::process::Command;

/// The exit code of `cargo xtask interop` when all cases were skipped.
const SKIPPED: i32 = 77;

fn case(name: &str) {
    case_in(&[], name);
}

/// The same on an emulated machine, on which a claim about time must hold; skipped where there is
/// no guest.
fn case_undisturbed(name: &str) {
    case_in(&["--emulated"], name);
}

fn case_in(form: &[&str], name: &str) {
    let xtask = Path::new(env!("CARGO_BIN_EXE_xtask"));
    let program = xtask.with_file_name("aes67");
    if !program.is_file() {
        return skips::tell(format_args!("{} is not built (cargo build -p aes67)", program.display()));
    }
    let done = Command::new(xtask).args(["interop", "--only", name]).args(form).arg("--program").arg(&program).output();
    let done = done.unwrap_or_else(|error| panic!("{}: {error}", xtask.display()));
    let text = String::from_utf8_lossy(&done.stdout);
    print!("{text}");
    let count = text.lines().last().unwrap_or_default();
    match done.status.code() {
        Some(0) => assert_eq!(count, "1 passed, 0 failed, 0 skipped", "{text}"),
        Some(SKIPPED) => {
            assert_eq!(count, "0 passed, 0 failed, 1 skipped", "{text}");
            let reason = text.lines().rev().find_map(|line| line.strip_prefix("    skipped: "));
            skips::tell(reason.unwrap_or_else(|| panic!("skipped without a reason:\n{text}")));
        }
        code => panic!("{code:?}: {text}{}", String::from_utf8_lossy(&done.stderr)),
    }
}

#[test]
fn an_announcement_of_ffmpeg_comes_and_goes() {
    case("sap-ffmpeg");
}

#[test]
fn a_stream_of_gstreamer_is_recorded_and_played() {
    case("gst-receive");
}

#[test]
fn bursts_of_ffmpeg_are_recorded_and_played() {
    case("ffmpeg-receive");
}

#[test]
fn bursts_of_ffmpeg_are_played_without_an_underrun() {
    case_undisturbed("ffmpeg-receive");
}

#[test]
fn we_follow_ptp4l() {
    case("ptp-accuracy");
}

#[test]
fn another_master_takes_over() {
    case("ptp-failover");
}

#[test]
fn a_better_master_comes_and_goes() {
    case("ptp-takeover");
}

#[test]
fn ptp4l_follows_us() {
    case("ptp-serve");
}

#[test]
fn a_card_with_a_clock_stamps_what_it_says() {
    case("ptp-hardware");
}

#[test]
fn a_wall_clock_that_is_slewed_and_set_moves_nothing() {
    case("slewed-clock");
}

#[test]
fn a_master_that_serves_only_who_asks_is_followed_beyond_its_first_grants() {
    case("ptp-unicast");
}

#[test]
fn a_receiver_with_a_better_clock_is_followed() {
    case("ptp-yield");
}

#[test]
fn the_latency_that_is_reported_is_heard() {
    case("jack-latency");
}

#[test]
fn a_stream_is_played_on_a_card_of_jack() {
    case("jack-play");
}

#[test]
fn a_card_that_is_lost_is_found_again() {
    case("jack-lost");
}

#[test]
fn a_trace_shows_what_happened() {
    case("trace");
}

#[test]
fn many_streams_are_received_in_one_process() {
    case("many-streams");
}

#[test]
fn ffmpeg_receives_every_bit_by_our_description_and_by_our_announcement() {
    case("send-ffmpeg");
}

#[test]
fn gstreamer_reads_back_our_capture_time_to_the_sample() {
    case("send-gstreamer");
}

#[test]
fn tshark_finds_nothing_malformed_and_the_right_headers() {
    case("send-tshark");
}

#[test]
fn libraries_for_sdp_accept_our_descriptions() {
    case("send-sdp");
}

#[test]
fn lateness_is_measured_beside_gstreamer() {
    case("send-lateness");
}

#[test]
fn bass_decodes_a_stream_of_gstreamer() {
    case("bass-receive");
}

#[test]
fn bass_plays_on_its_device_without_sound() {
    case("bass-no-sound");
}

#[test]
fn bass_plays_on_a_card_of_jack() {
    case("bass-jack");
}

#[test]
fn a_callback_of_a_card_decodes_from_bass() {
    case("cpal-output");
}

#[test]
fn a_channel_of_bass_is_as_late_as_it_was_asked_to_be() {
    case("bass-latency");
}

#[test]
fn bass_receives_many_streams() {
    case("bass-many");
}

#[test]
fn streams_of_bass_leave_nothing_behind() {
    case("bass-cycles");
}

#[test]
fn a_channel_of_bass_is_received_by_others() {
    case("bass-send");
}
