//! Every verb with its arguments: the one definition that chat, the command line and the help
//! are made of.

/// A word that starts a command.
#[derive(Debug, PartialEq, Eq)]
pub struct Verb {
    /// As people type it; two words where the second says what is done with the first.
    pub name: &'static str,
    /// Other words for it, in chat.
    pub aliases: &'static [&'static str],
    /// One line.
    pub summary: &'static str,
    /// Behind the name of the program, or `/microblot`.
    pub example: &'static str,
    /// In the order in which they stand.
    pub arguments: &'static [Argument],
    /// What it is for.
    pub kind: Kind,
    /// Where it is known.
    pub place: Place,
}

/// What a verb is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Posts.
    Writing,
    /// Looking at sites.
    Looking,
    /// Changing how sites run.
    Running,
    /// Making and removing sites, and what goes into them.
    Managing,
}

/// Where something is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In chat.
    Chat,
    /// On the command line.
    CommandLine,
    /// In both.
    Both,
}

/// An argument of a verb.
#[derive(Debug, PartialEq, Eq)]
pub struct Argument {
    /// What it is called; on the command line, and for those who write dashes in chat, `--name`
    /// where it is [`named`](Shape::is_named).
    pub name: &'static str,
    /// How it is written.
    pub shape: Shape,
    /// Whether the verb makes no sense without it.
    pub required: bool,
    /// One line, for the command line.
    pub help: &'static str,
    /// Where it is known.
    pub place: Place,
}

