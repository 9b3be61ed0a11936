//! `reconcile --plan` of large estates in which nothing changed since the last pass, and of the same
//! in which one site did; and other tools beside it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot do its work must fail"
)]

mod support;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use microblot::store::Store;
use support::estate::{self, Run};
use support::table::{self, median, seconds};
use tempfile::TempDir;

/// How often each is run; the middle one counts.
const RUNS: usize = 5;
/// Sites of the comparison with Terraform, which takes its time.
const TERRAFORM_SITES: usize = 2_000;
/// Zones, and records in each, of the comparison with octoDNS.
const ZONES: usize = 100;

fn main() {
    table::machine();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut rows = Vec::new();
    let mut per_second = Vec::new();
    for (sites, posts, target) in [
        (TERRAFORM_SITES, 0, "–"),
        (10_000, 0, "–"),
        (10_000, 10, "< 0.3 s"),
        (100_000, 0, "–"),
        (100_000, 10, "< 3 s, < 500 MB"),
    ] {
        let (folder, prepared) = runtime.block_on(prepare(sites, posts));
        let root = folder.path();
        let unchanged = format!("Plan: nothing to do, {sites} unchanged.");
        estate::run(estate::microblot(root, &["reconcile"]));
        let (time, memory) = plan(root, &unchanged);
        let rate = |time: Duration| sites as f64 / time.as_secs_f64();
        change_one(root);
        let (read, most) = plan(root, &format!(" {} unchanged.", sites - 1));
        per_second.push((sites, rate(time), rate(read)));
        rows.push([
            sites.to_string(),
            (sites * posts).to_string(),
            seconds(time),
            megabytes(memory),
            seconds(read),
            megabytes(most),
            target.to_owned(),
            seconds(prepared),
        ]);
    }
    println!("microblot reconcile --plan, SQLite, whole process, median of {RUNS}\n");
    let columns = [
        "sites",
        "posts",
        "nothing changed",
        "most memory",
        "one site changed",
        "most memory",
        "target",
        "(made in)",
    ];
    table::print(columns, &rows);

    let ours = |sites: usize| {
        let found = per_second.iter().find(|(count, _, _)| *count == sites);
        let (_, unchanged, changed) = found.expect("it was measured");
        (*unchanged, *changed)
    };
    let mut rows = Vec::new();
    match terraform() {
        Ok(time) => rows.push(yardstick(
            "terraform plan, one terraform_data each",
            TERRAFORM_SITES,
            time,
            ours(TERRAFORM_SITES),
            "≥ 40",
        )),
        Err(why) => println!("terraform is left out: {why}\n"),
    }
    match octodns() {
        Ok(time) => rows.push(yardstick(
            "octodns-sync, YAML to YAML, one TXT record each",
            ZONES * ZONES,
            time,
            ours(ZONES * ZONES),
            "≥ 30",
        )),
        Err(why) => println!("octoDNS is left out: {why}\n"),
    }
    let columns = [
        "yardstick",
        "things",
        "time",
        "per second",
        "nothing changed",
        "ratio",
        "one changed",
        "ratio",
        "target",
    ];
    table::print(columns, &rows);
}

fn yardstick(
    what: &str,
    count: usize,
    time: Duration,
    (unchanged, changed): (f64, f64),
    target: &str,
) -> [String; 9] {
    let theirs = count as f64 / time.as_secs_f64();
    [
        what.to_owned(),
        count.to_string(),
        seconds(time),
        format!("{theirs:.0}"),
        format!("{unchanged:.0}"),
        format!("{:.0}", unchanged / theirs),
        format!("{changed:.0}"),
        format!("{:.0}", changed / theirs),
        target.to_owned(),
    ]
}

/// Sites that are built as they are, with posts.
async fn prepare(sites: usize, posts: usize) -> (TempDir, Duration) {
    let started = Instant::now();
    let folder = estate::folder();
    let root = folder.path();
    std::fs::write(root.join("sites.toml"), estate::sites_toml("", sites)).unwrap();
    let store = Store::open(&estate::database(root)).await.unwrap();
    estate::publish(root, &store).await;
    estate::write_posts(root, posts).await;
    estate::adopt(&store).await;
    store.close().await;
    (folder, started.elapsed())
}

