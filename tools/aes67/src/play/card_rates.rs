//! Remembers the rates of sound card crystals between runs, so that a stream starts at the right
//! rate.
//!
//! The rates are stored in a small JSON file in the user's state folder (XDG). The file is not
//! essential: if it cannot be read or written, playback works without it.

use crate::whole_file;
use engine::Ppb;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Larger rates cannot come from a crystal, so they are ignored and the card is measured again.
const BELIEVED_PPM: f64 = 500.0;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Contents {
    cards_ppm: BTreeMap<String, f64>,
}

/// The file's contents.
#[derive(Debug, Default)]
pub(crate) struct CardRates {
    path: Option<PathBuf>,
    contents: Contents,
}

impl CardRates {
    pub(crate) fn load() -> Self {
        let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
        base.or_else(home).map_or_else(Self::default, |base| Self::load_from(&base.join("aes67/cards.json")))
    }

    fn load_from(path: &Path) -> Self {
        let contents = std::fs::read(path).ok().and_then(|bytes| match serde_json::from_slice(&bytes) {
            Ok(contents) => Some(contents),
            Err(error) => {
                tracing::warn!("{} is not used: {error}", path.display());
                None
            }
        });
        Self { path: Some(path.to_owned()), contents: contents.unwrap_or_default() }
    }

    pub(crate) fn recall(&self, device: &str) -> Option<Ppb> {
        let ppm = self.contents.cards_ppm.get(device)?;
        (ppm.abs() < BELIEVED_PPM).then(|| Ppb::from_ppm(*ppm))
    }

    pub(crate) fn remember(&mut self, device: &str, rate: Ppb) {
        self.contents.cards_ppm.insert(device.to_owned(), rate.as_ppm());
        let Some(path) = &self.path else { return };
        let text = serde_json::to_vec_pretty(&self.contents).map_err(std::io::Error::from);
        if let Err(error) = text.and_then(|text| whole_file::write(path, text)) {
            tracing::warn!("{}: {error}", path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_remembered_and_a_broken_file_is_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("aes67/cards.json");
        let mut card_rates = CardRates::load_from(&path);
        assert_eq!(card_rates.recall("default"), None);
        card_rates.remember("default", Ppb::from_ppm(12.5));
        card_rates.remember("broken", Ppb::from_ppm(9000.0));
        let again = CardRates::load_from(&path);
        assert!((again.recall("default").unwrap().as_ppm() - 12.5).abs() < 1e-9);
        assert_eq!(again.recall("broken"), None);
        std::fs::write(&path, "{").unwrap();
        assert_eq!(CardRates::load_from(&path).recall("default"), None);
    }
}
