//! What an admin may ask of users, factors and sessions: one command, executed in one place, whether the host runs
//! (then it travels over a socket only its owner can open) or not.

mod address;
mod channels;
mod client;
mod command;
mod execute;
mod frame;
mod password;
mod server;

pub use channels::{channel_lines, test_channel};
pub use client::{AskError, ask};
pub use command::{
    CertificateState, ChannelLine, Command, MethodLine, ModuleLine, Outcome, SettingsState, StatusReport, StorageCheck,
    StorageRepair, StoreState,
};
pub use execute::{Host, ROLLED_BACK_REMEDY, backup_failed, execute, module_lines};
pub use server::ControlSocket;

use std::path::{Path, PathBuf};

/// Where a running host listens for commands.
fn socket_directory(config_directory: &Path) -> PathBuf {
    config_directory.join(".storage")
}

const SOCKET_NAME: &str = "control.sock";
