//! The lines that `sha256sum`, `shasum` and `openssl dgst` write.

pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The hashes that such a list has of the file `name`, in lower case.
///
/// Of a list that names the file in none of its lines a sole hash counts: the path behind it is the
/// one that the backup was written to, and may be another.
///
/// # Errors
///
/// Why it has none.
pub(super) fn of(text: &str, name: &str) -> Result<Vec<String>, String> {
    let lines: Vec<_> = text.lines().filter_map(line).collect();
    let is_of_it = |of: &Option<String>| of.as_deref().is_none_or(|of| last_part(of) == name);
    let mut hashes: Vec<String> =
        lines.iter().filter(|(_, of)| is_of_it(of)).map(|(hash, _)| hash.clone()).collect();
    if hashes.is_empty() {
        hashes = lines.into_iter().map(|(hash, _)| hash).collect();
        hashes.dedup();
        if hashes.len() > 1 {
            return Err(format!(
                "it has {} SHA-256 hashes of other files and none of `{name}`",
                hashes.len()
            ));
        }
    }
    if hashes.is_empty() { Err("it holds no SHA-256".to_owned()) } else { Ok(hashes) }
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The hash in a line, and the file that it names.
fn line(line: &str) -> Option<(String, Option<String>)> {
    let line = line.trim();
    // GNU's programs write names with line breaks and backslashes so.
    let (line, is_escaped) = match line.strip_prefix('\\') {
        Some(rest) => (rest, true),
        None => (line, false),
    };
    let (hash, name) = tagged(line).unwrap_or_else(|| {
        let (hash, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let name = name.trim_start();
        (hash, name.strip_prefix('*').unwrap_or(name))
    });
    let name = if is_escaped { unescaped(name) } else { name.to_owned() };
    is_sha256(hash).then(|| (hash.to_ascii_lowercase(), Some(name).filter(|name| !name.is_empty())))
}

/// `SHA256 (name) = hash`, as BSD's programs write; openssl's `SHA2-256(name)= hash`.
fn tagged(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("SHA256").or_else(|| line.strip_prefix("SHA2-256"))?;
    let (name, hash) = rest.trim_start().strip_prefix('(')?.rsplit_once(')')?;
    Some((hash.trim_start().strip_prefix('=')?.trim(), name))
}

fn unescaped(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some(c) => c,
                None => '\\',
            },
            c => c,
        });
    }
    plain
}
