//! The only place that maps a module's code into memory and calls it. Runs in a worker, after the lock-down.
#![allow(unsafe_code, reason = "opening a shared library and trusting its checked header")]

use std::os::fd::{AsRawFd, OwnedFd};

use abi_stable::{
    StableAbi,
    abi_stability::check_layout_compatibility,
    library::{AbiHeaderRef, LibHeader, LibraryError},
    std_types::{RResult, RStr},
};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use mfa_sdk::abi::{ModuleObject, ModuleRootRef, SYMBOL};

use super::{check::Refusal, control::ANSWER_BYTES_MAX};

const REPORT_CHARACTERS_MAX: usize = 400;
/// Quotation marks make it longer in the worker's answer.
const DESCRIPTION_BYTES_MAX: usize = ANSWER_BYTES_MAX / 2;
const OTHER_VERSIONS: std::ops::RangeInclusive<u32> = 2..=20;

/// A library whose layout fits. It stays mapped for the life of the process.
pub(super) struct Loaded {
    root: ModuleRootRef,
}

/// A configured module; its calls may come from any thread.
pub(super) struct Module {
    object: ModuleObject,
}

/// Opens the sealed image. The library's initialisers run here, before anything of it could be checked, which is why
/// the process is locked down before.
pub(super) fn open(image: &OwnedFd) -> Result<Loaded, Refusal> {
    let path = format!("/proc/self/fd/{}", image.as_raw_fd());
    // SAFETY: initialisers of the library may do anything their process may; this process is a worker that holds
    // nothing but this module, and the supervisor takes its death for a "no".
    let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) }.map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), |source| source.to_string());
        refused(format!("it cannot be loaded: {}", short(&cause.replace(&path, "it"))))
    })?;
    let header = header(&library)?;
    // The header, the root and the module point into the library, so it must never be unmapped.
    std::mem::forget(library);
    fits(header)?;
    let root = header.init_root_module::<ModuleRootRef>().map_err(|error| match error {
        LibraryError::RootModule { .. } => refused("its constructor failed or panicked"),
        error => refused(format!("it does not fit: {}", short(&error.to_string()))),
    })?;
    Ok(Loaded { root })
}

fn header(library: &Library) -> Result<&'static LibHeader, Refusal> {
    // SAFETY: the symbol is the address of an `AbiHeader` in every library that exports this name; `upgrade` checks
    // its magic text before anything else of it is used.
    let Ok(header) = (unsafe { library.get::<AbiHeaderRef>(SYMBOL.to_bytes()) }) else {
        return Err(without_symbol(library));
    };
    let header: AbiHeaderRef = *header;
    // The error would print both headers byte by byte.
    header.upgrade().map_err(|_| refused("its header is not one this host can read (another abi_stable?)"))
}

fn without_symbol(library: &Library) -> Refusal {
    let other = OTHER_VERSIONS.into_iter().find(|version| {
        let symbol = format!("MFA_MODULE_V{version}");
        // SAFETY: only whether the symbol is there is asked; nothing is read through it.
        unsafe { library.get::<*const u8>(symbol.as_bytes()) }.is_ok()
    });
    match other {
        Some(version) => Refusal::new(
            format!("it was built for version {version} of the module ABI, this host speaks version 1"),
            "update the host, or install a build of the module for ABI version 1",
        ),
        None => Refusal::new(
            "it is a shared library but no module (it does not export MFA_MODULE_V1)",
            "build it as a cdylib with mfa_sdk::export_module! and run mfa-host module install FILE",
        ),
    }
}

/// Both ways: what the host expects is there, and what the module would call is known to the host.
fn fits(header: &LibHeader) -> Result<(), Refusal> {
    let ours = <ModuleRootRef as StableAbi>::LAYOUT;
    let theirs = header.layout().ok_or_else(|| refused("it hides its layout, so it cannot be checked"))?;
    let misfit = |report: String| refused(format!("its layout is not the one of this ABI: {}", cause(&report)));
    check_layout_compatibility(ours, theirs).into_result().map_err(|error| misfit(error.to_string()))?;
    check_layout_compatibility(theirs, ours).into_result().map_err(|error| misfit(error.to_string()))
}

fn refused(reason: impl Into<String>) -> Refusal {
    Refusal::new(reason, "rebuild the module with the mfa-sdk of this host and run mfa-host module install FILE")
}

/// A layout report is 20–30 kB of type trees; what follows `Error:` says what is wrong.
fn cause(report: &str) -> String {
    let cause = report.split("Error:").nth(1).unwrap_or(report);
    short(cause)
}

fn short(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(REPORT_CHARACTERS_MAX).collect()
}

impl Loaded {
    /// What the module says of itself, as JSON.
    pub(super) fn describe(&self) -> Result<String, Refusal> {
        let bytes = self.root.describe()().into_string().into_bytes();
        if bytes.len() > DESCRIPTION_BYTES_MAX {
            let length = bytes.len();
            return Err(refused(format!("its description has {length} bytes, the limit is {DESCRIPTION_BYTES_MAX}")));
        }
        String::from_utf8(bytes).map_err(|_| refused("its description is not UTF-8"))
    }

    /// The module with this configuration, or its own JSON error.
    pub(super) fn create(&self, config: &str) -> Result<Module, String> {
        match self.root.create()(RStr::from_str(config)) {
            RResult::ROk(object) => Ok(Module { object }),
            // Text only in name, like everything that comes from there.
            RResult::RErr(error) => {
                let bytes = error.into_string().into_bytes();
                Err(String::from_utf8_lossy(&bytes[..bytes.len().min(DESCRIPTION_BYTES_MAX)]).into_owned())
            }
        }
    }
}

impl Module {
    /// One call. Whatever comes back is only bytes: the host checks them.
    pub(super) fn call(&self, request: &str) -> Vec<u8> {
        self.object.call(RStr::from_str(request)).into_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_report_is_cut_to_its_cause() {
        let report =
            format!("{}\nError:\n  too few   fields\n{}Error: second", "tree\n".repeat(5000), "x ".repeat(900));
        let cause = cause(&report);
        assert!(cause.starts_with("too few fields x x"), "{cause}");
        assert_eq!(cause.chars().count(), REPORT_CHARACTERS_MAX);
        assert_eq!(super::cause("plain"), "plain");
    }
}
