//! The attacks on clocks.

use super::{Attack, Bar, Fault, Meets, Row, Target};
use crate::attack::forge::ptp::{
    Answers, Better, For, From, Lie, announces, better_master, copies, corrections, delay_requests, delay_responses,
    delayed, far_announce, follow_up_flood, follow_ups, malformed, management, other_domain, own_identity, path_delays,
    random_bytes, replay, replayed_announce, syncs, unicast, utc_flips,
};
use crate::attack::forge::{Forgery, none};
use crate::interop::peers::DOMAIN;
use std::time::Duration;

const fn forged(name: &'static str, help: &'static str, seconds: f64, make: fn() -> Forgery) -> Row {
    Row {
        name,
        help,
        target: Target::Clock,
        attack: Attack::Forged(make),
        seconds,
        meets: Meets::Locked,
        bar: Bar::Right,
    }
}

const fn fault(name: &'static str, help: &'static str, seconds: f64, fault: Fault) -> Row {
    Row {
        name,
        help,
        target: Target::Clock,
        attack: Attack::Fault(fault, None),
        seconds,
        meets: Meets::Locked,
        bar: Bar::Right,
    }
}

const MS: i64 = 1_000_000;

/// All of them, in the order of the table.
pub(super) const ALL: &[Row] = &[
    forged("control-clock", "nothing", 8.0, none),
    forged("followup-next-late", "Follow_Ups for the next Sync, +5 ms, own address", 2.0, || {
        follow_ups(For::Next, Lie::By(5 * MS), From::Own)
    }),
    forged("followup-next-late-spoofed", "the same from the master's address", 2.0, || {
        follow_ups(For::Next, Lie::By(5 * MS), From::Victim)
    }),
    forged("followup-next-early-spoofed", "the same, -5 ms", 8.0, || {
        follow_ups(For::Next, Lie::By(-5 * MS), From::Victim)
    }),
    forged("followup-next-100us-spoofed", "the same, +100 us", 8.0, || {
        follow_ups(For::Next, Lie::By(MS / 10), From::Victim)
    }),
    forged("followup-next-random-spoofed", "the same, within 50 ms", 8.0, || {
        follow_ups(For::Next, Lie::Within(50 * MS), From::Victim)
    }),
    forged("followup-race-spoofed", "Follow_Ups for the Sync just heard, +5 ms, master's address", 8.0, || {
        follow_ups(For::This, Lie::By(5 * MS), From::Victim)
    }),
    forged("followup-past-spoofed", "second Follow_Ups behind the master's, +5 ms, its address", 8.0, || {
        follow_ups(For::Past, Lie::By(5 * MS), From::Victim)
    }),
    forged("followup-flood-spoofed", "Follow_Ups for the next 64 Syncs, 2000/s, +5 ms, master's address", 8.0, || {
        follow_up_flood(Lie::By(5 * MS), From::Victim, 2000)
    }),
    forged("sync-twostep", "Syncs and Follow_Ups of the master's identity, +5 ms, own address", 8.0, || {
        syncs(false, Lie::By(5 * MS), From::Own)
    }),
    forged("sync-twostep-spoofed", "the same from the master's address", 8.0, || {
        syncs(false, Lie::By(5 * MS), From::Victim)
    }),
    forged("sync-onestep-spoofed", "one-step Syncs of the master's identity, -5 ms, its address", 8.0, || {
        syncs(true, Lie::By(-5 * MS), From::Victim)
    }),
    forged("sync-copies", "each Sync and Follow_Up 20 times more, own address", 8.0, || copies(20, From::Own)),
    forged("sync-copies-spoofed", "the same from the master's address", 8.0, || copies(20, From::Victim)),
    forged("sync-delayed-spoofed", "each Sync and Follow_Up again 20 ms later, master's address", 8.0, || {
        delayed(Duration::from_millis(20), From::Victim)
    }),
    forged("delayresp-late", "Delay_Resps at once, +4 ms, own address", 8.0, || {
        delay_responses(Answers::This, Lie::By(4 * MS), From::Own)
    }),
    forged("delayresp-late-spoofed", "the same from the master's address", 8.0, || {
        delay_responses(Answers::This, Lie::By(4 * MS), From::Victim)
    }),
    forged("delayresp-early-spoofed", "the same, -4 ms", 8.0, || {
        delay_responses(Answers::This, Lie::By(-4 * MS), From::Victim)
    }),
    forged("delayresp-random-spoofed", "the same, within 50 ms", 8.0, || {
        delay_responses(Answers::This, Lie::Within(50 * MS), From::Victim)
    }),
    forged("delayresp-next-spoofed", "Delay_Resps before their Delay_Req, +4 ms, master's address", 8.0, || {
        delay_responses(Answers::Next, Lie::By(4 * MS), From::Victim)
    }),
    forged(
        "delayresp-flood-spoofed",
        "200 Delay_Resps for each Delay_Req, within 50 ms, master's address",
        8.0,
        || delay_responses(Answers::Many, Lie::Within(50 * MS), From::Victim),
    ),
    forged("replay-500", "8 s of Syncs and Follow_Ups again, 500/s, own address", 16.0, || replay(500, From::Own)),
    forged("replay-500-spoofed", "the same from the master's address", 16.0, || replay(500, From::Victim)),
    forged("replay-16", "the same at their own rate, own address", 8.0, || replay(16, From::Own)),
    forged("replay-16-spoofed", "the same from the master's address", 8.0, || replay(16, From::Victim)),
    Row {
        attack: Attack::Fault(Fault::Killed, Some(|| replayed_announce(8, From::Victim))),
        ..forged("replay-announce-dead", "the Announce of a master that was killed, 8/s, its address", 8.0, || {
            replayed_announce(8, From::Victim)
        })
    },
    forged("better-silent", "a better master without Syncs", 16.0, || {
        better_master(Better { syncs: false, answers: false, ..Better::lying(Lie::By(0)) })
    }),
    forged("better-no-followup", "one without Follow_Ups", 16.0, || {
        better_master(Better { follow_ups: false, answers: false, ..Better::lying(Lie::By(0)) })
    }),
    forged("better-mute", "one that does not answer Delay_Reqs", 16.0, || {
        better_master(Better { answers: false, ..Better::lying(Lie::By(0)) })
    }),
    forged("better-random", "one with random times, within a year", 8.0, || {
        better_master(Better::lying(Lie::Within(31_536_000_000 * MS)))
    }),
    forged("better-jitter", "one with times within 50 ms of the truth", 8.0, || {
        better_master(Better::lying(Lie::Within(50 * MS)))
    }),
    forged("better-2ms", "one that is 2 ms off, and consistent", 8.0, || better_master(Better::lying(Lie::By(2 * MS))))
        .by_recovery(),
    forged("better-flaps-1s", "one with good times that is there every other second", 17.0, || {
        better_master(Better { on_off: 8, ..Better::lying(Lie::By(0)) })
    }),
    forged("better-flaps-3s", "the same, 3 s there and 3 s not", 18.0, || {
        better_master(Better { on_off: 24, ..Better::lying(Lie::By(0)) })
    }),
    forged("better-flaps-2ms", "one that is 2 ms off comes and goes every 2 s", 8.0, || {
        better_master(Better { on_off: 16, ..Better::lying(Lie::By(2 * MS)) })
    })
    .by_recovery(),
    forged("announces-20-start", "invented masters, 20/s, when clients start", 12.0, || announces(DOMAIN, 20, 128, 1))
        .starting(),
    forged("announces-100-start", "the same, 100/s", 12.0, || announces(DOMAIN, 100, 128, 1)).starting(),
    forged("announces-2000-start", "the same, 2000/s", 12.0, || announces(DOMAIN, 2000, 128, 1)).starting(),
    forged("announces-better-start", "better ones, each heard twice, 40/s", 12.0, || announces(DOMAIN, 40, 10, 2))
        .starting(),
    forged("announces-20", "invented masters, 20/s", 8.0, || announces(DOMAIN, 20, 128, 1)),
    forged("announces-2000", "the same, 2000/s", 8.0, || announces(DOMAIN, 2000, 128, 1)),
    forged("announces-better-100", "better ones, each heard twice, 100/s", 8.0, || announces(DOMAIN, 100, 10, 2)),
    forged("own-identity", "Announces with the client's identity, 8/s, own address", 8.0, || {
        own_identity(8, From::Own)
    }),
    forged("own-identity-spoofed", "the same from the client's address", 8.0, || own_identity(8, From::Victim)),
    forged("announce-far-spoofed", "Announces of the master with stepsRemoved 255, 8/s, its address", 8.0, || {
        far_announce(8, From::Victim)
    }),
    forged(
        "announce-utc-spoofed",
        "Announces of the master with UTC offset and leap flags that flip, 8/s",
        8.0,
        || utc_flips(8, From::Victim),
    ),
    forged("correction-followup-spoofed", "Follow_Ups for the next Sync with extreme correctionField", 8.0, || {
        corrections(false, From::Victim)
    }),
    forged("correction-sync-spoofed", "the next Sync at once, with extreme correctionField", 8.0, || {
        corrections(true, From::Victim)
    }),
    forged("malformed-spoofed", "messages of the master with wrong TLVs, lengths and nanoseconds, 200/s", 8.0, || {
        malformed(200, From::Victim)
    }),
    forged("unicast-spoofed", "Sync, Follow_Up +5 ms and Announce by unicast, 50/s, master's address", 8.0, || {
        unicast(50, Lie::By(5 * MS), From::Victim)
    }),
    forged("management-flood", "random management and signaling messages, 1000/s", 8.0, || management(1000)),
    forged("domain-flood-spoofed", "messages of the master in another domain, 2000/s", 8.0, || {
        other_domain(2000, From::Victim)
    }),
    forged("delayreq-flood", "Delay_Reqs of invented ports, 1000/s, answered by the master", 8.0, || {
        delay_requests(1000)
    }),
    forged("pdelay-flood-spoofed", "Pdelay_Reqs and Pdelay_Resps of the master, 1000/s", 8.0, || {
        path_delays(1000, From::Victim)
    }),
    forged("random-bytes", "bytes of no sense on both ports, 2000/s, own address", 8.0, || {
        random_bytes(2000, From::Own)
    }),
    forged("random-bytes-spoofed", "the same from the master's address", 8.0, || random_bytes(2000, From::Victim)),
    fault("gm-flaps-1s", "the grandmaster is there every other second", 17.0, Fault::Flaps(1000)),
    fault("gm-flaps-3s", "3 s there, 3 s not", 18.0, Fault::Flaps(3000)),
    fault("gm-cut", "the grandmaster's cable is out for 10 s", 10.0, Fault::Cut),
    fault("gm-killed", "the grandmaster is killed, and started anew 10 s later", 10.0, Fault::Killed),
];
