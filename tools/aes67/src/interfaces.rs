//! `aes67 interfaces`: lists the network interfaces of this computer, with the names that
//! `--interface` accepts.

use crate::failure::{Failure, Result};
use crate::session::print;
use clap::Args;
use net::interface::Listed;
use serde::Serialize;
use std::net::Ipv4Addr;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  aes67 interfaces
  aes67 interfaces --json

--interface takes a name in any case, an index, one of the addresses or, on Windows, a GUID.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InterfacesArguments {
    /// One JSON object for each interface
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    index: u32,
    addresses: &'a [Ipv4Addr],
    mac: Option<String>,
    loopback: bool,
    /// `null` if the system does not report it.
    multicast: Option<bool>,
    carrier: Option<bool>,
}

pub(crate) fn run(arguments: &InterfacesArguments) -> Result<ExitCode> {
    let all = Listed::all()?;
    if arguments.json {
        for listed in &all {
            print(&to_json(listed)?);
        }
    } else {
        table(&all).iter().for_each(|line| print(line));
    }
    Ok(ExitCode::SUCCESS)
}

fn to_json(listed: &Listed) -> Result<String> {
    let line = Line {
        name: &listed.name,
        index: listed.index,
        addresses: &listed.addresses,
        mac: listed.mac.map(mac_text),
        loopback: listed.loopback,
        multicast: listed.multicast,
        carrier: listed.carrier,
    };
    serde_json::to_string(&line).map_err(Failure::run)
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}

/// Formats a table with a heading and one line for each interface.
fn table(all: &[Listed]) -> Vec<String> {
    let mut rows = vec![["index", "name", "addresses", "multicast", "carrier"].map(str::to_owned)];
    rows.extend(all.iter().map(|listed| {
        let addresses: Vec<String> = listed.addresses.iter().map(Ipv4Addr::to_string).collect();
        let addresses = if addresses.is_empty() { "no IPv4 address".to_owned() } else { addresses.join(", ") };
        [listed.index.to_string(), listed.name.clone(), addresses, told(listed.multicast), told(listed.carrier)]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn told(what: Option<bool>) -> String {
    what.map_or("unknown", |is_so| if is_so { "yes" } else { "no" }).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed() -> Listed {
        Listed {
            name: "Studio Netz".to_owned(),
            index: 17,
            addresses: vec![Ipv4Addr::new(10, 0, 0, 7), Ipv4Addr::new(10, 0, 1, 7)],
            mac: Some([2, 0, 0, 0, 0, 0xAB]),
            loopback: false,
            multicast: Some(true),
            carrier: None,
        }
    }

    #[test]
    fn an_interface_is_a_line_of_a_table() {
        let bare = Listed { name: "eth1".to_owned(), index: 3, addresses: Vec::new(), ..listed() };
        let table = table(&[bare, listed()]);
        let expected = [
            "index  name         addresses           multicast  carrier",
            "3      eth1         no IPv4 address     yes        unknown",
            "17     Studio Netz  10.0.0.7, 10.0.1.7  yes        unknown",
        ];
        assert_eq!(table, expected);
    }

    #[test]
    fn an_interface_is_an_object() {
        let object: serde_json::Value = serde_json::from_str(&to_json(&listed()).unwrap()).unwrap();
        assert_eq!(object["addresses"], serde_json::json!(["10.0.0.7", "10.0.1.7"]));
        assert_eq!((&object["mac"], &object["carrier"]), (&"02:00:00:00:00:ab".into(), &serde_json::Value::Null));
    }
}
