//! BASS and the add-on, loaded at run time, for the examples.
//!
//! Where they are: `BASS` and `BASS_AES67` in the environment, or else beside the program or in the
//! current folder.

#![expect(dead_code, reason = "each example uses its part")]

mod layout;

use layout::{OutputSettings, OutputStats, Stats};
use libloading::Library;
use std::error::Error;
use std::ffi::{CStr, CString, c_char, c_void};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub(crate) const SAMPLE_FLOAT: u32 = 0x100;
pub(crate) const SAMPLE_LOOP: u32 = 4;
pub(crate) const STREAM_DECODE: u32 = 0x20_0000;
pub(crate) const DATA_FLOAT: u32 = 0x4000_0000;
/// BASS's own: ms of a playback channel's buffer, and between the moments at which it is filled.
pub(crate) const CONFIG_BUFFER: u32 = 0;
pub(crate) const CONFIG_UPDATEPERIOD: u32 = 1;
pub(crate) const CONFIG_INTERFACE: u32 = 0x2_0001;
pub(crate) const CONFIG_PTP_DOMAIN: u32 = 0x2_0003;
pub(crate) const CONFIG_PTP_STATS: u32 = 0x2_0004;
pub(crate) const CONFIG_PTP_STATE: u32 = 0x2_0006;
pub(crate) const CONFIG_JITTER_MS: u32 = 0x2_0008;
pub(crate) const CONFIG_BUFFER_LEVEL: u32 = 0x2_0010;
pub(crate) const CONFIG_JITTER_UNDERRUNS: u32 = 0x2_0011;
pub(crate) const CONFIG_PACKETS_RECEIVED: u32 = 0x2_0012;
pub(crate) const CONFIG_PACKETS_LATE: u32 = 0x2_0013;
/// No device: decode channels and timing work without a sound card.
pub(crate) const NO_SOUND: i32 = 0;

#[cfg(windows)]
const NAMES: [&str; 2] = ["bass.dll", "bass_aes67.dll"];
#[cfg(not(windows))]
const NAMES: [&str; 2] = ["libbass.so", "libbass_aes67.so"];

/// `BASS_ChannelGetData`.
pub(crate) type GetData = unsafe extern "system" fn(u32, *mut c_void, u32) -> u32;
/// A handle of an output.
pub(crate) type Output = *mut c_void;

/// The two libraries; the add-on is unloaded before BASS.
pub(crate) struct Bass {
    plugin: u32,
    aes67: Library,
    bass: Library,
}

/// A function of a library.
macro_rules! call {
    ($library:expr, $name:literal, fn($($type:ty),*) -> $result:ty, $($argument:expr),*) => {{
        // SAFETY: the type is that of the function in its header, and the arguments are as that
        // asks for.
        unsafe {
            let function: libloading::Symbol<'_, unsafe extern "system" fn($($type),*) -> $result> = $library.get($name)?;
            function($($argument),*)
        }
    }};
}

impl Bass {
    /// Loads both, and opens a device.
    fn load(device: i32) -> Result<Self> {
        let [bass, aes67] = [find("BASS", NAMES[0]), find("BASS_AES67", NAMES[1])];
        // SAFETY: what these libraries do when they are loaded is harmless.
        let bass_library = unsafe { Library::new(&bass) }.map_err(|error| format!("{error} (set BASS to its path)"))?;
        let path = CString::new(aes67.to_string_lossy().as_bytes())?;
        let plugin = call!(bass_library, b"BASS_PluginLoad", fn(*const c_char, u32) -> u32, path.as_ptr(), 0);
        if plugin == 0 {
            return Err(format!("BASS cannot load {} (set BASS_AES67 to its path)", aes67.display()).into());
        }
        // SAFETY: it is loaded already; this is for its own functions.
        let aes67_library = unsafe { Library::new(&aes67) }?;
        let bass = Self { plugin, aes67: aes67_library, bass: bass_library };
        let (nothing, none) = (std::ptr::null_mut::<c_void>(), std::ptr::null::<c_void>());
        let init = call!(
            bass.bass,
            b"BASS_Init",
            fn(i32, u32, u32, *mut c_void, *const c_void) -> i32,
            device,
            48_000,
            0,
            nothing,
            none
        );
        bass.check(init != 0, "BASS_Init")?;
        Ok(bass)
    }

