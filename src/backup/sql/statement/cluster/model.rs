//! What belongs to a cluster and not to a schema, as statements say it or as catalogs hold it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Roles, memberships, tablespaces, and what databases are besides their contents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClusterObjects {
    pub(crate) roles: BTreeMap<String, Role>,
    /// `ALTER ROLE ALL SET`
    pub(crate) settings_of_all: Settings,
    pub(crate) memberships: Vec<Membership>,
    pub(crate) tablespaces: BTreeMap<String, Tablespace>,
    pub(crate) databases: BTreeMap<String, Database>,
    /// Grants on configuration parameters (PostgreSQL 15).
    pub(crate) parameters: BTreeMap<String, Grants>,
    /// Statements whose effect is not known, by their first word.
    pub(crate) not_understood: BTreeMap<String, u64>,
    /// Security labels, which are not compared.
    pub(crate) labels: u64,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) attributes: Attributes,
    /// -1 for none.
    pub(crate) connection_limit: i64,
    pub(crate) password: Option<Verifier>,
    /// A time as it was written.
    pub(crate) valid_until: Option<String>,
    pub(crate) settings: Settings,
    pub(crate) comment: Option<String>,
}

/// What a role may do. The names are those of `CREATE ROLE`'s options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "these are the columns of pg_authid")]
pub(crate) struct Attributes {
    pub(crate) superuser: bool,
    pub(crate) inherit: bool,
    pub(crate) createrole: bool,
    pub(crate) createdb: bool,
    pub(crate) login: bool,
    pub(crate) replication: bool,
    pub(crate) bypassrls: bool,
}

impl Attributes {
    /// Each with its name.
    pub(crate) fn named(self) -> [(&'static str, bool); 7] {
        [
            ("SUPERUSER", self.superuser),
            ("INHERIT", self.inherit),
            ("CREATEROLE", self.createrole),
            ("CREATEDB", self.createdb),
            ("LOGIN", self.login),
            ("REPLICATION", self.replication),
            ("BYPASSRLS", self.bypassrls),
        ]
    }
}

impl Role {
    /// The role that initdb makes: `CREATE ROLE` finds it there and changes nothing.
    pub(crate) fn of_initdb() -> Self {
        let mut role = Self::default();
        role.attributes = Attributes {
            superuser: true,
            createrole: true,
            createdb: true,
            login: true,
            replication: true,
            bypassrls: true,
            ..role.attributes
        };
        role
    }
}

impl Default for Role {
    /// What `CREATE ROLE` makes without options.
    fn default() -> Self {
        Self {
            attributes: Attributes {
                superuser: false,
                inherit: true,
                createrole: false,
                createdb: false,
                login: false,
                replication: false,
                bypassrls: false,
            },
            connection_limit: -1,
            password: None,
            valid_until: None,
            settings: Settings::new(),
            comment: None,
        }
    }
}

/// What the server keeps of a password. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Verifier(pub(crate) String);

impl Verifier {
    /// Whether a server takes it as it is; of a password in clear it makes a verifier of its own.
    pub(crate) fn is_hashed(&self) -> bool {
        let is_md5 = self.0.strip_prefix("md5").is_some_and(|digest| {
            digest.len() == 32 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        is_md5 || self.0.starts_with("SCRAM-SHA-256$")
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Values of settings by their lower-case name: several for a list.
pub(crate) type Settings = BTreeMap<String, Vec<String>>;

/// A grant of a role to a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Membership {
    pub(crate) role: String,
    pub(crate) member: String,
    /// Who granted it, where that is known.
    pub(crate) grantor: Option<String>,
    pub(crate) admin: bool,
    /// Options of PostgreSQL 16; the member's own attribute decides where `inherit` is not said.
    pub(crate) inherit: Option<bool>,
    pub(crate) set: Option<bool>,
}

/// A tablespace. Where it lies is the machine's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tablespace {
    pub(crate) owner: Option<String>,
    pub(crate) options: Settings,
    pub(crate) comment: Option<String>,
    pub(crate) grants: Grants,
}

/// What a database is besides its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Database {
    pub(crate) connection_limit: i64,
    pub(crate) is_template: bool,
    pub(crate) comment: Option<String>,
    pub(crate) settings: Settings,
    /// Settings of roles in it.
    pub(crate) settings_of: BTreeMap<String, Settings>,
    pub(crate) grants: Grants,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            connection_limit: -1,
            is_template: false,
            comment: None,
            settings: Settings::new(),
            settings_of: BTreeMap::new(),
            grants: Grants::default(),
        }
    }
}

/// Who may do what, as changes of what a new object grants: the owner everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Grants(pub(crate) Vec<GrantChange>);

/// One `GRANT` or `REVOKE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GrantChange {
    pub(crate) is_grant: bool,
    /// `WITH GRANT OPTION`, or `GRANT OPTION FOR`.
    pub(crate) is_of_option: bool,
    /// In capital letters; none for all.
    pub(crate) privileges: Vec<String>,
    pub(crate) grantee: Grantee,
}

/// Whom something is granted to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grantee {
    Public,
    Role(String),
}

/// Privileges by grantee and name, with whether they may be passed on.
pub(crate) type Privileges = BTreeMap<(Grantee, String), bool>;

impl Grants {
    /// What comes of the changes on an object of `owner`: `all` are the privileges of its kind,
    /// `public` those that everybody has at first.
    pub(crate) fn applied(&self, owner: &str, all: &[&str], public: &[&str]) -> Privileges {
        let owner = Grantee::Role(owner.to_owned());
        let of_owner = all.iter().map(|name| ((owner.clone(), (*name).to_owned()), false));
        let of_all = public.iter().map(|name| ((Grantee::Public, (*name).to_owned()), false));
        let mut privileges: Privileges = of_owner.chain(of_all).collect();
        for change in &self.0 {
            let names: BTreeSet<String> = if change.privileges.is_empty() {
                all.iter().map(|name| (*name).to_owned()).collect()
            } else {
                change.privileges.iter().cloned().collect()
            };
            for name in names {
                let key = (change.grantee.clone(), name);
                if change.is_grant {
                    let may_pass_on = privileges.entry(key).or_insert(false);
                    // The owner can pass on anyway; the catalog does not say so of him.
                    *may_pass_on |= change.is_of_option && change.grantee != owner;
                } else if !change.is_of_option {
                    privileges.remove(&key);
                } else if let Some(may_pass_on) = privileges.get_mut(&key) {
                    *may_pass_on = false;
                }
            }
        }
        privileges
    }
}
