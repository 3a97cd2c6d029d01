//! A step's words, pictures and secrets as lines of text.

use qrcode::{QrCode, render::unicode::Dense1x2};
use serde_json::Value;

/// Heading, display blocks and the errors that belong to no field.
pub fn lines(step: &Value, with_blocks: bool) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(heading(step).map(|heading| format!("\n{heading}")));
    if with_blocks {
        for block in step["display"].as_array().into_iter().flatten() {
            lines.extend(block_lines(block));
        }
    }
    let base = step["error_texts"]["base"].as_str().or_else(|| step["errors"]["base"].as_str());
    lines.extend(base.map(|error| format!("! {error}")));
    lines
}

fn heading(step: &Value) -> Option<String> {
    if let Some(title) = step["title"].as_str() {
        return Some(title.to_owned());
    }
    step["description_placeholders"]["mfa_module_name"].as_str().map(str::to_owned)
}

fn block_lines(block: &Value) -> Vec<String> {
    let text = |name: &str| block[name].as_str().unwrap_or_default().to_owned();
    match block["block"].as_str() {
        Some("text") => vec![text("text")],
        Some("qr") => qr(&text("content")).map_or_else(Vec::new, |drawn| vec![drawn]),
        Some("secret") => match block["label"].as_str() {
            Some(label) if !label.is_empty() => vec![format!("{label}: {}", in_groups(&text("value")))],
            _ => vec![in_groups(&text("value"))],
        },
        Some("uri") => vec![text("value")],
        Some("codes") => block["codes"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(|code| format!("  {code}"))
            .collect(),
        Some("image") => vec![format!("[{}]", text("alt"))],
        // A block of a newer host: its words, if it has any.
        _ => block["text"].as_str().map(str::to_owned).into_iter().collect(),
    }
}

/// Drawn for a dark terminal: light modules, the quiet zone among them, are filled.
fn qr(content: &str) -> Option<String> {
    let code = QrCode::new(content).ok()?;
    Some(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).quiet_zone(true).build())
}

/// `JBSWY3DPEHPK3PXP` → `JBSW Y3DP EHPK 3PXP`, easier to copy by hand.
fn in_groups(secret: &str) -> String {
    let characters: Vec<char> = secret.chars().collect();
    characters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_block_becomes_text() {
        let step = json!({
            "title": "Set up the app",
            "display": [
                {"block": "text", "text": "Scan this."},
                {"block": "secret", "name": "code", "value": "JBSWY3DPEHPK3PXPAB", "label": "Key"},
                {"block": "uri", "name": "url", "value": "otpauth://totp/x"},
                {"block": "codes", "name": "codes", "codes": ["aaaa", "bbbb"]},
                {"block": "image", "name": "i", "data_uri": "data:image/png;base64,AA", "alt": "a door"},
                {"block": "hologram"},
            ],
            "errors": {"base": "invalid_code"},
            "error_texts": {"base": "That code is wrong."},
        });
        assert_eq!(
            lines(&step, true),
            [
                "\nSet up the app",
                "Scan this.",
                "Key: JBSW Y3DP EHPK 3PXP AB",
                "otpauth://totp/x",
                "  aaaa",
                "  bbbb",
                "[a door]",
                "! That code is wrong.",
            ]
        );
        assert_eq!(lines(&step, false), ["\nSet up the app", "! That code is wrong."]);
    }

    #[test]
    fn without_words_the_machine_word_and_the_module_name_stand_in() {
        let step = json!({"errors": {"base": "invalid_auth"}, "description_placeholders": {"mfa_module_name": "App"}});
        assert_eq!(lines(&step, true), ["\nApp", "! invalid_auth"]);
        assert_eq!(lines(&json!({}), true), Vec::<String>::new());
    }

    #[test]
    fn a_qr_code_has_the_modules_of_its_content() {
        let drawn = qr("otpauth://totp/mfa-host:anna?secret=JBSWY3DPEHPK3PXP").unwrap();
        let code = QrCode::new("otpauth://totp/mfa-host:anna?secret=JBSWY3DPEHPK3PXP").unwrap();
        let rows: Vec<Vec<char>> = drawn.lines().map(|line| line.chars().collect()).collect();
        let is_dark = |x: usize, y: usize| match rows[y / 2][x] {
            ' ' => true,
            '█' => false,
            '▀' => y % 2 == 1,
            '▄' => y.is_multiple_of(2),
            other => panic!("{other:?}"),
        };
        let colors = code.to_colors();
        for y in 0..code.width() {
            for x in 0..code.width() {
                let expected = colors[y * code.width() + x] == qrcode::Color::Dark;
                assert_eq!(is_dark(x + 4, y + 4), expected, "{x} {y}");
            }
        }
    }
}
