//! Which limits somebody has: those of a user, of a class, or of everybody.

mod source;
use source::Sources;

use std::{net::IpAddr, sync::Arc};

use policy_store::Windows;

use super::{Members, Subject};
use crate::{
    chain::{Call, Setting},
    config::Section,
};

/// Limits by user and by class.
#[derive(Debug)]
pub(super) struct Own {
    /// Those of everybody, which a field of the session may override.
    limits: Setting,
    everybody: Rule,
    sources: Sources,
    classes: Vec<Class>,
    counts_all: bool,
    /// The highest limit that there can be.
    most: u64,
}

#[derive(Debug)]
struct Class {
    name: Arc<str>,
    members: Members,
    rule: Rule,
}

/// What a text says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Rule {
    Unlimited,
    Limited(Arc<Windows>),
}

impl Own {
    pub(super) fn new(section: &mut Section<'_>, counts_all: bool, most: u64) -> Self {
        let mut own = Self {
            limits: Setting::default(),
            everybody: Rule::Unlimited,
            sources: Sources::new(section),
            classes: Vec::new(),
            counts_all,
            most,
        };
        let mut classes = Vec::new();
        section.blocks("Class", |section| {
            let members = Members::new(&section.list("members"));
            let text = section.required("limits");
            let rule = own.checked(&text, section);
            let name = section.name();
            classes.push(Class {
                name,
                members,
                rule,
            });
        });
        own.classes = classes;
        let text = section.required("limits");
        own.everybody = own.checked(&text, section);
        own.limits = section.setting("limits", None);
        own
    }

    /// The windows of somebody; `None` if there is no limit. What cannot be looked up leaves those of the class or of everybody.
    pub(super) async fn windows(
        &self,
        subject: &Subject,
        call: &mut Call<'_>,
    ) -> Option<Arc<Windows>> {
        let client = call.text("client_address");
        let client = client.and_then(|text| text.parse().ok());
        let limits = self.limits.get(call.session());
        let from_session = limits.filter(|text| Some(*text) != self.limits.configured());
        if let Some(text) = from_session.map(str::to_owned) {
            match self.rule(&text) {
                Ok(rule) => return rule.windows(),
                Err(error) => call.warn(&format!("limits of {subject}: {error}")),
            }
        }
        let (rule, errors) = self.look_up(subject, client).await;
        for error in errors {
            call.warn(&format!("limits of {subject}: {error}"));
        }
        rule.windows()
    }

    /// The rule for somebody apart from the session, and what went wrong on the way.
    pub(super) async fn look_up(
        &self,
        subject: &Subject,
        client: Option<IpAddr>,
    ) -> (Rule, Vec<String>) {
        let (texts, mut errors) = self.sources.look_up(&subject.value).await;
        for text in texts {
            match self.rule(&text) {
                Ok(rule) => return (rule, errors),
                Err(error) => errors.push(error),
            }
        }
        let mut classes = self.classes.iter();
        let class = classes.find(|class| class.members.contains(&subject.value, client));
        let rule = class.map_or(&self.everybody, |class| &class.rule);
        (rule.clone(), errors)
    }

    /// What a text says: a class, `unlimited`, or windows.
    fn rule(&self, text: &str) -> Result<Rule, String> {
        let text = text.trim();
        if text == "unlimited" {
            return Ok(Rule::Unlimited);
        }
        if let Some(class) = self.classes.iter().find(|class| &*class.name == text) {
            return Ok(class.rule.clone());
        }
        let windows: Windows = text
            .parse()
            .map_err(|error: policy_store::InvalidWindows| error.to_string())?;
        if windows.iter().any(|window| window.limit > self.most) {
            return Err(format!("a limit above {} cannot be counted", self.most));
        }
        Ok(Rule::Limited(Arc::new(if self.counts_all {
            windows.counting_all()
        } else {
            windows
        })))
    }

    fn checked(&self, text: &str, section: &mut Section<'_>) -> Rule {
        self.rule(text).unwrap_or_else(|error| {
            if !text.is_empty() {
                section.error("limits", format!("`limits`: {error}"));
            }
            Rule::Unlimited
        })
    }
}

impl Rule {
    pub(super) fn windows(self) -> Option<Arc<Windows>> {
        match self {
            Self::Unlimited => None,
            Self::Limited(windows) => Some(windows),
        }
    }
}
