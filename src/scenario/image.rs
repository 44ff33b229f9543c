//! References of Docker images: `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`.
//!
//! The grammar and its limits are those of <https://github.com/distribution/reference>, which
//! Docker reads references with.

/// Characters of a name without its host.
const LIMIT_PATH: usize = 255;
/// Characters of a tag.
const LIMIT_TAG: usize = 128;

/// Stands for the major version of the server.
const PLACE: &str = "{major}";

/// The reference with the server's major version in it.
pub(crate) fn image_for(template: &str, major: u32) -> String {
    template.replace(PLACE, &major.to_string())
}

/// What keeps a text from being the reference of an image, once a major version stands where it
/// says `{major}`; `None` for one that is. Goes on after the text, as in `x` has an empty tag.
pub fn image_fault(template: &str) -> Option<&'static str> {
    fault(&image_for(template, 17))
}

fn fault(reference: &str) -> Option<&'static str> {
    let (named, digest) = match reference.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (reference, None),
    };
    // A colon before a slash belongs to a host's port.
    let (name, tag) = match named.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (named, None),
    };
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if is_like_host(host) => (Some(host), path),
        _ => (None, name),
    };
    if reference.is_empty() {
        Some("names no image")
    } else if reference.chars().any(char::is_whitespace) {
        Some("has blanks in it")
    } else if host.is_some_and(|host| !is_host(host)) {
        Some("has a registry that is no HOST[:PORT]")
    } else if path.split('/').any(str::is_empty) {
        Some("has an empty part in its name")
    } else if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Some("has upper-case letters in its name")
    } else if path.len() > LIMIT_PATH {
        Some("has a name of more than 255 characters")
    } else if !path.split('/').all(is_path_part) {
        Some("has a name with other signs than a-z, 0-9 and single . _ - between them")
    } else if tag.is_some_and(|tag| !is_tag(tag)) {
        Some("has a tag that is none")
    } else if digest.is_some_and(|digest| !is_digest(digest)) {
        Some("has a digest that is none")
    } else {
        None
    }
}

/// What stands before the first slash is a host where it could not be a part of a path, or is
/// `localhost`.
fn is_like_host(part: &str) -> bool {
    part == "localhost" || part.contains(['.', ':']) || part.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_name = || {
        name.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
    };
    let is_address = |address: &str| {
        !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':')
    };
    address.map_or_else(is_name, is_address)
        && port
            .is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Letters and digits, and between them one `.`, one or two `_`, or any number of `-`.
fn is_path_part(part: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_separator =
        |text: &str| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|b| b == b'-');
    part.starts_with(is_plain) && part.ends_with(is_plain) && part.split(is_plain).all(is_separator)
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= LIMIT_TAG
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

/// Docker takes the digests of these three functions.
fn is_digest(digest: &str) -> bool {
    let (hex, length) = match digest.split_once(':') {
        Some(("sha256", hex)) => (hex, 64),
        Some(("sha384", hex)) => (hex, 96),
        Some(("sha512", hex)) => (hex, 128),
        _ => return false,
    };
    hex.len() == length && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::image_fault;

    #[test]
    fn references_are_told_as_docker_tells_them() {
        let sha256 = "0123456789abcdef".repeat(4);
        for good in [
            "postgres",
            "postgres:{major}",
            "postgres:{major}-alpine",
            "pg{major}",
            "library/postgres:17.2_1-x",
            "localhost/pg",
            "localhost:5000/team/pg:{major}",
            "registry.example/a/b/c",
            "Registry.Example:443/a",
            "UPPER/x",
            "[2001:db8::1]:5000/pg:17",
            "[::1]/pg",
            "team/a.b-c__d---e/f_g",
            &sha256,
            &format!("sha256:{sha256}"),
            &format!("pg@sha256:{sha256}"),
            &format!("pg:17@sha512:{sha256}{sha256}"),
            &format!("pg:{}", "t".repeat(128)),
            &format!("h.example/{}", "n".repeat(255)),
        ] {
            assert_eq!(image_fault(good), None, "{good}");
        }
        for (wrong, words) in [
            ("", "no image"),
            ("pg: 17", "blanks"),
            ("UPPER//x", "empty part"),
            ("a//b", "empty part"),
            ("/a", "empty part"),
            ("a/", "empty part"),
            ("h.example/", "empty part"),
            ("Postgres:17", "upper-case"),
            ("postgres/Pg", "upper-case"),
            ("h_x.example/a", "registry"),
            ("h.example:port/a", "registry"),
            ("h.example:/a", "registry"),
            ("-h.example/a", "registry"),
            ("[:x]/a", "registry"),
            ("https://h.example/a", "registry"),
            (":17", "empty part"),
            ("a..b", "other signs"),
            ("a___b", "other signs"),
            ("a_", "other signs"),
            ("-a", "other signs"),
            ("pöstgres", "other signs"),
            ("postgres:{version}", "tag"),
            ("{image}", "other signs"),
            ("pg:", "tag"),
            ("pg:-1", "tag"),
            ("pg@", "digest"),
            ("pg@sha256:0123", "digest"),
            ("pg@md5:0123", "digest"),
            (&format!("pg@sha256:{}", sha256.to_uppercase()), "digest"),
            (&format!("pg:{}", "t".repeat(129)), "tag"),
            (&"n".repeat(256), "255"),
        ] {
            let said = image_fault(wrong);
            assert!(said.is_some_and(|said| said.contains(words)), "{wrong}: {said:?}");
        }
    }
}
