//! A table of Postfix that a parameter names: checked at the start, read when it is first needed, and again when it changes.

use std::{path::Path, sync::Arc};

use policy_store::{Map, MapError, MapFile, MapKind};
use tokio::sync::OnceCell;

use crate::{
    chain::plugin::PluginError,
    config::{Section, Use},
};

/// A table of Postfix.
#[derive(Clone, Debug)]
pub(super) struct MapHandle {
    kind: MapKind,
    path: String,
    file: Arc<OnceCell<MapFile>>,
}

impl MapHandle {
    /// The table `TYPE:FILE`, or `FILE` of a type.
    pub(super) fn new(section: &mut Section<'_>, key: &str, name: &str, default: MapKind) -> Self {
        let (kind, path) = match name.split_once(':') {
            Some((kind, path)) if !kind.contains('/') => {
                let kind = kind.parse().unwrap_or_else(|error| {
                    section.error(key, format!("`{key}`: {error}"));
                    default
                });
                (kind, path)
            }
            _ => (default, name),
        };
        let handle = Self {
            kind,
            path: path.to_owned(),
            file: Arc::default(),
        };
        if let Err(error) = Map::open(kind, path) {
            // The file may come later: the daemon starts. It is named with the suffix that the path lacks.
            let file = kind.file(Path::new(path));
            let text = format!("`{key}`: {}: {}", file.display(), full_text(&error));
            section.skipped(key, text);
        } else {
            section.opens(key, kind.file(Path::new(path)), Use::Read);
        }
        handle
    }

    /// The table as it is now.
    pub(super) async fn get(&self) -> Result<Arc<Map>, PluginError> {
        let open = || MapFile::open(self.kind, &self.path);
        let file = self.file.get_or_try_init(open).await;
        let file = file.map_err(|error| {
            let file = self.kind.file(Path::new(&self.path));
            PluginError::Other(format!(
                "Cannot open {}: {}",
                file.display(),
                full_text(&error)
            ))
        })?;
        Ok(file.map())
    }

    /// Whether it has keys that are looked up one by one, and no networks.
    pub(super) fn has_keys(&self) -> bool {
        matches!(self.kind, MapKind::Hash | MapKind::Cdb | MapKind::Texthash)
    }
}

fn full_text(error: &MapError) -> String {
    if let MapError::Read(source) = error {
        return source.to_string();
    }
    error.to_string()
}
