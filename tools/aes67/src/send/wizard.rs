//! `aes67 send --init`: asks for the settings one after another, and writes a configuration file.
//!
//! An empty answer accepts the proposal. After an invalid answer, an explanation is given and the
//! question is repeated.

use super::locate::Language;
use super::material::Material;
use super::plan::{
    Clock, Dscp, Grandmaster, OneOrTwo, PayloadTypeNumber, Plan, SourcePlan, StdinFormat, StreamPlan, Ttl,
};
use crate::channels::ChannelList;
use crate::failure::{Failure, Result};
use crate::ptp_plan::PtpPlan;
use crate::stream_options::{Destination, Format, PacketTimeMs};
use net::interface::Interface;
use std::io::{BufRead, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(crate) fn run(file: &Path) -> Result<ExitCode> {
    let interfaces: Vec<Interface> = Interface::all()?.into_iter().filter(|interface| !interface.loopback).collect();
    let mut dialog = Dialog { input: std::io::stdin().lock(), output: std::io::stdout().lock() };
    let mut plan = ask(&mut dialog, &interfaces)?;
    let file = dialog
        .ask("Write to which file (.toml or .json)", &file.display().to_string(), |text| Ok(PathBuf::from(text)))?;
    let language = if file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) {
        Language::Json
    } else {
        Language::Toml
    };
    if file.parent().is_some_and(|folder| !folder.as_os_str().is_empty()) {
        // Paths in a file are relative to the file's folder, but paths in answers are relative to
        // the current folder.
        plan.make_absolute().map_err(Failure::run)?;
    }
    let text = plan.to_text(language)?;
    crate::whole_file::write(&file, text).map_err(|error| Failure::input(format!("{}: {error}", file.display())))?;
    dialog.say(&format!("Written. To send: aes67 send --config {}", file.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// A dialog of questions and answers.
struct Dialog<R, W> {
    input: R,
    output: W,
}

impl<R: BufRead, W: Write> Dialog<R, W> {
    fn say(&mut self, text: &str) -> Result<()> {
        writeln!(self.output, "{text}").map_err(Failure::run)
    }

    /// Asks a question, and repeats it until the answer is valid.
    fn ask<T>(
        &mut self,
        question: &str,
        proposed: &str,
        read: impl Fn(&str) -> std::result::Result<T, String>,
    ) -> Result<T> {
        loop {
            write!(self.output, "{question} [{proposed}]: ")
                .and_then(|()| self.output.flush())
                .map_err(Failure::run)?;
            let mut answer = String::new();
            if self.input.read_line(&mut answer).map_err(Failure::run)? == 0 {
                return Err(Failure::input("the answers ended before the questions; nothing was written"));
            }
            let answer = answer.trim();
            match read(if answer.is_empty() { proposed } else { answer }) {
                Ok(value) => return Ok(value),
                Err(reason) => self.say(&format!("  {reason}"))?,
            }
        }
    }

    /// Asks for one of several words.
    fn choose<T: Clone>(&mut self, question: &str, among: &[(&str, T)]) -> Result<T> {
        let words: Vec<&str> = among.iter().map(|(word, _)| *word).collect();
        let question = format!("{question} ({})", words.join(", "));
        self.ask(&question, words[0], |answer| {
            let found = among.iter().find(|(word, _)| word.eq_ignore_ascii_case(answer));
            found.map(|(_, value)| value.clone()).ok_or_else(|| format!("right would be one of {}", words.join(", ")))
        })
    }
}

fn number<T: TryFrom<i64, Error = String>>(text: &str) -> std::result::Result<T, String> {
    text.parse::<i64>().map_err(|_| format!("{text} is no whole number")).and_then(T::try_from)
}

fn ask<R: BufRead, W: Write>(dialog: &mut Dialog<R, W>, interfaces: &[Interface]) -> Result<Plan> {
    let Some(first) = interfaces.first() else { return Err(net::interface::InterfaceError::None.into()) };
    let listed = interfaces.iter().map(Interface::to_string).collect::<Vec<_>>().join(", ");
    let interface = dialog.ask(&format!("Network interface; there is {listed}"), &first.name, |answer| {
        let is_it = |interface: &&Interface| interface.name == answer || interface.address.to_string() == answer;
        interfaces.iter().find(is_it).cloned().ok_or_else(|| format!("there is no {answer}"))
    })?;
    let clocks =
        [("ptp", Clock::Ptp), ("master", Clock::Master), ("livewire", Clock::Livewire), ("system", Clock::System)];
    let clock = dialog.choose("Clock", &clocks)?;
    let (mut ptp_domain, mut grandmaster) = (None, None);
    if clock == Clock::System {
        grandmaster = dialog.ask(
            "Grandmaster of the system's clock, identity:domain, if it is to be told",
            "none",
            |answer| {
                if answer == "none" { Ok(None) } else { answer.parse::<Grandmaster>().map(Some) }
            },
        )?;
    } else if clock != Clock::Livewire {
        ptp_domain = Some(dialog.ask("PTP domain", "0", number)?);
    }
    let (source, material) = ask_source(dialog)?;
    let streams = ask_streams(dialog, &material, &interface)?;
    let sdp_folder = dialog.ask("Folder for the SDP files", ".", |answer| Ok(PathBuf::from(answer)))?;
    Ok(Plan {
        interface: Some(OneOrTwo(vec![interface.name])),
        clock,
        ptp_domain,
        ptp: PtpPlan::default(),
        grandmaster,
        wait_for_clock: true,
        wait_s: None,
        announce: true,
        announce_groups: Vec::new(),
        announce_interval_s: 30,
        sdp_folder: Some(sdp_folder),
        source,
        streams,
    })
}

/// Asks for a source until one can be opened.
fn ask_source<R: BufRead, W: Write>(dialog: &mut Dialog<R, W>) -> Result<(SourcePlan, Material)> {
    loop {
        let answer =
            dialog.ask("Source: WAV files separated by commas, or tone, ident, card, stdin", "ident", |answer| {
                Ok(answer.to_owned())
            })?;
        let mut plan = SourcePlan::default();
        match &answer[..] {
            "tone" => plan.tone_hz = Some(997.0),
            "ident" => plan.ident = true,
            "card" => plan.card = Some("default".to_owned()),
            "stdin" => plan.stdin = Some(StdinFormat::Wav),
            files => {
                plan.files = Some(files.split(',').map(|file| PathBuf::from(file.trim())).collect());
                plan.repeat = dialog.choose("Begin again at the end", &[("yes", true), ("no", false)])?;
            }
        }
        if plan.tone_hz.is_some() || plan.ident {
            let channels = dialog.ask("Its channels", "2", |answer| {
                answer
                    .parse()
                    .ok()
                    .filter(|channels| (1..=1024).contains(channels))
                    .ok_or_else(|| "right would be 1 to 1024".to_owned())
            })?;
            plan.channels = Some(channels);
        }
        if plan.stdin.is_some() {
            // Standard input is not available yet, so its number of channels is asked.
            let channels = dialog.ask("Channels that will come", "2", |answer| {
                answer.parse().map_err(|_| format!("{answer} is no number"))
            })?;
            let like_it = SourcePlan { ident: true, channels: Some(channels), ..SourcePlan::default() };
            match Material::open(&like_it) {
                Ok(material) => return Ok((plan, material)),
                Err((_, reason)) => dialog.say(&format!("  {reason}"))?,
            }
            continue;
        }
        match Material::open(&plan) {
            Ok(material) => return Ok((plan, material)),
            Err((_, reason)) => dialog.say(&format!("  {reason}"))?,
        }
    }
}

fn ask_streams<R: BufRead, W: Write>(
    dialog: &mut Dialog<R, W>,
    material: &Material,
    interface: &Interface,
) -> Result<Vec<StreamPlan>> {
    let (channels, rate) = (material.channels(), material.sample_rate().as_hz());
    dialog.say(&format!("The source has {channels} channels at {rate} Hz."))?;
    let name = dialog.ask("Name of the streams", &material.name(), |answer| Ok(answer.to_owned()))?;
    let most = channels.min(8);
    let size: usize = dialog.ask("Channels of a stream", &most.to_string(), |answer| {
        answer
            .parse()
            .ok()
            .filter(|size| (1..=channels.min(64)).contains(size))
            .ok_or_else(|| format!("right would be 1 to {}", channels.min(64)))
    })?;
    let [.., high, low] = interface.address.octets();
    let proposed = Ipv4Addr::new(239, 69, high, low);
    let first = dialog.ask("Group of the first stream; the others count up", &proposed.to_string(), |answer| {
        let destination: Destination = answer.parse()?;
        let is_group = destination.0.ip().is_multicast();
        is_group
            .then_some(destination)
            .ok_or_else(|| format!("{answer} is no multicast group: those are within 224.0.0.0 and 239.255.255.255"))
    })?;
    let format = dialog.choose("Format", &[("L24", Format::L24), ("L16", Format::L16)])?;
    let encoding = format.encoding();
    let packet_time_ms = dialog.ask("Packet time in ms (0.125, 0.25, 0.333, 1, 4 or 5)", "1", |answer| {
        let time: PacketTimeMs = answer.parse()?;
        let most = time.packet_time().max_channels(encoding, material.sample_rate()).unwrap_or(0);
        if size <= most { Ok(time) } else { Err(format!("packets of {answer} ms hold {most} channels, not {size}")) }
    })?;
    let stream = |(index, begin): (usize, usize)| {
        let count = size.min(channels - begin);
        let list = ChannelList::run(begin, count);
        let address = Ipv4Addr::from(u32::from(*first.0.ip()).wrapping_add(index as u32));
        StreamPlan {
            name: Some(if size < channels { format!("{name} {list}") } else { name.clone() }),
            destination: OneOrTwo(vec![Destination(SocketAddrV4::new(address, first.0.port()))]),
            channels: Some(list),
            format,
            packet_time_ms,
            payload_type: PayloadTypeNumber::default(),
            ttl: Ttl::default(),
            dscp: Dscp::default(),
            source_port: 0,
            sdp: None,
        }
    };
    Ok((0..channels).step_by(size).enumerate().map(stream).collect())
}

#[cfg(test)]
mod tests {
    use super::super::plan::Domain;
    use super::*;

    fn interface() -> Interface {
        Interface { name: "eth0".to_owned(), index: 2, address: Ipv4Addr::new(10, 0, 3, 4), mac: None, loopback: false }
    }

    fn answer(answers: &str) -> (Result<Plan>, String) {
        let mut output = Vec::new();
        let plan = ask(&mut Dialog { input: answers.as_bytes(), output: &mut output }, &[interface()]);
        (plan, String::from_utf8(output).unwrap())
    }

    #[test]
    fn empty_answers_make_a_plan_that_works() {
        let (plan, _) = answer(&"\n".repeat(20));
        let plan = plan.unwrap();
        assert_eq!(plan.streams.len(), 1);
        assert_eq!(plan.streams[0].destination.0[0].to_string(), "239.69.3.4:5004");
    }

    #[test]
    fn sixteen_channels_are_two_streams_and_wrong_answers_are_asked_again() {
        let (plan, said) = answer("\nsun\nmaster\n200\n3\nident\n16\nStage\n17\n8\n10.0.0.1\n239.1.0.255\n\n4\n1\n\n");
        let plan = plan.unwrap();
        let streams: Vec<(String, String)> = plan
            .streams
            .iter()
            .map(|stream| (stream.name.clone().unwrap(), stream.destination.0[0].to_string()))
            .collect();
        assert_eq!(
            streams,
            [
                ("Stage 1-8".to_owned(), "239.1.0.255:5004".to_owned()),
                ("Stage 9-16".to_owned(), "239.1.1.0:5004".to_owned())
            ]
        );
        assert_eq!((plan.clock, plan.ptp_domain), (Clock::Master, Some(Domain(3))));
        for reason in [
            "one of ptp, master, livewire, system",
            "200 is not right here: a PTP domain",
            "right would be 1 to 16",
            "10.0.0.1 is no multicast group",
            "packets of 4 ms hold 2 channels, not 8",
        ] {
            assert!(said.contains(reason), "{reason} is not in:\n{said}");
        }
    }

    #[test]
    fn answers_that_end_write_nothing() {
        assert!(answer("\n").0.unwrap_err().to_string().starts_with("the answers ended"));
    }
}
