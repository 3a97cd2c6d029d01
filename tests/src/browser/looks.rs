//! How a page looks: widths, light and dark, pictures, and whether all of it can be seen.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::session::Browser;
use crate::harness::decode_png;

/// What a person prefers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scheme {
    Light,
    Dark,
}

impl Scheme {
    pub fn word(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// What reaches beyond the right edge; what may be scrolled by itself is as it should be.
const BEYOND: &str = "
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const beyond = [...document.querySelectorAll('body *')]
        .filter(element => element.getBoundingClientRect().right > width + 0.5);
    return beyond.map(element => element.outerHTML.slice(0, 120));";

impl Browser {
    /// A screen of so many pixels of the style sheet.
    pub fn resize(&self, width: u32, height: u32) {
        let screen = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", screen).expect("another size");
    }

    pub fn prefer(&self, scheme: Scheme) {
        let feature = json!({"name": "prefers-color-scheme", "value": scheme.word()});
        self.devtools("Emulation.setEmulatedMedia", json!({"features": [feature]})).expect("another scheme");
    }

    /// Asks for pages in this language from now on.
    pub fn speak(&self, language: &str) {
        let agent = self.script("return navigator.userAgent");
        let asked = json!({"userAgent": agent, "acceptLanguage": language});
        self.devtools("Emulation.setUserAgentOverride", asked).expect("another language");
    }

    /// The part of the page that is seen, as PNG.
    pub fn screenshot(&self) -> Vec<u8> {
        decoded(&self.get("/screenshot").expect("a picture"))
    }

    /// The whole page, as PNG.
    pub fn whole_page(&self) -> Vec<u8> {
        let wanted = json!({"format": "png", "captureBeyondViewport": true});
        decoded(&self.devtools("Page.captureScreenshot", wanted).expect("a picture")["data"])
    }

    /// What the QR code says that stands in the page, read from the picture as a telephone does.
    #[track_caller]
    pub fn qr(&self) -> String {
        decode_png(&self.whole_page())
    }

    /// Nobody has to scroll sideways.
    #[track_caller]
    pub fn assert_fits(&self) {
        let beyond = self.beyond_the_edge();
        let width = self.script("return innerWidth");
        assert!(beyond.is_empty(), "{} at {width} pixels: {beyond:#?}", self.url());
    }

    /// What one has to scroll sideways for.
    pub fn beyond_the_edge(&self) -> Vec<Value> {
        self.script(BEYOND).as_array().expect("a list").clone()
    }
}

fn decoded(picture: &Value) -> Vec<u8> {
    STANDARD.decode(picture.as_str().expect("base64")).expect("base64")
}
