use super::args::{Edit, New};
use super::{Context, Failure};
use crate::model::{Post, PostChange, PostDraft, PostId, PostState, Publish, SiteName};
use crate::store::PostFilter;

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
            (true, _) => Publish::Draft,
            (false, Some(at)) => Publish::At(at),
            (false, None) => Publish::Now,
        },
    };
    let post = store.new_post(&site.id, &site.name, &draft, &by).await?;
    tell(context, &post, options.json, "wrote");
    Ok(())
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
            (true, _, _) => Some(Publish::Draft),
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
    tell(context, &post, options.json, "changed");
    Ok(())
}

pub(super) async fn delete(context: &Context, id: &PostId, json: bool) -> Result<(), Failure> {
    let store = context.store().await?;
    let post = store
        .delete_post(id, &context.actor())
        .await?
        .ok_or_else(|| missing(id))?;
    tell(context, &post, json, "deleted");
    Ok(())
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
        let date = post.publish_at.unwrap_or(post.updated_at).rfc3339();
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

fn tell(context: &Context, post: &Post, json: bool, verb: &str) {
    if json {
        context.out.json(post);
        return;
    }
    let when = match (post.state, post.publish_at) {
        (PostState::Draft, _) => "a draft, seen by nobody else".to_owned(),
        (PostState::Scheduled, Some(at)) => format!("to be published at {at}"),
        (PostState::Deleted, _) => "gone from the site with its next build".to_owned(),
        _ => "on the site with its next build".to_owned(),
    };
    context.out.data(&format!(
        "{} {verb} “{}”: {when}\n",
        post.id, post.revision.title
    ));
}

fn missing(id: &PostId) -> Failure {
    Failure::Usage(format!(
        "there is no post {id}, or it is deleted; `microblot list` shows the posts"
    ))
}
