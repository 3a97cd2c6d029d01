//! The bare things the host is compared with: a stateless HTTP server, an echo over a socket pair, an append to a file.

pub mod append;
pub mod http;
pub mod socket;

/// Makes this program the bare HTTP server.
pub const HTTP_ARGUMENT: &str = "bare-http";
/// Makes this program the far end of a socket pair.
pub const SOCKET_ARGUMENT: &str = "bare-socket";
