//! The independent tools the tests lean on, and how a Debian machine gets the ones it lacks.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::Failure;

/// A tool and the Debian package that has it.
const TOOLS: [(&str, &str); 10] = [
    ("oathtool", "oathtool"),
    ("zbarimg", "zbar-tools"),
    ("rsvg-convert", "librsvg2-bin"),
    ("jq", "jq"),
    ("openssl", "openssl"),
    ("curl", "curl"),
    ("python3", "python3-venv"),
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("npm", "npm"),
];

/// Writing the browser has to draw, where the font of it lies, and the Debian package that has it.
const FONTS: [(&str, &str, &str); 3] = [
    ("Latin, Greek, Cyrillic, Hebrew, Arabic", "dejavu/DejaVuSans.ttf", "fonts-dejavu-core"),
    ("Chinese, Japanese, Korean", "droid/DroidSansFallbackFull.ttf", "fonts-droid-fallback"),
    ("emoji", "noto/NotoColorEmoji.ttf", "fonts-noto-color-emoji"),
];
const FONTS_DIRECTORY: &str = "/usr/share/fonts/truetype";

/// Says which of these tools is lacking, installs it, and fails with the exact command if it cannot.
pub fn install_what_is_lacking(wanted: &[&str]) -> Result<(), Failure> {
    let lacking = TOOLS.iter().filter(|(tool, _)| wanted.contains(tool) && !is_there(tool));
    let lacking: Vec<&str> = lacking.map(|(_, package)| *package).collect();
    if lacking.is_empty() {
        println!("   everything needed is installed: {}", wanted.join(", "));
        return Ok(());
    }
    install(&lacking)
}

/// The same of the fonts; without them a picture of a page shows boxes.
pub fn install_lacking_fonts() -> Result<(), Failure> {
    let is_lacking = |file: &str| !Path::new(FONTS_DIRECTORY).join(file).exists();
    let lacking: Vec<_> = FONTS.iter().filter(|(_, file, _)| is_lacking(file)).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let writings: Vec<&str> = lacking.iter().map(|(writing, ..)| *writing).collect();
    println!("   no font for {}", writings.join("; "));
    install(&lacking.iter().map(|(.., package)| *package).collect::<Vec<_>>())
}

fn install(lacking: &[&str]) -> Result<(), Failure> {
    println!("   will install with apt-get: {}", lacking.join(", "));
    let by_hand = format!("apt-get update && apt-get install -y --no-install-recommends {}", lacking.join(" "));
    let install = || -> Result<(), Failure> {
        apt_get(&["update", "-qq"])?;
        let mut arguments = vec!["install", "-y", "--no-install-recommends"];
        arguments.extend(lacking);
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
