//! The independent tools the tests lean on, and how a Debian machine gets the ones it lacks.

use std::process::{Command, Stdio};

use crate::Failure;

/// A tool and the Debian package that has it.
const TOOLS: [(&str, &str); 7] = [
    ("oathtool", "oathtool"),
    ("zbarimg", "zbar-tools"),
    ("rsvg-convert", "librsvg2-bin"),
    ("jq", "jq"),
    ("openssl", "openssl"),
    ("curl", "curl"),
    ("python3", "python3-venv"),
];

/// Says what is lacking, installs it, and fails with the exact command if it cannot.
pub fn install_what_is_lacking(wanted: &[&str]) -> Result<(), Failure> {
    let lacking: Vec<&str> = TOOLS
        .iter()
        .filter(|(tool, _)| wanted.contains(tool) && !is_there(tool))
        .map(|(_, package)| *package)
        .collect();
    if lacking.is_empty() {
        println!("   everything needed is installed: {}", wanted.join(", "));
        return Ok(());
    }
    println!("   will install with apt-get: {}", lacking.join(", "));
    let by_hand = format!("apt-get update && apt-get install -y --no-install-recommends {}", lacking.join(" "));
    let install = || -> Result<(), Failure> {
        apt_get(&["update", "-qq"])?;
        let mut arguments = vec!["install", "-y", "--no-install-recommends"];
        arguments.extend(&lacking);
        apt_get(&arguments)
    };
    install().map_err(|error| format!("{error}; run this as root, then again: {by_hand}").into())
}

/// All tools of the tests.
pub fn all() -> Vec<&'static str> {
    TOOLS.iter().map(|(tool, _)| *tool).collect()
}

fn is_there(tool: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|directory| directory.join(tool).is_file()))
}

fn apt_get(arguments: &[&str]) -> Result<(), Failure> {
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        // Without a terminal nobody could answer; failing says what to type instead.
        sudo.args(["--non-interactive", "apt-get"]);
        sudo
    };
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    crate::stage::check(&mut command)
}
