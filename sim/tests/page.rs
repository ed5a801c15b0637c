//! The page of a run, as a browser shows it. Without Chromium these tests are skipped.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod browser;
mod short;

use browser::Browser;
use short::{with, write};
use std::path::Path;
use std::process::Command;

/// The stream is lost at 8 s for 0.4 s, which is heard; the title is not to be taken for HTML.
fn scenario() -> String {
    let fault = "[[fault]]\nat_s = 8\nfor_s = 0.4\nwhat = \"media_lost\"\n\n[[expect]]";
    with("A tone over a calm network", "</title></script><script>throw 1</script>").replacen("[[expect]]", fault, 1)
        + "\n[[expect]]\nreceiver = \"engine\"\nmetric = \"glitches\"\nmax = 0\n"
}

fn run(folder: &Path) -> String {
    let path = write(folder, &scenario());
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    let output = command.arg(&path).arg("--reports").arg(folder.join("reports")).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read_to_string(folder.join("reports/short/index.html")).unwrap()
}

#[test]
fn a_page_has_the_verdicts_and_escapes_what_the_scenario_says() {
    let folder = tempfile::tempdir().unwrap();
    let html = run(folder.path());
    assert_eq!(html.matches("throw 1").count(), html.matches("&lt;script&gt;throw 1&lt;/script&gt;").count());
    let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text} is not there"));
    assert!(at("failed: engine: glitches is") < at("id=\"command\"") && at("id=\"command\"") < at("id=\"plots\""));
    assert!(html.contains("src=\"./engine.difference.wav\"") && html.contains("The MIT License"));
    // Nothing is loaded from elsewhere.
    assert!(!html.contains("src=\"http") && !html.contains("href=\"http") && !html.contains("@import"));
    assert!(html.len() < 200_000, "{} bytes", html.len());
    std::fs::remove_dir_all(folder.path().join("reports")).unwrap();
    assert_eq!(run(folder.path()), html, "the same run gives the same bytes");
}

#[test]
fn a_browser_draws_zooms_and_plays() {
    if let Err(missing) = netns::require("chromium") {
        return skips::tell(missing);
    }
    let folder = tempfile::tempdir().unwrap();
    run(folder.path());
    let mut browser = Browser::start(folder.path(), 1200, 900);
    browser.open(&folder.path().join("reports/short/index.html"));
    browser.until("window.simPage !== undefined && simPage.plots.length > 4");
    plots_are_drawn_with_faults_where_they_are(&mut browser);
    all_plots_zoom_together(&mut browser);
    values_are_told_where_the_mouse_points(&mut browser);
    wheel_and_keys_zoom_and_move(&mut browser);
    stability_is_drawn_on_logarithmic_scales(&mut browser);
    sounds_play_and_marks_are_where_faults_are(&mut browser);
    assert_eq!(browser.complaints(), [""; 0]);
    browser.open(&folder.path().join("reports/index.html"));
    assert_eq!(browser.value("document.querySelector('td a').getAttribute('href')"), "./short/index.html");
    browser.open(&folder.path().join("reports/history.html"));
    assert!(browser.number("document.querySelectorAll('svg.trend').length") > 5.0);
    assert_eq!(browser.complaints(), [""; 0]);
}

fn plots_are_drawn_with_faults_where_they_are(browser: &mut Browser) {
    // The colours of a plot at a time, a third of its height from the top.
    let colours = "window.colours = (plot, s) => [...plot.ctx.getImageData(Math.round(plot.valToPos(s, 'x', true)), \
                   Math.round(plot.bbox.top + plot.bbox.height * 0.3), 1, 1).data].join(); 0";
    browser.value(colours);
    let buffer = "simPage.plots[2]";
    let (calm, fault, lost) = (
        browser.value(&format!("colours({buffer}, 12)")),
        browser.value(&format!("colours({buffer}, 8.2)")),
        browser.value(&format!("colours({buffer}, 16)")),
    );
    assert!(calm != fault && fault != lost && lost != calm, "{calm} {fault} {lost}");
    assert_eq!(browser.value(&format!("colours({buffer}, 18)")), calm);
    let drawn = "simPage.plots.every(plot => new Set(new Uint32Array(plot.ctx.getImageData(0, 0, plot.ctx.canvas.width, \
                 plot.ctx.canvas.height).data.buffer)).size > 20)";
    assert_eq!(browser.value(drawn), true);
}

fn all_plots_zoom_together(browser: &mut Browser) {
    browser.value("document.getElementById('plots').children[1].scrollIntoView({ block: 'center' }); 0");
    let (from, to) = (point_at(browser, 5.0), point_at(browser, 10.0));
    browser.drag(from, to);
    browser.until("Math.abs(simPage.range()[0] - 5) < 0.2 && Math.abs(simPage.range()[1] - 10) < 0.2");
    browser.until("simPage.plots.every(plot => plot.scales.x.min === simPage.range()[0])");
    browser.value("document.getElementById('right').click(); 0");
    browser.until("Math.abs(simPage.range()[0] - 7.5) < 0.2 && simPage.plots.every(plot => plot.scales.x.max === simPage.range()[1])");
    browser.value("document.getElementById('all').click(); 0");
    browser.until("simPage.range()[0] === 0 && simPage.range()[1] === 20");
}