    /// The same from what examples are called with: interface, PTP domain and seconds (60), as far
    /// as they are given.
    pub(crate) fn load_with(device: i32, arguments: &[String]) -> Result<(Self, u32)> {
        let bass = Self::load(device)?;
        if let Some(interface) = arguments.first() {
            bass.set_text(CONFIG_INTERFACE, interface)?;
        }
        if let Some(domain) = arguments.get(1) {
            bass.set(CONFIG_PTP_DOMAIN, domain.parse()?)?;
        }
        let seconds = arguments.get(2).map_or(Ok(60), |seconds| seconds.parse())?;
        Ok((bass, seconds))
    }

    fn check(&self, done: bool, what: &str) -> Result<()> {
        if done {
            return Ok(());
        }
        let code = call!(self.bass, b"BASS_ErrorGetCode", fn() -> i32,);
        let mut text = [0; 512];
        call!(self.aes67, b"BASS_AES67_GetErrorText", fn(*mut c_char, u32) -> u32, text.as_mut_ptr(), 512);
        // SAFETY: the text ends in a zero within the array.
        let words = unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy().into_owned();
        Err(format!("{what}: BASS error {code}; {words}").into())
    }

    pub(crate) fn set(&self, option: u32, value: u32) -> Result<()> {
        let done = call!(self.bass, b"BASS_SetConfig", fn(u32, u32) -> i32, option, value);
        self.check(done != 0, "BASS_SetConfig")
    }

    pub(crate) fn get(&self, option: u32) -> Result<u32> {
        Ok(call!(self.bass, b"BASS_GetConfig", fn(u32) -> u32, option))
    }

    pub(crate) fn set_text(&self, option: u32, value: &str) -> Result<()> {
        let value = CString::new(value)?;
        let done = call!(self.bass, b"BASS_SetConfigPtr", fn(u32, *const c_char) -> i32, option, value.as_ptr());
        self.check(done != 0, "BASS_SetConfigPtr")
    }

    pub(crate) fn text(&self, option: u32) -> Result<String> {
        let text = call!(self.bass, b"BASS_GetConfigPtr", fn(u32) -> *const c_char, option);
        self.check(!text.is_null(), "BASS_GetConfigPtr")?;
        // SAFETY: a text that ends in a zero and is valid until many more were asked for.
        Ok(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
    }

    pub(crate) fn open_url(&self, url: &str, flags: u32) -> Result<u32> {
        let text = CString::new(url)?;
        let (none, user) = (std::ptr::null::<c_void>(), std::ptr::null_mut::<c_void>());
        let channel = call!(
            self.bass,
            b"BASS_StreamCreateURL",
            fn(*const c_char, u32, u32, *const c_void, *mut c_void) -> u32,
            text.as_ptr(),
            0,
            flags,
            none,
            user
        );
        self.check(channel != 0, url)?;
        Ok(channel)
    }

    pub(crate) fn open_file(&self, file: &str, flags: u32) -> Result<u32> {
        let text = CString::new(file)?;
        let channel = call!(
            self.bass,
            b"BASS_StreamCreateFile",
            fn(i32, *const c_char, u64, u64, u32) -> u32,
            0,
            text.as_ptr(),
            0,
            0,
            flags
        );
        self.check(channel != 0, file)?;
        Ok(channel)
    }

    pub(crate) fn play(&self, channel: u32) -> Result<()> {
        let done = call!(self.bass, b"BASS_ChannelPlay", fn(u32, i32) -> i32, channel, 0);
        self.check(done != 0, "BASS_ChannelPlay")
    }

    /// The function that decodes from a channel, to be called in a sound card's callback.
    pub(crate) fn get_data(&self) -> Result<GetData> {
        // SAFETY: the type is that of the function in its header. The library stays loaded as long
        // as this.
        Ok(unsafe { *self.bass.get::<GetData>(b"BASS_ChannelGetData")? })
    }

    /// Fills the block from a decode channel.
    pub(crate) fn pull(&self, channel: u32, block: &mut [f32]) -> Result<()> {
        let (data, bytes) = (block.as_mut_ptr().cast::<c_void>(), size_of_val(block) as u32);
        let got = call!(self.bass, b"BASS_ChannelGetData", fn(u32, *mut c_void, u32) -> u32, channel, data, bytes);
        self.check(got == bytes, "BASS_ChannelGetData")
    }

    pub(crate) fn stats(&self, channel: u32) -> Result<Stats> {
        let mut stats = Stats { size: size_of::<Stats>() as u32, ..Stats::default() };
        let done = call!(self.aes67, b"BASS_AES67_GetStats", fn(u32, *mut Stats) -> i32, channel, &raw mut stats);
        self.check(done != 0, "BASS_AES67_GetStats")?;
        Ok(stats)
    }

    /// Sends a channel to a group; `clock` 0 waits for a PTP master, 1 is one if there is none, 2
    /// goes by the system's clock.
    pub(crate) fn send(&self, channel: u32, group: &str, name: &str, clock: u32) -> Result<Output> {
        let (group, name) = (CString::new(group)?, CString::new(name)?);
        let null = std::ptr::null();
        let config = OutputSettings {
            size: size_of::<OutputSettings>() as u32,
            port: 0,
            bits: 24,
            packet_time_us: 1000,
            payload_type: 0,
            ttl: 0,
            domain: u32::MAX,
            clock,
            flags: 0,
            delay_us: 0,
            name: name.as_ptr(),
            group: group.as_ptr(),
            second_group: null,
            interface: null,
            second_interface: null,
        };
        let output = call!(
            self.aes67,
            b"BASS_AES67_OutputCreate",
            fn(u32, *const OutputSettings) -> Output,
            channel,
            &raw const config
        );
        self.check(!output.is_null(), "BASS_AES67_OutputCreate")?;
        let started = call!(self.aes67, b"BASS_AES67_OutputStart", fn(Output) -> i32, output);
        self.check(started != 0, "BASS_AES67_OutputStart")?;
        Ok(output)
    }

    pub(crate) fn output_stats(&self, output: Output) -> Result<OutputStats> {
        let mut stats = OutputStats { size: size_of::<OutputStats>() as u32, ..OutputStats::default() };
        let done = call!(
            self.aes67,
            b"BASS_AES67_OutputGetStats",
            fn(Output, *mut OutputStats) -> i32,
            output,
            &raw mut stats
        );
        self.check(done != 0, "BASS_AES67_OutputGetStats")?;
        Ok(stats)
    }

    pub(crate) fn free_output(&self, output: Output) -> Result<()> {
        let done = call!(self.aes67, b"BASS_AES67_OutputFree", fn(Output) -> i32, output);
        self.check(done != 0, "BASS_AES67_OutputFree")
    }

    fn close(&self) -> Result<()> {
        call!(self.bass, b"BASS_Free", fn() -> i32,);
        call!(self.bass, b"BASS_PluginFree", fn(u32) -> i32, self.plugin);
        Ok(())
    }
}

/// When blocks of 10 ms are due: what a sound card is otherwise for.
pub(crate) struct Pace(Instant);

impl Pace {
    pub(crate) const BLOCK: Duration = Duration::from_millis(10);

