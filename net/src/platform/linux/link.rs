//! Carriers of network interfaces.

/// Whether an interface has a carrier and is up; `None` if the system does not tell.
pub(crate) fn has_carrier(name: &str) -> Option<bool> {
    let state = std::fs::read_to_string(format!("/sys/class/net/{name}/operstate")).ok()?;
    Some(!matches!(state.trim(), "down" | "lowerlayerdown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_carries_and_what_is_not_there_is_not_told_of() {
        assert_eq!(has_carrier("lo"), Some(true));
        assert_eq!(has_carrier("none0"), None);
    }
}