/// A point of the second plot, at a time.
fn point_at(browser: &mut Browser, s: f64) -> (f64, f64) {
    let rectangle = "simPage.plots[1].over.getBoundingClientRect()";
    let x = browser.number(&format!("{rectangle}.left + simPage.plots[1].valToPos({s}, 'x')"));
    (x, browser.number(&format!("{rectangle}.top + 60")))
}

fn values_are_told_where_the_mouse_points(browser: &mut Browser) {
    browser.value("document.getElementById('plots').children[1].scrollIntoView({ block: 'center' }); 0");
    let readout = "document.getElementById('readout').textContent";
    let (calm, fault) = (point_at(browser, 12.0), point_at(browser, 8.2));
    browser.hover(calm);
    browser.until(&format!("{readout}.includes('0:12') && !{readout}.includes('stream lost')"));
    browser.hover(fault);
    browser.until(&format!("{readout}.includes('0:08') && {readout}.includes('stream lost')"));
    // All plots show their values of that time.
    browser.until("simPage.plots.every(plot => plot.cursor.idx === simPage.plots[1].cursor.idx)");
    browser.until(
        "[...document.querySelectorAll('#plots .u-legend .u-value')].some(value => /\\d/.test(value.textContent))",
    );
}

fn wheel_and_keys_zoom_and_move(browser: &mut Browser) {
    let range = |browser: &mut Browser| (browser.number("simPage.range()[0]"), browser.number("simPage.range()[1]"));
    let at = point_at(browser, 10.0);
    browser.wheel(at, -100.0, 2);
    browser.until("simPage.range()[1] - simPage.range()[0] < 17");
    let (from, to) = range(browser);
    assert!((from - 2.0).abs() < 0.2 && (to - 18.0).abs() < 0.2, "around the mouse: {from} to {to} s");
    browser.wheel(at, 100.0, 8);
    browser.until(&format!("simPage.range()[0] > {}", from + 1.0));
    let (moved_from, moved_to) = range(browser);
    assert!((moved_to - moved_from - (to - from)).abs() < 1e-6, "{moved_from} to {moved_to} s");
    // The wheel alone scrolls the page.
    browser.value("window.before = scrollY; 0");
    browser.wheel(at, 100.0, 0);
    browser.until("scrollY > before");
    assert_eq!(range(browser), (moved_from, moved_to));
    browser.value("document.getElementById('plots').focus({ preventScroll: true }); 0");
    browser.press("0");
    browser.until("simPage.range()[0] === 0 && simPage.range()[1] === 20");
    browser.press("+");
    browser.until("simPage.range()[0] === 5 && simPage.range()[1] === 15");
    browser.press("ArrowRight");
    browser.until("simPage.range()[0] === 7.5 && simPage.range()[1] === 17.5");
    browser.press("ArrowLeft");
    browser.press("-");
    browser.until("simPage.range()[0] === 0 && simPage.range()[1] === 20");
}

fn stability_is_drawn_on_logarithmic_scales(browser: &mut Browser) {
    browser.until("simPage.stability.length === simPage.data.stability.length && simPage.stability.length > 5");
    // Equal factors are equal distances.
    let scale = "(() => { const plot = simPage.stability[0]; const at = tau => plot.valToPos(tau, 'x'); \
                 return (at(4) - at(2)) / (at(2) - at(1)); })()";
    let ratio = browser.number(scale);
    assert!((ratio - 1.0).abs() < 0.01, "{ratio}");
    let drawn = "simPage.stability.every(plot => new Set(new Uint32Array(plot.ctx.getImageData(0, 0, \
                 plot.ctx.canvas.width, plot.ctx.canvas.height).data.buffer)).size > 20)";
    assert_eq!(browser.value(drawn), true);
}

fn sounds_play_and_marks_are_where_faults_are(browser: &mut Browser) {
    // The reference, the engine, and their difference.
    browser.until("simPage.players.length === 3 && simPage.players.every(({ audio }) => audio.readyState > 0)");
    let length = browser.number("simPage.players[1].audio.duration");
    assert!((length - 20.0).abs() < 0.1, "{length} s");
    let mark = browser.number("Number(document.querySelectorAll('.strip')[1].querySelector('.mark').dataset.time)");
    assert!((8.0..8.6).contains(&mark), "a fault heard at {mark} s");
    let share = browser.number(
        "(() => { const strip = document.querySelectorAll('.strip')[1]; const mark = strip.querySelector('.mark'); \
         return (mark.getBoundingClientRect().left - strip.getBoundingClientRect().left) / strip.clientWidth; })()",
    );
    assert!((share - mark / 20.0).abs() < 0.01, "{share}");
    browser.value("document.querySelector('button[data-at]').click(); 0");
    browser.until(&format!("simPage.players[1].audio.currentTime > {}", mark - 0.5));
    browser.until("simPage.plots[0].over.querySelector('.playhead').style.display === 'block'");
    // Another player goes on at the same moment.
    browser.value("simPage.players[0].audio.play().then(() => 0)");
    browser.until(&format!("simPage.players[1].audio.paused && simPage.players[0].audio.currentTime > {}", mark - 0.5));
}
