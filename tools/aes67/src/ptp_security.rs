//! Keys for the authentication of PTP messages.

use crate::failure::{Failure, Result};
use crate::text_file;
use clap::Args;
use engine::ptp::authentication::Authentication;
use std::path::{Path, PathBuf};

#[derive(Args, Clone, Default)]
pub(crate) struct SecurityOptions {
    /// File of security associations, in the form of linuxptp's sa_file: only PTP messages that are
    /// signed with one of its keys are accepted (AUTHENTICATION TLV of IEEE 1588-2019), and ours
    /// are signed
    #[arg(long, value_name = "FILE")]
    sa_file: Option<PathBuf>,

    /// The association of the file to use, if it has several
    #[arg(long, value_name = "N", requires = "sa_file")]
    spp: Option<u8>,

    /// The key for signing; by default the first of the association
    #[arg(long, value_name = "ID", requires = "sa_file")]
    active_key_id: Option<u32>,
}

impl SecurityOptions {
    pub(crate) fn is_given(&self) -> bool {
        self.sa_file.is_some()
    }

    /// These keys or, if none are given, the keys from a configuration file.
    pub(crate) fn or(self, sa_file: Option<PathBuf>, spp: Option<u8>, active_key_id: Option<u32>) -> Self {
        if self.sa_file.is_some() { self } else { Self { sa_file, spp, active_key_id } }
    }

    /// Reads the requested keys; `None` if none are requested.
    pub(crate) fn authentication(&self) -> Result<Option<Authentication>> {
        self.sa_file.as_deref().map(|file| self.read(file)).transpose()
    }

    fn read(&self, file: &Path) -> Result<Authentication> {
        let wrong = |what: String| Failure::input(format!("{}: {what}", file.display()));
        let text = text_file::read(file)?;
        Authentication::of_file(&text, self.spp, self.active_key_id).map_err(|error| wrong(error.to_string()))
    }
}
