//! What was found, about whom, and what to do about it.
//!
//! The code of a finding decides its class, and the class decides everything else: database
//! outcome, verdict, JUnit element, exit code. The tables are in `docs/decisions.md`.

use serde::{Deserialize, Serialize};

/// Whose fault a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingClass {
    /// The backup's.
    Backup,
    /// The surroundings': daemon, image, disk, kernel.
    Environment,
    /// The scenario's or the command line's.
    Scenario,
    /// Nobody's: a signal ended the run.
    Cancelled,
    /// Ours.
    Internal,
    /// Nobody's: worth saying, changes nothing.
    Notice,
}

macro_rules! finding_codes {
    ($($variant:ident $code:literal $class:ident $proven:literal,)*) => {
        /// The stable name of a kind of finding. Each has a row in `docs/decisions.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[expect(missing_docs, reason = "docs/decisions.md says what each means")]
        pub enum FindingCode { $($variant,)* }

        impl FindingCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name used in reports and scenarios.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// Whose fault it is.
            pub fn class(self) -> FindingClass {
                match self { $(Self::$variant => FindingClass::$class,)* }
            }

            /// Whether it stands on its own, even beside a finding about the surroundings.
            pub fn is_proven(self) -> bool {
                match self { $(Self::$variant => $proven,)* }
            }
        }
    };
}

finding_codes! {
    BackupEmpty "backup_empty" Backup true,
    UnknownFormat "unknown_format" Backup true,
    ArchiveTruncated "archive_truncated" Backup true,
    ArchiveDamaged "archive_damaged" Backup true,
    UnsafeMember "unsafe_member" Backup true,
    NoDumpInArchive "no_dump_in_archive" Backup true,
    DuplicateMember "duplicate_member" Backup true,
    DumpEmpty "dump_empty" Backup true,
    DumpTruncated "dump_truncated" Backup true,
    DumpDamaged "dump_damaged" Backup true,
    MetaCommand "meta_command" Backup true,
    UnsafeStatement "unsafe_statement" Backup true,
    ServerAltered "server_altered" Backup true,
    GlobalsMissing "globals_missing" Backup true,
    DatabaseMissing "database_missing" Backup true,
    BackupIncomplete "backup_incomplete" Backup true,
    ChecksumMismatch "checksum_mismatch" Backup true,
    RoleMissing "role_missing" Backup true,
    TablespaceMissing "tablespace_missing" Backup true,
    GlobalsFailed "globals_failed" Backup false,
    DatabaseNotCreated "database_not_created" Backup false,
    RestoreFailed "restore_failed" Backup false,
    DataRejected "data_rejected" Backup false,
    ConstraintViolated "constraint_violated" Backup false,
    ObjectMissing "object_missing" Backup false,
    RowsMissing "rows_missing" Backup false,
    RowsDiffer "rows_differ" Backup false,
    OwnerDiffers "owner_differs" Backup false,
    AclDiffers "acl_differs" Backup false,
    DefinitionDiffers "definition_differs" Backup false,
    SequenceDiffers "sequence_differs" Backup false,
    NotPopulated "not_populated" Backup false,
    ContentDiffers "content_differs" Backup false,
    DatabaseDiffers "database_differs" Backup false,
    RoleDiffers "role_differs" Backup false,
    MembershipDiffers "membership_differs" Backup false,
    TablespaceDiffers "tablespace_differs" Backup false,
    CheckFailed "check_failed" Backup false,
    BackupNotFound "backup_not_found" Environment true,
    BackupUnreadable "backup_unreadable" Environment true,
    BackupChanging "backup_changing" Environment true,
    BackupUndecided "backup_undecided" Environment true,
    NoBackupInFolder "no_backup_in_folder" Environment true,
    FormatNotSupported "format_not_supported" Environment true,
    ExpansionLimit "expansion_limit" Environment true,
    Encrypted "encrypted" Environment true,
    KeyUnreadable "key_unreadable" Environment true,
    KeyUnusable "key_unusable" Environment true,
    KeyWrong "key_wrong" Environment true,
    EndUnmarked "end_unmarked" Environment true,
    FolderUnusable "folder_unusable" Environment true,
    EngineUnavailable "engine_unavailable" Environment true,
    ImageUnavailable "image_unavailable" Environment true,
    ServerTooOld "server_too_old" Environment true,
    ServerVersionDiffers "server_version_differs" Environment true,
    IsolationUnavailable "isolation_unavailable" Environment true,
    ClusterNotStarted "cluster_not_started" Environment true,
    ServerEnded "server_ended" Environment true,
    DiskFull "disk_full" Environment true,
    OutOfMemory "out_of_memory" Environment true,
    ExtensionMissing "extension_missing" Environment true,
    LocaleMissing "locale_missing" Environment true,
    PsqlTooOld "psql_too_old" Environment true,
    PlaceholderMissing "placeholder_missing" Environment true,
    ProcessLimit "process_limit" Environment true,
    LimitUnenforceable "limit_unenforceable" Environment true,
    NetworkNeeded "network_needed" Environment true,
    ToolMissing "tool_missing" Environment true,
    TimedOut "timed_out" Environment true,
    NothingRestored "nothing_restored" Environment true,
    NothingCompared "nothing_compared" Environment true,
    StructureUnread "structure_unread" Environment true,
    CheckErrored "check_errored" Environment true,
    CleanupIncomplete "cleanup_incomplete" Environment true,
    ReportNotWritten "report_not_written" Environment true,
    ScenarioInvalid "scenario_invalid" Scenario true,
    NoDatabaseSelected "no_database_selected" Scenario true,
    Cancelled "cancelled" Cancelled true,
    Internal "internal" Internal true,
    SidecarUnreadable "sidecar_unreadable" Notice true,
    SidecarStale "sidecar_stale" Notice true,
    NotEncrypted "not_encrypted" Notice true,
    MemberNotListed "member_not_listed" Notice true,
    MemberIgnored "member_ignored" Notice true,
    SettingUnknown "setting_unknown" Notice true,
    AnalyzeFailed "analyze_failed" Notice true,
    ProgramStarted "program_started" Notice true,
    NameDiffers "name_differs" Notice true,
    ExtensionDiffers "extension_differs" Notice true,
    CheckWarned "check_warned" Notice true,
    ObjectUnexpected "object_unexpected" Notice true,
}

