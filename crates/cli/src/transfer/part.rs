//! The unfinished file on the receiving side: `NAME.part`, and beside it `NAME.part.json` that says of what.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt;

use super::digest::{self, Running};

/// Which file a part is a part of.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Note {
    size: u64,
    sha256: String,
}

/// A file being received.
pub(crate) struct Part {
    destination: PathBuf,
    path: PathBuf,
    note: PathBuf,
    file: File,
    digest: Running,
    expected: Note,
    written: u64,
}

impl Part {
    /// Continues the part of this very file, or begins a new one.
    pub(crate) async fn open(destination: PathBuf, size: u64, sha256: String) -> Result<Part> {
        let path = with_suffix(&destination, ".part");
        let note = with_suffix(&destination, ".part.json");
        let expected = Note { size, sha256 };
        let mut digest = Running::default();
        let mut written = 0;
        let known = fs::read(&note).await.ok().and_then(|text| serde_json::from_slice(&text).ok());
        if known.as_ref() == Some(&expected)
            && let Ok(file) = File::open(&path).await
        {
            written = digest.feed(file).await.with_context(|| cannot("read", &path))?;
        }
        if written > size {
            (digest, written) = (Running::default(), 0);
        }
        let json = serde_json::to_vec(&expected).context("a note cannot be written")?;
        // First the note, emptied part before: a note must never vouch for bytes of another file.
        if written == 0 {
            File::create(&path).await.with_context(|| cannot("create", &path))?;
            fs::write(&note, json).await.with_context(|| cannot("write", &note))?;
        }
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .await
            .with_context(|| cannot("write", &path))?;
        Ok(Part { destination, path, note, file, digest, expected, written })
    }

    /// How much is there.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Whether all of it is there.
    pub(crate) fn is_complete(&self) -> bool {
        self.written == self.expected.size
    }

    /// Appends what came.
    pub(crate) async fn append(&mut self, data: &[u8]) -> Result<()> {
        if self.written + data.len() as u64 > self.expected.size {
            bail!("the other side sent more than the {} bytes it announced", self.expected.size);
        }
        self.file.write_all(data).await.with_context(|| cannot("write", &self.path))?;
        self.digest.update(data);
        self.written += data.len() as u64;
        Ok(())
    }

    /// Hands everything to the system, so that the next attempt finds it.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        self.file.flush().await.with_context(|| cannot("write", &self.path))
    }

    /// Compares the digest and gives the file its name.
    pub(crate) async fn finish(mut self) -> Result<()> {
        self.flush().await?;
        self.file.sync_all().await.with_context(|| cannot("write", &self.path))?;
        if self.digest.finish() != self.expected.sha256 {
            // Continuing it would never end well.
            let _ = fs::remove_file(&self.path).await;
            let _ = fs::remove_file(&self.note).await;
            bail!("the file arrived damaged: its SHA-256 is not the announced one; send it again");
        }
        fs::rename(&self.path, &self.destination)
            .await
            .with_context(|| cannot("create", &self.destination))?;
        let _ = fs::remove_file(&self.note).await;
        Ok(())
    }
}

fn cannot(verb: &str, path: &Path) -> String {
    format!("cannot {verb} {}", path.display())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Where a file goes: into `output` under its own name if that is a folder, else to `output` itself.
///
/// The name is the peer's, so of it only a plain last component is taken.
pub(crate) async fn destination(
    output: &Path,
    name: &str,
    sha256: &str,
    overwrite: bool,
) -> Result<PathBuf> {
    if !digest::is_sha256(sha256) {
        bail!("the other side announced no proper SHA-256");
    }
    let path = match fs::metadata(output).await {
        Ok(metadata) if metadata.is_dir() => output.join(safe_name(name)?),
        _ => output.to_owned(),
    };
    match fs::metadata(&path).await {
        Ok(metadata) if metadata.is_dir() => bail!("{} is a folder", path.display()),
        Ok(_) if !overwrite => {
            bail!(
                "{} exists; --overwrite replaces it, --output chooses another place",
                path.display()
            )
        }
        _ => Ok(path),
    }
}

/// A file name that stays in its folder, shows, and does not confuse terminals.
fn safe_name(name: &str) -> Result<&str> {
    let bad = name.is_empty()
        || name.len() > 200
        || name.starts_with('.')
        || name.chars().any(|c| matches!(c, '/' | '\\' | ':') || c.is_control());
    match bad {
        true => {
            bail!("the other side's file name {name:?} is not used; --output FILE gives another")
        }
        false => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_the_folder() {
        assert!(safe_name("a file (1).tar.gz").is_ok());
        for name in
            ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\\b", "C:x", ".bashrc", "a\u{1b}[2J"]
        {
            assert!(safe_name(name).is_err(), "{name:?}");
        }
        assert!(safe_name(&"a".repeat(201)).is_err());
    }
}
