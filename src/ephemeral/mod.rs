//! Throwaway PostgreSQL servers.
//!
//! A sandbox is a place where untrusted programs run and out of which nothing gets: a container
//! or a set of kernel namespaces. Its first program is always `server.sh`, which makes a cluster
//! and runs its server. All that differs between the engines is behind the trait, everything else
//! is written once, so that the same backup gets the same verdict on both.
//!
//! The one invariant: whatever is created is in the [`ledger`] before it is created, and is only
//! struck from it when its removal has been observed.

mod daemon;
mod docker;
mod endpoint;
mod error;
pub mod ledger;
mod local;
mod look;
mod owner;
mod relay;
mod sandbox;
mod select;
pub mod sweep;

pub use endpoint::{EndpointError, settle as settle_docker_endpoint};
pub use error::EphemeralError;
pub use look::{Looked, look};
pub use sandbox::{
    DiskUse, EngineKind, Held, HeldLimit, Isolation, LimitKey, Pressure, Removal, SandboxIdentity,
    SeenProcess,
};
pub(crate) use sandbox::{Exec, ExecCommand, ExecOutput, Sandbox, SandboxState};
pub use select::{EngineRequest, Selected, select};
pub(crate) use select::{StartRequest, start};
