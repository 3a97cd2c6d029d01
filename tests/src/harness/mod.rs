//! What every test stands on: real binaries, a configuration directory and a clock of its own, independent tools.

mod at_once;
mod authenticator;
mod binaries;
mod certificates;
mod clock;
mod command;
mod directory;
mod host;
mod journal;
mod link;
mod login;
mod mail;
mod methods;
mod older_copy;
mod pages;
mod qr;
mod recovery;
mod scratch;
mod server;
mod site;
mod stage;
mod status;
mod wire;

pub use at_once::{SetAtEnd, at_once, spread};
pub use authenticator::{hotp, hotp_of_base32, totp, totp_from, totp_with};
pub use binaries::{built_module, host_binary, outside_module};
pub use certificates::{Certificates, openssl};
pub use clock::ManualClock;
pub use command::{Outcome, run_host, run_host_with_input};
pub use directory::{AT_HOME, Directory, copy_directory, set_modes};
pub use host::Host;
pub use journal::{Line, read_lines, write_lines};
pub use link::{another_number, number_of, unescaped};
pub use login::{
    CLIENT_ID, REDIRECT_URI, Tokens, assert_abort, assert_form, assert_invalid_flow, assert_stale, result_of,
};
pub use methods::{Account, TotpSecret};
pub use older_copy::{copy_of_store, put_back, put_back_what_was_before};
pub use pages::{Page, PlainBrowser};
pub use qr::{decode_png, decode_svg};
pub use recovery::{Codes, enable_backup_codes};
pub use scratch::{scratch, temporary_directory};
pub use server::{Server, closed_port, interpreter};
pub use site::Site;
pub use stage::Stage;
pub use status::{PATIENCE, module, reason, until, until_reason, until_state, workers};
pub use wire::{Answer, Wire};

/// The owner every template directory has.
pub const ADA: &str = "ada";
/// A second user every template directory has.
pub const BOB: &str = "bob";
/// The password of both. Long and odd, so that finding it in a log means something.
pub const PASSWORD: &str = "correct-horse-7Zq-battery";
/// PIN used where `insecure_example` is set up.
pub const PIN: &str = "4711";
