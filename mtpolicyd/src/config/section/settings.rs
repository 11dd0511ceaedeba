//! Parameters that a field of the session may override.

use super::Section;
use crate::{
    chain::{Setting, Wanted},
    config::action,
};

impl Section<'_> {
    /// A text that a field of the session may override: the parameter, and `uc_` before its name.
    pub fn setting(&mut self, key: &str, default: Option<&str>) -> Setting {
        self.setting_of(key, default, Wanted::Text)
    }

    /// The same for a number.
    pub fn score_setting(&mut self, key: &str, default: Option<&str>) -> Setting {
        _ = self.score(key);
        let counts_as_zero = self.compat();
        self.setting_of(key, default, Wanted::Number { counts_as_zero })
    }

    /// The same for an action.
    pub fn action_setting(&mut self, key: &str, default: Option<&str>) -> Setting {
        _ = self.action(key);
        self.setting_of(key, default, Wanted::Checked(action::fault))
    }

    /// The same for one of some words. Any other word is a warning: it means what `otherwise` says.
    pub fn mode(&mut self, key: &str, default: &str, words: &[&str], otherwise: &str) -> Setting {
        let wanted = words.iter().map(|word| (*word).to_owned()).collect();
        let wanted = Wanted::Word(wanted, otherwise.to_owned());
        self.mode_of(key, default, words, otherwise, wanted)
    }

    /// The switch `enabled` of most plugins, `on` by default. Only `off` turns a plugin off.
    pub fn enabled(&mut self) -> Setting {
        self.mode_of("enabled", "on", &["on", "off"], "on", Wanted::Switch)
    }

    fn mode_of(
        &mut self,
        key: &str,
        default: &str,
        words: &[&str],
        otherwise: &str,
        wanted: Wanted,
    ) -> Setting {
        let setting = self.setting_of(key, Some(default), wanted);
        self.check_word(key, &setting, words, otherwise);
        setting
    }

    /// One of some words, which no field of the session overrides.
    pub fn word(&mut self, key: &str, default: &str, words: &[&str], otherwise: &str) -> String {
        let setting = Setting::new(
            Some(self.text(key).unwrap_or_else(|| default.to_owned())),
            None,
        );
        self.check_word(key, &setting, words, otherwise);
        setting.configured().unwrap_or_default().to_owned()
    }

    fn check_word(&mut self, key: &str, setting: &Setting, words: &[&str], otherwise: &str) {
        if let Some(word) = setting.configured().filter(|word| !words.contains(word)) {
            let text = format!(
                "`{key}` is `{word}`, which means {otherwise}: use one of {}",
                words.join(", ")
            );
            self.warning(key, text);
        }
    }

    /// The parameter, and whatever overrides it is to be `wanted`.
    fn setting_of(&mut self, key: &str, default: Option<&str>, wanted: Wanted) -> Setting {
        let value = self.text(key).or_else(|| default.map(str::to_owned));
        let setting = Setting::new(value, self.text(&format!("uc_{key}"))).wanting(wanted);
        if setting.is_overridable() {
            self.overridable.push(setting.clone());
        }
        setting
    }
}
