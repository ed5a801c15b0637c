//! The keys that PTP messages are authenticated with.

use crate::failure::{Failure, Result};
use crate::text_file;
use clap::Args;
use engine::ptp::authentication::{Authentication, SecurityAssociation};
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct SecurityOptions {
    /// File of security associations, in the form of linuxptp's sa_file: only PTP messages that are
    /// signed with one of its keys are taken (AUTHENTICATION TLV of IEEE 1588-2019), and ours are
    /// signed
    #[arg(long, value_name = "FILE")]
    sa_file: Option<PathBuf>,

    /// Which association of the file, if it has several
    #[arg(long, value_name = "N", requires = "sa_file")]
    spp: Option<u8>,

    /// The key that we sign with; the first of the association if it is left out
    #[arg(long, value_name = "ID", requires = "sa_file")]
    active_key_id: Option<u32>,
}

impl SecurityOptions {
    /// What was asked for; `None` if nothing was.
    pub(crate) fn authentication(&self) -> Result<Option<Authentication>> {
        self.sa_file.as_deref().map(|file| self.read(file)).transpose()
    }

    fn read(&self, file: &Path) -> Result<Authentication> {
        let wrong = |what: String| Failure::input(format!("{}: {what}", file.display()));
        let text = text_file::read(file)?;
        let all = SecurityAssociation::parse_all(&text).map_err(|error| wrong(error.to_string()))?;
        let there = || all.iter().map(|one| one.spp().to_string()).collect::<Vec<_>>().join(", ");
        let association = match (self.spp, all.as_slice()) {
            (_, []) => return Err(wrong("it has no security association: `spp 1`, and a key below it".to_owned())),
            (None, [only]) => only,
            (None, _) => return Err(wrong(format!("which association is meant? Give --spp, one of {}", there()))),
            (Some(spp), _) => {
                let found = all.iter().find(|one| one.spp() == spp);
                found.ok_or_else(|| wrong(format!("it has no association {spp}, but {}", there())))?
            }
        };
        let first = association.keys().next().map_or(0, |key| key.id());
        let active = self.active_key_id.unwrap_or(first);
        Authentication::new(*association, active)
            .ok_or_else(|| wrong(format!("association {} has no key {active}", association.spp())))
    }
}
