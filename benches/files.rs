//! How long a scan of 100 000 unchanged files takes, beside `git status` over the same files.
//!
//! `cargo bench --bench files [-- RUNS]`. Everything warm; medians of the runs, taken in turn so
//! that other load meets both. The scan includes loading its cache from the file.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use microblot::inputs::{FileTree, Scan};
use microblot::model::{Millis, SiteName};

const FOLDERS: usize = 100;
const FILES: usize = 1_000;
const FILE_BYTES: usize = 4_096;
const SITES: usize = 10_000;

type Sites = BTreeMap<SiteName, Vec<String>>;

fn main() -> Result<(), Box<dyn Error>> {
    // cargo passes `--bench` as well.
    let runs = std::env::args().find_map(|argument| argument.parse().ok());
    let runs = runs.unwrap_or(11);
    let place = tempfile::tempdir()?;
    let root = place.path().join("root");
    let cache = place.path().join("files.stat");
    let started = Instant::now();
    make_files(&root)?;
    git(&root, &["init", "--quiet"])?;
    git(&root, &["add", "--all"])?;
    let author = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"];
    let commit = ["commit", "--quiet", "--message", "bench"];
    git(&root, &[&author[..], &commit[..]].concat())?;
    // What is still on its way to the disk would be waited for by whoever is measured.
    Command::new("sync").status()?;
    println!(
        "{} files made in {:.1?}",
        FOLDERS * FILES,
        started.elapsed()
    );

    let one: Sites = [("all".parse()?, vec!["**".to_owned()])].into();
    let each = |rest: &str| -> Result<Sites, Box<dyn Error>> {
        (0..SITES)
            .map(|n| {
                Ok((
                    format!("s{n}").parse()?,
                    vec![format!("d{:02}/f{:03}{rest}", n % FOLDERS, n / FOLDERS)],
                ))
            })
            .collect()
    };
    let own_pattern = each("*.md")?;
    let own_file = each(".md")?;

    let (took, first) = time(|| scan(&root, &cache, &one));
    println!("first scan: {took:.1?}, {:?}", first.report);

    let mut figures: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    let mut long_running = FileTree::with_cache(&root, Some(cache.clone()));
    long_running.scan(&one, later());
    for _ in 0..runs {
        let mut record = |name, took| figures.entry(name).or_default().push(took);
        let (took, status) = time(|| git(&root, &["status", "--porcelain"]));
        status?;
        record("git status", took);
        let (took, fresh) = time(|| scan(&root, &cache, &one));
        assert_eq!(
            (fresh.report.known, fresh.report.read),
            (FOLDERS * FILES, 0)
        );
        record("scan, cache loaded", took);
        let (took, again) = time(|| long_running.scan(&one, later()));
        assert_eq!(again.report.read, 0);
        record("scan, cache in memory", took);
        let patterns = cache.with_extension("patterns");
        let (took, _) = time(|| scan(&root, &patterns, &own_pattern));
        record("scan, 10 000 sites with a pattern", took);
        let files = cache.with_extension("files");
        let (took, _) = time(|| scan(&root, &files, &own_file));
        record("scan, 10 000 sites with a file", took);
    }
    let medians: BTreeMap<_, _> = figures
        .into_iter()
        .map(|(name, took)| (name, median(took)))
        .collect();
    for (name, took) in &medians {
        let ratio = took.as_secs_f64() / medians["git status"].as_secs_f64();
        println!(
            "{name:36} {:7.1} ms  {ratio:.2} x git status",
            took.as_secs_f64() * 1e3
        );
    }
    Ok(())
}

fn make_files(root: &Path) -> std::io::Result<()> {
    for folder in 0..FOLDERS {
        let path = root.join(format!("d{folder:02}"));
        fs::create_dir_all(&path)?;
        for file in 0..FILES {
            let mut text = format!("{folder} {file}\n").repeat(FILE_BYTES / 4);
            text.truncate(FILE_BYTES);
            fs::write(path.join(format!("f{file:03}.md")), text)?;
        }
    }
    Ok(())
}

/// As a process that has just started.
fn scan(root: &Path, cache: &Path, sites: &Sites) -> Scan {
    FileTree::with_cache(root, Some(cache.to_owned())).scan(sites, later())
}

/// The files are young: without this the first scans would not trust what is known of them.
fn later() -> Millis {
    Millis::from(jiff::Timestamp::now()).plus(Duration::from_secs(60))
}

fn git(root: &Path, arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let output = Command::new("git")
        .current_dir(root)
        .args(arguments)
        .output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into()),
    }
}

fn time<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let started = Instant::now();
    let result = work();
    (started.elapsed(), result)
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took[took.len() / 2]
}
