//! Talking to a PostgreSQL server: sessions, its catalogs, its log, its error codes.
//!
//! The only place that names `tokio_postgres`. Knows nothing of how the server was started.

pub(crate) mod catalog;
pub(crate) mod check_session;
pub(crate) mod cluster_objects;
pub(crate) mod content;
pub(crate) mod integrity;
pub(crate) mod keyed_rows;
mod log;
pub(crate) mod login;
pub(crate) mod sampling;
pub(crate) mod sequences;
mod session;
pub mod sqlstate;
pub(crate) mod table;
pub(crate) mod tap;
pub(crate) mod values;

pub(crate) use log::{LogReader, ServerMessage};
pub use login::LoginFailure;
pub(crate) use session::{ServerError, Session, SessionError, reader_options, superuser_options};
