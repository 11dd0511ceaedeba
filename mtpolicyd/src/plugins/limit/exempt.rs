//! The exemptions from a limit: the parameters `exempt` and `exempt_file`.

use policy_store::MapKind;

use super::{Members, Subject};
use crate::{
    chain::Call, chain::plugin::PluginError, config::Section, plugins::map_handle::MapHandle,
};

/// Who is never limited.
#[derive(Debug)]
pub(super) struct Exempt {
    members: Members,
    file: Option<MapHandle>,
}

impl Exempt {
    pub(super) fn new(section: &mut Section<'_>) -> Self {
        let file = section.text("exempt_file");
        Self {
            members: Members::new(&section.list("exempt")),
            file: file.map(|name| MapHandle::new(section, "exempt_file", &name, MapKind::Texthash)),
        }
    }

    /// Whether the subject or the client is in the list, or in the file, with any value.
    pub(super) async fn contains(
        &self,
        subject: &Subject,
        call: &Call<'_>,
    ) -> Result<bool, PluginError> {
        let client = call.text("client_address");
        let address = client.as_deref().and_then(|text| text.parse().ok());
        if self.members.contains(&subject.value, address) {
            return Ok(true);
        }
        let Some(file) = &self.file else {
            return Ok(false);
        };
        let map = file.get().await?;
        let names = [Some(&*subject.value), client.as_deref()];
        let mut names = names.into_iter().flatten();
        Ok(names.any(|name| map.get(name.as_bytes()).is_some()))
    }
}
