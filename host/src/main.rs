//! The host's binary: a module's worker when started as one, else the command line.

use std::process::ExitCode;

use mfa_host::module_host::worker;

fn main() -> ExitCode {
    // Before anything else: a worker must not have a runtime, other threads or open files.
    if std::env::args_os().take(2).any(|argument| argument == worker::ARGUMENT) {
        return worker::run();
    }
    mfa_host::wire::cli::main()
}
