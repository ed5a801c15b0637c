//! RTP (RFC 3550) as far as AES67 uses it: packets, linear PCM payloads, sequence counts, and the
//! timeline of timestamps.

mod encoding;
pub mod format;
pub mod leg;
mod packet_time;
pub mod sequence;
pub mod timeline;
pub mod wire;
