//! Does the judge hear what was planted, in programmes that it was not tuned on, and nothing else?

use sim::bench::{PlantedFault, Programme, detector_figures, render_detector_table};

#[test]
fn planted_faults_are_heard_and_no_others() {
    let figures = detector_figures(20);
    let table = render_detector_table(&figures);
    println!("{table}");
    for one in &figures {
        assert_eq!(one.false_alarms, 0, "{:?}\n{table}", one);
        // Two stretches of the same steady signal can be joined so that nothing is to be heard.
        let may_be_smooth =
            matches!(one.fault, PlantedFault::FrameDropped | PlantedFault::FramesRepeated | PlantedFault::Jump5Ms);
        let steady = matches!(one.programme, Programme::Sines | Programme::PinkNoise);
        let missed = one.planted - one.found;
        let allowed = if may_be_smooth { one.planted.div_ceil(4) } else { 0 };
        assert!(one.planted > 0 && ((may_be_smooth && steady) || missed <= allowed), "{one:?}\n{table}");
    }
}
