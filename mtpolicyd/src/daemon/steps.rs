//! The steps of a request as text: for `--explain`, and for those who trace it with `mtpolicyd ctl trace`.

use policy_daemon::{log::printable, trace::Story};

use crate::{
    chain::plugin::PluginError,
    chain::{Trace, Verdict, number},
    config::VirtualHost,
};

/// The action, or what is shown in its place.
pub(super) fn action(verdict: &Result<Option<Verdict>, PluginError>) -> String {
    match verdict {
        Ok(Some(verdict)) => verdict.action.clone(),
        Ok(None) => "dunno".to_owned(),
        Err(error) => closed(error),
    }
}

/// What is shown in the place of an action.
pub(super) fn closed(error: &PluginError) -> String {
    format!("(connection closed without an answer: {error})")
}

/// Tells those who trace a request.
#[cold]
pub(super) fn tell(
    story: Story<'_>,
    host: &VirtualHost,
    trace: &Trace,
    verdict: &Result<Option<Verdict>, PluginError>,
    is_dry_run: bool,
) {
    story.lines(&steps(host, trace));
    let mut action = action(verdict);
    if is_dry_run {
        action.push_str(" (dry run: answered dunno)");
    }
    story.end(&action);
}

/// The virtual host, and a line or several for each plugin.
pub(super) fn steps(host: &VirtualHost, trace: &Trace) -> String {
    let mut text = format!(
        "virtual host {} ({})\n",
        printable(host.name.as_bytes()),
        host.key
    );
    for step in trace.steps() {
        let indent = "  ".repeat(step.depth + 1);
        let result = if step.result.is_empty() {
            "no result"
        } else {
            &step.result
        };
        let millis = step.elapsed.as_secs_f64() * 1000.0;
        let line = format!("{} ({}): {result}", step.name, step.module);
        text.push_str(&format!("{indent}{} [{millis:.1} ms", printable(line)));
        if step.points != 0.0 {
            text.push_str(&format!(
                ", score {}{}",
                if step.points > 0.0 { "+" } else { "" },
                number::print(step.points)
            ));
        }
        text.push_str("]\n");
        for note in &step.notes {
            text.push_str(&format!("{indent}    {}\n", printable(note)));
        }
    }
    text
}
