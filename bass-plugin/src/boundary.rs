//! The boundary to the host: reports errors, and catches panics.

use crate::bass;
use crate::error::{BassError, code};
use bass_ffi::boundary::guarded_or;
use std::sync::{Mutex, PoisonError};

/// The text of the last error in any thread. A thread-local text would register a destructor that
/// runs when the thread ends, which keeps the library from being unloaded.
static TEXT: Mutex<String> = Mutex::new(String::new());

/// The text of the last error.
pub(crate) fn last_text() -> String {
    TEXT.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Stores the text of an error whose number BASS reports itself.
pub(crate) fn remember(text: String) {
    *TEXT.lock().unwrap_or_else(PoisonError::into_inner) = text;
}

/// Reports an error or success to the host.
pub(crate) fn report<T>(result: Result<T, BassError>) -> Option<T> {
    match result {
        Ok(value) => {
            bass::set_error(code::OK);
            Some(value)
        }
        Err(error) => {
            bass::set_error(error.code);
            remember(error.text);
            None
        }
    }
}

/// Like [`report`], for work that is done [isolated](bass_ffi::threads::isolated) from the host's
/// thread.
pub(crate) fn report_isolated<T: Send>(body: impl FnOnce() -> Result<T, BassError> + Send) -> Option<T> {
    report(bass_ffi::threads::isolated(body))
}

/// Runs the body of an entry point. If it panics, reports `BASS_ERROR_UNKNOWN` to the host and
/// returns `otherwise`.
pub(crate) fn guarded<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    let tell = || {
        let fault = BassError::new(code::UNKNOWN, "a fault of bass_aes67; its reason is on the error output");
        report::<()>(Err(fault));
        otherwise
    };
    guarded_or(tell, body)
}

/// Like [`guarded`], for functions that the sound card's thread calls, which must not report
/// anything.
pub(crate) fn guarded_quietly<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    guarded_or(|| otherwise, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_stays_inside() {
        assert_eq!(guarded(7, || panic!("on purpose")), 7);
        assert!(last_text().starts_with("a fault of bass_aes67"));
        assert_eq!(guarded(7, || 8), 8);
    }
}
