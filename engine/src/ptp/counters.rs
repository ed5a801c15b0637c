//! Counters of a port: the first information to check when a clock does not lock.

/// Counts since the port was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortCounters {
    /// Datagrams that are not PTP messages.
    pub malformed: u64,
    /// Messages of PTP version 1.
    pub version_1: u64,
    /// Datagrams from an unexpected address:
    /// - in a session, from any address but the peer's;
    /// - with unicast masters, from any address that is not configured. Messages of configured
    ///   masters that were not sent by unicast are counted here, too;
    /// - otherwise, messages with the identity of the selected master that come from another
    ///   address.
    pub other_source: u64,
    /// Messages from addresses that are not accepted.
    pub refused_sources: u64,
    /// Messages from masters that are not accepted.
    pub refused_masters: u64,
    /// Messages in another domain.
    pub other_domain: u64,
    /// Messages with another majorSdoId, such as gPTP and AirPlay messages.
    pub other_sdo: u64,
    /// Our own messages that came back to us, and Announces from other clocks that name our clock
    /// as grandmaster.
    pub own: u64,
    /// Messages from alternate masters.
    pub alternate_master: u64,
    /// Syncs, Follow_Ups and Delay_Resps from ports other than the selected master.
    pub not_the_master: u64,
    /// Messages that are not signed with one of our keys, if authentication is on.
    pub unauthenticated: u64,
    /// Announces.
    pub announces: u64,
    /// Syncs from the selected master.
    pub syncs: u64,
    /// Follow_Ups from the selected master.
    pub follow_ups: u64,
    /// Delay_Resps from the selected master to us.
    pub delay_responses: u64,
    /// Syncs and Follow_Ups from the selected master that were repeated or far too late.
    pub repeated: u64,
    /// Follow_Ups whose Sync has not arrived.
    pub unmatched_follow_ups: u64,
    /// Two-step Syncs whose Follow_Up has not arrived.
    pub unmatched_syncs: u64,
    /// Syncs, Follow_Ups and Delay_Resps from the selected master whose times do not agree with
    /// each other.
    pub implausible: u64,
    /// Timestamps that were not used because a competing timestamp agrees better with the held
    /// time, or because it is unknown which of the competing timestamps comes from the master.
    pub contested: u64,
    /// Delay_Resps to requests other than the open request.
    pub stale_responses: u64,
    /// Delay_Reqs that were not answered before the next Delay_Req.
    pub unanswered_requests: u64,
    /// Delay_Reqs that were answered, but whose departure time was not known before the next
    /// Delay_Req. Such answers cannot be used.
    pub unstamped_requests: u64,
    /// Delay_Reqs from other clocks that we answered as master.
    pub answered_requests: u64,
    /// Messages that were not sent, because the caller did not drain the queue or because the time
    /// to serve does not fit in a timestamp.
    pub unsent: u64,
}
