//! The number of datagrams that the system dropped because this program did not read them in time,
//! as text.

use net::system::System;

/// The number as a part of a line; empty if the system does not count dropped datagrams.
pub(crate) fn told(count: u64) -> String {
    text(count, System::HERE)
}

fn text(count: u64, system: System) -> String {
    if system.counts_drops() { format!(", {count} dropped by the kernel") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_nobody_makes_is_not_told() {
        assert_eq!(text(0, System::Linux), ", 0 dropped by the kernel");
        assert_eq!(text(0, System::Windows), "");
    }
}
