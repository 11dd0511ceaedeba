//! Takes out of our log what follows the Perl script's words: the reason for a line, which the Perl script never
//! gives. What the reasons are is tested elsewhere.

/// The lines of a log without reasons; `prefix` is what comes before each text of a warning.
pub fn without_reasons(lines: Vec<String>, prefix: &str) -> Vec<String> {
    let perls = ["ignoring invalid service '", "No address or port for '"];
    let begins = |line: &str, text: &str| {
        line.strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with(text))
    };
    let mut kept = Vec::new();
    let mut is_to_follow = false;
    for line in lines {
        let is_reason = is_to_follow && begins(&line, "invalid service '");
        is_to_follow = perls.iter().any(|text| begins(&line, text));
        let has_reason = ["Timeout for '", "Could not open socket to '"]
            .iter()
            .any(|text| begins(&line, text));
        match line.split_once("): ") {
            _ if is_reason => {}
            Some((perls, _)) if has_reason => kept.push(format!("{perls})")),
            _ => kept.push(line),
        }
    }
    kept
}
