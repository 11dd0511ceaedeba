//! Parameters that a field of the session may override.

use super::Section;
use crate::chain::Setting;

impl Section<'_> {
    /// A text that a field of the session may override: the parameter, and `uc_` before its name.
    pub fn setting(&mut self, key: &str, default: Option<&str>) -> Setting {
        let value = self.text(key).or_else(|| default.map(str::to_owned));
        Setting::new(value, self.text(&format!("uc_{key}")))
    }

    /// The same for a number.
    pub fn score_setting(&mut self, key: &str, default: Option<&str>) -> Setting {
        _ = self.score(key);
        self.setting(key, default)
    }

    /// The same for an action.
    pub fn action_setting(&mut self, key: &str, default: Option<&str>) -> Setting {
        _ = self.action(key);
        self.setting(key, default)
    }

    /// The same for one of some words. Any other word is a warning: it means what `otherwise` says.
    pub fn mode(&mut self, key: &str, default: &str, words: &[&str], otherwise: &str) -> Setting {
        let setting = self.setting(key, Some(default));
        if let Some(word) = setting.configured().filter(|word| !words.contains(word)) {
            let text = format!(
                "`{key}` is `{word}`, which means {otherwise}: use one of {}",
                words.join(", ")
            );
            self.warning(key, text);
        }
        setting
    }

    /// The switch `enabled` of most plugins, `on` by default. Only `off` turns a plugin off.
    pub fn enabled(&mut self) -> Setting {
        self.mode("enabled", "on", &["on", "off"], "on")
    }
}
