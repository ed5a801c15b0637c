//! Reads files of delays, and reports errors with their position.

use super::impairment::DelayFile;
use super::load::{File, read_at_most};
use super::value::Micros;
use super::{Network, Path as NetworkPath, Scenario, ScenarioError};
use engine::Nanos;
use std::path::Path;
use std::sync::Arc;

/// Longest file, in bytes: some ten million delays.
const LONGEST_FILE: u64 = 100_000_000;

/// The first line that a file with a heading may have.
const HEADING: &str = "delay_us";

impl Scenario {
    /// Every path of the network, with a unique name.
    pub(super) fn paths_mut(&mut self) -> Vec<(String, &mut NetworkPath)> {
        let Network { media, media_b, ptp, ptp_up, .. } = &mut self.network;
        let shared =
            [("media", media.as_mut()), ("media_b", media_b.as_mut()), ("ptp", Some(ptp)), ("ptp_up", ptp_up.as_mut())];
        let own = self.receivers.iter_mut().enumerate().flat_map(|(index, receiver)| {
            let network = &mut receiver.network;
            let own =
                [("media", network.media.as_mut()), ("ptp", network.ptp.as_mut()), ("ptp_up", network.ptp_up.as_mut())];
            own.map(|(name, path)| (format!("receiver/{index}/{name}"), path))
        });
        let sender = self.sender.as_mut().map(|sender| ("sender/ptp".to_owned(), sender.ptp.as_mut()));
        let all = shared.map(|(name, path)| (name.to_owned(), path)).into_iter().chain(own).chain(sender);
        all.filter_map(|(name, path)| Some((name, path?))).collect()
    }
}

impl File<'_> {
    /// Reads the files of delays that the scenario names.
    pub(super) fn read_delays(&self, scenario: &mut Scenario) -> Result<(), ScenarioError> {
        for (_, path) in scenario.paths_mut() {
            let Some(file) = &mut path.delay_file else { continue };
            file.delays = self.delays(file)?;
        }
        Ok(())
    }

    fn delays(&self, file: &DelayFile) -> Result<Arc<[Nanos]>, ScenarioError> {
        let path = self.beside(&file.path);
        let wrong = |reason: String| self.error(&file.path.span(), format!("{}: {reason}", path.display()));
        let bytes = read_at_most(&path, LONGEST_FILE).map_err(|error| {
            let right = "give the path of a file with a delay in us on each line";
            wrong(format!("cannot be read ({error}); {right}"))
        })?;
        let bytes = bytes.ok_or_else(|| wrong(format!("is longer than {LONGEST_FILE} bytes; shorten it")))?;
        let text = engine::text::decode(&bytes).map_err(|error| wrong(error.to_string()))?;
        let delays = parse(&path, &text)?;
        if delays.is_empty() {
            let message = format!("{} has no delays: write one a line, in us", path.display());
            return Err(self.error(&file.path.span(), message));
        }
        Ok(delays.into())
    }
}

/// The delays of a file's text.
fn parse(path: &Path, text: &str) -> Result<Vec<Nanos>, ScenarioError> {
    let mut delays = Vec::new();
    let mut at = 0;
    let mut may_be_heading = true;
    for line in text.split_inclusive('\n') {
        let start = at + line.len() - line.trim_start().len();
        at += line.len();
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if std::mem::take(&mut may_be_heading) && line == HEADING {
            continue;
        }
        let delay =
            delay(line).map_err(|message| ScenarioError::at(path, text, &(start..start + line.len()), message))?;
        delays.push(delay);
    }
    Ok(delays)
}

fn delay(text: &str) -> Result<Nanos, String> {
    let number: f64 =
        text.parse().map_err(|_| format!("`{text}` is no delay: write one number a line, in us, such as 250.5"))?;
    Micros::try_from(number).map(Micros::nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<i64>, String> {
        let delays = parse(Path::new("delays.txt"), text).map_err(|error| error.to_string())?;
        Ok(delays.into_iter().map(Nanos::as_nanos).collect())
    }

    #[test]
    fn a_delay_a_line_with_comments_and_a_heading() {
        assert_eq!(parsed("# measured\ndelay_us\n 12.5\n\n0\r\n1e3").unwrap(), [12_500, 0, 1_000_000]);
        assert!(parsed("").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_pointed_at_in_the_file() {
        let right = "write one number a line, in us, such as 250.5";
        assert_eq!(
            parsed("10\n  20, 30\n").unwrap_err(),
            format!("delays.txt:2:3: `20, 30` is no delay: {right}\n  |    20, 30")
        );
        assert_eq!(
            parsed("10\n-4").unwrap_err(),
            "delays.txt:2:1: -4 is out of range: it must be between 0 and 10000000 us (10 s)\n  |  -4"
        );
        assert!(parsed("10\ndelay_us\n").unwrap_err().starts_with("delays.txt:2:1: `delay_us` is no delay"));
        assert!(parsed("inf").unwrap_err().starts_with("delays.txt:1:1: inf is out of range"));
    }
}
