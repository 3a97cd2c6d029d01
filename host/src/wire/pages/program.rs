//! What a browser calls itself, in two words. They all claim to be several others, so the order counts.

/// A mark in the name, and what is meant by it.
const PROGRAMS: [(&str, &str); 7] = [
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 6] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
];

/// `Firefox, Windows`; none for what is no browser known here, whose own words say more.
pub fn in_short(name: &str) -> Option<String> {
    let meant =
        |marks: &[(&str, &'static str)]| marks.iter().find(|(mark, _)| name.contains(mark)).map(|(_, word)| *word);
    Some(format!("{}, {}", meant(&PROGRAMS)?, meant(&SYSTEMS)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_told_by_the_least_of_its_claims() {
        let of = |name: &str| in_short(name).unwrap_or_default();
        let chrome =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
        assert_eq!(of(chrome), "Chrome, Linux");
        assert_eq!(of(&format!("{chrome} Edg/156.0")), "Edge, Linux");
        assert_eq!(
            of("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile/15E148 Safari/604.1"),
            "Safari, iPhone"
        );
        assert_eq!(of("Mozilla/5.0 (Android 16; Mobile; rv:150.0) Gecko/150.0 Firefox/150.0"), "Firefox, Android");
        assert_eq!(in_short("curl/8.5.0"), None);
    }
}
