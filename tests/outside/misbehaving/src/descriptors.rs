//! What a module may do with descriptors that are not its own: every one of its process, the host's ends among them.

use std::{
    fs::File,
    io::Write,
    mem::ManuallyDrop,
    os::fd::{FromRawFd, OwnedFd, RawFd},
};

/// More than a worker ever has.
const DESCRIPTORS: RawFd = 128;
const CONTROL: RawFd = 0;
const YES: &[u8] = br#"{"reply":"verdict","verdict":"accepted"}"#;

/// As if standard output led to the host.
pub fn print_a_yes() {
    let mut output = std::io::stdout();
    for _ in 0..10_000 {
        let _ = output.write_all(&framed(YES)).and_then(|()| output.flush());
    }
}

pub fn close_all() {
    (0..DESCRIPTORS).for_each(close);
}

/// The one through which a worker that dies says of which call.
pub fn close_control() {
    close(CONTROL);
}

/// Says "yes" in every slot, whoever is being asked about there.
pub fn answer_for_others() {
    for descriptor in CONTROL + 3..DESCRIPTORS {
        // SAFETY: there is none; a descriptor that is not ours is what the test asks for. It is not closed.
        let mut socket = ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) });
        let _ = socket.write_all(&framed(YES));
    }
}

fn close(descriptor: RawFd) {
    // SAFETY: there is none; its owner finds it closed, which is what the test asks for.
    drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}
