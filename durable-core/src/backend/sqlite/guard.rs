//! One process at a time: a lock of the operating system on a file beside the database.
//!
//! The lock goes away with the process that holds it, however it ends, so a restart never waits. It is not on the database
//! itself, so that shells and backup tools can read along.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::error::{Failure, Result};
use crate::backend::BackendErrorKind;

/// Holds a task hub for this process until it is dropped.
#[derive(Debug)]
pub(super) struct Guard {
    _locked: File,
}

impl Guard {
    pub(super) fn acquire(database: &Path) -> Result<Self> {
        let mut path = OsString::from(database);
        path.push(".lock");
        let path = PathBuf::from(path);
        // Never removed again: another process could be about to lock the very file that is taken away.
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| io_failure(&format!("the lock file {} cannot be opened", path.display()), &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(&mut file)),
            Err(TryLockError::Error(error)) => {
                return Err(io_failure(&format!("the lock file {} cannot be locked", path.display()), &error));
            }
        }
        // Only for the message that somebody else gets; the lock does not depend on it.
        let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Self { _locked: file })
    }
}

fn in_use(file: &mut File) -> Failure {
    let mut holder = String::new();
    let _ = file.rewind().and_then(|()| file.read_to_string(&mut holder));
    let who = match holder.trim().parse::<u32>() {
        Ok(pid) if pid == std::process::id() => "it is already open in this process".to_owned(),
        Ok(pid) => format!("it is in use by process {pid}"),
        Err(_) => "it is in use by another process".to_owned(),
    };
    let remedy = "a task hub file belongs to one process at a time; \
                  share the opened store within a process, and end the other process or give each its own file";
    Failure::new(BackendErrorKind::InUse, format!("{who}; {remedy}"))
}

/// The one spelling of a path that all its other spellings lead to.
pub(super) fn resolve(path: &Path) -> Result<PathBuf> {
    // Nothing here may open the database: closing it again would release the locks of whoever has it open in this process.
    match path.canonicalize() {
        Ok(path) if path.is_dir() => {
            Err(Failure::new(BackendErrorKind::Other, "it is a directory; name a file, for example one within it"))
        }
        Ok(path) => Ok(path),
        Err(_) if path.is_symlink() => {
            Err(Failure::new(BackendErrorKind::Other, "it is a symbolic link to a file that does not exist"))
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_failure("it cannot be reached", &error)),
        Err(_) => {
            let Some(name) = path.file_name() else {
                return Err(Failure::new(BackendErrorKind::Other, "it has no file name"));
            };
            let parent = match path.parent() {
                Some(parent) if parent != Path::new("") => parent,
                _ => Path::new("."),
            };
            let parent = parent.canonicalize().map_err(|error| {
                io_failure(&format!("its directory {} cannot be reached; create it first", parent.display()), &error)
            })?;
            Ok(parent.join(name))
        }
    }
}

pub(super) fn io_failure(what: &str, error: &std::io::Error) -> Failure {
    use std::io::ErrorKind;
    let kind = match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::NotADirectory | ErrorKind::IsADirectory => BackendErrorKind::Other,
        _ => BackendErrorKind::Unavailable,
    };
    Failure::new(kind, format!("{what} ({error})"))
}
