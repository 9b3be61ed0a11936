//! A recorded afternoon: who edited what when, what it means, and the fewest builds that do.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Sites with posts of their own.
pub const OWN: usize = 98;
/// All sites: the last two have the posts of the first ten, and of all.
pub const SITES: usize = OWN + 2;
/// The sites that the smaller aggregate takes posts from.
pub const TEAM: usize = 10;
/// Posts of a site before anything happens: two that are written on, one that is edited by
/// mistake, two that can be deleted.
pub const POSTS: usize = 5;
/// Edits in the trace.
pub const EDITS: usize = 1_000;
/// How long it is, in milliseconds.
pub const LENGTH: u64 = 600_000;

/// What the trace is made of, for people.
pub const MAKE_UP: &str = "\
trace: 1,000 edits in 10 minutes on 98 sites with posts of their own; two more sites aggregate\n\
  the posts of 10 and of all 98. Fixed seed, sites drawn evenly:\n\
  - autosaves: 80 sessions of 5-15 edits of one post, 2-8 s apart\n\
  - bursts: 6 times one edit on each of 8 sites within 5 s\n\
  - mistakes: 25 edits that are undone 3-20 s later\n\
  - what a shared file would touch: 4 times 10 sites in the same instant (as edits of posts)\n\
  - 20 deletions, each of which touches an aggregate; the rest are new posts";

/// What somebody does to one post of one site.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// Writes it; 0 is the first text of every post.
    Write(u64),
    /// Takes it away.
    Delete,
}

/// One edit.
#[derive(Clone, Copy, Debug)]
pub struct Edit {
    /// When, in milliseconds.
    pub at: u64,
    /// On which site.
    pub site: usize,
    /// Which of its posts; a number that is not there yet is a new one.
    pub post: usize,
    /// What.
    pub op: Op,
}

struct Random(u64);

impl Random {
    /// Xorshift: the same on every machine.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn within(&mut self, from: u64, to: u64) -> u64 {
        from + (self.next() >> 16) % (to - from)
    }

    fn site(&mut self) -> usize {
        usize::try_from(self.within(0, OWN as u64)).unwrap()
    }
}

/// The edits, in order. Always the same.
pub fn trace() -> Vec<Edit> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut edits = Vec::new();
    let mut text = 0;
    let mut write = |at, site, post| {
        text += 1;
        Edit {
            at,
            site,
            post,
            op: Op::Write(text),
        }
    };
    for _ in 0..80 {
        let (site, post) = (random.site(), usize::from(random.next() & 1 << 20 != 0));
        let gaps: Vec<u64> = (0..random.within(5, 16))
            .map(|_| random.within(2_000, 8_000))
            .collect();
        let mut at = random.within(0, LENGTH - gaps.iter().sum::<u64>());
        for gap in gaps {
            edits.push(write(at, site, post));
            at += gap;
        }
    }
    for _ in 0..6 {
        let begin = random.within(0, LENGTH - 5_000);
        for _ in 0..8 {
            let at = begin + random.within(0, 5_000);
            edits.push(write(at, random.site(), 1));
        }
    }
    for _ in 0..25 {
        let (site, at) = (random.site(), random.within(0, LENGTH - 20_000));
        edits.push(write(at, site, 2));
        edits.push(Edit {
            at: at + random.within(3_000, 20_000),
            site,
            post: 2,
            op: Op::Write(0),
        });
    }
    for _ in 0..4 {
        let (first, at) = (random.site(), random.within(0, LENGTH));
        for site in 0..10 {
            edits.push(write(at, (first + site * 7) % OWN, 0));
        }
    }
    let mut left = [POSTS; OWN];
    for _ in 0..20 {
        let site = random.site();
        if left[site] > 3 {
            left[site] -= 1;
            edits.push(Edit {
                at: random.within(0, LENGTH),
                site,
                post: left[site],
                op: Op::Delete,
            });
        }
    }
    let mut posts = [POSTS; OWN];
    assert!(edits.len() <= EDITS, "too many: {}", edits.len());
    while edits.len() < EDITS {
        let site = random.site();
        edits.push(write(random.within(0, LENGTH), site, posts[site]));
        posts[site] += 1;
    }
    edits.sort_by_key(|edit| edit.at);
    edits
}

