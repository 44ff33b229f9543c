//! Where a member is, and what its name says.

use crate::backup::names;

/// What is being read, for the messages.
#[derive(Debug, Clone)]
pub(crate) struct MemberPlace<'a> {
    pub(crate) name: &'a str,
    pub(crate) database: String,
    pub(crate) position: usize,
    pub(crate) bytes: u64,
    /// Whether its name says which database it is: a file's name may say anything.
    pub(crate) is_named: bool,
}

impl<'a> MemberPlace<'a> {
    /// Of a member of an archive, whose name says which database's dump it is, if any's.
    pub(crate) fn of_member(name: &'a str, position: usize, bytes: u64) -> Self {
        let database = names::database_of_member(name).filter(|_| !super::is_globals_name(name));
        let is_named = database.is_some();
        let database = database.unwrap_or_else(|| name.to_owned());
        Self { name, database, position, bytes, is_named }
    }

    /// Whether its name says that it is a dump of a database.
    pub(crate) fn is_dump(&self) -> bool {
        self.is_named
    }
}
