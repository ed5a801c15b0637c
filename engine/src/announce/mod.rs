//! Descriptions of streams ([`sdp`]), their announcement ([`sap`]), and Livewire advertisements
//! ([`livewire`]).

pub mod livewire;
pub mod sap;
pub mod sdp;
