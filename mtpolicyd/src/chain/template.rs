//! Texts with `%NAME%` in them.

/// Replaces each name once, where it stands first, as the original does. What is put in is not looked at again.
///
/// ```
/// use mtpolicyd::chain::fill;
///
/// let text = fill("%IP% has %SCORE%, %SCORE%", &[("%SCORE%", "5"), ("%IP%", "%SCORE%")]);
/// assert_eq!(text, "%SCORE% has 5, %SCORE%");
/// ```
#[must_use]
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut found: Vec<_> = values
        .iter()
        .filter_map(|(name, value)| template.find(name).map(|at| (at, *name, *value)))
        .collect();
    found.sort_unstable_by_key(|(at, ..)| *at);
    let mut out = String::with_capacity(template.len());
    let mut done = 0;
    for (at, name, value) in found {
        // Names do not overlap: each begins and ends with `%`, and holds none.
        let Some(before) = template.get(done..at) else {
            continue;
        };
        out.push_str(before);
        out.push_str(value);
        done = at + name.len();
    }
    out.push_str(template.get(done..).unwrap_or_default());
    out
}