/// How an argument is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A word in its place: a site.
    Site,
    /// A word in its place: a post's id.
    Post,
    /// A word in its place: a channel.
    Channel,
    /// A word in its place: a name for something new.
    Name,
    /// Words in any place: `drafts`, `mine`, or both.
    Which,
    /// Words in their place, up to the end.
    Words,
    /// Behind its name: a word or a quoted text, shown in the help like this.
    Value(&'static str),
    /// Behind its name: a length of time, in one word or several.
    Time,
    /// Behind its name: everything up to the end, shown in the help like this.
    Rest(&'static str),
    /// Its name alone.
    Flag,
    /// Behind its name: a number, its default and the most that it can be.
    Count {
        /// Where it is not given.
        usual: u32,
        /// At most.
        most: u32,
    },
}

impl Shape {
    /// Whether it stands behind its name, and not in its place.
    pub fn is_named(self) -> bool {
        matches!(
            self,
            Self::Value(_) | Self::Time | Self::Rest(_) | Self::Flag | Self::Count { .. }
        )
    }
}

impl Place {
    /// In chat.
    pub fn is_chat(self) -> bool {
        self != Self::CommandLine
    }

    /// On the command line.
    pub fn is_command_line(self) -> bool {
        self != Self::Chat
    }
}

const fn argument(name: &'static str, shape: Shape, help: &'static str) -> Argument {
    Argument {
        name,
        shape,
        required: false,
        help,
        place: Place::Both,
    }
}

const fn required(name: &'static str, shape: Shape, help: &'static str) -> Argument {
    Argument {
        required: true,
        ..argument(name, shape, help)
    }
}

const fn command_line(name: &'static str, shape: Shape, help: &'static str) -> Argument {
    Argument {
        place: Place::CommandLine,
        ..argument(name, shape, help)
    }
}

const fn chat(argument: Argument) -> Argument {
    Argument {
        place: Place::Chat,
        ..argument
    }
}

const SITE: Argument = required("site", Shape::Site, "Which site");
const MAYBE_SITE: Argument = argument("site", Shape::Site, "Only this site");
const POST: Argument = required("id", Shape::Post, "Which post");
const CHANNEL: Argument = required("channel", Shape::Channel, "Which channel");
const JSON: Argument = command_line("json", Shape::Flag, "As JSON");

const fn verb(name: &'static str, kind: Kind, place: Place, summary: &'static str) -> Verb {
    Verb {
        name,
        aliases: &[],
        summary,
        example: name,
        arguments: &[],
        kind,
        place,
    }
}

/// All verbs, in the order in which the help shows them.
pub static VERBS: &[Verb] = &[
    Verb {
        example: "new garden",
        arguments: &[argument("site", Shape::Site, "For which site")],
        aliases: &["write", "post"],
        ..verb("new", Kind::Writing, Place::Chat, "Write a post")
    },
    Verb {
        example: "list garden",
        arguments: &[
            MAYBE_SITE,
            chat(argument("which", Shape::Which, "Which of them")),
            command_line(
                "limit",
                Shape::Count {
                    usual: 50,
                    most: 10_000,
                },
                "At most this many",
            ),
            JSON,
        ],
        aliases: &["posts", "ls"],
        ..verb(
            "list",
            Kind::Writing,
            Place::Both,
            "List posts, the newest first",
        )
    },
    Verb {
        example: "edit 4k9x2mzq7c",
        arguments: &[POST],
        aliases: &["change"],
        ..verb("edit", Kind::Writing, Place::Chat, "Change a post")
    },
    Verb {
        example: "delete 4k9x2mzq7c",
        arguments: &[POST, JSON],
        aliases: &["rm"],
        ..verb(
            "delete",
            Kind::Writing,
            Place::Both,
            "Take a post off its site; its history is kept",
        )
    },
    Verb {
        example: "info garden",
        arguments: &[MAYBE_SITE],
        aliases: &["about"],
        ..verb(
            "info",
            Kind::Writing,
            Place::Chat,
            "Show where a site is, its feeds and how many posts it has",
        )
    },
    Verb {
        example: "status www",
        arguments: &[
            argument("site", Shape::Site, "Only this site, in detail"),
            JSON,
        ],
        ..verb(
            "status",
            Kind::Looking,
            Place::Both,
            "Show how every site stands, or one site in detail",
        )
    },
    Verb {
        ..verb("sites", Kind::Looking, Place::Chat, "List the sites")
    },
    Verb {
        example: "plan www",
        arguments: &[MAYBE_SITE],
        ..verb(
            "plan",
            Kind::Looking,
            Place::Chat,
            "Show what would be built, and why",
        )
    },
    Verb {
        example: "history www",
        arguments: &[
            required("site", Shape::Site, "Of which site"),
            command_line(
                "limit",
                Shape::Count {
                    usual: 20,
                    most: 1_000,
                },
                "At most this many builds",
            ),
            JSON,
        ],
        aliases: &["builds"],
        ..verb(
            "history",
            Kind::Looking,
            Place::Both,
            "Show what was built, why and when",
        )
    },
    Verb {
        example: "rebuild www --clear-cache",
        arguments: &[
            SITE,
            argument("clear-cache", Shape::Flag, "Without the builder's cache"),
        ],
        aliases: &["build"],
        ..verb(
            "rebuild",
            Kind::Running,
            Place::Both,
            "Ask for a build of a site whatever its content",
        )
    },
    Verb {
        example: "pause www --for 2h --because 'launch freeze'",
        arguments: &[
            SITE,
            argument(
                "for",
                Shape::Time,
                "For how long, as in 30m, 2h or 3d, up to 365d [default: until it is resumed]",
            ),
            argument("because", Shape::Rest("TEXT"), "Why"),
        ],
        aliases: &["hold"],
        ..verb(
            "pause",
            Kind::Running,
            Place::Both,
            "Let nothing new start for a site",
        )
    },
    Verb {
        example: "resume www",
        arguments: &[SITE],
        aliases: &["unpause"],
        ..verb(
            "resume",
            Kind::Running,
            Place::Both,
            "End a pause, or try a stalled or failed site again",
        )
    },
    Verb {
        example: "site add garden title \"The Garden\"",
        arguments: &[
            required("name", Shape::Name, "Its name"),
            argument("title", Shape::Value("TITLE"), "What people call it"),
            argument("url", Shape::Value("URL"), "Where it is published"),
            argument(
                "hook",
                Shape::Value("NETLIFY_HOOK_NAME"),
                "The environment variable with its build hook",
            ),
        ],
        ..verb("site add", Kind::Managing, Place::Chat, "Make a site")
    },
    Verb {
        example: "site remove garden",
        arguments: &[SITE],
        aliases: &["site rm", "site delete"],
        ..verb(
            "site remove",
            Kind::Managing,
            Place::Chat,
            "Remove a site that was made in chat; its posts are kept",
        )
    },
    Verb {
        example: "follow #news garden",
        arguments: &[CHANNEL, argument("site", Shape::Site, "Into which site")],
        ..verb(
            "follow",
            Kind::Managing,
            Place::Chat,
            "Make posts of what is written in a channel",
        )
    },
    Verb {
        example: "unfollow #news",
        arguments: &[CHANNEL],
        ..verb(
            "unfollow",
            Kind::Managing,
            Place::Chat,
            "Stop making posts of a channel",
        )
    },
    Verb {
        arguments: &[JSON],
        ..verb(
            "export",
            Kind::Managing,
            Place::Both,
            "Print the sites that were made in chat as TOML for sites.toml",
        )
    },
    Verb {
        example: "help pause",
        arguments: &[argument("command", Shape::Words, "About which command")],
        ..verb("help", Kind::Looking, Place::Chat, "Show what you can do")
    },
];

impl Verb {
    /// The verb of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        VERBS
            .iter()
            .find(|verb| verb.name == name || verb.aliases.contains(&name))
    }

    /// How it is written in chat, as in `pause SITE [for TIME] [because TEXT]`.
    pub fn usage(&self) -> String {
        let mut usage = self.name.to_owned();
        for argument in self.arguments.iter().filter(|one| one.place.is_chat()) {
            let written = match argument.shape {
                Shape::Which => "drafts] [mine".to_owned(),
                Shape::Flag => format!("--{}", argument.name),
                Shape::Time => format!("{} TIME", argument.name),
                Shape::Value(shown) | Shape::Rest(shown) => format!("{} {shown}", argument.name),
                Shape::Count { .. } => format!("{} N", argument.name),
                Shape::Channel => "#channel".to_owned(),
                Shape::Site | Shape::Post | Shape::Name | Shape::Words => {
                    argument.name.to_ascii_uppercase()
                }
            };
            usage.push(' ');
            match argument.required {
                true => usage.push_str(&written),
                false => usage.push_str(&format!("[{written}]")),
            }
        }
        usage
    }
}
