//! `SqlUserConfig`: a row of JSON from a database becomes fields of the session.

use std::sync::Arc;

use policy_store::Value;
use serde_json::{Map, Value as Json};

use crate::{
    chain::plugin::{Plugin, PluginError, Step},
    chain::{Call, answer},
    config::Section,
    connection::SqlHandle,
};

#[derive(Debug)]
struct SqlUserConfig {
    name: Arc<str>,
    database: SqlHandle,
    query: String,
    field: String,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    Box::new(SqlUserConfig {
        name: section.name(),
        database: section.sql("db", "db"),
        query: section.text_or(
            "sql_query",
            "SELECT config FROM user_config WHERE address=?",
        ),
        field: section.text_or("field", "recipient"),
    })
}

impl SqlUserConfig {
    /// The object in the first column of the first row; `None` if there is no row.
    async fn fetch(&self, value: &[u8]) -> Result<Option<Map<String, Json>>, PluginError> {
        let failed = |error| self.database.failed(error);
        let database = self.database.get().await.map_err(failed)?;
        let rows = database
            .rows(&self.query, &[Value::from(value)])
            .await
            .map_err(failed)?;
        let Some(text) = rows
            .first()
            .and_then(|row| row.first())
            .and_then(Value::text)
        else {
            return Ok(None);
        };
        let parsed = serde_json::from_slice(&text);
        parsed
            .map(Some)
            .map_err(|error| PluginError::Other(format!("no JSON object: {error}")))
    }
}

impl Plugin for SqlUserConfig {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        let Some(value) = call
            .attribute(&self.field)
            .filter(|value| !value.trim_ascii().is_empty())
        else {
            return answer(None);
        };
        Step::later(async move {
            // As in the original a failure is no error: users have their defaults then.
            match self.fetch(value).await {
                Ok(Some(fields)) => {
                    call.note(|| format!("{}: {} fields", self.field, fields.len()));
                    for (name, value) in fields {
                        set(call, &name, value);
                    }
                }
                Ok(None) => call.note(|| format!("{}: no row", self.field)),
                Err(error) => {
                    let (name, field) = (&self.name, &self.field);
                    let user = String::from_utf8_lossy(value);
                    call.warn(&format!(
                        "plugin {name}: unable to retrieve user-config of {field}={user}: {error}"
                    ));
                }
            }
            Ok(None)
        })
    }
}

/// Lists and objects have no text that would mean anything here.
fn set(call: &mut Call<'_>, name: &str, value: Json) {
    let text = match value {
        Json::Null => return call.session_mut().remove(|field| field == name),
        Json::Bool(is_true) => u8::from(is_true).to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => text,
        Json::Array(_) | Json::Object(_) => return,
    };
    call.session_mut().set(name, text);
}
