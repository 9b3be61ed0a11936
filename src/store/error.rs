use std::error::Error;
use std::fmt;
use std::path::PathBuf;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An address of a kind that is not known.
    #[error(
        "the database address starts with {0:?}; use sqlite:PATH or postgres://USER@HOST/DATABASE"
    )]
    Address(String),
    /// The folder of the SQLite file cannot be written.
    #[error("the database {} cannot be opened; is its folder there, and writable?", .0.display())]
    Folder(PathBuf, #[source] std::io::Error),
    /// The database answered with an error, or not at all.
    #[error("the database failed")]
    Database(#[source] Cause),
    /// The database, or the way to it, is silent.
    #[error("the database does not answer; is it up, and can it be reached from here?")]
    Silent,
    /// The database was there, and is silent since then.
    #[error(
        "the database stopped answering in the middle of this; what was asked for may be stored or not: look (`microblot status`, `list`) before you run it again"
    )]
    FellSilent,
    /// No space is left for the database.
    #[error(
        "the database cannot grow: the disk is full, or a quota or limit is reached; nothing of this change was stored, nothing that was stored before is lost; make room and try again"
    )]
    Full(#[source] Cause),
    /// The schema could not be brought up to date.
    #[error("the database's schema could not be brought up to date")]
    Migrate(#[source] Box<sqlx::migrate::MigrateError>),
    /// Something stored is not what it must be.
    #[error("the database holds {0}, which this version cannot read")]
    Corrupt(String),
    /// Somebody else published in between.
    #[error("somebody else published sites.toml at the same moment; run it again")]
    Raced,
    /// The request that asks for this change came before, and its change was made then:
    /// [`crate::store::Reader::done`] says what it was. Nothing was changed now.
    #[error("this request was answered before: its change is made, and nothing was changed again")]
    AlreadyDone,
}

/// What the database said. PostgreSQL's line is left out: it is one of its own source.
#[derive(Debug)]
pub struct Cause(sqlx::Error);

impl Cause {
    fn said_by_postgres(&self) -> Option<&str> {
        let answer = self.0.as_database_error()?;
        let answer = answer.try_downcast_ref::<sqlx::postgres::PgDatabaseError>()?;
        Some(answer.message())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.said_by_postgres() {
            Some(message) => write!(f, "error returned from database: {message}"),
            None => self.0.fmt(f),
        }
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.said_by_postgres() {
            // That is the same with the line.
            Some(_) => None,
            None => self.0.source(),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return Self::Silent;
        }
        // SQLite: FULL is 13. What it makes of a file that may not grow for another reason (a quota,
        // a limit) is IOERR with what failed: write 778, fsync 1034, truncate 1546, the file of
        // shared memory 4874. PostgreSQL: 53100 is disk_full.
        let code = error
            .as_database_error()
            .and_then(|database| database.code().map(|code| code.into_owned()));
        match code.as_deref() {
            Some("13" | "778" | "1034" | "1546" | "4874" | "53100") => Self::Full(Cause(error)),
            _ => Self::Database(Cause(error)),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::Execute(error) => error.into(),
            error => Self::Migrate(Box::new(error)),
        }
    }
}
