//! A disk of a few megabytes, which a story can fill to its last byte.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

/// A small disk. It goes away with this.
pub struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// One of so many megabytes.
    pub fn of_megabytes(megabytes: u32) -> Self {
        // Short, because sockets below it have short paths.
        let folder = tempfile::Builder::new()
            .prefix("dh-")
            .tempdir_in("/tmp")
            .unwrap();
        let size = format!("size={megabytes}m,mode=755");
        mount(&["-t", "tmpfs", "-o", &size, "tmpfs"], folder.path());
        Self { folder }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Leaves not one byte.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        for piece in [1 << 16, 1] {
            let piece = vec![0; piece];
            loop {
                match ballast.write_all(&piece) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    /// Makes room again.
    pub fn clear(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    /// From now on nothing on it can be written. Nobody may have a file of it open for that.
    pub fn write_protect(&self) {
        mount(&["-o", "remount,ro"], self.path());
    }

    /// As it was before that.
    pub fn allow_writing(&self) {
        mount(&["-o", "remount,rw"], self.path());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever has a file open there keeps it as long.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn mount(arguments: &[&str], place: &Path) {
    let mounted = Command::new("mount")
        .args(arguments)
        .arg(place)
        .output()
        .unwrap();
    assert!(
        mounted.status.success(),
        "this story mounts a small disk, which only root may do: {}",
        String::from_utf8_lossy(&mounted.stderr)
    );
}
