//! Descriptions of attacks for a person.

use crate::scenario::{Attack, ForgedSsrc, ForgedTimestamps, Lies, MessagesPerSecond, ToldTime};

/// What an attacker does.
pub(super) fn describe(attack: &Attack) -> String {
    match attack {
        Attack::ForgeFollowUps(forged) => format!("forged Follow_Ups, {}, {}", rate(forged.per_s), told(forged.tells)),
        Attack::ForgeSyncs(forged) => format!("forged Syncs, {}, {}", rate(forged.per_s), told(forged.tells)),
        Attack::ForgeDelayResps(forged) => format!("forged Delay_Resps, {}", told(forged.tells)),
        Attack::InventMasters(invented) => format!("invented masters, {}", rate(invented.per_s)),
        Attack::BetterMaster(better) => {
            format!("better master, {}", better.tells.map_or_else(|| "no Syncs".to_owned(), told))
        }
        Attack::ReplaySyncs(replay) => {
            format!("Syncs of {} s replayed, {}", replay.recorded_s.get(), rate(replay.per_s))
        }
        Attack::HoldBackSyncs(held) => {
            format!("Syncs held back by {} us, {:+} ppm", held.by_us.get(), held.grows_ppm.get())
        }
        Attack::FloodPtp(flood) => format!("PTP flood, {}", rate(flood.per_s)),
        Attack::ForgePackets(packets) => {
            let timestamps = match packets.timestamps {
                ForgedTimestamps::Copied => "copied timestamps".to_owned(),
                ForgedTimestamps::OffsetMs(later) => format!("timestamps {:+} ms", later.get()),
                ForgedTimestamps::Backwards => "timestamps backwards".to_owned(),
                ForgedTimestamps::Random => "random timestamps".to_owned(),
            };
            let ssrc = if packets.ssrc == ForgedSsrc::Other { "another SSRC, " } else { "" };
            format!("forged packets, {}, {ssrc}{timestamps}", rate(packets.per_s))
        }
    }
}

/// How a master lies.
pub(super) fn describe_lies(lies: &Lies) -> String {
    let syncs = lies.syncs.map(|tells| format!("Syncs {}", told(tells)));
    let answers = lies.delay_resps.map(|tells| format!("Delay_Resps {}", told(tells)));
    let by_us = lies.correction_us.get();
    let correction = (by_us.abs() > 0.0).then(|| format!("correctionField {by_us:+} us"));
    let flag = lies.flag_cleared.then(|| "twoStepFlag cleared".to_owned());
    let all: Vec<String> = [syncs, answers, correction, flag].into_iter().flatten().collect();
    format!("grandmaster lies: {}", all.join(", "))
}

fn rate(per_s: MessagesPerSecond) -> String {
    format!("{} a second", per_s.get())
}

fn told(tells: ToldTime) -> String {
    match tells {
        ToldTime::OffsetUs(by) => format!("{:+} us", by.get()),
        ToldTime::DriftPpm(by) => format!("drifting by {:+} ppm", by.get()),
        ToldTime::RandomS(most) => format!("random within {} s", most.get()),
        ToldTime::TimeS(time) => format!("always {} s", time.get()),
    }
}
