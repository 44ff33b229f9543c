//! Where a password comes from.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::dsn::Variables;

/// A password and where it was found. Never shown.
#[derive(Clone)]
pub(crate) struct Password {
    pub(super) value: Option<Vec<u8>>,
    /// For the reader of an error: where it came from, or why there is none.
    pub(super) origin: String,
}

/// Looks where libpq looks: the connection string, `PGPASSWORD`, the password file.
pub(super) fn find(
    config: &Config,
    passfile: Option<String>,
    variables: Variables<'_>,
) -> Password {
    if let Some(given) = config.get_password() {
        let origin = "the connection string".to_owned();
        return Password { value: Some(given.to_vec()), origin };
    }
    if let Some(value) = variables("PGPASSWORD").filter(|value| !value.is_empty()) {
        let origin = "the variable PGPASSWORD".to_owned();
        return Password { value: Some(value.into_bytes()), origin };
    }
    let file = passfile.map(PathBuf::from).or_else(|| {
        let home = variables("HOME").filter(|home| !home.is_empty())?;
        Some(PathBuf::from(home).join(".pgpass"))
    });
    let none = |origin: String| Password { value: None, origin };
    let Some(file) = file else { return none("there is no password file".to_owned()) };
    let shown = file.display();
    let Ok(found) = std::fs::metadata(&file) else {
        return none(format!("there is no password file `{shown}`"));
    };
    if found.permissions().mode() & 0o077 != 0 {
        let why = "other accounts may read it; chmod 600 makes it usable";
        return none(format!("the password file `{shown}` is left out, {why}"));
    }
    let Ok(text) = std::fs::read_to_string(&file) else {
        return none(format!("the password file `{shown}` cannot be read"));
    };
    match text.lines().find_map(|line| of_line(line, config)) {
        Some(value) => Password {
            value: Some(value.into_bytes()),
            origin: format!("the password file `{shown}`"),
        },
        None => none(format!("the password file `{shown}` has no line for it")),
    }
}

/// The password of `host:port:database:user:password`, if the line is for this login.
fn of_line(line: &str, config: &Config) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields: Vec<String> = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            // The password is the line's rest.
            ':' if fields.len() < 5 => fields.push(String::new()),
            '\\' => fields.last_mut()?.extend(characters.next()),
            character => fields.last_mut()?.push(character),
        }
    }
    let [host, port, database, user, password] = fields.as_slice() else { return None };
    let hosts: Vec<String> = match config.get_hosts().first()? {
        Host::Tcp(name) => vec![name.clone()],
        Host::Unix(folder) => vec!["localhost".to_owned(), folder.display().to_string()],
    };
    let own_port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let fits = |field: &String, own: &str| field == "*" || field == own;
    let is_mine = hosts.iter().any(|own| fits(host, own))
        && fits(port, &own_port)
        && fits(database, config.get_dbname()?)
        && fits(user, config.get_user()?);
    is_mine.then(|| password.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_password_file_are_matched_and_unescaped() {
        let config: Config = "host=db port=6432 user=a:b dbname=shop".parse().unwrap();
        for (line, expected) in [
            ("db:6432:shop:a\\:b:se\\\\c:ret", Some("se\\c:ret")),
            ("*:*:*:*:x", Some("x")),
            ("# *:*:*:*:x", None),
            ("db:5432:shop:a\\:b:x", None),
            ("db:6432:shop:a:b:x", None),
            ("db:6432", None),
        ] {
            assert_eq!(of_line(line, &config).as_deref(), expected, "{line}");
        }
        let socket: Config = "host=/tmp user=u dbname=d".parse().unwrap();
        assert_eq!(of_line("localhost:5432:d:u:x", &socket).as_deref(), Some("x"));
    }

    #[test]
    fn a_file_that_others_may_read_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pass");
        std::fs::write(&file, "*:*:*:*:x").unwrap();
        let config: Config = "host=db user=u dbname=d".parse().unwrap();
        let passfile = || Some(file.display().to_string());
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let found = find(&config, passfile(), &|_| None);
        assert!(found.value.is_none() && found.origin.contains("chmod 600"), "{}", found.origin);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(find(&config, passfile(), &|_| None).value.as_deref(), Some(b"x".as_slice()));
    }
}
