//! Properties of network interfaces.

/// Whether an interface has a carrier and is up; `None` if the system does not report it.
pub(crate) fn has_carrier(name: &str) -> Option<bool> {
    let state = std::fs::read_to_string(format!("/sys/class/net/{name}/operstate")).ok()?;
    Some(!matches!(state.trim(), "down" | "lowerlayerdown"))
}

/// Whether an interface carries multicast (`IFF_MULTICAST`); `None` if the system does not report
/// it.
pub(crate) fn has_multicast(name: &str) -> Option<bool> {
    let flags = std::fs::read_to_string(format!("/sys/class/net/{name}/flags")).ok()?;
    let flags = u32::from_str_radix(flags.trim().strip_prefix("0x")?, 16).ok()?;
    Some(flags & libc::IFF_MULTICAST as u32 != 0)
}

/// The name of the interface with an identifier other than name, address and index. Linux has no
/// such identifiers.
pub(crate) fn by_identifier(_: &str) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_carries_and_what_is_not_there_is_not_told_of() {
        assert_eq!(has_carrier("lo"), Some(true));
        assert_eq!(has_carrier("none0"), None);
        assert!(has_multicast("lo").is_some());
        assert_eq!(has_multicast("none0"), None);
    }
}