/// One thing that was found. Texts hold names of objects, never rows or secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind of thing.
    pub code: FindingCode,
    /// Whose fault.
    pub class: FindingClass,
    /// The database it is about.
    pub database: Option<String>,
    /// The object it is about: `TABLE public.orders`, `member dumps/shop.dump at byte 1024`, …
    pub object: Option<String>,
    /// What happened, one sentence.
    pub message: String,
    /// Why, where that is known.
    pub cause: Option<String>,
    /// What to do next, one step each.
    pub remedy: Vec<String>,
    /// The server's error code.
    pub sqlstate: Option<String>,
    /// How often it happened; consequences of the same root are counted, not repeated.
    pub count: u64,
}

impl Finding {
    /// A finding with the remedy that fits its code.
    pub fn new(code: FindingCode, message: impl Into<String>) -> Self {
        Self {
            code,
            class: code.class(),
            database: None,
            object: None,
            message: message.into(),
            cause: None,
            remedy: crate::remedy::steps(code),
            sqlstate: None,
            count: 1,
        }
    }

    /// Names the database.
    #[must_use]
    pub fn in_database(mut self, database: impl Into<String>) -> Self {
        self.database = Some(database.into());
        self
    }

    /// Names the object.
    #[must_use]
    pub fn on(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    /// Names the cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Names the server's error code.
    #[must_use]
    pub fn with_sqlstate(mut self, sqlstate: impl Into<String>) -> Self {
        self.sqlstate = Some(sqlstate.into());
        self
    }

    /// Puts a step before the ones that the code brings.
    #[must_use]
    pub fn first_try(mut self, step: impl Into<String>) -> Self {
        self.remedy.insert(0, step.into());
        self
    }
}
