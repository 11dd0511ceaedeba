//! The questions of a check, counted.

use super::evaluation::Evaluation;
use crate::{
    Answer, Name, Outcome, Question, RecordType, Resolver,
    spf::{problem::Problem, request::normal},
};

impl<R: Resolver> Evaluation<'_, R> {
    /// Asks for a name that macros were expanded to, or none: the answer to a name that DNS cannot have is that
    /// it does not exist. Labels that are too long are cut, a name that is too long loses labels at its beginning
    /// (RFC 7208, 7.3).
    pub(in crate::spf) async fn look_up(
        &mut self,
        domain: &[u8],
        kind: RecordType,
    ) -> Result<Answer, Problem> {
        match Name::parse(fitted(domain)) {
            Ok(name) => self.look_up_name(name, kind).await,
            Err(_) => Ok(Answer::without_records(Outcome::NxDomain)),
        }
    }

    /// Asks for a name as it is.
    pub(in crate::spf) async fn look_up_name(
        &mut self,
        name: Name,
        kind: RecordType,
    ) -> Result<Answer, Problem> {
        let [answer] = self
            .ask([name], kind)
            .await
            .try_into()
            .unwrap_or_else(|_| [unasked()]);
        answer
    }

    /// Asks for several names at once. The answers have the names' order.
    pub(in crate::spf) async fn ask(
        &mut self,
        names: impl IntoIterator<Item = Name>,
        kind: RecordType,
    ) -> Vec<Result<Answer, Problem>> {
        let ask = async |name: Name| {
            let text = name.to_bytes();
            let answer = self.resolver.ask(Question::new(name, kind)).await;
            if answer.outcome().is_answer() {
                Ok(answer)
            } else {
                Err(Problem::look_up(answer.outcome(), kind, &text))
            }
        };
        let answers = futures_util::future::join_all(names.into_iter().map(ask)).await;
        self.look_ups = self
            .look_ups
            .saturating_add(u32::try_from(answers.len()).unwrap_or(u32::MAX));
        answers
    }

    /// Counts a term that asks DNS (RFC 7208, 4.6.4).
    pub(in crate::spf) fn count_term(&mut self) -> Result<(), Problem> {
        self.terms += 1;
        let most = self.options.max_dns_terms.min(MAX_TERMS);
        if self.terms > most {
            Err(Problem::Terms(most))
        } else {
            Ok(())
        }
    }

    /// Counts an answer if it is void: no such name, or nothing at all.
    pub(in crate::spf) fn count_if_void(&mut self, answer: &Answer) -> Result<(), Problem> {
        if answer.outcome() != Outcome::NxDomain && !answer.section().is_empty() {
            return Ok(());
        }
        self.void_look_ups = self.void_look_ups.saturating_add(1);
        let most = self.options.max_void_look_ups;
        if self.void_look_ups > most {
            Err(Problem::VoidLookUps(most))
        } else {
            Ok(())
        }
    }
}

/// A name that fits into DNS, but for empty labels.
fn fitted(domain: &[u8]) -> Vec<u8> {
    let domain = normal(domain);
    let labels = domain
        .split(|&byte| byte == b'.')
        .map(|label| label.get(..MAX_LABEL).unwrap_or(label));
    let mut fitted = labels.collect::<Vec<_>>().join(&b'.');
    while fitted.len() > MAX_NAME {
        let Some(dot) = fitted.iter().position(|&byte| byte == b'.') else {
            break;
        };
        fitted.drain(..=dot);
    }
    fitted
}

fn unasked() -> Result<Answer, Problem> {
    Ok(Answer::without_records(Outcome::NxDomain))
}

const MAX_LABEL: usize = 63;
const MAX_NAME: usize = 253;
/// Terms nest by includes; each takes a part of the stack.
const MAX_TERMS: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_to_fit() {
        let long = "a".repeat(70);
        assert_eq!(
            fitted(format!("{long}.Acme.test.").as_bytes()),
            format!("{}.acme.test", &long[..63]).as_bytes()
        );
        let many = format!("{}x.test", "label.".repeat(42));
        assert_eq!(many.len(), 258);
        assert_eq!(fitted(many.as_bytes()), &many.as_bytes()[6..]);
        let most = format!("x{}", &many[6..]);
        assert_eq!(
            (most.len(), fitted(most.as_bytes())),
            (253, most.clone().into_bytes())
        );
        assert_eq!(fitted(b"a..b"), b"a..b");
    }
}
