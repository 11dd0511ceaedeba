//! The expansion of macros in a check: the targets of mechanisms, and explanations (RFC 7208, 6.2 and 7).

use super::evaluation::Evaluation;
use crate::{
    RecordType, Resolver,
    spf::{
        SpfOptions,
        macros::{MacroString, Values},
        problem::Problem,
        request::normal,
        scan::printable,
    },
};

impl<R: Resolver> Evaluation<'_, R> {
    /// The explanation of the domain, if it is a text that can be used (6.2).
    pub(in crate::spf) async fn explanation(
        &mut self,
        domain: &MacroString,
        authority: &[u8],
    ) -> Option<String> {
        let domain = self.expand(domain, authority).await.ok()?;
        let answer = self.look_up(&domain, RecordType::Txt).await.ok()?;
        let mut texts = answer.texts();
        let (text, more) = (texts.next()?, texts.next());
        if more.is_some() || !text.iter().all(|byte| (b' '..=b'~').contains(byte)) {
            return None;
        }
        self.explain(&text, authority).await.ok()
    }

    pub(in crate::spf) async fn default_explanation(&mut self, authority: &[u8]) -> String {
        let text = self.options.default_explanation.clone();
        self.explain(text.as_bytes(), authority)
            .await
            .unwrap_or_else(|_| SpfOptions::default().default_explanation)
    }

    async fn explain(&mut self, text: &[u8], authority: &[u8]) -> Result<String, Problem> {
        let text = MacroString::parse(text)?;
        let mut text = printable(&self.expand_as(&text, authority, true).await?);
        text.truncate(MAX_EXPLANATION);
        Ok(text)
    }

    pub(in crate::spf) async fn target(
        &mut self,
        domain: Option<&MacroString>,
        authority: &[u8],
    ) -> Result<Vec<u8>, Problem> {
        match domain {
            Some(domain) => self.expand(domain, authority).await,
            None => Ok(authority.to_vec()),
        }
    }

    pub(in crate::spf) async fn expand(
        &mut self,
        domain: &MacroString,
        authority: &[u8],
    ) -> Result<Vec<u8>, Problem> {
        Ok(normal(&self.expand_as(domain, authority, false).await?))
    }

    async fn expand_as(
        &mut self,
        text: &MacroString,
        authority: &[u8],
        explanation: bool,
    ) -> Result<Vec<u8>, Problem> {
        let client_name = if text.needs_client_name() {
            self.client_name(authority).await?
        } else {
            vec![]
        };
        text.expand(&Values {
            request: self.request,
            authority,
            client_name: &client_name,
            receiver: self.options.receiver.as_bytes(),
            explanation,
        })
    }
}

/// A line of an SMTP reply has 512 bytes (RFC 5321, 4.5.3.1.5).
const MAX_EXPLANATION: usize = 512;
