//! The first bytes of a shared library: enough to say in plain words why a file cannot be one of ours.

const HEADER_BYTES: usize = 64;
const SHARED_OBJECT: u16 = 3;

/// `e_machine` of the architecture this host was built for.
const MACHINE: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };

/// Refuses what is not a 64-bit little-endian shared library for this architecture, and says what it is instead.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    if !bytes.starts_with(b"\x7fELF") {
        return Err("it is not a shared library (no ELF header)".to_owned());
    }
    let Some(header) = bytes.get(..HEADER_BYTES) else {
        return Err("it is cut off within its ELF header".to_owned());
    };
    if header[4] != 2 || header[5] != 1 {
        return Err("it is not a 64-bit little-endian library".to_owned());
    }
    let machine = u16::from_le_bytes([header[18], header[19]]);
    if machine != MACHINE {
        return Err(format!("it was built for {}, this machine is {}", machine_name(machine), machine_name(MACHINE)));
    }
    if u16::from_le_bytes([header[16], header[17]]) != SHARED_OBJECT {
        return Err("it is a program or an object file and not a shared library".to_owned());
    }
    Ok(())
}

fn machine_name(machine: u16) -> String {
    match machine {
        3 => "x86 (32 bit)".to_owned(),
        40 => "arm (32 bit)".to_owned(),
        62 => "x86_64".to_owned(),
        183 => "aarch64".to_owned(),
        243 => "riscv64".to_owned(),
        other => format!("machine {other}"),
    }
}

#[cfg(test)]
pub(super) fn sample(machine: u16) -> Vec<u8> {
    let mut header = vec![0; HEADER_BYTES];
    header[..6].copy_from_slice(b"\x7fELF\x02\x01");
    header[16..18].copy_from_slice(&SHARED_OBJECT.to_le_bytes());
    header[18..20].copy_from_slice(&machine.to_le_bytes());
    header
}

#[cfg(test)]
pub(super) fn sample_of_this_machine() -> Vec<u8> {
    sample(MACHINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_a_wrong_file_is() {
        assert_eq!(check(&sample_of_this_machine()), Ok(()));
        assert!(check(b"#!/bin/sh\n").unwrap_err().contains("not a shared library"));
        assert!(check(b"").unwrap_err().contains("not a shared library"));
        assert!(check(&sample_of_this_machine()[..40]).unwrap_err().contains("cut off"));
        assert!(check(&sample(243)).unwrap_err().contains("riscv64"));
        let mut program = sample_of_this_machine();
        program[16] = 2;
        assert!(check(&program).unwrap_err().contains("a program"));
        let mut narrow = sample_of_this_machine();
        narrow[4] = 1;
        assert!(check(&narrow).unwrap_err().contains("64-bit"));
    }
}
