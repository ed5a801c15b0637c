//! Properties of network adapters.
//!
//! An adapter has a friendly name, which users know and which is used here, a GUID, and an index.

use std::ffi::CStr;
use std::ptr::null;
use windows_sys::Win32::Foundation::{ERROR_BUFFER_OVERFLOW, NO_ERROR};
use windows_sys::Win32::NetworkManagement::IpHelper::{
    GAA_FLAG_SKIP_ANYCAST, GAA_FLAG_SKIP_DNS_SERVER, GAA_FLAG_SKIP_MULTICAST, GAA_FLAG_SKIP_UNICAST,
    GetAdaptersAddresses, IP_ADAPTER_ADDRESSES_LH, IP_ADAPTER_NO_MULTICAST,
};
use windows_sys::Win32::NetworkManagement::Ndis::{
    IfOperStatusDown, IfOperStatusLowerLayerDown, IfOperStatusNotPresent,
};
use windows_sys::Win32::Networking::WinSock::AF_UNSPEC;

/// Initial buffer size for the list, as Microsoft recommends, and the number of attempts with a
/// larger buffer, because the list may grow in the meantime.
const ROOM: u32 = 15_000;
const TRIES: u32 = 4;

struct Adapter {
    guid: String,
    friendly: String,
    carrier: bool,
    multicast: bool,
}

/// All adapters; empty if the system does not report them.
fn adapters() -> Vec<Adapter> {
    let flags = GAA_FLAG_SKIP_UNICAST | GAA_FLAG_SKIP_ANYCAST | GAA_FLAG_SKIP_MULTICAST | GAA_FLAG_SKIP_DNS_SERVER;
    let mut bytes = ROOM;
    for _ in 0..TRIES {
        // The buffer consists of 8-byte words, which have the alignment of the list.
        let mut room = vec![0u64; bytes.div_ceil(8) as usize];
        let first = room.as_mut_ptr().cast::<IP_ADAPTER_ADDRESSES_LH>();
        // SAFETY: the buffer has the given size, which the system changes to the required size.
        match unsafe { GetAdaptersAddresses(u32::from(AF_UNSPEC), flags, null(), first, &raw mut bytes) } {
            ERROR_BUFFER_OVERFLOW => {}
            NO_ERROR => {
                // SAFETY: the system has filled the buffer with a list, and the buffer lives
                // through the call.
                return unsafe { read(first) };
            }
            _ => break,
        }
    }
    Vec::new()
}

/// # Safety
/// `next` is null or the head of a list that `GetAdaptersAddresses` has written, and its buffer is
/// still alive.
unsafe fn read(mut next: *const IP_ADAPTER_ADDRESSES_LH) -> Vec<Adapter> {
    let mut all = Vec::new();
    // SAFETY: the caller guarantees this; the system sets the pointer of the last element to null.
    while let Some(adapter) = unsafe { next.as_ref() } {
        // SAFETY: the name is a zero-terminated text within the buffer.
        let guid = unsafe { CStr::from_ptr(adapter.AdapterName.cast()) }.to_string_lossy().into_owned();
        // SAFETY: the name is a zero-terminated UTF-16 text within the buffer.
        let friendly = unsafe { wide(adapter.FriendlyName) };
        let status = adapter.OperStatus;
        // SAFETY: all variants of the union are the same four bytes.
        let flags = unsafe { adapter.Anonymous2.Flags };
        all.push(Adapter {
            guid,
            friendly,
            carrier: ![IfOperStatusDown, IfOperStatusLowerLayerDown, IfOperStatusNotPresent].contains(&status),
            multicast: flags & IP_ADAPTER_NO_MULTICAST == 0,
        });
        next = adapter.Next;
    }
    all
}

/// # Safety
/// `text` points to a zero-terminated UTF-16 text.
unsafe fn wide(text: *const u16) -> String {
    let mut length = 0;
    // SAFETY: the text ends in a zero, and nothing beyond it is read.
    while unsafe { *text.add(length) } != 0 {
        length += 1;
    }
    // SAFETY: this many units were just read.
    String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(text, length) })
}

fn adapter(name: &str) -> Option<Adapter> {
    adapters().into_iter().find(|adapter| adapter.friendly == name)
}

/// Whether an adapter has a carrier and is up; `None` if the system does not report it.
pub(crate) fn has_carrier(name: &str) -> Option<bool> {
    adapter(name).map(|adapter| adapter.carrier)
}

/// Whether an adapter carries multicast; `None` if the system does not report it.
pub(crate) fn has_multicast(name: &str) -> Option<bool> {
    adapter(name).map(|adapter| adapter.multicast)
}

/// The name of the adapter with this GUID, which may have braces.
pub(crate) fn by_identifier(wanted: &str) -> Option<String> {
    let bare = |guid: &str| guid.trim_matches(['{', '}']).to_ascii_lowercase();
    let wanted = bare(wanted);
    adapters().into_iter().find(|adapter| bare(&adapter.guid) == wanted).map(|adapter| adapter.friendly)
}
