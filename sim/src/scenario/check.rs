//! Checks of a scenario that need more than one value.

use super::load::File;
use super::receiver::name_fault;
use super::{
    AudioChain, Corruption, Dialect, Expectation, Fault, FaultKind, Grandmaster, ObservedClock, OwnNetwork, Period,
    Receiver, ReceiverKind, Scenario, ScenarioError, StabilityLimit, StabilityWish, Talker, TalkerClock,
};
use engine::livewire_clock::HIGHEST_PRIORITY;
use engine::rtp::format::MAX_PAYLOAD;

/// Maximum number of receivers of a scenario: more than can be distinguished in a picture.
const MOST_RECEIVERS: usize = 100;

impl File<'_> {
    /// Checks everything that a single value cannot check itself.
    pub(super) fn check(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        self.check_chain(scenario)?;
        self.check_sender(scenario)?;
        self.check_dialect(scenario)?;
        self.check_talker(scenario)?;
        self.check_corruption(scenario)?;
        self.check_lengths(scenario)?;
        self.check_receivers(scenario)?;
        self.check_masters(scenario)?;
        for fault in &scenario.faults {
            let end = scenario.duration_s.get();
            if fault.what.needs_chain() && scenario.chain().is_none() {
                let message = "this befalls a sound card, and only clocks are simulated: leave it out";
                return Err(self.error(&fault.at_s.span(), message));
            }
            self.check_talker_fault(scenario, fault)?;
            if fault.at_s.as_ref().get() > end {
                let message = format!("this is after the end of the run at {end} s: choose an earlier time");
                return Err(self.error(&fault.at_s.span(), message));
            }
            let ends_by =
                |every: Period| fault.for_s.map_or(fault.what.is_instant(), |length| length.get() < every.get());
            if fault.every_s.is_some_and(|every| !ends_by(every)) {
                let message = "a fault that comes back must end before: for_s must be less than every_s";
                return Err(self.error(&fault.at_s.span(), message));
            }
            self.check_legs(scenario, fault)?;
            self.check_attack(scenario, fault)?;
            let ramp = matches!(fault.what, FaultKind::HostClockRampPpm(_) | FaultKind::CardClockRampPpm(_));
            if fault.every_s.is_some() && ramp {
                let message = "a crystal's ramp does not come back: leave out every_s";
                return Err(self.error(&fault.at_s.span(), message));
            }
        }
        scenario.expectations.iter().try_for_each(|expectation| self.check_expectation(scenario, expectation))
    }

    /// Checks that the audio chain is either complete or absent.
    fn check_chain(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        let sections = [
            ("[talker]", scenario.talker.is_some()),
            ("[network.media]", scenario.network.media.is_some()),
            ("[card]", scenario.card.is_some()),
            ("[playout]", scenario.playout.is_some()),
        ];
        let second_leg = ("[network.media_b]", scenario.network.media_b.is_some());
        let there = sections.iter().chain([&second_leg]).find(|section| section.1);
        let missing = sections.iter().find(|section| !section.1);
        if let (Some((there, _)), Some((missing, _))) = (there, missing) {
            let message = format!(
                "the section {missing} is missing: add it, as in scenarios/unlock_recover.toml, or leave out {there} and the rest of the \
                 audio chain, to simulate clocks only"
            );
            return Err(self.error_of(there, "", message));
        }
        Ok(())
    }

    /// Checks dialects of PTP: an AirPlay sender needs a grandmaster with that dialect, in domain
    /// 0.
    fn check_dialect(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        let &Grandmaster { dialect, domain, .. } = &scenario.grandmaster;
        let is_of = |kind| move |receiver: &&Receiver| receiver.kind == kind;
        let sender = scenario.receivers.iter().find(is_of(ReceiverKind::AirplaySender));
        if let Some(receiver) = sender.filter(|_| (dialect, domain) != (Dialect::Airplay, 0)) {
            let message =
                "an airplay_sender hears no other dialect: write dialect = \"airplay\" and domain = 0 in [grandmaster]";
            return Err(self.error(&receiver.name.span(), message));
        }
        self.check_livewire(scenario)
    }

    /// Checks that all masters and all receivers use the Livewire clock, or all of them PTP.
    fn check_livewire(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        let mut masters = [&scenario.grandmaster].into_iter().chain(&scenario.rivals);
        let is_livewire = |master: &Grandmaster| master.dialect == Dialect::Livewire;
        let all = masters.clone().all(is_livewire);
        let none = !masters.any(is_livewire);
        for receiver in &scenario.receivers {
            let message = match receiver.kind {
                ReceiverKind::LivewireClock if !all => {
                    "a livewire_clock hears no PTP: write dialect = \"livewire\" in [grandmaster] and every [[rival]]"
                }
                kind if kind != ReceiverKind::LivewireClock && !none => {
                    "only a livewire_clock hears masters of dialect \"livewire\": write kind = \"livewire_clock\""
                }
                _ => continue,
            };
            return Err(self.error(&receiver.name.span(), message));
        }
        let wrong = |master: &&Grandmaster| is_livewire(master) && master.priority_1 > HIGHEST_PRIORITY;
        let masters = [("[grandmaster]", &scenario.grandmaster)];
        let masters = masters.into_iter().chain(scenario.rivals.iter().map(|rival| ("[[rival]]", rival)));
        match masters.into_iter().find(|(_, master)| wrong(master)) {
            Some((section, master)) => {
                let message =
                    format!("priority {}: that of a Livewire clock is 0 to {HIGHEST_PRIORITY}", master.priority_1);
                Err(self.error(&self.find(section, "priority_1"), message))
            }
            None => Ok(()),
        }
    }

    /// Checks the engine's sender, which replaces the talker and needs PTP.
    fn check_sender(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        let Some(sender) = &scenario.sender else { return Ok(()) };
        let Some(talker) = &scenario.talker else {
            let message =
                "[sender] sends what [talker] says, and there is none: add it, as in scenarios/sender_ptp.toml";
            return Err(self.error(&sender.clock.span(), message));
        };
        if talker.timestamp_offset != 0 {
            let message = "[sender] sends PTP time as it is: leave out timestamp_offset, or [sender]";
            return Err(self.error_of("[talker]", "timestamp_offset", message));
        }
        if !matches!(talker.clock, TalkerClock::Grandmaster) {
            let message = "[sender] is on PTP: write clock = \"grandmaster\" in [talker], or leave out [sender]";
            return Err(self.error_of("[talker]", "clock", message));
        }
        Ok(())
    }

    /// Checks that the range of bytes to be corrupted is not empty.
    fn check_corruption(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        let network = &scenario.network;
        let shared = [("[network.media]", network.media.as_ref()), ("[network.media_b]", network.media_b.as_ref())];
        let ptp = [("[network.ptp]", Some(&network.ptp)), ("[network.ptp_up]", network.ptp_up.as_ref())];
        let own = scenario.receivers.iter().flat_map(|receiver| {
            let OwnNetwork { media, ptp, ptp_up } = &receiver.network;
            [
                ("[receiver.network.media]", media.as_ref()),
                ("[receiver.network.ptp]", ptp.as_ref()),
                ("[receiver.network.ptp_up]", ptp_up.as_ref()),
            ]
        });
        for (section, path) in shared.into_iter().chain(ptp).chain(own) {
            let Some(Corruption { from_byte, to_byte: Some(to), .. }) = path.and_then(|path| path.corruption) else {
                continue;
            };
            if from_byte >= to {
                let message = format!("no byte is from {from_byte} to {to}: from_byte must be less than to_byte");
                return Err(self.error_of(section, "corruption", message));
            }
        }
        Ok(())
    }

    /// Checks that the rival that a talker follows exists.
    fn check_talker(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        let Some(Talker { clock: TalkerClock::Rival(index), .. }) = scenario.talker else { return Ok(()) };
        let count = scenario.rivals.len();
        if index >= count {
            let message = format!("there is no rival {index}: there are {count} of [[rival]], counted from 0");
            return Err(self.error_of("[talker]", "clock", message));
        }
        if scenario.rivals[index].wander.is_some() {
            let message = "a talker follows the mean of its master: leave out wander of that [[rival]]";
            return Err(self.error_of("[[rival]]", "wander", message));
        }
        Ok(())
    }

    /// Checks that a fault of the talker's model has a talker, and that the faulty packets fit its
    /// format.
    fn check_talker_fault(&self, scenario: &Scenario, fault: &Fault) -> Result<(), ScenarioError> {
        if !fault.what.needs_talker() {
            return Ok(());
        }
        let Some(talker) = scenario.talker.as_ref().filter(|_| scenario.sender.is_none()) else {
            let message = "this befalls the talker's model, and there is none: add [talker] without [sender]";
            return Err(self.error(&fault.at_s.span(), message));
        };
        if let FaultKind::PacketFrames(frames) = fault.what {
            let format = self.format(talker)?;
            let most = MAX_PAYLOAD / format.bytes_per_frame();
            if usize::from(frames.get()) > most {
                let message = format!(
                    "packets of {} frames are too long: packet_frames is at most {most} in this format",
                    frames.get()
                );
                return Err(self.error(&fault.at_s.span(), message));
            }
        }
        Ok(())
    }

    /// Checks that a fault of one leg occurs in a scenario with two legs.
    fn check_legs(&self, scenario: &Scenario, fault: &Fault) -> Result<(), ScenarioError> {
        if matches!(fault.what, FaultKind::LegLost(_)) && scenario.network.media_b.is_none() {
            let message =
                "leg_lost is of one of two networks, and the stream has one: add [network.media_b], or use media_lost";
            return Err(self.error(&fault.at_s.span(), message));
        }
        Ok(())
    }

    /// Checks that an attack reaches a receiver.
    fn check_attack(&self, scenario: &Scenario, fault: &Fault) -> Result<(), ScenarioError> {
        let FaultKind::Attack(attack) = fault.what else { return Ok(()) };
        let message = match attack {
            _ if attack.is_on_stream() && scenario.chain().is_none() => {
                "this attack is on a stream, and only clocks are simulated: leave it out, or add [talker]"
            }
            _ if !attack.is_on_stream() && scenario.sender.is_some() => {
                "this attack is on the receivers' PTP, and a [sender] would not meet it: leave out one of the two"
            }
            _ => return Ok(()),
        };
        Err(self.error(&fault.at_s.span(), message))
    }

    fn check_depth_limit(&self, chain: &AudioChain<'_>) -> Result<(), ScenarioError> {
        let (depth, limit) = (chain.playout.target_depth_ms, chain.playout.depth_limit_ms);
        if limit.is_some_and(|limit| limit < depth) {
            let message = format!("depth_limit_ms must be at least target_depth_ms, which is {} ms", depth.get());
            return Err(self.error_of("[playout]", "depth_limit_ms", message));
        }
        // A callback takes all of its frames at once, and the last of them arrived in a whole
        // packet.
        let (card, talker) = (chain.card, chain.talker);
        let milliseconds = |frames: u16, rate_hz: u32| 1e3 * f64::from(frames) / f64::from(rate_hz);
        let least_ms = milliseconds(card.callback_frames, card.sample_rate_hz.get())
            + milliseconds(talker.packet_frames, talker.sample_rate_hz.get());
        if limit.unwrap_or(depth).get() < least_ms {
            let message = format!(
                "target_depth_ms must be at least {least_ms:.1} ms, which is a callback and a packet, or \
                 depth_limit_ms must be, to which receivers may raise it"
            );
            return Err(self.error_of("[playout]", "target_depth_ms", message));
        }
        Ok(())
    }

    fn check_lengths(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        let interval = scenario.record.interval_s.get();
        if scenario.duration_s.get() < interval {
            let message = format!("duration_s must be at least record.interval_s, which is {interval} s");
            return Err(self.error_of("", "duration_s", message));
        }
        scenario.chain().map_or(Ok(()), |chain| self.check_depth_limit(&chain))
    }

    fn check_receivers(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        if scenario.receivers.is_empty() {
            return Err(self.error(&(0..0), "there is no [[receiver]]: add one, with `name` and `kind`"));
        }
        if let Some(more) = scenario.receivers.get(MOST_RECEIVERS) {
            let message = format!("there are more than {MOST_RECEIVERS} of [[receiver]]: put them into several files");
            return Err(self.error(&more.name.span(), message));
        }
        for (i, receiver) in scenario.receivers.iter().enumerate() {
            let name = receiver.name.as_ref();
            if let Some(message) = name_fault(name, &scenario.receivers[..i]) {
                return Err(self.error(&receiver.name.span(), message));
            }
            self.check_program(receiver)?;
            if scenario.chain().is_some() && !receiver.kind.plays() {
                let message = format!(
                    "receiver `{name}`: {} is only a clock and cannot play; leave out [talker], [network.media], [card] and [playout]",
                    receiver.kind
                );
                return Err(self.error(&receiver.name.span(), message));
            }
            let own = [("card", receiver.card.is_some()), ("network.media", receiver.network.media.is_some())];
            if let Some((section, _)) = own.iter().find(|section| scenario.chain().is_none() && section.1) {
                let message = format!(
                    "receiver `{name}` has a [receiver.{section}], but only clocks are simulated: leave it out, or add [talker], \
                     [network.media], [card] and [playout]"
                );
                return Err(self.error(&receiver.name.span(), message));
            }
        }
        Ok(())
    }

    /// Checks that masters have different identities, by which they are distinguished.
    fn check_masters(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        let mut known = vec![scenario.grandmaster.identity];
        for rival in &scenario.rivals {
            if known.contains(&rival.identity) {
                let message = format!("clock identity {} is taken; give every master its own", rival.identity.0);
                return Err(self.error_of("[[rival]]", "identity", message));
            }
            known.push(rival.identity);
        }
        Ok(())
    }

    fn check_expectation(&self, scenario: &Scenario, expectation: &Expectation) -> Result<(), ScenarioError> {
        let name = expectation.receiver.as_ref();
        let names: Vec<&str> = scenario.receivers.iter().map(|receiver| receiver.name.as_ref().as_str()).collect();
        if !names.contains(&name.as_str()) {
            let message = format!("there is no receiver `{name}`: there are {}", names.join(", "));
            return Err(self.error(&expectation.receiver.span(), message));
        }
        let metric = *expectation.metric.as_ref();
        let wrong = |message: String| Err(self.error(&expectation.metric.span(), message));
        let stability = match expectation.stability() {
            Ok(stability) => stability,
            Err(message) => return wrong(message),
        };
        if scenario.chain().is_none() && metric.needs_chain() {
            return wrong(format!("{metric} is of playout, and this scenario has none: choose a metric of the clock"));
        }
        let limits = expectation.limits();
        if limits == [None; 2] {
            return wrong(format!("a limit on {metric} needs `min`, `max` or both"));
        }
        if let [Some(min), Some(max)] = limits
            && min > max
        {
            return wrong(format!("no {metric} is at least {min} and at most {max}: `min` must not exceed `max`"));
        }
        let end = scenario.duration_s.get();
        let (from, to) = (expectation.from_s.get(), expectation.to_s.map_or(end, |to| to.get()));
        if from >= to || to > end {
            // A limit for a span that is not simulated would always hold.
            let message =
                format!("{metric} from {from} to {to} s: from_s must be less than to_s, and to_s at most {end}");
            return wrong(message);
        }
        if metric.compares_receivers() && scenario.receivers.len() < 2 {
            return wrong(format!("{metric} is between receivers, and there is only one: add a [[receiver]]"));
        }
        stability.and_then(|wish| unobservable(scenario, &wish, to - from)).map_or(Ok(()), wrong)
    }
}

