//! The verdicts as the XML of JUnit: a suite for each scenario, a case for each expectation.
//!
//! There is no definition of the format; this has what Jenkins, GitLab and GitHub's actions read.
//! Times are left out, so that the same runs give the same bytes.

use super::{Ending, Report, shown};
use sim::check::Judgement;
use std::fmt::Write;

pub(super) fn xml(reports: &[Report]) -> String {
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"sim\">\n".to_owned();
    for report in reports {
        suite(&mut xml, report);
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(xml: &mut String, report: &Report) {
    let judged = report.summary.as_ref().map_or(&[][..], |summary| &summary.expectations);
    let errors = usize::from(matches!(report.ending, Ending::Error | Ending::Interrupted));
    let failures = judged.iter().filter(|judgement| !judgement.holds && !judgement.skipped).count();
    let not_started = usize::from(report.ending == Ending::NotStarted);
    let skipped = not_started + judged.iter().filter(|judgement| judgement.skipped).count();
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{}\" file=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\">",
        escaped(&report.scenario),
        escaped(&shown(&report.file)),
        judged.len() + errors + not_started,
    );
    for judgement in judged {
        case(xml, report, judgement);
    }
    let class = escaped(&report.scenario);
    if not_started > 0 {
        let message = "not started: the command was interrupted before";
        let _ = writeln!(
            xml,
            "    <testcase classname=\"{class}\" name=\"run\"><skipped message=\"{message}\"/></testcase>"
        );
    }
    if errors > 0 {
        let message = report.error.as_deref().unwrap_or("interrupted");
        let _ = writeln!(
            xml,
            "    <testcase classname=\"{class}\" name=\"run\"><error message=\"{}\"/></testcase>",
            escaped(message)
        );
    }
    xml.push_str("  </testsuite>\n");
}

fn case(xml: &mut String, report: &Report, judgement: &Judgement) {
    let name = escaped(&format!("{} {}", judgement.check, judgement.limit));
    let class = escaped(&format!("{}.{}", report.scenario, judgement.receiver));
    let _ = write!(xml, "    <testcase classname=\"{class}\" name=\"{name}\"");
    let _ = match judgement.failure() {
        None => writeln!(xml, "/>"),
        Some(reason) if judgement.skipped => {
            writeln!(xml, "><skipped message=\"{}\"/></testcase>", escaped(&reason))
        }
        Some(reason) => writeln!(
            xml,
            "><failure message=\"{}\">reproduce with: {}</failure></testcase>",
            escaped(&reason),
            escaped(&report.command)
        ),
    };
}

/// A text in an attribute or an element. Characters that XML 1.0 has not are left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars().filter(|letter| !letter.is_control() || matches!(letter, '\n' | '\t')) {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_would_take_for_its_own_is_escaped() {
        assert_eq!(escaped("a <b> & \"c\"\n\u{1b}[1m"), "a &lt;b&gt; &amp; &quot;c&quot;&#10;[1m");
    }
}
