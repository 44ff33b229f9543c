//! Values that may be secrets.

use std::fmt;

/// A value of a scenario, with its `${…}` filled in. What came from a file is a secret: printed as
/// `[redacted]`, and shown in reports as it was written.
#[derive(Clone, PartialEq, Eq)]
pub struct Filled<T> {
    value: T,
    written: Option<String>,
}

impl<T> Filled<T> {
    /// A secret, and the text that stands for it in the scenario.
    pub fn secret(value: T, written: impl Into<String>) -> Self {
        Self { value, written: Some(written.into()) }
    }

    /// The value itself. Whoever takes a secret must not show it.
    pub fn expose(&self) -> &T {
        &self.value
    }

    /// Whether it must not be shown.
    pub fn is_secret(&self) -> bool {
        self.written.is_some()
    }

    /// For reports: a secret as it was written, else the value in the words of `show`.
    pub fn shown(&self, show: impl FnOnce(&T) -> String) -> String {
        self.written.clone().unwrap_or_else(|| show(&self.value))
    }

    /// Another form of the same value, as secret as this one.
    pub fn try_map<U, E>(self, change: impl FnOnce(T) -> Result<U, E>) -> Result<Filled<U>, E> {
        let Self { value, written } = self;
        change(value).map(|value| Filled { value, written })
    }
}

impl<T> From<T> for Filled<T> {
    fn from(value: T) -> Self {
        Self { value, written: None }
    }
}

impl From<&str> for Filled<String> {
    fn from(value: &str) -> Self {
        value.to_owned().into()
    }
}

impl<T: fmt::Debug> fmt::Debug for Filled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_secret() { f.write_str("[redacted]") } else { self.value.fmt(f) }
    }
}

impl<T: fmt::Display> fmt::Display for Filled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_secret() { f.write_str("[redacted]") } else { self.value.fmt(f) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_printed_by_nobody() {
        let secret = Filled::secret("hunter2".to_owned(), "${file:pass}");
        assert_eq!(
            format!("{secret} {secret:?} {:?}", Some(&secret)),
            "[redacted] [redacted] Some([redacted])"
        );
        assert_eq!(secret.shown(Clone::clone), "${file:pass}");
        assert_eq!(secret.expose(), "hunter2");
        let longer = secret.try_map(|text| Ok::<_, ()>(text.len())).unwrap();
        assert_eq!(format!("{longer:?}"), "[redacted]");
        assert_eq!(format!("{:?}", Filled::<String>::from("open")), "\"open\"");
    }
}