/// What every site consists of.
pub struct World {
    posts: Vec<BTreeMap<usize, u64>>,
}

impl World {
    /// Before the first edit.
    pub fn new() -> Self {
        Self {
            posts: vec![(0..POSTS).map(|post| (post, 0)).collect(); OWN],
        }
    }

    /// Applies an edit, and answers which sites it touches.
    pub fn apply(&mut self, edit: &Edit) -> Vec<usize> {
        let posts = &mut self.posts[edit.site];
        match edit.op {
            Op::Write(text) => posts.insert(edit.post, text),
            Op::Delete => posts.remove(&edit.post),
        };
        let mut touched = vec![edit.site, OWN + 1];
        if edit.site < TEAM {
            touched.push(OWN);
        }
        touched
    }

    /// Stands for everything that a site shows.
    pub fn content(&self, site: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        match site.checked_sub(OWN) {
            None => self.posts[site].hash(&mut hasher),
            Some(0) => self.posts[..TEAM].hash(&mut hasher),
            Some(_) => self.posts.hash(&mut hasher),
        }
        hasher.finish()
    }
}

/// The contents of one site, each with the time from which on it was that, in milliseconds.
pub type History = Vec<(u64, u64)>;

/// What each site was when.
pub fn histories(edits: &[Edit]) -> Vec<History> {
    let mut world = World::new();
    let mut histories: Vec<History> = (0..SITES)
        .map(|site| vec![(0, world.content(site))])
        .collect();
    for edit in edits {
        for site in world.apply(edit) {
            let content = world.content(site);
            let history = &mut histories[site];
            if history.last().unwrap().1 != content {
                history.push((edit.at, content));
            }
        }
    }
    histories
}

/// The fewest builds of a site, for somebody who knows the future: whatever differs from what was
/// built for `max_wait` without a break has been built by then, and the end is built.
pub fn fewest(history: &History, max_wait: u64) -> usize {
    // From the last on: how many more it takes when this content is what is built.
    let mut more = vec![0; history.len()];
    for built in (0..history.len()).rev() {
        let mut drift: Option<u64> = None;
        let mut latest = built;
        for &(at, content) in &history[built + 1..] {
            if drift.is_some_and(|since| since + max_wait < at) {
                break;
            }
            latest += 1;
            drift = match drift {
                _ if content == history[built].1 => None,
                None => Some(at),
                since => since,
            };
        }
        if drift.is_some() {
            more[built] = 1 + more[built + 1..=latest].iter().min().unwrap();
        }
    }
    more[0]
}

/// How a site fared under the calls that were made for it: the longest wait from a change to its
/// call, in milliseconds, and whether what was built last is what the site is.
pub fn fared(history: &History, calls: &[(u64, u64)]) -> (u64, bool) {
    let mut built = history[0].1;
    let mut since = None;
    let mut longest = 0;
    let mut changes = history[1..].iter().peekable();
    for &(at, content) in calls.iter().chain([&(u64::MAX, 0)]) {
        while let Some((changed, new)) = changes.next_if(|(changed, _)| *changed <= at) {
            since = (*new != built).then(|| since.unwrap_or(*changed));
        }
        if at == u64::MAX {
            break;
        }
        longest = longest.max(since.map_or(0, |since| at - since));
        built = content;
        // What came after the content that was called for, up to now, waits on.
        let seen = history.partition_point(|(changed, _)| *changed <= at);
        let was = history[..seen].iter().rposition(|(_, old)| *old == content);
        let was = was.expect("only what was there is called for");
        since = history[..seen].get(was + 1).map(|(changed, _)| *changed);
    }
    (longest, since.is_some())
}
