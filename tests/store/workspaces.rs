use std::time::Duration;

use microblot::model::{Millis, Outcome, Publish, SlackSite, Spec, TellTo};
use microblot::store::{Came, Followed, Installed, NewSite, PersonRow, Presence, Store};

use crate::fixture::{Db, ann, build, declare, draft, everything, name, row, spec, with_foo};

on_both!(
    a_workspace_comes_with_a_site,
    what_is_so_is_not_written_again,
    a_workspace_goes_with_what_is_its,
    two_installations_at_once,
    the_first_name_that_is_nobody_elses,
    a_site_that_chat_made_is_removed,
);

fn installed(id: &str) -> Installed {
    Installed {
        id: id.to_owned(),
        name: format!("The {id}\0"),
        bot_user: "U0BOT".to_owned(),
        token: Some("sealed".to_owned()),
    }
}

fn of_workspace(site: &str, workspace: &str) -> NewSite {
    let slack: SlackSite =
        serde_json::from_value(serde_json::json!({ "workspace": workspace, "channels": [] }))
            .unwrap();
    NewSite {
        name: name(site),
        spec: Spec {
            slack: Some(slack),
            ..spec(site)
        },
    }
}

async fn install(store: &Store, id: &str, site: &NewSite) -> bool {
    let came = store
        .install_workspace(&installed(id), std::slice::from_ref(site), &ann())
        .await;
    matches!(came.unwrap(), Came::New { .. })
}

async fn presence(store: &Store, site: &str) -> Presence {
    row(store, site).await.presence
}

async fn a_workspace_comes_with_a_site(db: Db) {
    let store = db.open().await;
    assert!(store.workspaces().await.unwrap().is_empty());
    let site = of_workspace("acme", "T1");
    assert!(install(&store, "T1", &site).await);
    let workspace = store.workspaces().await.unwrap().remove(0);
    assert_eq!(
        (workspace.id.as_str(), workspace.name.as_str()),
        ("T1", "The T1")
    );
    assert_eq!(workspace.token.as_deref(), Some("sealed"));
    assert_eq!(
        (workspace.bot_user.as_str(), workspace.removed_at),
        ("U0BOT", None)
    );
    assert_eq!(presence(&store, "acme").await, Presence::Declared);
    let line = store.audit(1).await.unwrap().remove(0);
    assert_eq!(
        (line.action.as_str(), line.site.as_deref()),
        ("install", Some("acme"))
    );
    // The name is taken: whosever it is, it is left alone.
    let taken = of_workspace("acme", "T2");
    assert!(!install(&store, "T2", &taken).await);
    assert_eq!(store.workspaces().await.unwrap().len(), 2);
    assert!(row(&store, "acme").await.spec.contains("T1"));
}

async fn what_is_so_is_not_written_again(db: Db) {
    let store = db.open().await;
    for token in [None, Some("a"), Some("b"), None] {
        let installed = Installed {
            name: "Acme".to_owned(),
            token: token.map(str::to_owned),
            ..installed("T1")
        };
        for _ in 0..2 {
            store
                .install_workspace(&installed, &[], &ann())
                .await
                .unwrap();
        }
        let workspace = store.workspaces().await.unwrap().remove(0);
        assert_eq!(workspace.token.as_deref(), token);
    }
    assert_eq!(
        store.audit(99).await.unwrap().len(),
        4,
        "a line for each change"
    );
}

async fn a_workspace_goes_with_what_is_its(db: Db) {
    let store = db.open().await;
    let foo = declare(&store, &["foo"]).await.remove(0);
    assert!(
        !store
            .remove_workspace("T1", Millis(i64::MAX), &ann())
            .await
            .unwrap()
    );
    for (id, site) in [("T1", "one"), ("T2", "two")] {
        let site = of_workspace(site, id);
        store
            .install_workspace(&installed(id), &[site], &ann())
            .await
            .unwrap();
        let person = PersonRow {
            workspace: id.to_owned(),
            id: "U1".to_owned(),
            name: "Ann".to_owned(),
            picture: None,
            admin: true,
            fetched_at: everything(&store).await.now,
        };
        store.keep_people(&[person]).await.unwrap();
        let followed = store.follow(id, "C1", &foo.id, &foo.name, &ann()).await;
        assert_eq!(followed.unwrap(), Followed::New);
        assert!(store.receive(&format!("Ev{id}"), id, "{}").await.unwrap());
        let tell = TellTo {
            workspace: id.to_owned(),
            conversation: "U1".to_owned(),
            response_url: None,
        };
        let text = draft("Hello", Publish::Now);
        let by = ann().with_tell(tell);
        store
            .new_post(&foo.id, &foo.name, &text, &by)
            .await
            .unwrap();
    }
    build(&store, "one", 1, Outcome::Live).await;
    assert!(
        store
            .remove_workspace("T1", Millis(i64::MAX), &ann())
            .await
            .unwrap()
    );
    assert!(
        !store
            .remove_workspace("T1", Millis(i64::MAX), &ann())
            .await
            .unwrap()
    );

    let gone = store.workspaces().await.unwrap().remove(0);
    assert!(
        gone.removed_at.is_some() && gone.token.is_none(),
        "{gone:?}"
    );
    assert_eq!(presence(&store, "one").await, Presence::Removed);
    assert_eq!(presence(&store, "two").await, Presence::Declared);
    assert_eq!(presence(&store, "foo").await, Presence::Declared);
    assert!(store.person("T1", "U1").await.unwrap().is_none());
    assert!(store.person("T2", "U1").await.unwrap().is_some());
    let left = |all: Vec<String>| assert_eq!(all, ["T2"]);
    let channels = store.channels(None).await.unwrap();
    left(channels.into_iter().map(|c| c.workspace).collect());
    let events = store.inbox(9).await.unwrap();
    left(events.into_iter().map(|e| e.workspace).collect());
    let tellings = store.due_tellings(9).await.unwrap();
    left(tellings.into_iter().map(|t| t.workspace).collect());
    assert_eq!(store.posts(&Default::default(), 9).await.unwrap().len(), 2);
    let actions = store.audit(2).await.unwrap();
    let mut actions: Vec<&str> = actions.iter().map(|line| line.action.as_str()).collect();
    actions.sort_unstable();
    assert_eq!(actions, ["site remove", "uninstall"]);

    // It comes back, and so does its site once it was forgotten.
    let one = row(&store, "one").await;
    store
        .forget(&[(one.id.clone(), one.name.clone())])
        .await
        .unwrap();
    let site = of_workspace("one", "T1");
    assert!(install(&store, "T1", &site).await);
    assert_eq!(row(&store, "one").await.id, one.id);
    let back = store.workspaces().await.unwrap().remove(0);
    assert_eq!(back.removed_at, None);
    // What happened before is not about this installation, however late it is heard of.
    let before = back.installed_at.minus(Duration::from_secs(1));
    assert!(!store.remove_workspace("T1", before, &ann()).await.unwrap());
    assert_eq!(presence(&store, "one").await, Presence::Declared);
    // Slack tells the second in which it happened.
    let same = Millis(back.installed_at.0.div_euclid(1000) * 1000);
    assert!(store.remove_workspace("T1", same, &ann()).await.unwrap());
}

