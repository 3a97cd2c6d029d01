//! What a reader asks for: a language tag, or all of `Accept-Language` (RFC 9110 section 12.5.4).

/// Longest value that is looked at, and the most languages of it.
const ASKED_BYTES_MAX: usize = 1024;
const RANGES_MAX: usize = 32;

/// The language of `known` that serves the reader best. A range fits the tag of its own name, else a shorter one
/// (`de` for `de-AT`), else a longer one (`pt-BR` for `pt`); the first of the heaviest ranges that fits counts.
pub fn best<'a>(asked: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let end = (0..=asked.len().min(ASKED_BYTES_MAX)).rev().find(|end| asked.is_char_boundary(*end)).unwrap_or_default();
    let mut ranges: Vec<(u16, &str)> = asked[..end].split(',').filter_map(range).take(RANGES_MAX).collect();
    // Stable: of equal weight, the one said first comes first.
    ranges.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    ranges.into_iter().find_map(|(_, range)| fitting(range, known.clone()))
}

/// A range and its weight in thousandths. Weight 0 means "not this one"; `*` names none.
fn range(text: &str) -> Option<(u16, &str)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty() && *range != "*")?;
    let weight = match parts.next() {
        None => 1000,
        Some(parameter) => {
            let (name, value) = parameter.split_once('=')?;
            if !name.trim().eq_ignore_ascii_case("q") {
                return None;
            }
            thousandths(value.trim())?
        }
    };
    (weight > 0).then_some((weight, range))
}

/// `0`, `0.7`, `1.000`: at most three digits behind the point.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, behind) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = behind.len() <= 3 && behind.bytes().all(|byte| byte.is_ascii_digit());
    let behind: u16 = format!("{behind:0<3}").parse().ok().filter(|_| is_digits)?;
    match whole {
        "0" => Some(behind),
        "1" if behind == 0 => Some(1000),
        _ => None,
    }
}

fn fitting<'a>(range: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let mut tag = range;
    loop {
        if let Some(found) = known.clone().find(|known| known.eq_ignore_ascii_case(tag)) {
            return Some(found);
        }
        match tag.rsplit_once('-') {
            Some((shorter, _)) => tag = shorter,
            None => break,
        }
    }
    let is_longer = |known: &&str| known.split_once('-').is_some_and(|(first, _)| first.eq_ignore_ascii_case(tag));
    known.clone().find(is_longer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(asked: &str) -> Option<&'static str> {
        best(asked, ["de", "en", "fr", "pt-BR", "zh"].into_iter())
    }

    #[test]
    fn the_heaviest_that_is_known_serves() {
        for (asked, wanted) in [
            ("de", "de"),
            ("de-AT", "de"),
            ("DE-at-1996", "de"),
            ("zh-Hans-CN", "zh"),
            ("pt-br", "pt-BR"),
            ("pt", "pt-BR"),
            ("pt-PT", "pt-BR"),
            ("de;q=0.3, fr;q=0.8, en;q=0.5", "fr"),
            ("fr ; q=0.300,de", "de"),
            ("it, nl;q=0.9, fr;q=0.1", "fr"),
            ("en;Q=0.5,de;q=0.5", "en"),
            ("*, de;q=0.2", "de"),
        ] {
            assert_eq!(of(asked), Some(wanted), "{asked}");
        }
    }

    #[test]
    fn what_is_refused_unknown_or_malformed_serves_nobody() {
        for asked in [
            "",
            "*",
            "it",
            "de;q=0",
            "de;q=0.000",
            "de;q=2",
            "de;q=1.5",
            "de;q=0.1234",
            "de;q=x",
            "de;x=1",
            "../de",
            "d",
        ] {
            assert_eq!(of(asked), None, "{asked}");
        }
        assert_eq!(of(&format!("{},de", "x,".repeat(2000))), None, "what stands behind the bound is not read");
        assert_eq!(of(&"é".repeat(1000)), None);
    }
}
