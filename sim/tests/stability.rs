//! Expectations of the stability of clocks: what is wrong with one is told, and one that is judged
//! says so in `summary.json`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod short;

use short::write;
use sim::run::run;
use sim::scenario::Loaded;
use sim::world::Control;

/// The short scenario without audio, with these lines about its last expectation.
fn load(lines: &str) -> Result<Loaded, String> {
    let folder = tempfile::tempdir().unwrap();
    let quiet = short::with("audio = \"full\"", "audio = \"none\"");
    let text = format!("{quiet}\n[[expect]]\nreceiver = \"engine\"\n{lines}\n");
    Loaded::read(&write(folder.path(), &text), &[]).map_err(|error| error.to_string())
}

#[track_caller]
fn assert_refused(lines: &str, right: &str) {
    let said = load(lines).unwrap_err();
    assert!(said.contains(right), "{said}");
}

#[test]
fn what_is_wrong_is_told_with_what_would_be_right() {
    assert_refused("metric = \"mtie_ns\"\nmax = 5\ntau_s = 1", "mtie_ns is of a clock: write clock = \"estimate\"");
    assert_refused("metric = \"mtie_ns\"\nmax = 5\nclock = \"card\"", "mtie_ns needs tau_s = 10, or a mask");
    assert_refused("metric = \"unlocks\"\nmax = 5\ntau_s = 1", "tau_s is of adev_ppb, tdev_ns and mtie_ns");
    let mask = "clock = \"card\"\nmask = \"g8272_prtc_a_mtie\"";
    assert_refused(&format!("metric = \"mtie_ns\"\nmax = 5\n{mask}"), "is the limit: leave out `min` and `max`");
    assert_refused(&format!("metric = \"tdev_ns\"\n{mask}"), "the mask g8272_prtc_a_mtie is of mtie_ns");
    let tau = |tau_s: &str| format!("metric = \"tdev_ns\"\nmax = 5\nclock = \"card\"\ntau_s = {tau_s}");
    assert_refused(&tau("1.5"), "tau_s = 1.5 must be a multiple of record.interval_s, which is 1 s");
    assert_refused(&tau("2"), "tdev_ns at tau_s = 2 needs 12 times that, 24 s, and the span is 20 s");
    assert_refused(&tau("0"), "`expect.tau_s` = 0 is out of range: it must be more than 0");
    assert_refused("metric = \"mtie_ns\"\nmax = 5\nclock = \"sender\"\ntau_s = 1", "there is no clock sender");
    assert_refused(
        "metric = \"mtie_ns\"\nmax = 5\nclock = \"crad\"\ntau_s = 1",
        "`crad` is unknown here: there are `estimate`",
    );
    assert_refused("metric = \"mtie_ns\"\nclock = \"card\"\nmask = \"g8271\"", "`g8271` is unknown here");
}

/// The card of the short scenario is off by some ppm, which MTIE shows, and ADEV does not.
#[test]
fn clocks_are_judged_and_told() {
    let limit = |metric: &str| format!("metric = \"{metric}\"\nclock = \"card\"\ntau_s = 1\nmax = 100");
    let mask = "metric = \"mtie_ns\"\nclock = \"card\"\nmask = \"g8272_prtc_a_mtie\"";
    let again = "\n[[expect]]\nreceiver = \"engine\"\n";
    let lines = [limit("mtie_ns"), limit("adev_ppb"), mask.to_owned()].join(again);
    let session = run(&load(&lines).unwrap(), None, &Control::default()).unwrap();
    let judged = &session.summary.expectations[1..];
    let holds: Vec<bool> = judged.iter().map(|judgement| judgement.holds).collect();
    assert_eq!(holds, [false, true, false]);
    assert_eq!(judged[0].check, "mtie_ns of clock card at tau = 1 s");
    assert_eq!(judged[2].check, "mtie_ns of clock card, share of mask g8272_prtc_a_mtie");
    let sentence = judged[2].failure().unwrap();
    assert!(sentence.contains("most at tau = 8 s, of 1 to 8 s), but must be <= 1"), "{sentence}");
    let card = session.summary.receivers[0].stability.iter().find(|curve| curve.clock.to_string() == "card").unwrap();
    let mtie_ns = card.points[0].mtie_ns.unwrap();
    assert!((judged[0].measured.unwrap() - mtie_ns).abs() < 1e-6, "{mtie_ns}");
}