    #[expect(clippy::disallowed_methods, reason = "the pace is that of this computer")]
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    #[expect(clippy::disallowed_methods, reason = "the pace is that of this computer")]
    pub(crate) fn wait(&mut self) {
        self.0 += Self::BLOCK;
        std::thread::sleep(self.0.saturating_duration_since(Instant::now()));
    }
}

/// Asks Linux not to let other programs hold this thread up, which it allows to root and to whoever
/// has the limit `rtprio`; without that it stays as it is. Windows gives a sound card's thread its
/// priority by itself.
pub(crate) fn ask_for_real_time() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const SCHED_FIFO: i32 = 1;
        let priority = 60;
        unsafe extern "C" {
            fn pthread_self() -> usize;
            fn pthread_setschedparam(thread: usize, policy: i32, priority: *const i32) -> i32;
        }
        // SAFETY: POSIX's; glibc's `sched_param` is the priority alone.
        let _is_refused = unsafe { pthread_setschedparam(pthread_self(), SCHED_FIFO, &raw const priority) };
    }
}

/// The largest sample, in dB of full scale.
pub(crate) fn dbfs(peak: f32) -> f32 {
    20.0 * peak.max(1e-9).log10()
}

/// One line that is written anew on a terminal, and one after the other in a file.
#[derive(Default)]
pub(crate) struct Line(usize);

impl Line {
    pub(crate) fn show(&mut self, text: &str, is_last: bool) -> Result<()> {
        let mut out = std::io::stdout();
        let rest = " ".repeat(self.0.saturating_sub(text.chars().count()));
        self.0 = text.chars().count();
        if out.is_terminal() {
            write!(out, "\r{text}{rest}{}", if is_last { "\n" } else { "" })?;
        } else {
            writeln!(out, "{text}")?;
        }
        Ok(out.flush()?)
    }
}

impl Drop for Bass {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.close();
    }
}

fn find(variable: &str, name: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(name)));
    let parent = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.parent()?.join(name)));
    let here = std::env::current_dir().ok().map(|folder| folder.join(name));
    [beside, parent, here].into_iter().flatten().find(|path| path.is_file()).unwrap_or_else(|| name.into())
}
