//! `trace.csv`: one line per trace row of each receiver.

use std::path::Path;

use super::ReportError;
use super::file::write_atomically_by;
use crate::record::RunTrace;

/// Writes `trace.csv` into a directory that exists.
///
/// # Errors
///
/// [`ReportError::Csv`] names the file that could not be written.
pub fn write_csv(trace: &RunTrace, dir: &Path) -> Result<(), ReportError> {
    let path = dir.join("trace.csv");
    let failed = |source| ReportError::Csv { path: path.clone(), source };
    write_atomically_by(&path, |file| write_rows(trace, file)).map_err(failed)
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
    fn a_folder_that_cannot_be_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = write_csv(&RunTrace::default(), file.path()).unwrap_err().to_string();
        let wrong = file.path().join("trace.csv");
        assert!(error.starts_with(&format!("cannot write the rows {}: ", wrong.display())), "{error}");
    }
}
