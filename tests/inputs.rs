//! The files of sites, through the front door: real folders, real links, real clocks.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use microblot::inputs::{FileTree, InputError, Report, Scan, SiteFiles, check_glob, read_verified};
use microblot::model::{Digest, Millis, SiteName};
use tempfile::TempDir;

/// A folder below a temporary one, so that something can be above and beside it.
struct Tree {
    outside: TempDir,
    root: PathBuf,
}

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("root");
        fs::create_dir(&root).unwrap();
        let tree = Self { outside, root };
        for (path, text) in files {
            tree.write(path, text);
        }
        tree
    }

    /// Paths may begin with `../`.
    fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[cfg(unix)]
    fn link(&self, link: &str, target: impl AsRef<Path>) {
        let link = self.root.join(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, link).unwrap();
    }

    fn cache(&self) -> PathBuf {
        self.outside.path().join("cache/files.stat")
    }

    fn open(&self) -> FileTree {
        FileTree::with_cache(&self.root, Some(self.cache()))
    }

    /// The answer for one site, by a tree that remembers nothing.
    fn files(&self, globs: &[&str]) -> Result<Arc<SiteFiles>, InputError> {
        let mut tree = FileTree::with_cache(&self.root, None);
        only(tree.scan(&sites(&[("a", globs)]), now()))
    }

    /// The paths that match, joined by spaces.
    fn paths(&self, globs: &[&str]) -> String {
        paths(&self.files(globs).unwrap())
    }

    /// The error for globs, without the name of the temporary folder.
    fn error(&self, globs: &[&str]) -> String {
        let error = self.files(globs).unwrap_err().to_string();
        let place = self.outside.path().canonicalize().unwrap();
        error.replace(place.to_str().unwrap(), "TMP")
    }
}

fn paths(files: &SiteFiles) -> String {
    let items: Vec<_> = files.part().items().map(|(path, _)| path).collect();
    items.join(" ")
}

fn sites(sites: &[(&str, &[&str])]) -> BTreeMap<SiteName, Vec<String>> {
    let owned = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect();
    sites
        .iter()
        .map(|(site, globs)| (site.parse().unwrap(), owned(globs)))
        .collect()
}

fn only(scan: Scan) -> Result<Arc<SiteFiles>, InputError> {
    scan.sites.into_values().next().unwrap()
}

fn now() -> Millis {
    jiff::Timestamp::now().into()
}

/// When everything written so far counts as settled.
fn later() -> Millis {
    now().plus(Duration::from_secs(60))
}

fn counts(report: Report) -> (usize, usize, usize) {
    (report.files, report.known, report.read)
}

#[test]
fn globs_match_as_they_say() {
    let tree = Tree::new(&[
        ("top.md", ""),
        ("www/a.md", ""),
        ("www/b.txt", ""),
        ("www/_draft.md", ""),
        ("www/.well-known/x", ""),
        ("www/.git/config", ""),
        ("www/sub/c.md", ""),
        ("www/sub/deep/d.md", ""),
        ("www/x/y", ""),
        ("wwwide/e.md", ""),
        ("shared/f.css", ""),
        ("shared/[1].css", ""),
    ]);
    for (globs, expected) in [
        (&["www/*.md"][..], "www/_draft.md www/a.md"),
        (
            &["www/**/*.md"],
            "www/_draft.md www/a.md www/sub/c.md www/sub/deep/d.md",
        ),
        (&["www/*/*.md"], "www/sub/c.md"),
        (&["www/[!_]*.md"], "www/a.md"),
        (&["www/?.*"], "www/a.md www/b.txt"),
        (&["www/x[!a]y", "www/x?y", "www/x*y"], ""),
        (&["*.md"], "top.md"),
        (
            &["**/*.md"],
            "top.md www/_draft.md www/a.md www/sub/c.md www/sub/deep/d.md wwwide/e.md",
        ),
        (
            &["{www/sub,shared}/*"],
            "shared/[1].css shared/f.css www/sub/c.md",
        ),
        (&["shared/[[]1].css"], "shared/[1].css"),
        (&["www/.well-known/**"], "www/.well-known/x"),
        (&["www/.git/**", "**/config", "www/.git/config"], ""),
        (&["www/a.md", "www/a.*", "**/a.md"], "www/a.md"),
        (
            &["www/sub/**", "www/**/deep/*"],
            "www/sub/c.md www/sub/deep/d.md",
        ),
        (&["WWW/A.md"], ""),
        (&[], ""),
    ] {
        assert_eq!(tree.paths(globs), expected, "{globs:?}");
    }
    let all = "shared/[1].css shared/f.css top.md www/.well-known/x www/_draft.md www/a.md \
               www/b.txt www/sub/c.md www/sub/deep/d.md www/x/y wwwide/e.md";
    assert_eq!(tree.paths(&["**"]), all);
}

