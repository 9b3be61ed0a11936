//! What can be asked for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::arguments::Given;
use super::{time, values};
use crate::chat::verbs::Verb;
use crate::model::{PostId, SiteName};

/// What somebody asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Where everything starts.
    Home,
    /// What can be said, or one verb of it.
    Help {
        /// Only this one.
        verb: Option<&'static Verb>,
    },
    /// To write a post.
    New {
        /// For this site.
        site: Option<SiteArg>,
    },
    /// A list of posts.
    List {
        /// Of this site.
        site: Option<SiteArg>,
        /// Which of them.
        which: Which,
    },
    /// To change a post.
    Edit {
        /// Which.
        post: PostId,
    },
    /// To take a post away.
    Delete {
        /// Which.
        post: PostId,
    },
    /// Where a site is, and what it has.
    Info {
        /// Which; `None`: the only one, or all.
        site: Option<SiteArg>,
    },
    /// How a site is, or all.
    Status {
        /// Which.
        site: Option<SiteArg>,
    },
    /// All sites.
    Sites,
    /// What would be built.
    Plan {
        /// Only of this site.
        site: Option<SiteArg>,
    },
    /// A build whatever the content.
    Rebuild {
        /// Of this site.
        site: SiteArg,
        /// Without the builder's cache.
        clear_cache: bool,
    },
    /// That nothing new starts.
    Pause {
        /// For this site.
        site: SiteArg,
        /// For so long; `None`: until it is resumed.
        duration: Option<Duration>,
        /// Why.
        because: Option<String>,
    },
    /// That a site goes on.
    Resume {
        /// Which.
        site: SiteArg,
    },
    /// What was built.
    History {
        /// Of this site.
        site: SiteArg,
    },
    /// A new site.
    SiteAdd {
        /// Its name.
        name: SiteName,
        /// What people call it.
        title: Option<String>,
        /// Where it is published.
        url: Option<String>,
        /// The environment variable with the address of its build hook.
        hook: Option<String>,
    },
    /// The end of a site that was made in chat.
    SiteRemove {
        /// Which.
        site: SiteArg,
    },
    /// The sites that were made in chat, as TOML.
    Export,
    /// Posts of what is written in a channel.
    Follow {
        /// Which.
        channel: ChannelArg,
        /// Into this site.
        site: Option<SiteArg>,
    },
    /// No more posts of a channel.
    Unfollow {
        /// Which.
        channel: ChannelArg,
    },
}

/// How somebody names a site.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SiteArg {
    /// By its name.
    Name(SiteName),
    /// By its address, or the host of it.
    Address(String),
}

/// A channel as chat platforms name it to programs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelArg {
    /// The platform's id of it.
    pub id: String,
    /// Its name, where it can be shown.
    pub name: Option<String>,
}

/// Which posts of a site are listed, of those that whoever asks may see.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// Every one.
    #[default]
    All,
    /// Those that are not published.
    Drafts,
    /// Those of the person who asks.
    Mine,
    /// Both at once.
    MyDrafts,
}

impl Which {
    /// Those that are not published, of those of the person who asks.
    pub fn of(drafts: bool, mine: bool) -> Self {
        match (drafts, mine) {
            (false, false) => Self::All,
            (true, false) => Self::Drafts,
            (false, true) => Self::Mine,
            (true, true) => Self::MyDrafts,
        }
    }

    /// Only what is not published.
    pub fn is_drafts(self) -> bool {
        matches!(self, Self::Drafts | Self::MyDrafts)
    }

    /// Only what the person who asks wrote.
    pub fn is_mine(self) -> bool {
        matches!(self, Self::Mine | Self::MyDrafts)
    }
}

/// What a verb asks for with these arguments.
///
/// # Errors
///
/// A text about the argument that cannot be what it is to be.
pub fn request(verb: &Verb, given: &Given) -> Result<Request, String> {
    let site = || given.get("site").map(values::site).transpose();
    let the_site = || site()?.ok_or_else(|| "For which site?".to_owned());
    let post = || values::post(given.get("id").unwrap_or_default());
    let channel = || values::channel(given.get("channel").unwrap_or_default());
    let text = |name| given.get(name).map(|text| text.trim().to_owned());
    Ok(match verb.name {
        "new" => Request::New { site: site()? },
        "list" => Request::List {
            site: site()?,
            which: given.get("which").map(values::which).unwrap_or_default(),
        },
        "edit" => Request::Edit { post: post()? },
        "delete" => Request::Delete { post: post()? },
        "info" => Request::Info { site: site()? },
        "status" => Request::Status { site: site()? },
        "sites" => Request::Sites,
        "plan" => Request::Plan { site: site()? },
        "rebuild" => Request::Rebuild {
            site: the_site()?,
            clear_cache: given.get("clear-cache").is_some(),
        },
        "pause" => Request::Pause {
            site: the_site()?,
            duration: given.get("for").map(time::duration).transpose()?,
            because: text("because"),
        },
        "resume" => Request::Resume { site: the_site()? },
        "history" => Request::History { site: the_site()? },
        "site add" => Request::SiteAdd {
            name: values::name(given.get("name").unwrap_or_default())?,
            title: given.get("title").map(values::title).transpose()?,
            url: given.get("url").map(values::url).transpose()?,
            hook: given.get("hook").map(values::hook).transpose()?,
        },
        "site remove" => Request::SiteRemove { site: the_site()? },
        "follow" => Request::Follow {
            channel: channel()?,
            site: site()?,
        },
        "unfollow" => Request::Unfollow {
            channel: channel()?,
        },
        "export" => Request::Export,
        _ => Request::Help { verb: None },
    })
}
