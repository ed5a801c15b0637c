//! RTP (RFC 3550) as far as AES67 uses it: packets, linear PCM payloads and the counting of
//! sequence numbers.

mod encoding;
pub mod format;
pub mod leg;
mod packet_time;
pub mod sequence;
pub mod wire;
