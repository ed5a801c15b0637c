//! Telling what streams there are: descriptions ([`sdp`]) and their announcement ([`sap`]).

pub mod sap;
pub mod sdp;
