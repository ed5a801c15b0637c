//! Describing and announcing streams: descriptions ([`sdp`]) and their announcement ([`sap`]), and
//! the advertisements of [`livewire`].

pub mod livewire;
pub mod sap;
pub mod sdp;
