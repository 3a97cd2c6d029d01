//! Name, logo and colour of the host as its pages show them.

use super::files::Files;
use crate::settings::{PagesSettings, Settings};

/// What every page begins with.
#[derive(Clone, Debug)]
pub struct Brand {
    pub name: String,
    /// Path of the logo, if there is one.
    pub logo: Option<String>,
}

impl Brand {
    pub fn of(settings: &Settings, files: &Files) -> Self {
        let logo = settings.pages.logo.as_ref().and_then(|file| files.address(file));
        Self { name: settings.name.clone(), logo }
    }
}

/// The colours an admin chose, as a style that goes behind the others.
pub fn style(pages: &PagesSettings) -> String {
    let mut style = String::new();
    if let Some(colour) = &pages.accent {
        style += &format!(":root{{--accent:{colour}}}");
    }
    if let Some(colour) = &pages.accent_dark {
        style += &format!("@media (prefers-color-scheme:dark){{:root{{--accent:{colour}}}}}");
    }
    style
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_stand_only_where_they_were_chosen() {
        assert_eq!(style(&PagesSettings::default()), "");
        let pages = PagesSettings {
            accent: Some("#123456".parse().unwrap()),
            accent_dark: Some("#abcdef".parse().unwrap()),
            ..PagesSettings::default()
        };
        let style = style(&pages);
        assert!(
            style.starts_with(":root{--accent:#123456}@media (prefers-color-scheme:dark)") && style.contains("#abcdef")
        );
    }
}
