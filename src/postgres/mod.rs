//! Talking to a PostgreSQL server: sessions, its catalogs, its log, its error codes.
//!
//! The only place that names `tokio_postgres`. Knows nothing of how the server was started.

pub(crate) mod catalog;
pub(crate) mod check_session;
pub(crate) mod content;
pub(crate) mod integrity;
mod log;
pub(crate) mod sampling;
mod session;
pub mod sqlstate;

pub(crate) use log::{LogReader, ServerMessage};
pub(crate) use session::{ServerError, Session, SessionError, reader_options, superuser_options};
