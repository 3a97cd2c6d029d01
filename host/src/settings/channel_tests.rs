//! Mistakes in `[[channel]]` blocks are told with the line of the key.

use std::path::Path;

use super::load::parse;

const EMAIL: &str =
    "[[channel]]\nname = \"a\"\ntype = \"email\"\nhost = \"mail.example.org\"\nfrom = \"a@example.org\"\n";
const HTTP: &str = "[[channel]]\nname = \"a\"\ntype = \"http\"\ntarget = \"text\"\nurl = \"https://g/\"\n";
const NTFY: &str = "[[channel]]\nname = \"a\"\ntype = \"http\"\npreset = \"ntfy\"\nurl = \"https://g\"\n";

fn mistake(text: &str) -> Option<(usize, String)> {
    let text = format!("{text}\n[[provider]]\ntype = \"local\"\n");
    parse(Path::new("host.toml"), &text).err().map(|mistake| (mistake.line, mistake.to_string()))
}

#[test]
fn every_mistake_names_its_line() {
    for (block, more, line, word) in [
        ("[[channel]]\n", "name = \"A b\"\ntype = \"outbox\"", 2, "name"),
        ("[[channel]]\n", "name = \"a\"\ntype = \"pigeon\"", 3, "pigeon"),
        ("[[channel]]\n", "name = \"a\"\ntype = \"outbox\"", 3, "development"),
        ("[[channel]]\n", "name = \"a\"\ntype = \"email\"\nfrom = \"a@b.example\"", 1, "host"),
        ("[[channel]]\n", "name = \"a\"\ntype = \"email\"\nhost = \"h\"", 1, "from"),
        (EMAIL, "colour = 1", 6, "colour"),
        (EMAIL, "label = \"\"", 6, "label"),
        (EMAIL, "timeout_s = 0", 6, "timeout_s"),
        (EMAIL, "timeout_s = 51", 6, "timeout_s"),
        (EMAIL, "port = 0", 6, "port"),
        (EMAIL, "port = 65536", 6, "65536"),
        (EMAIL, "encryption = \"none\"", 6, "readable"),
        (EMAIL, "encryption = \"ssl\"", 6, "ssl"),
        (EMAIL, "user = \"u\"", 6, "secret"),
        (EMAIL, "secret_file = \"f\"", 1, "user"),
        (EMAIL, "user = \"u\"\nsecret_file = \"f\"\nsecret_env = \"E\"", 8, "two places"),
        (EMAIL, "user = \"u\"\nsecret_file = \"\"", 7, "secret_file"),
        (EMAIL, "ca_file = \"\"", 6, "ca_file"),
        (EMAIL, "subject_prefix = \"a\\nBcc: b\"", 6, "subject_prefix"),
        (EMAIL, "target = \"phone\"", 6, "e-mail"),
        (EMAIL, "url = \"https://g\"", 6, "url"),
        (EMAIL, EMAIL, 7, "twice"),
        ("[[channel]]\n", "name = \"a\"\ntype = \"http\"\nurl = \"https://g\"", 1, "target"),
        ("[[channel]]\n", "name = \"a\"\ntype = \"http\"\ntarget = \"text\"", 1, "url"),
        ("[[channel]]\n", "name = \"a\"\ntype = \"http\"\ntarget = \"text\"\nurl = \"ftp://g\"", 5, "http"),
        ("[[channel]]\n", "name = \"a\"\ntype = \"http\"\ntarget = \"text\"\nurl = \"https://{to}.g/\"", 5, "server"),
        ("[[channel]]\n", "name = \"a\"\ntype = \"http\"\ntarget = \"text\"\nurl = \"https://g/{code}\"", 5, "{code}"),
        ("[[channel]]\n", "name = \"a\"\ntype = \"http\"\ntarget = \"text\"\nurl = \"https://u:p@g/\"", 5, "user"),
        (HTTP, "host = \"h\"", 6, "host"),
        (HTTP, "targets = [\"a\"]", 6, "listed"),
        (HTTP, "prefixes = [\"+49\"]", 6, "phone"),
        (HTTP, "body = \"{text}\"", 6, "table"),
        (HTTP, "format = \"text\"\n[channel.body]\na = 1", 7, "text"),
        (HTTP, "format = \"form\"\nbody = { a = [1] }", 7, "form"),
        (HTTP, "body = { a = [{ b = \"{secret}\" }] }", 5, "secret"),
        (HTTP, "body = { a = \"{codes}\" }", 6, "{codes}"),
        (HTTP, "secret_file = \"f\"", 6, "nowhere"),
        (HTTP, "headers = { \"a b\" = \"x\" }", 6, "header"),
        (HTTP, "headers = { a = \"x\\ny\" }", 6, "header"),
        (HTTP, "headers = { Host = \"x\" }", 6, "own"),
        (HTTP, "method = \"DELETE\"", 6, "DELETE"),
        (HTTP, "user = \"a:b\"\nsecret_env = \"X\"", 6, "colon"),
        (NTFY, "target = \"listed\"", 1, "targets"),
        (NTFY, "target = \"phone\"", 1, "prefixes"),
        (NTFY, "target = \"phone\"\nprefixes = [\"49\"]", 7, "49"),
    ] {
        let Some((at, words)) = mistake(&format!("{block}{more}")) else { panic!("taken: {block}{more}") };
        assert!(at == line && words.contains(word), "{block}{more}\n{words}");
    }
}

#[test]
fn sound_blocks_are_taken() {
    for text in [
        EMAIL.to_owned(),
        format!("{EMAIL}encryption = \"tls\"\nuser = \"u\"\nsecret_env = \"E\""),
        EMAIL.replace("mail.example.org", "127.0.0.1") + "encryption = \"none\"",
        EMAIL.replace("mail.example.org", "[::1]") + "encryption = \"none\"",
        NTFY.to_owned(),
        format!("{NTFY}secret_env = \"E\"\nheaders = {{ X-Priority = \"high\" }}"),
        "[[channel]]\nname = \"a\"\ntype = \"http\"\npreset = \"telegram\"\nsecret_env = \"E\"".to_owned(),
        format!("{HTTP}user = \"u\"\nsecret_env = \"E\"\nformat = \"text\"\nbody = \"{{text}} {{ {{X}}\""),
        "[[channel]]\nname = \"a\"\ntype = \"outbox\"\n[development]".to_owned(),
    ] {
        assert_eq!(mistake(&text), None, "{text}");
    }
}
