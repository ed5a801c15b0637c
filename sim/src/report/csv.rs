//! `trace.csv`: one line per trace row of each receiver.

use std::path::Path;

use super::ReportError;
use crate::record::RunTrace;

/// Writes `trace.csv` into a directory that exists.
///
/// # Errors
///
/// [`ReportError::Csv`] names the file that could not be written.
pub fn write_csv(trace: &RunTrace, dir: &Path) -> Result<(), ReportError> {
    let path = dir.join("trace.csv");
    let failed = |source| ReportError::Csv { path: path.clone(), source };
    let file = std::fs::File::create(&path).map_err(|error| failed(error.into()))?;
    write_rows(trace, file).map_err(failed)
}

fn write_rows(trace: &RunTrace, to: impl std::io::Write) -> Result<(), csv::Error> {
    let mut writer = trace::Writer::new(to)?;
    for recording in &trace.recordings {
        for row in &recording.rows {
            writer.write(&recording.receiver, row, trace.target_depth_ms.is_some())?;
        }
    }
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_missing_directory_is_named() {
        let error = write_csv(&RunTrace::default(), Path::new("/nowhere/at/all")).unwrap_err().to_string();
        assert!(error.starts_with("cannot write the rows /nowhere/at/all/trace.csv: "), "{error}");
    }
}