/// Why the stability of a clock cannot be measured in a span, if so, and what would be right.
fn unobservable(scenario: &Scenario, wish: &StabilityWish, span_s: f64) -> Option<String> {
    let StabilityWish { metric, clock, limit } = wish;
    let missing = match clock {
        ObservedClock::Played | ObservedClock::Card if scenario.chain().is_none() => "[card]",
        ObservedClock::Sender if scenario.sender.is_none() => "[sender]",
        _ => "",
    };
    if !missing.is_empty() {
        return Some(format!("there is no clock {clock}, as there is no {missing}: add it, or choose another clock"));
    }
    let (interval_s, taus) = (scenario.record.interval_s.get(), metric.least_taus());
    match limit {
        StabilityLimit::Tau(tau_s) => {
            let intervals = tau_s / interval_s;
            if intervals < 0.5 || (intervals - libm::round(intervals)).abs() > 1e-6 * intervals {
                return Some(format!(
                    "tau_s = {tau_s} must be a multiple of record.interval_s, which is {interval_s} s"
                ));
            }
            let least_s = taus * tau_s;
            (span_s < least_s).then(|| {
                format!("{metric} at tau_s = {tau_s} needs {taus} times that, {least_s} s, and the span is {span_s} s")
            })
        }
        StabilityLimit::Mask(limits) => {
            if limits.low_pass_hz.is_some() && interval_s > 1.0 {
                let right = "set record.interval_s to 1 s or less";
                return Some(format!("this mask is of what passes a low-pass filter of 0.1 Hz: {right}"));
            }
            let octaves = std::iter::successors(Some(interval_s), |tau_s| Some(2.0 * tau_s));
            let observed = octaves.take_while(|tau_s| taus * tau_s <= span_s);
            let has_limit = observed.into_iter().any(|tau_s| limits.at(tau_s).is_some());
            (!has_limit)
                .then(|| format!("the mask has no limit for any tau of a span of {span_s} s: choose a longer one"))
        }
    }
}
