//! What the disk takes to have something for good, which nobody who stores before the answer can be faster than.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::bench::series::Series;

/// How often it is asked.
const TIMES: usize = 100;
/// How much is written each time: about an event and what is kept beside it.
const BLOCK: [u8; 4096] = [0; 4096];

/// The time in the middle from a write behind the end of a file until it is on the disk.
pub fn sync(folder: &Path) -> anyhow::Result<Duration> {
    let path = folder.join("sync");
    let mut file = File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let begun = Instant::now();
        file.write_all(&BLOCK)?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    std::fs::remove_file(path)?;
    Ok(times.into_iter().collect::<Series>().median())
}
