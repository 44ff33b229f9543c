//! Roles, memberships and tablespaces of the restored cluster against what globals say.

use super::cluster::Cluster;
use super::compare::listed;
use crate::backup::Globals;
use crate::backup::sql::cluster::{ClusterObjects, Role, Verifier};
use crate::check::cluster::{Differences, differences};
use crate::finding::{Finding, FindingCode};
use crate::outcome::CheckOutcome;
use crate::postgres::{SessionError, cluster_objects as catalogs};
use crate::text::{counted, one_line};

/// What is known of the cluster's roles.
#[derive(Debug, Default)]
pub(super) enum Roles {
    /// The backup carries no globals.
    #[default]
    None,
    /// Globals did not run as they should, which is said elsewhere.
    NotRestored,
    /// They were compared.
    Compared(Compared),
}

/// What came of the comparison.
#[derive(Debug)]
pub(super) struct Compared {
    differences: Differences,
    /// Statements of globals whose effect is not known: whatever differs may be theirs.
    not_understood: Option<String>,
    /// How much was compared.
    extent: String,
    /// What globals do not say, or nobody compares.
    pub(super) not_tested: Vec<String>,
}

/// Compares what globals say with the server.
///
/// # Errors
///
/// When the server does not answer, or refuses: our role has lost its rights then.
pub(super) async fn compare(
    cluster: &Cluster,
    globals: &Globals,
    bootstrap: &str,
) -> Result<Compared, SessionError> {
    let mut said = ClusterObjects::default();
    if let Some(name) = &globals.bootstrap_role {
        said.roles.insert(name.clone(), Role::of_initdb());
    }
    said.read(&globals.sql, "UTF8");
    for role in said.roles.values_mut() {
        let Some(text) = &role.valid_until else { continue };
        match catalogs::time(&cluster.admin, text).await {
            Ok(time) => role.valid_until = time,
            // What the server takes for no time, the role has none of.
            Err(SessionError::Server(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let found = catalogs::cluster(&cluster.admin, cluster.major()).await?;
    let mut ours = vec![cluster.superuser()];
    if !said.roles.contains_key(bootstrap) {
        ours.push(bootstrap);
    }
    Ok(Compared {
        differences: differences(&said, &found, &ours),
        not_understood: not_understood(&said),
        extent: format!(
            "{}, {}, {} as globals say",
            counted(said.roles.len(), "role"),
            counted(said.memberships.len(), "membership"),
            counted(said.tablespaces.len(), "tablespace")
        ),
        not_tested: not_tested(&said),
    })
}

fn not_understood(said: &ClusterObjects) -> Option<String> {
    let kinds: Vec<String> =
        said.not_understood.iter().map(|(verb, count)| format!("{verb} ({count})")).collect();
    (!kinds.is_empty()).then(|| kinds.join(", "))
}

fn not_tested(said: &ClusterObjects) -> Vec<String> {
    let mut open = vec![
        "what pg_dumpall does not write: ALTER ROLE ALL, ALTER SYSTEM, configuration files, where \
         tablespaces lie"
            .to_owned(),
    ];
    let logins = said.roles.values().filter(|role| role.attributes.login);
    let has_password =
        |password: &Option<Verifier>| password.as_ref().is_some_and(|text| !text.0.is_empty());
    if logins.clone().count() > 0 && !logins.clone().any(|role| has_password(&role.password)) {
        let open_passwords = "passwords of roles: globals hold none (pg_dumpall --no-role-passwords, \
            or none are used)";
        open.push(open_passwords.to_owned());
    }
    if said.labels > 0 {
        let labels = usize::try_from(said.labels).unwrap_or(usize::MAX);
        open.push(format!("{} in globals: not compared", counted(labels, "security label")));
    }
    open
}

impl Compared {
    /// What the backup is blamed for.
    pub(super) fn findings(&self) -> Vec<Finding> {
        if self.not_understood.is_some() {
            return Vec::new();
        }
        let Differences { roles, memberships, tablespaces } = &self.differences;
        let lists = [
            (FindingCode::RoleDiffers, roles, "roles"),
            (FindingCode::MembershipDiffers, memberships, "memberships"),
            (FindingCode::TablespaceDiffers, tablespaces, "tablespaces"),
        ];
        lists
            .into_iter()
            .filter(|(_, names, _)| !names.is_empty())
            .map(|(code, names, what)| {
                let count = counted(names.len(), "difference");
                let message = format!("{what} are not as globals say, {count}");
                listed(code, &message, names)
            })
            .collect()
    }

    /// What statements that are not understood leave open.
    pub(super) fn left_open(&self) -> Option<String> {
        let statements = self.not_understood.as_ref()?;
        let open = format!(
            "globals hold statements that pg_dumpall does not write, {statements}: what they do to roles \
             is not known"
        );
        Some(match self.all() {
            differing if differing.is_empty() => open,
            differing => format!("{open}. Other than the other statements say: {differing}"),
        })
    }

    fn all(&self) -> String {
        let Differences { roles, memberships, tablespaces } = &self.differences;
        let all: Vec<&str> =
            [roles, memberships, tablespaces].into_iter().flatten().map(String::as_str).collect();
        one_line(&all.join("; "), 300)
    }
}

impl Roles {
    /// What the check `roles` says.
    pub(super) fn outcome(&self) -> (CheckOutcome, String) {
        match self {
            Self::None => {
                (CheckOutcome::Failed, "the backup holds no globals: it makes no roles".to_owned())
            }
            Self::NotRestored => (CheckOutcome::Skipped, "globals were not restored".to_owned()),
            Self::Compared(compared) if compared.differences.is_empty() => {
                (CheckOutcome::Passed, compared.extent.clone())
            }
            Self::Compared(compared) => match compared.left_open() {
                Some(open) => (CheckOutcome::Errored, open),
                None => (CheckOutcome::Failed, compared.all()),
            },
        }
    }
}
