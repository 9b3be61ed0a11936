use super::args::{Edit, New};
use super::{Context, Failure};
use crate::model::{Post, PostChange, PostDraft, PostId, PostState, PostsFrom, Publish, SiteName};
use crate::store::{PostFilter, Presence, Reader};

pub(super) async fn new(context: &Context, options: New) -> Result<(), Failure> {
    let body = match &options.file {
        Some(file) => super::read_markdown(file)?,
        None => String::new(),
    };
    let store = context.store().await?;
    let site = context.site(&store, &options.site).await?;
    let by = context.actor();
    let draft = PostDraft {
        title: options.title,
        body,
        category: options.category.filter(|category| !category.is_empty()),
        author: Some(by.name.clone()),
        publish: match (options.draft, options.publish_at) {
            (true, _) => Publish::Draft(None),
            (false, Some(at)) => Publish::At(at),
            (false, None) => Publish::Now,
        },
    };
    let post = store.new_post(&site.id, &site.name, &draft, &by).await?;
    tell(context, &store, &post, options.json, "wrote").await
}

pub(super) async fn edit(context: &Context, options: Edit) -> Result<(), Failure> {
    let change = PostChange {
        title: options.title,
        body: options
            .file
            .as_deref()
            .map(super::read_markdown)
            .transpose()?,
        category: options
            .category
            .map(|category| Some(category).filter(|category| !category.is_empty())),
        publish: match (options.draft, options.publish, options.publish_at) {
            (true, _, _) => Some(Publish::Draft(None)),
            (_, true, _) => Some(Publish::Now),
            (_, _, Some(at)) => Some(Publish::At(at)),
            _ => None,
        },
    };
    if change == PostChange::default() {
        return Err(Failure::Usage(
            "nothing to change: give --title, --file, --category, --draft, --publish or --publish-at"
                .to_owned(),
        ));
    }
    let store = context.store().await?;
    let post = store
        .edit_post(&options.id, &change, &context.actor())
        .await?
        .ok_or_else(|| missing(&options.id))?;
    tell(context, &store, &post, options.json, "changed").await
}

pub(super) async fn delete(context: &Context, id: &PostId, json: bool) -> Result<(), Failure> {
    let store = context.store().await?;
    let post = store
        .delete_post(id, &context.actor())
        .await?
        .ok_or_else(|| missing(id))?;
    tell(context, &store, &post, json, "deleted").await
}

pub(super) async fn list(
    context: &Context,
    site: Option<SiteName>,
    limit: u32,
    json: bool,
) -> Result<(), Failure> {
    let reader = match &site {
        Some(site) => Some(context.reader_for(site).await?),
        None => context.reader().await?,
    };
    if let (Some(site), Some(reader)) = (&site, &reader) {
        context.site(reader, site).await?;
    }
    let filter = PostFilter {
        site,
        ..PostFilter::default()
    };
    let posts = match &reader {
        Some(reader) => reader.posts(&filter, limit).await?,
        None => Vec::new(),
    };
    if json {
        context.out.json(&posts);
        return Ok(());
    }
    if posts.is_empty() {
        context
            .out
            .note("no posts yet; `microblot new SITE --title TITLE --file FILE` writes one");
    }
    let width = posts.iter().map(|post| post.site.len()).max().unwrap_or(0);
    for post in posts {
        let date = match post.state {
            PostState::Draft => post.updated_at,
            _ => post.publish_at.unwrap_or(post.updated_at),
        };
        let date = date.rfc3339();
        context.out.data(&format!(
            "{}  {:width$}  {:9}  {}  {}\n",
            post.id,
            post.site,
            post.state,
            date.get(..10).unwrap_or_default(),
            post.title
        ));
    }
    Ok(())
}

async fn tell(
    context: &Context,
    store: &Reader,
    post: &Post,
    json: bool,
    verb: &str,
) -> Result<(), Failure> {
    if json {
        context.out.json(post);
        return Ok(());
    }
    let when = match (post.state, post.publish_at) {
        (PostState::Draft, _) => "a draft, seen by nobody else".to_owned(),
        (PostState::Scheduled, Some(at)) => format!("to be published at {at}"),
        (PostState::Deleted, _) => format!("gone from {}", readers(store, &post.site).await?),
        _ => format!("on {}", readers(store, &post.site).await?),
    };
    context.out.data(&format!(
        "{} {verb} “{}”: {when}\n",
        post.id, post.revision.title
    ));
    Ok(())
}

/// Where readers see the posts of a site, and when.
async fn readers(store: &Reader, name: &SiteName) -> Result<String, Failure> {
    let site = store.site(name).await?;
    let site = site.filter(|site| site.presence == Presence::Declared);
    let posts = match site {
        Some(site) => Some(site.spec()?.posts),
        None => None,
    };
    Ok(match posts {
        None => format!("no site: {name} is not declared any more"),
        Some(PostsFrom::Own | PostsFrom::All) => "the site with its next build".to_owned(),
        Some(PostsFrom::Sites(names)) if names.contains(name) => {
            "the site with its next build".to_owned()
        }
        Some(PostsFrom::None | PostsFrom::Sites(_)) => format!(
            "the sites that show the posts of {name} with their next builds, and {name} itself does not"
        ),
    })
}

fn missing(id: &PostId) -> Failure {
    Failure::Usage(format!(
        "there is no post {id}, or it is deleted; `microblot list` shows the posts"
    ))
}
