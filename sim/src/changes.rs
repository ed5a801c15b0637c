//! What the commands that run scenarios change of them, and where their reports go.

use std::path::PathBuf;

/// Options that every command which runs scenarios has.
#[derive(clap::Args)]
pub(crate) struct Changes {
    /// Folder for the reports; a folder is made in it for each scenario, named after the scenario
    /// and what --seed and --set change of it.
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub(crate) reports: PathBuf,

    /// Another seed than the scenario's.
    #[arg(long)]
    seed: Option<u64>,

    /// Changes a value of the scenario; may be given several times.
    #[arg(long = "set", value_name = "KEY.KEY=VALUE")]
    overrides: Vec<String>,
}

impl Changes {
    /// All changes in the order in which they apply; --seed is the last one.
    pub(crate) fn overrides(&self) -> Vec<String> {
        let mut overrides = self.overrides.clone();
        overrides.extend(self.seed.map(|seed| format!("seed={seed}")));
        overrides
    }
}
