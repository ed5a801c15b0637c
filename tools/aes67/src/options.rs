//! Options that several commands share.

use crate::failure::{Failure, Result};
use crate::target::Target;
use engine::Nanos;
use net::interface::Interface;

/// The interfaces to use: those given with the stream, those given with the option, or the only
/// one.
pub(crate) fn interfaces(wanted: &[String], target: &Target) -> Result<Vec<Interface>> {
    let wanted = if target.interfaces.is_empty() { wanted } else { &target.interfaces };
    if wanted.is_empty() {
        return Ok(vec![Interface::find(None)?]);
    }
    wanted.iter().map(|name| Ok(Interface::find(Some(name))?)).collect()
}

/// The duration that an option such as `--latency` states in ms.
pub(crate) fn duration_ms(option: &str, ms: f64) -> Result<Nanos> {
    if ms > 0.0 && ms <= 10_000.0 {
        return Ok(Nanos::from_secs_f64(ms / 1e3));
    }
    Err(Failure::input(format!("{option} is {ms}: right would be more than 0 and at most 10000, in ms")))
}
