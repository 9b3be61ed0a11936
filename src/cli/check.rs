use super::{Context, Failure};
use crate::config::{self, ReadError};

/// Every error of `sites.toml`, offline. Globs that match nothing are told, and are no error.
pub(super) async fn check(context: &Context, json: bool) -> Result<(), Failure> {
    let file = &context.global.config;
    match config::read(file) {
        Ok(config) => {
            if json {
                context.out.json(&serde_json::json!({
                    "format": 1, "file": file, "sites": config.sites.len(),
                    "errors": [], "warnings": config.warnings.iter().collect::<Vec<_>>(),
                }));
                return Ok(());
            }
            if !config.warnings.is_empty() {
                context.out.diagnostics(&config.warnings);
            }
            let gathered = context.workspace().gather().await?;
            for (site, globs) in &gathered.unmatched {
                context.out.note(&format!(
                    "warning: {site}: no file matches {}",
                    globs.join(", ")
                ));
            }
            for (site, problem) in &gathered.files {
                if let Err(problem) = problem {
                    context.out.note(&format!("warning: {site}: {problem}"));
                }
            }
            context.out.data(&format!(
                "{} is fine: {} declared.\n",
                super::tidy(file.clone()).display(),
                super::status::sites(config.sites.len())
            ));
            Ok(())
        }
        Err(ReadError::Invalid(diagnostics)) if json => {
            let mut told = serde_json::json!({
                "format": 1, "file": file,
                "errors": diagnostics.iter().collect::<Vec<_>>(), "more": diagnostics.more(),
            });
            if let Some(line) = diagnostics.unread() {
                told["unread_from"] = line.into();
            }
            context.out.json(&told);
            Err(Failure::Told)
        }
        Err(error) => Err(error.into()),
    }
}
