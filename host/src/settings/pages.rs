//! How the host's own pages look, and how long a browser stays signed in at them.

use std::{fmt, str::FromStr};

use serde::Deserialize;

/// The host's own pages.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PagesSettings {
    /// A picture in `DIR/static/`, shown beside the name.
    pub logo: Option<String>,
    /// Colour of buttons and links on a light page, such as `#0b57d0`. White text on it has to be readable: a contrast of
    /// 4.5 at least (WCAG 2.2, 1.4.3).
    pub accent: Option<Colour>,
    /// The same on a dark page, where the text on it is black.
    pub accent_dark: Option<Colour>,
    /// How long a browser stays signed in at the host's own pages.
    pub session_lifetime_s: u64,
}

impl Default for PagesSettings {
    fn default() -> Self {
        Self { logo: None, accent: None, accent_dark: None, session_lifetime_s: 8 * 3600 }
    }
}

/// Red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Colour([u8; 3]);

impl Colour {
    /// Contrast of a text in white or black on this colour, 1 to 21 (WCAG 2.2, "contrast ratio").
    pub fn contrast_with_white(self) -> f64 {
        1.05 / (self.luminance() + 0.05)
    }

    pub fn contrast_with_black(self) -> f64 {
        (self.luminance() + 0.05) / 0.05
    }

    /// WCAG 2.2, "relative luminance".
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl FromStr for Colour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no colour such as \"#0b57d0\"");
        let digits = text
            .strip_prefix('#')
            .filter(|digits| digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .ok_or_else(wrong)?;
        let mut parts = [0; 3];
        for (part, at) in parts.iter_mut().zip([0, 2, 4]) {
            *part = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(parts))
    }
}

impl TryFrom<String> for Colour {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(formatter, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_six_digits_and_nothing_a_style_could_be_broken_with() {
        assert_eq!("#0B57d0".parse::<Colour>().unwrap().to_string(), "#0b57d0");
        for odd in ["0b57d0", "#0b57d", "#0b57d0}", "red", "#+1+1+1", "#ééé", ""] {
            assert!(odd.parse::<Colour>().is_err(), "{odd}");
        }
    }

    #[test]
    fn contrast_is_that_of_the_guidelines() {
        let contrast = |text: &str| text.parse::<Colour>().unwrap().contrast_with_white();
        assert!((contrast("#ffffff") - 1.0).abs() < 0.01 && (contrast("#000000") - 21.0).abs() < 0.01);
        assert!((contrast("#767676") - 4.54).abs() < 0.01, "the lightest grey that is readable");
    }
}