async fn two_installations_at_once(db: Db) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let store = db.open().await;
        tasks.spawn(async move {
            let sites = ["acme", "acme-2"].map(|site| of_workspace(site, "T1"));
            store
                .install_workspace(&installed("T1"), &sites, &ann())
                .await
                .unwrap()
        });
    }
    // All of them have the same one.
    let came = tasks.join_all().await;
    let is_new = |came: &&Came| matches!(came, Came::New { site, .. } if site.as_str() == "acme");
    assert_eq!(came.iter().filter(is_new).count(), 1, "{came:?}");
    let is_old =
        |came: &&Came| matches!(came, Came::Before { site, .. } if site.as_str() == "acme");
    assert_eq!(came.iter().filter(is_old).count(), 5, "{came:?}");
}

async fn the_first_name_that_is_nobody_elses(db: Db) {
    let store = db.open().await;
    let came = async |workspace: &str, names: &[&str]| {
        let sites: Vec<_> = names.iter().map(|n| of_workspace(n, workspace)).collect();
        let came = store
            .install_workspace(&installed(workspace), &sites, &ann())
            .await;
        match came.unwrap() {
            Came::New { site, .. } => format!("new {site}"),
            Came::Before { site, url } => format!("{site} at {url}"),
            Came::Nothing => "nothing".to_owned(),
        }
    };
    assert!(
        store
            .add_site(&of_workspace("acme", "T2"), &ann())
            .await
            .unwrap()
    );
    declare(&store, &["acme-2"]).await;
    let names = ["acme", "acme-2", "acme-3", "acme-4"];
    assert_eq!(came("T1", &names[..2]).await, "nothing");
    assert_eq!(came("T1", &names).await, "new acme-3");
    let again = "acme-3 at https://acme-3.example.org";
    assert_eq!(came("T1", &names).await, again);
    // Also when a better one is free, and after it was away for a while.
    let better = ["acme-0", "acme-3"];
    assert_eq!(came("T1", &better).await, again);
    let site = row(&store, "acme-3").await;
    assert!(
        store
            .remove_workspace("T1", Millis(i64::MAX), &ann())
            .await
            .unwrap()
    );
    assert_eq!(
        came("T1", &better).await,
        "nothing",
        "it is being forgotten"
    );
    store.forget(&[(site.id, site.name)]).await.unwrap();
    assert_eq!(came("T1", &better).await, "new acme-3");
}

async fn a_site_that_chat_made_is_removed(db: Db) {
    let (store, foo) = with_foo(&db).await;
    assert!(!store.remove_site(&foo.id, &foo.name, &ann()).await.unwrap());
    assert!(!store.remove_site("none", &foo.name, &ann()).await.unwrap());
    let new = of_workspace("chatty", "T1");
    assert!(store.add_site(&new, &ann()).await.unwrap());
    let site = row(&store, "chatty").await;
    assert!(
        store
            .remove_site(&site.id, &site.name, &ann())
            .await
            .unwrap()
    );
    assert!(
        !store
            .remove_site(&site.id, &site.name, &ann())
            .await
            .unwrap()
    );
    assert_eq!(presence(&store, "chatty").await, Presence::Removed);
    assert_eq!(presence(&store, "foo").await, Presence::Declared);
    let line = store.audit(1).await.unwrap().remove(0);
    assert_eq!(
        (line.action.as_str(), line.site.as_deref()),
        ("site remove", Some("chatty"))
    );
}
