//! A person at a real browser: Chromium without a window, driven by chromedriver. Things are found as a screen reader names
//! them, every wait has an end, and whatever the browser complains of fails the test.

mod application;
mod axe;
mod complaints;
mod controls;
mod driver;
mod keyboard;
mod looks;
mod page;
mod session;
mod trust;

pub use application::Application;
pub use keyboard::Key;
pub use looks::Scheme;
pub use session::Browser;
pub use trust::Owner;
