use std::io::Write as _;
use std::path::Path;

use super::{Context, Failure};

/// What `init` writes: name and content. The templates are files of their own, so that they are
/// read, tested and edited as what they are.
const FILES: [(&str, &str); 4] = [
    ("sites.toml", include_str!("init/sites.toml")),
    (".env.example", include_str!("init/env.example")),
    ("blog/hello.md", include_str!("init/hello.md")),
    ("slack-app.yaml", include_str!("../../slack-app.yaml")),
];

/// Starts an estate. Never replaces a file that is there.
pub(super) fn init(context: &Context, dir: &Path) -> Result<(), Failure> {
    let failed =
        |path: &Path, error| Failure::Io(format!("cannot write {}", path.display()), error);
    for (name, content) in FILES {
        let path = dir.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        }
        let shown = super::tidy(path.clone());
        match std::fs::File::create_new(&path) {
            Ok(mut file) => {
                file.write_all(content.as_bytes())
                    .map_err(|error| failed(&path, error))?;
                context.out.data(&format!("wrote {}\n", shown.display()));
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                context.out.data(&format!("kept {}\n", shown.display()));
            }
            Err(error) => return Err(failed(&path, error)),
        }
    }
    let config = super::tidy(dir.join("sites.toml"));
    context.out.hint(&format!(
        "`microblot reconcile --config {}` builds the example site",
        config.display()
    ));
    Ok(())
}