/// Gives one site another title.
fn change_one(root: &Path) {
    let file = root.join("sites.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, after) = text.split_once("title = \"").unwrap();
    std::fs::write(file, format!("{before}title = \"The new {after}")).unwrap();
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}

fn plan(root: &Path, wanted: &str) -> (Duration, u64) {
    let runs: Vec<Run> = (0..RUNS)
        .map(|_| estate::run(estate::microblot(root, &["reconcile", "--plan"])))
        .collect();
    for run in &runs {
        assert!(run.stdout.trim_end().ends_with(wanted), "{}", run.stdout);
    }
    let memory = runs.iter().map(|run| run.memory).max();
    let times = runs.iter().map(|run| run.time).collect();
    (median(times), memory.expect("there were runs"))
}

fn terraform() -> Result<Duration, String> {
    let folder = estate::folder();
    let mut text = String::new();
    for number in 0..TERRAFORM_SITES {
        let name = estate::name(number);
        let _infallible = write!(
            text,
            "resource \"terraform_data\" \"{name}\" {{\n  input = {{\n    title = \"Site {number}\"\n    \
             url   = \"https://{name}.example.org\"\n  }}\n}}\n"
        );
    }
    std::fs::write(folder.path().join("main.tf"), text).unwrap();
    let terraform = |arguments: &[&str]| {
        let mut command = Command::new("terraform");
        command.current_dir(folder.path()).args(arguments);
        command.env("CHECKPOINT_DISABLE", "1");
        command
    };
    if let Err(error) = terraform(&["version"]).output() {
        return Err(format!("it cannot be started ({error})"));
    }
    for arguments in [
        ["init", "-input=false", "-no-color"].as_slice(),
        &["apply", "-auto-approve", "-input=false", "-no-color"],
    ] {
        estate::run(terraform(arguments));
    }
    let times = (0..3).map(|_| {
        let run = estate::run(terraform(&["plan", "-input=false", "-no-color"]));
        assert!(run.stdout.contains("No changes."), "{}", run.stdout);
        run.time
    });
    Ok(median(times.collect()))
}

fn octodns() -> Result<Duration, String> {
    let folder = estate::folder();
    let root = folder.path();
    let must = |command: &mut Command| match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    };
    must(
        Command::new("python3")
            .args(["-m", "venv", "venv"])
            .current_dir(root),
    )?;
    let pip = root.join("venv/bin/pip");
    must(Command::new(pip).args(["install", "--quiet", "octodns==1.22.0"]))?;

    std::fs::create_dir(root.join("from")).unwrap();
    std::fs::create_dir(root.join("to")).unwrap();
    let mut config = String::from(
        "providers:\n  from:\n    class: octodns.provider.yaml.YamlProvider\n    directory: ./from\n  \
         to:\n    class: octodns.provider.yaml.YamlProvider\n    directory: ./to\nzones:\n",
    );
    for zone in 0..ZONES {
        let name = format!("z{zone:03}.example.org.");
        let _infallible = write!(
            config,
            "  {name}:\n    sources: [from]\n    targets: [to]\n"
        );
        let mut records = String::from("---\n");
        for record in 0..ZONES {
            let _infallible = write!(
                records,
                "r{record:03}:\n  ttl: 300\n  type: TXT\n  value: content-of-{record}\n"
            );
        }
        std::fs::write(root.join(format!("from/{name}yaml")), records).unwrap();
    }
    std::fs::write(root.join("config.yaml"), config).unwrap();
    let times = (0..3).map(|_| {
        let mut command = Command::new(root.join("venv/bin/octodns-sync"));
        command.current_dir(root).arg("--config-file=config.yaml");
        estate::run(command).time
    });
    Ok(median(times.collect()))
}
