//! Backups: written by the server to a file on its own host. The file appears whole or not at all, and replaces nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use strongroom_admin_api::{Backup, MakeBackup as Asked};
use strongroom_authentication::mint;
use strongroom_engine::operations::backup::MakeBackup;
use strongroom_engine::{
    Authorized, BackupReport, Demand, EngineError, Halt, InputFault, Operation, Outcome, Unavailable,
};
use strongroom_model::store::StoreError;

use crate::context::Context;
use crate::error::AdminError;
use crate::reply::Reply;

pub(crate) async fn make(context: &Context<'_>) -> Result<Reply, AdminError> {
    let Asked { path } = context.body()?;
    if !Path::new(&path).is_absolute() {
        return Err(AdminError::Value { field: "path", problem: "must be absolute, on the server's host" });
    }
    let unfinished = format!("{path}{}", mint::unique(&context.admin.engine, ".unfinished-")?);
    let file = NewFile { path: PathBuf::from(&path), unfinished: PathBuf::from(unfinished) };
    let sealed = MakeBackup::new(Unopened { path: file.unfinished.clone(), file: None });
    let (report, bytes) = context.perform_telling(ToFile { sealed, file }, vec![("path", path.clone())]).await?;
    Reply::created(&Backup {
        path,
        bytes,
        revision: report.revision.0,
        rows: report.rows,
        made: report.made.into(),
        log: report.origin,
        log_size: report.log_size,
    })
}

/// A backup into a file, which is durable when this has succeeded.
struct ToFile {
    sealed: MakeBackup,
    file: NewFile,
}

impl Operation for ToFile {
    type Output = (BackupReport, u64);

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        self.sealed.demands()
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        if self.file.path.exists() {
            return Err(failed(&ErrorKind::AlreadyExists.into()).into());
        }
        let written = self.sealed.run(authorized).and_then(|written| {
            let (Outcome::Answer(report) | Outcome::Change(_, report)) = written;
            Ok(Outcome::Answer((report, self.file.finish().map_err(|error| failed(&error))?)))
        });
        // After success there is nothing under this name any more; what is left of a failure is sealed.
        let _ = fs::remove_file(&self.file.unfinished);
        written
    }
}

/// A file under a passing name until it is whole.
struct NewFile {
    path: PathBuf,
    unfinished: PathBuf,
}

impl NewFile {
    fn finish(&self) -> io::Result<u64> {
        let file = File::open(&self.unfinished)?;
        file.sync_all()?;
        // A link, unlike a rename, fails where a file already is.
        fs::hard_link(&self.unfinished, &self.path)?;
        fs::remove_file(&self.unfinished)?;
        File::open(self.path.parent().unwrap_or(&self.path))?.sync_all()?;
        Ok(file.metadata()?.len())
    }
}

/// A file that is made with its first byte, so that nothing is made for whoever may not.
struct Unopened {
    path: PathBuf,
    file: Option<File>,
}

impl Write for Unopened {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = match self.file.take() {
            Some(file) => file,
            None => OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path)?,
        };
        self.file.insert(file).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn failed(error: &io::Error) -> EngineError {
    match error.kind() {
        ErrorKind::AlreadyExists => {
            InputFault::Form { what: "path", problem: "is taken; a backup replaces nothing" }.into()
        }
        _ => EngineError::Unavailable(Unavailable::Store(StoreError::Unavailable { cause: error.to_string() })),
    }
}
