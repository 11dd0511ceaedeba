//! `LdapUserConfig`: attributes of the one entry of a directory that belongs to a user become fields of the session.

use std::sync::Arc;

use policy_store::{Entry, Filter, StoreError};

use crate::{
    chain::plugin::{Plugin, PluginError, Step},
    chain::{Call, answer},
    config::Section,
    connection::DirectoryHandle,
};

#[derive(Debug)]
struct LdapUserConfig {
    name: Arc<str>,
    directory: DirectoryHandle,
    base: String,
    filter: Option<Filter>,
    filter_field: String,
    fields: Vec<String>,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    _ = section.required("config_fields");
    Box::new(LdapUserConfig {
        name: section.name(),
        directory: section.directory("ldap", "ldap"),
        base: section.text_or("basedn", ""),
        filter: filter(section, "filter"),
        filter_field: section.text_or("filter_field", "sasl_username"),
        fields: section.list("config_fields"),
    })
}

/// A filter with `%s` in the place of the value. Another `%` is one.
pub(super) fn filter(section: &mut Section<'_>, key: &str) -> Option<Filter> {
    let text = section.required(key);
    if text.is_empty() {
        return None;
    }
    if !text.contains("%s") {
        section.warning(key, format!("`{key}` has no `%s`: it is the same for all"));
    }
    let parts: Vec<_> = text
        .split("%s")
        .map(|part| part.replace('%', "%%"))
        .collect();
    match parts.join("%s").parse() {
        Ok(filter) => Some(filter),
        Err(error) => {
            section.error(key, format!("`{key}` is no filter of LDAP: {error}"));
            None
        }
    }
}

/// The only entry; `None` if there are none or several.
pub(super) async fn only_entry(
    directory: &DirectoryHandle,
    base: &str,
    filter: &str,
    attributes: &[&str],
) -> Result<Result<Entry, usize>, StoreError> {
    let mut entries = directory.get()?.search(base, filter, attributes).await?;
    let count = entries.len();
    Ok(entries.pop().filter(|_| count == 1).ok_or(count))
}

impl LdapUserConfig {
    async fn entry(&self, filter: &str, call: &mut Call<'_>) -> Result<Option<Entry>, PluginError> {
        call.note(|| format!("ldap filter is: {filter}"));
        let attributes: Vec<_> = self.fields.iter().map(String::as_str).collect();
        match only_entry(&self.directory, &self.base, filter, &attributes).await {
            Ok(Ok(entry)) => {
                call.note(|| format!("found in ldap: {}", entry.dn));
                Ok(Some(entry))
            }
            Ok(Err(count)) => {
                call.note(|| format!("ldap search return {count} entries"));
                Ok(None)
            }
            Err(error) if error.is_outage() => Err(self.directory.failed(error)),
            // A place that is not there, or one that may not be read.
            Err(error) => {
                let (name, field) = (&self.name, &self.filter_field);
                let user = call.text(field).unwrap_or_default();
                call.warn(&format!(
                    "plugin {name}: ldap search failed for {field}={user}: {error}"
                ));
                Ok(None)
            }
        }
    }
}

impl Plugin for LdapUserConfig {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        let field = &self.filter_field;
        let value = call.attribute(field).filter(|value| !value.is_empty());
        let (Some(value), Some(filter)) = (value, &self.filter) else {
            call.note(|| {
                format!("filter_field({field}) is not defined in request. skipping ldap search.")
            });
            return answer(None);
        };
        let filter = filter.with(value);
        Step::later(async move {
            let Some(entry) = self.entry(&filter, call).await? else {
                return Ok(None);
            };
            for field in &self.fields {
                let value = entry.values(field).first();
                match value.filter(|value| !value.is_empty()) {
                    Some(value) => {
                        let value = String::from_utf8_lossy(value).into_owned();
                        call.note(|| format!("retrieved ldap attribute: {field}={value}"));
                        call.session_mut().set(field, value);
                    }
                    None => call.note(|| format!("LDAP attribute {field} is empty. skipping.")),
                }
            }
            Ok(None)
        })
    }
}
