//! Carriers of network interfaces.

/// `None`: Windows is not asked.
pub(crate) fn has_carrier(_name: &str) -> Option<bool> {
    None
}
