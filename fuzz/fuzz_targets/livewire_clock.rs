#![no_main]

#[path = "../livewire_clock.rs"]
mod livewire_clock;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    livewire_clock::packet(bytes);
    livewire_clock::clock(bytes);
});
