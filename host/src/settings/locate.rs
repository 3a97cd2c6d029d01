//! Which line of the file a setting stands on.

use toml::de::{DeTable, DeValue};

/// The line, counted from 1, of a byte offset.
pub fn line_of_offset(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// The line of a place such as `module.2.id`; if it is not in the file, of the nearest part of it that is.
pub fn line_of_place(text: &str, place: &str) -> usize {
    let Ok(document) = DeTable::parse(text) else { return 1 };
    let mut offset = 0;
    let mut segments = place.split('.').filter(|segment| !segment.is_empty());
    let Some((key, mut value)) =
        segments.next().and_then(|name| document.get_ref().iter().find(|(key, _)| key.get_ref().as_ref() == name))
    else {
        return 1;
    };
    offset = offset.max(key.span().start);
    for segment in segments {
        let found = match value.get_ref() {
            DeValue::Table(table) => table
                .iter()
                .find(|(key, _)| key.get_ref().as_ref() == segment)
                .map(|(key, inner)| (key.span().start, inner)),
            DeValue::Array(array) => segment
                .parse::<usize>()
                .ok()
                .and_then(|index| array.get(index))
                .map(|inner| (inner.span().start, inner)),
            _ => None,
        };
        let Some((start, inner)) = found else { break };
        offset = start;
        value = inner;
    }
    line_of_offset(text, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_or_their_nearest_part() {
        let text = "a = 1\n[limits]\nx = 2\n[[module]]\ntype = \"t\"\n\n[[module]]\ntype = \"u\"\nid = \"v\"\n";
        assert_eq!(line_of_place(text, "a"), 1);
        assert_eq!(line_of_place(text, "limits.x"), 3);
        assert_eq!(line_of_place(text, "limits.absent"), 2);
        assert_eq!(line_of_place(text, "module.0.type"), 5);
        assert_eq!(line_of_place(text, "module.1"), 7);
        assert_eq!(line_of_place(text, "module.1.id"), 9);
        assert_eq!(line_of_place(text, "module.1.name"), 7);
        assert_eq!(line_of_place(text, "absent"), 1);
    }
}
