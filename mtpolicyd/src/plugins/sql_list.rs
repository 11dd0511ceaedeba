//! `SqlList`: scores and answers by whether a query to a database gives a row for a value.

use policy_store::Value;

use crate::{
    chain::plugin::{Plugin, PluginError, Step},
    chain::{Call, Score, Scoring, Setting, answer},
    config::Section,
    connection::SqlHandle,
};

#[derive(Debug)]
struct SqlList {
    name: std::sync::Arc<str>,
    enabled: Setting,
    database: SqlHandle,
    query: String,
    field: String,
    scoring: Scoring,
    score: Option<Score>,
    match_action: Option<String>,
    not_match_action: Option<String>,
    result: String,
    done: String,
}

pub(super) fn new(section: &mut Section<'_>) -> Box<dyn Plugin> {
    let name = section.name();
    Box::new(SqlList {
        enabled: section.enabled(),
        database: section.sql("db", "db"),
        query: section.text_or(
            "sql_query",
            "SELECT client_ip FROM whitelist WHERE client_ip=INET_ATON(?)",
        ),
        field: section.text_or("field", "client_address"),
        scoring: section.scoring(),
        score: section.score("score"),
        match_action: section.action("match_action"),
        not_match_action: section.action("not_match_action"),
        result: format!("{name}-result"),
        done: format!("{name}-score"),
        name,
    })
}

impl SqlList {
    /// The first row's values. Any row is a match, whatever is in it.
    async fn fetch(&self, value: &str) -> Result<Vec<String>, PluginError> {
        let failed = |error| self.database.failed(error);
        let database = self.database.get().await.map_err(failed)?;
        let rows = database
            .rows(&self.query, &[Value::from(value)])
            .await
            .map_err(failed)?;
        let row = rows.into_iter().next().unwrap_or_default();
        let text = |value: &Value| {
            let text = value.text().unwrap_or_default();
            String::from_utf8_lossy(&text).into_owned()
        };
        Ok(row.iter().map(text).collect())
    }
}

impl Plugin for SqlList {
    fn run<'a>(&'a self, call: &'a mut Call<'_>) -> Step<'a> {
        if self.enabled.is_off(call.session()) {
            return answer(None);
        }
        let Some(value) = call.text(&self.field) else {
            call.note(|| format!("no attribute '{}' in request", self.field));
            return answer(None);
        };
        Step::later(async move {
            let row = match call.cached(&self.result) {
                Some(row) => row,
                None => {
                    let row = self.fetch(&value).await?;
                    call.keep(&self.result, &row);
                    row
                }
            };
            let (field, name) = (&self.field, &self.name);
            if row.is_empty() {
                call.note(|| format!("{field} {value} did not match SqlList {name}"));
                return Ok(self.not_match_action.clone());
            }
            call.note(|| format!("{field} {value} matched SqlList {name}"));
            call.add_score_once(&self.scoring, name, self.score.as_ref(), &self.done);
            Ok(self.match_action.clone())
        })
    }
}