#[test]
fn a_glob_says_what_is_wrong_with_it() {
    let mut said = String::new();
    for glob in [
        "",
        "/etc/passwd",
        "C:/x",
        "../x",
        "a/../b",
        "./a",
        "a//b",
        "www/",
        "a\\b",
        "!a",
        "www/**.md",
        "[",
        "a{b",
        "[b-a]",
        "[+-9]",
        "x[a/b]",
    ] {
        let problem = check_glob(glob).unwrap_err();
        said.push_str(&format!("{glob}: {problem}\n"));
    }
    assert!(check_glob(&"a".repeat(1025)).is_err());
    insta::assert_snapshot!(said, @r#"
    : a glob has no empty parts; `**` means every file
    /etc/passwd: a glob starts from the folder of sites.toml, not from /
    C:/x: a glob starts from the folder of sites.toml, not from /
    ../x: a glob never has `.` or `..` as a part: files outside of the folder of sites.toml are no input
    a/../b: a glob never has `.` or `..` as a part: files outside of the folder of sites.toml are no input
    ./a: a glob never has `.` or `..` as a part: files outside of the folder of sites.toml are no input
    a//b: a glob has no empty parts; `**` means every file
    www/: a glob names files; for every file in a folder end it with `/**`
    a\b: parts of a glob are divided by `/`, never by `\`; a special character is written `[*]`
    !a: a glob cannot exclude; name what to leave out in .gitignore
    www/**.md: `**` stands alone between two `/`, as in `www/**/*.md`
    [: unclosed character class; missing ']'
    a{b: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
    [b-a]: invalid range; 'b' > 'a'
    [+-9]: the characters between [ and ] cannot include `/`
    x[a/b]: the characters between [ and ] cannot include `/`
    "#);
    for glob in [
        "**", "a", "a/**", "**/a", "a/**/b", "[!]a-]b", "[]a]", "{a/**,b}", "日本/*", ".x/*", "a b",
    ] {
        check_glob(glob).unwrap();
    }
}

#[test]
fn the_part_is_canonical_and_says_what_no_glob_found() {
    let tree = Tree::new(&[
        ("www/a b.md", "1"),
        ("www/a%.md", "22"),
        ("www/a-b/c", "333"),
        ("www/a/c", ""),
    ]);
    let files = tree.files(&["www/**", "gone/*.md", "www/*.txt"]).unwrap();
    assert_eq!((files.count(), files.bytes), (4, 6));
    assert_eq!(files.unmatched, ["gone/*.md", "www/*.txt"]);
    insta::assert_snapshot!(files.part().as_text(), @r#"
    www/a%20b.md 6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b
    www/a%25.md 785f3ec7eb32f30b90cd0fcf3657d388b5ff4297f2f9716ff66e9b69c05ddd09
    www/a-b/c 556d7dc3a115356350f1f9910b1af1ab0e312d4b3e4fc788d2da63668f36d017
    www/a/c e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    "#);
    insta::assert_snapshot!(files.digest, @"ba574874b931ebbfb425f8b4b5789dfe27f1e5d91a29cbea64ec6381c898bac9");
}

#[test]
fn what_git_ignores_is_no_input() {
    let tree = Tree::new(&[
        (
            ".gitignore",
            "*.log\n/www/tmp/\nbuild\n# comment\n\\#x\n[\n",
        ),
        (".ignore", "*.md\n"),
        ("www/.gitignore", "!keep.log\r\n/only-here\n"),
        ("www/a.md", ""),
        ("www/a.log", ""),
        ("www/keep.log", ""),
        ("www/tmp/x", ""),
        ("www/sub/tmp/x", ""),
        ("www/sub/build/.gitignore", "!*"),
        ("www/sub/build/x", ""),
        ("www/sub/only-here", ""),
        ("www/only-here", ""),
        ("www/#x", ""),
    ]);
    assert_eq!(
        tree.paths(&["www/**", "www/a.log", "www/tmp/x", "www/sub/build/x"]),
        "www/.gitignore www/a.md www/keep.log www/sub/only-here www/sub/tmp/x"
    );
}

#[test]
fn rules_begin_at_the_top_of_the_repository() {
    let tree = Tree::new(&[
        ("../.gitignore", "a\n/root/www/b\n"),
        ("www/a", ""),
        ("www/b", ""),
        ("www/c", ""),
        ("www/d", ""),
    ]);
    assert_eq!(
        tree.paths(&["www/*"]),
        "www/a www/b www/c www/d",
        "no repository"
    );
    tree.write("../.git/info/exclude", "c\n");
    assert_eq!(tree.paths(&["www/*"]), "www/d");
    tree.write("www/.gitignore", "!c\n");
    assert_eq!(tree.paths(&["www/?"]), "www/c www/d");
    tree.write(".git/info/exclude", "d\n");
    assert_eq!(
        tree.paths(&["www/?"]),
        "www/a www/b www/c",
        "a repository of its own"
    );
    fs::remove_dir_all(tree.root.join(".git")).unwrap();
    tree.write("../main/worktrees/w/commondir", "../..\n");
    tree.write("../main/info/exclude", "b\n");
    tree.write(".git", "gitdir: ../main/worktrees/w\n");
    assert_eq!(tree.paths(&["www/?"]), "www/a www/c www/d", "a worktree");
    tree.write(".git", "nothing known");
    assert_eq!(tree.paths(&["www/?"]), "www/a www/b www/c www/d");
}

#[cfg(unix)]
#[test]
fn links_within_the_folder_are_followed() {
    let tree = Tree::new(&[
        ("shared/theme/x.css", "x"),
        ("shared/theme/.gitignore", "y.css"),
        ("shared/theme/y.css", ""),
        ("www/a", "a"),
    ]);
    tree.link("www/b", "a");
    tree.link("www/theme", "../shared/theme");
    tree.link("www/abs", tree.root.join("shared"));
    assert_eq!(
        tree.paths(&["www/**/*.css", "www/?"]),
        "www/a www/abs/theme/x.css www/b www/theme/x.css"
    );
    let digests = tree.files(&["www/?"]).unwrap();
    let digests: Vec<_> = digests
        .part()
        .items()
        .map(|(_, digest)| digest.to_owned())
        .collect();
    assert_eq!(digests[0], digests[1]);
    assert_eq!(
        tree.paths(&["www/theme/*.css"]),
        "www/theme/x.css",
        "in a glob's fixed beginning"
    );
    tree.link("www/c", "../shared/theme/x.css");
    let before = tree.files(&["www/c"]).unwrap();
    fs::remove_file(tree.root.join("www/c")).unwrap();
    tree.link("www/c", "a");
    assert_ne!(before, tree.files(&["www/c"]).unwrap());
}

#[cfg(unix)]
#[test]
fn links_that_lead_astray_are_errors_of_their_sites_alone() {
    let tree = Tree::new(&[
        ("../secret", ""),
        ("../more/x", ""),
        ("good/a", ""),
        ("loop/a/x", ""),
        ("two/a/x", ""),
        ("two/b/x", ""),
        (".git/config", ""),
    ]);
    tree.link("out/file", "../../secret");
    tree.link("outdir/sub", "../../more");
    tree.link("broken/a", "nowhere");
    tree.link("self/a", "a");
    tree.link("loop/a/back", "..");
    tree.link("two/a/b", "../b");
    tree.link("two/b/a", "../a");
    tree.link("git/c", "../.git/config");
    let mut said = String::new();
    for globs in [
        ["out/**"],
        ["outdir/**"],
        ["broken/**"],
        ["self/*"],
        ["loop/**"],
        ["two/**"],
        ["git/*"],
    ] {
        said.push_str(&tree.error(&globs));
        said.push('\n');
    }
    insta::assert_snapshot!(said, @r#"
    out/file is a link to TMP/secret, which is no content of this folder; put a copy in its place, or name it in .gitignore
    outdir/sub is a link to TMP/more, which is no content of this folder; put a copy in its place, or name it in .gitignore
    broken/a is a broken link; mend or remove it, or name it in .gitignore
    self/a is a broken link; mend or remove it, or name it in .gitignore
    loop/a/back is a link back to TMP/root/loop; remove it, or name it in .gitignore
    two/a/b/a is a link back to TMP/root/two/a; remove it, or name it in .gitignore
    git/c is a link to TMP/root/.git/config, which is no content of this folder; put a copy in its place, or name it in .gitignore
    "#);
    // None of them is in the way of others.
    assert_eq!(
        tree.paths(&["good/**", "out/f", "outdir/*.md", "two/a/*"]),
        "good/a two/a/x"
    );
    tree.write(
        ".gitignore",
        "file\nsub\n/broken/a\n/self/*\nback\n/two/*/[ab]\n/git/c\n",
    );
    assert_eq!(
        tree.paths(&["*/**/?"]),
        "good/a loop/a/x two/a/x two/b/x",
        "git ignores the links"
    );
}

#[test]
fn folders_beyond_all_use_are_an_error() {
    let tree = Tree::new(&[("good/a", ""), (&format!("bad/{}x", "d/".repeat(130)), "")]);
    let error = tree.files(&["bad/**"]).unwrap_err();
    assert!(matches!(error, InputError::TooDeep { .. }), "{error}");
    assert_eq!(tree.paths(&["good/**", "bad/d/*"]), "good/a");
}

#[cfg(unix)]
#[test]
fn links_that_multiply_are_found_once_per_path() {
    let tree = Tree::new(&[("d4/x", "")]);
    for level in 0..4 {
        for side in ["l", "r"] {
            tree.link(&format!("d{level}/{side}"), format!("../d{}", level + 1));
        }
    }
    assert_eq!(tree.files(&["d0/**"]).unwrap().count(), 16);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_an_error_and_never_opened() {
    let tree = Tree::new(&[("a/x", ""), ("b/x", "")]);
    let made = std::process::Command::new("mkfifo")
        .arg(tree.root.join("a/pipe"))
        .status()
        .unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(tree.root.join("b/socket")).unwrap();
    tree.link("b/link", "../a/pipe");
    insta::assert_snapshot!(tree.error(&["a/*"]), @"a/pipe is neither file, folder nor link; remove it, or name it in .gitignore");
    insta::assert_snapshot!(tree.error(&["b/*"]), @"b/link is neither file, folder nor link; remove it, or name it in .gitignore");
    assert_eq!(tree.paths(&["?/x"]), "a/x b/x");
    let error = read_verified(&tree.root, "a/pipe", &Digest::of_bytes(b""), 1).unwrap_err();
    insta::assert_snapshot!(error, @"a/pipe cannot be read; make it readable, or name it in .gitignore to leave it out");
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf8_is_an_error() {
    use std::os::unix::ffi::OsStrExt as _;
    let tree = Tree::new(&[("a/x.md", ""), ("b/x.md", "")]);
    fs::write(
        tree.root
            .join("a")
            .join(std::ffi::OsStr::from_bytes(b"\xff.txt")),
        "",
    )
    .unwrap();
    fs::create_dir(
        tree.root
            .join("b")
            .join(std::ffi::OsStr::from_bytes(b"\xff")),
    )
    .unwrap();
    insta::assert_snapshot!(tree.error(&["a/*"]), @r#"the name "a/�.txt" is not UTF-8; rename it, or name its folder in .gitignore"#);
    insta::assert_snapshot!(tree.error(&["b/**"]), @r#"the name "b/�" is not UTF-8; rename it, or name its folder in .gitignore"#);
    assert_eq!(tree.paths(&["a/*.md", "b/*.md"]), "a/x.md b/x.md");
}

/// A path longer than the system takes can be made by a rename, and not be read, not even by root.
#[cfg(target_os = "linux")]
#[test]
fn an_unreadable_folder_is_an_error_of_its_sites() {
    let tree = Tree::new(&[("good/a", "")]);
    let long = vec!["d".repeat(250); 9].join("/");
    fs::create_dir_all(tree.root.join("bad").join(&long)).unwrap();
    fs::create_dir_all(tree.root.join("tail").join(&long)).unwrap();
    fs::rename(
        tree.root.join("tail"),
        tree.root.join("bad").join(&long).join("tail"),
    )
    .unwrap();
    let all = sites(&[
        ("bad", &["bad/**"]),
        ("deep", &["bad/*/*/x"]),
        ("good", &["good/*"]),
        ("top", &["*"]),
    ]);
    let scan = FileTree::with_cache(&tree.root, None).scan(&all, now());
    let ok: Vec<_> = scan
        .sites
        .iter()
        .map(|(site, files)| (site.as_str(), files.is_ok()))
        .collect();
    assert_eq!(
        ok,
        [
            ("bad", false),
            ("deep", true),
            ("good", true),
            ("top", true)
        ]
    );
    let error = scan.sites["bad"].as_ref().unwrap_err();
    assert!(matches!(error, InputError::Unreadable { .. }), "{error}");
}

/// Root can read everything, so that this shows nothing when tests run as root.
#[cfg(unix)]
#[test]
fn an_unreadable_file_is_an_error_of_its_sites() {
    use std::os::unix::fs::PermissionsExt as _;
    let tree = Tree::new(&[("www/a", ""), ("www/b", "")]);
    let path = tree.root.join("www/b");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
    let denied = fs::File::open(&path).is_err();
    assert_eq!(tree.files(&["www/*"]).is_err(), denied);
    assert_eq!(tree.paths(&["www/a"]), "www/a");
}

#[test]
fn a_root_that_is_gone_is_an_error_of_every_site() {
    let tree = Tree::new(&[]);
    let mut files = FileTree::with_cache(&tree.root.join("gone"), None);
    let scan = files.scan(&sites(&[("a", &["*"]), ("b", &["../x"])]), now());
    assert!(matches!(scan.sites["a"], Err(InputError::Root { .. })));
    assert!(matches!(scan.sites["b"], Err(InputError::Glob { .. })));
}

#[test]
fn sites_share_what_is_the_same() {
    let tree = Tree::new(&[("shared/s", "s"), ("one/a", "a"), ("two/b", "b")]);
    let all = sites(&[
        ("one", &["one/**", "shared/**"]),
        ("same", &["one/**", "shared/**"]),
        ("two", &["two/**", "shared/**"]),
        ("wrong", &["/etc/**"]),
    ]);
    let scan = tree.open().scan(&all, now());
    assert_eq!(counts(scan.report), (3, 0, 3), "each file is read once");
    let files = |site: &str| scan.sites[site].as_ref().unwrap();
    assert!(Arc::ptr_eq(files("one"), files("same")));
    assert_eq!(paths(files("two")), "shared/s two/b");
    assert!(matches!(scan.sites["wrong"], Err(InputError::Glob { .. })));
}

#[test]
fn ten_thousand_sites_each_get_their_own() {
    let tree = Tree::new(&[
        ("sites/s77/a", ""),
        ("sites/s9999/b.md", ""),
        ("sites/s9999/c", ""),
    ]);
    let all: BTreeMap<SiteName, Vec<String>> = (0..10_000)
        .map(|n| {
            let rest = if n % 2 == 0 { "**" } else { "*.md" };
            (
                format!("s{n}").parse().unwrap(),
                vec![format!("sites/s{n}/{rest}")],
            )
        })
        .collect();
    let scan = tree.open().scan(&all, now());
    let found: Vec<_> = scan
        .sites
        .values()
        .filter(|files| files.as_ref().unwrap().count() > 0)
        .collect();
    assert_eq!(found.len(), 1);
    assert_eq!(paths(found[0].as_ref().unwrap()), "sites/s9999/b.md");
}

#[test]
fn an_unchanged_tree_is_not_read_again() {
    let tree = Tree::new(&[("www/a", "aa"), ("www/b", "bb"), ("other/c", "cc")]);
    let all = sites(&[("a", &["www/**"])]);
    let mut files = tree.open();
    let first = files.scan(&all, later());
    assert_eq!(
        (counts(first.report), first.report.read_bytes),
        ((2, 0, 2), 4)
    );
    let stored = fs::metadata(tree.cache()).unwrap().modified().unwrap();
    let second = files.scan(&all, later());
    assert_eq!(counts(second.report), (2, 2, 0));
    assert_eq!(
        counts(tree.open().scan(&all, later()).report),
        (2, 2, 0),
        "from the file"
    );
    assert_eq!(
        fs::metadata(tree.cache()).unwrap().modified().unwrap(),
        stored,
        "not written again"
    );
    assert_eq!(
        first.sites["a"].as_ref().unwrap(),
        second.sites["a"].as_ref().unwrap()
    );
    // Nothing outside of the folders that globs begin in is looked at.
    assert_eq!(second.report.entries, 2 + 2);
}

#[test]
fn what_was_just_written_is_read_once_more_and_then_trusted() {
    let tree = Tree::new(&[("www/a", "aa")]);
    let all = sites(&[("a", &["www/**"])]);
    let mut files = tree.open();
    let reads: Vec<_> = [now(), now(), later(), later()]
        .map(|moment| files.scan(&all, moment).report.read)
        .into();
    assert_eq!(reads, [1, 1, 1, 0]);
}

#[test]
fn a_change_that_leaves_size_and_time_alone_is_noticed() {
    for moment in [now as fn() -> Millis, later] {
        let tree = Tree::new(&[("www/a", "old")]);
        let all = sites(&[("a", &["www/**"])]);
        let mut files = tree.open();
        let old = only(files.scan(&all, moment())).unwrap();
        let path = tree.root.join("www/a");
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(tree.root.join("new"), "new").unwrap();
        fs::rename(tree.root.join("new"), &path).unwrap();
        fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(modified)
            .unwrap();
        assert_ne!(only(files.scan(&all, moment())).unwrap().digest, old.digest);
        assert_ne!(
            only(tree.open().scan(&all, moment())).unwrap().digest,
            old.digest
        );
    }
}

#[test]
fn a_touched_file_is_read_once_and_keeps_its_digest() {
    let tree = Tree::new(&[("www/a", "aa"), ("www/b", "bb")]);
    let all = sites(&[("a", &["www/**"])]);
    let mut files = tree.open();
    let before = only(files.scan(&all, later())).unwrap();
    let touched = fs::File::options()
        .write(true)
        .open(tree.root.join("www/a"))
        .unwrap();
    touched
        .set_modified(std::time::UNIX_EPOCH + Duration::from_secs(4_000_000_000))
        .unwrap();
    let scan = files.scan(&all, later());
    assert_eq!(counts(scan.report), (2, 1, 1));
    assert_eq!(only(scan).unwrap(), before);
    assert_eq!(
        counts(files.scan(&all, later()).report),
        (2, 2, 0),
        "though its time is in the future"
    );
}

#[test]
fn what_is_remembered_of_globs_is_of_these_files() {
    let tree = Tree::new(&[("www/a", "aa"), ("www/b", "bb"), ("docs/c", "cc")]);
    let together = sites(&[("a", &["www/**", "docs/**"])]);
    let apart = sites(&[("a", &["www/**"]), ("b", &["docs/**"])]);
    let check = |asked, what: &str| {
        let known = tree.open().scan(asked, later());
        let anew = FileTree::with_cache(&tree.root, None).scan(asked, later());
        for (known, anew) in known.sites.values().zip(anew.sites.values()) {
            let [known, anew] = [known, anew].map(|files| files.as_ref().unwrap());
            assert_eq!(known, anew, "{what}");
            assert_eq!(known.part(), anew.part(), "{what}");
        }
        known.report.read
    };
    assert_eq!(check(&together, "nothing is known"), 3);
    let unchanged = fs::read(tree.cache()).unwrap();
    assert_eq!(check(&together, "all is known"), 0);
    assert_eq!(fs::read(tree.cache()).unwrap(), unchanged);
    assert_eq!(check(&apart, "the same files for other globs"), 0);
    assert_eq!(check(&together, "and for the first ones again"), 0);
    fs::write(tree.root.join("www/a"), "aaa").unwrap();
    assert_eq!(check(&together, "another content"), 1);
    fs::rename(tree.root.join("www/b"), tree.root.join("www/d")).unwrap();
    check(&together, "another name");
    fs::write(tree.root.join("www/.gitignore"), "d\n").unwrap();
    check(&together, "a file is ignored");
    fs::remove_file(tree.root.join("docs/c")).unwrap();
    check(&together, "a file is gone");
    check(&apart, "for both");
}

#[test]
fn a_damaged_or_foreign_cache_is_none() {
    let tree = Tree::new(&[("www/a", "aa"), ("www/b", "bb")]);
    let all = sites(&[("a", &["www/**"])]);
    let expected = only(tree.open().scan(&all, later())).unwrap();
    let good = fs::read(tree.cache()).unwrap();
    let mut flipped = good.clone();
    flipped[60] ^= 1;
    let mut newer = good.clone();
    newer[15] += 1;
    for bad in [
        &[][..],
        b"x",
        &good[..good.len() - 1],
        &good[..20],
        &flipped,
        &newer,
        &[0; 48],
    ] {
        fs::write(tree.cache(), bad).unwrap();
        let scan = tree.open().scan(&all, later());
        assert_eq!(counts(scan.report), (2, 0, 2));
        assert_eq!(only(scan).unwrap(), expected);
        assert_eq!(fs::read(tree.cache()).unwrap(), good, "mended");
    }
    // A folder in its place: nothing can be kept, and nothing fails.
    fs::remove_file(tree.cache()).unwrap();
    fs::create_dir(tree.cache()).unwrap();
    assert_eq!(only(tree.open().scan(&all, later())).unwrap(), expected);
}

#[test]
fn a_file_is_read_back_only_as_it_was_hashed() {
    let tree = Tree::new(&[
        ("www/a", "content"),
        ("../secret", "secret"),
        (".git/config", "secret"),
    ]);
    let digest = Digest::of_bytes(b"content");
    assert_eq!(
        read_verified(&tree.root, "www/a", &digest, 7).unwrap(),
        b"content"
    );
    let secret = Digest::of_bytes(b"secret");
    #[cfg(unix)]
    tree.link("www/out", "../../secret");
    let mut said = String::new();
    for (path, digest, limit) in [
        ("www/a", &digest, 6),
        ("www/a", &secret, 100),
        ("www/gone", &digest, 100),
        ("www/a/b", &digest, 100),
        ("www", &digest, 100),
        ("", &digest, 100),
        ("../secret", &secret, 100),
        ("www/../../secret", &secret, 100),
        ("/etc/passwd", &secret, 100),
        (".git/config", &secret, 100),
        ("www/out", &secret, 100),
    ] {
        let error = read_verified(&tree.root, path, digest, limit)
            .unwrap_err()
            .to_string();
        let place = tree.outside.path().canonicalize().unwrap();
        said.push_str(&error.replace(place.to_str().unwrap(), "TMP"));
        said.push('\n');
    }
    insta::assert_snapshot!(said, @r#"
    www/a has 7 bytes; the most that can be used is 6
    www/a has changed since it was looked at
    www/gone has changed since it was looked at
    www/a/b has changed since it was looked at
    www cannot be read; make it readable, or name it in .gitignore to leave it out
    "" is no path within the folder of sites.toml
    "../secret" is no path within the folder of sites.toml
    "www/../../secret" is no path within the folder of sites.toml
    "/etc/passwd" is no path within the folder of sites.toml
    ".git/config" is no path within the folder of sites.toml
    www/out is a link to TMP/secret, which is no content of this folder; put a copy in its place, or name it in .gitignore
    "#);
}

#[cfg(unix)]
#[test]
fn the_scope_of_a_scan_is_what_may_change_it_and_no_more() {
    let tree = Tree::new(&[
        ("../.git/config", ""),
        (".gitignore", "node_modules\n"),
        ("a.md", ""),
        ("docs/deep/a.md", ""),
        ("node_modules/x/a.md", ""),
        (".hidden/a.md", ""),
        ("other/a.txt", ""),
        ("www/img/a.png", ""),
        ("shared/b.md", ""),
    ]);
    tree.link("docs/b.md", "../shared/b.md");
    let scope = |globs: &[&str]| {
        let mut files = FileTree::with_cache(&tree.root, None);
        files.scan(&sites(&[("a", globs)]), now()).scope.unwrap()
    };
    let above = tree.root.parent().unwrap().canonicalize().unwrap();
    let root = above.join("root");
    let folders = |globs: &[&str]| {
        let scope = scope(globs);
        let relative = scope.folders().map(|f| f.strip_prefix(&above).unwrap());
        let folders: BTreeSet<_> = relative.map(|f| f.to_str().unwrap().to_owned()).collect();
        folders.into_iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(folders(&["*.md"]), " root");
    assert_eq!(folders(&["gone/**", "www/*"]), " root root/www");
    assert_eq!(
        folders(&["docs/**"]),
        " root root/docs root/docs/deep root/shared"
    );
    assert_eq!(
        folders(&["**/*.md"]),
        " root root/.hidden root/docs root/docs/deep root/other root/shared root/www root/www/img"
    );

    let markdown = scope(&["**/*.md", "late/img/*.png"]);
    tree.write("late/x", "");
    tree.write("other/log", "");
    for (path, concerned) in [
        ("a.md", true),
        ("new.md", true),
        ("docs", true),
        ("docs/deep/new.md", true),
        ("docs/.gitignore", true),
        ("../.gitignore", true),
        ("late", true),
        ("late/img", false),
        ("other/log", false),
        ("microblot.log", false),
        (".git", false),
    ] {
        let at = path
            .strip_prefix("../")
            .map_or(root.join(path), |p| above.join(p));
        assert_eq!(markdown.concerns(&at), concerned, "{path}");
    }
    let docs = scope(&["docs/**"]);
    for (path, concerned) in [
        ("a.md", false),
        ("late", false),
        ("docs/any", true),
        ("shared/b.md", true),
        ("shared/c.md", false),
    ] {
        assert_eq!(docs.concerns(&root.join(path)), concerned, "{path}");
    }
}

mod random {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Write(String, u8),
        Remove(String),
        Rename(String, String),
        Touch(String),
        Ignore(String, String),
        Scan(bool),
        Restart,
    }

    fn path() -> impl Strategy<Value = String> {
        prop::sample::select(vec![
            "a", "b", "a b", "d/a", "d/b", "d-/a", "d/d/a", "d.x/%", "e/ä",
        ])
        .prop_map(str::to_owned)
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (path(), 0..3u8).prop_map(|(path, content)| Step::Write(path, content)),
            1 => path().prop_map(Step::Remove),
            1 => (path(), path()).prop_map(|(from, to)| Step::Rename(from, to)),
            1 => path().prop_map(Step::Touch),
            1 => (prop::sample::select(vec!["", "d/", "e/"]), prop::sample::select(vec!["", "a", "!a", "/d/", "*"]))
                .prop_map(|(folder, rule)| Step::Ignore(format!("{folder}.gitignore"), rule.to_owned())),
            4 => any::<bool>().prop_map(Step::Scan),
            1 => Just(Step::Restart),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        /// Whatever happened, remembering changes no answer, and order is canonical.
        #[test]
        fn a_cached_scan_is_an_uncached_one(steps in prop::collection::vec(step(), 1..40)) {
            let tree = Tree::new(&[]);
            let all = sites(&[("all", &["**"]), ("d", &["d/**", "d*/a"]), ("flat", &["*"]), ("mix", &["**/a", "e/*"])]);
            let mut files = tree.open();
            // Not further ahead than the clock when trust is to be tested as in earnest.
            for step in steps.into_iter().chain([Step::Scan(false)]) {
                match step {
                    Step::Write(path, content) => tree.write(&path, &"x".repeat(usize::from(content / 2)).replace('x', &content.to_string())),
                    Step::Remove(path) => drop(fs::remove_file(tree.root.join(path))),
                    Step::Rename(from, to) => drop(fs::rename(tree.root.join(from), tree.root.join(to))),
                    Step::Touch(path) => {
                        if let Ok(file) = fs::File::options().append(true).open(tree.root.join(path)) {
                            file.set_modified(std::time::UNIX_EPOCH).unwrap();
                        }
                    }
                    Step::Ignore(path, rule) => tree.write(&path, &rule),
                    Step::Restart => files = tree.open(),
                    Step::Scan(check) => {
                        let cached = files.scan(&all, now());
                        if check {
                            continue;
                        }
                        let fresh = FileTree::with_cache(&tree.root, None).scan(&all, now());
                        for (site, expected) in &fresh.sites {
                            let expected = expected.as_ref().unwrap();
                            prop_assert_eq!(cached.sites[site].as_ref().unwrap(), expected);
                            let paths: Vec<_> = expected.part().items().map(|(path, _)| path).collect();
                            prop_assert_eq!(paths.len(), expected.count());
                        }
                        prop_assert_eq!(cached.report.files, cached.report.known + cached.report.read);
                    }
                }
            }
        }
    }
}
