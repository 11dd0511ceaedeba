//! The evaluation of records: `check_host()` (RFC 7208, 4).

use std::pin::Pin;

use super::{
    SpfOptions, SpfRequest, SpfResult, Verdict,
    macros::MacroString,
    problem::Problem,
    record::{Mechanism, Record},
    scan::printable,
};
use crate::{Name, RecordType, Resolver};

mod evaluation;
mod explain;
mod look_up;
mod matches;
mod ptr;

use evaluation::Evaluation;

/// How the evaluation of a domain's record ended.
#[derive(Debug)]
struct End {
    result: SpfResult,
    mechanism: Option<String>,
    local_explanation: String,
    /// The domain whose record decided, and what it has to say.
    authority: Vec<u8>,
    explanation: Option<String>,
}

/// Why the evaluation of a record ends early.
enum Stop {
    Problem(Problem),
    /// An included record ended in an error, which is the whole result.
    End(End),
}

pub(in crate::spf) async fn evaluate(
    resolver: &impl Resolver,
    request: &SpfRequest,
    options: &SpfOptions,
) -> Verdict {
    let mut evaluation = Evaluation::new(resolver, request, options);
    let end = evaluation.check_host(request.domain.clone(), false).await;
    let authority_explanation = match end {
        End {
            result: SpfResult::Fail,
            explanation: None,
            ref authority,
            ..
        } => Some(evaluation.default_explanation(authority).await),
        End { explanation, .. } => explanation,
    };
    Verdict {
        result: end.result,
        request: request.clone(),
        receiver: options.receiver.clone(),
        mechanism: end.mechanism,
        local_explanation: end.local_explanation,
        authority_explanation,
        look_ups: evaluation.look_ups,
    }
}

impl<R: Resolver> Evaluation<'_, R> {
    /// Evaluates the record of `authority`, which another record has led to or not.
    fn check_host(
        &mut self,
        authority: Vec<u8>,
        is_nested: bool,
    ) -> Pin<Box<dyn Future<Output = End> + Send + '_>> {
        Box::pin(async move {
            let mut matched = None;
            let stop = match self.find_record(&authority).await {
                Ok(record) => match self
                    .evaluate_record(&record, &authority, &mut matched)
                    .await
                {
                    Ok(Some(end)) => return end,
                    Ok(None) => None,
                    Err(Stop::End(end)) => return end,
                    Err(Stop::Problem(problem)) => Some(problem),
                },
                Err(problem) => Some(problem),
            };
            self.end(authority, is_nested, matched, stop)
        })
    }

    /// The end of the evaluation: the mechanism that matched and the explanation, or a problem.
    fn end(
        &self,
        authority: Vec<u8>,
        is_nested: bool,
        matched: Option<Matched>,
        stop: Option<Problem>,
    ) -> End {
        let (explanation, matched) = match matched {
            Some(Matched {
                mechanism,
                explanation,
            }) => (explanation, Some(mechanism)),
            None => (None, None),
        };
        let reason = match (&stop, &matched) {
            (Some(problem), None) => problem.to_string(),
            (Some(problem), Some(mechanism)) => {
                format!(
                    "{} ({})",
                    mechanism.explanation(self.request),
                    problem.in_parentheses()
                )
            }
            (None, Some(mechanism)) => {
                format!(
                    "{} (mechanism '{mechanism}' matched)",
                    mechanism.explanation(self.request)
                )
            }
            (None, None) => "Default neutral result due to no mechanism matches".into(),
        };
        let at = if is_nested {
            format!(
                "{} ... {}",
                printable(&self.request.domain),
                printable(&authority)
            )
        } else {
            printable(&authority)
        };
        let result = match (&stop, &matched) {
            (Some(problem), _) => problem.result(),
            (None, Some(mechanism)) => mechanism.result,
            (None, None) => SpfResult::Neutral,
        };
        let mechanism = matched
            .filter(|_| stop.is_none())
            .map(|mechanism| bounded(mechanism.to_string()));
        let explanation = explanation.filter(|_| result == SpfResult::Fail);
        End {
            result,
            mechanism,
            local_explanation: bounded(format!("{at}: {reason}")),
            authority,
            explanation,
        }
    }

    /// The record of a domain (4.4 and 4.5).
    async fn find_record(&mut self, domain: &[u8]) -> Result<Record, Problem> {
        // A name of one label has no record (4.3).
        let name = Name::parse(domain)
            .ok()
            .filter(|name| name.labels().count() > 1)
            .ok_or(Problem::NoRecord)?;
        let answer = self.look_up_name(name, RecordType::Txt).await?;
        let mut records = answer
            .texts()
            .filter_map(|text| Record::parse(&text))
            .collect::<Result<Vec<_>, _>>()?;
        let record = records.pop().ok_or(Problem::NoRecord)?;
        if records.is_empty() {
            Ok(record)
        } else {
            Err(Problem::RedundantRecords)
        }
    }

    /// Tries one mechanism after the other; the first one that matches is left in `matched`. The end is that of
    /// another record where this one redirects.
    async fn evaluate_record(
        &mut self,
        record: &Record,
        authority: &[u8],
        matched: &mut Option<Matched>,
    ) -> Result<Option<End>, Stop> {
        for mechanism in &record.mechanisms {
            if self.matches(&mechanism.test, authority).await? {
                *matched = Some(Matched {
                    mechanism: mechanism.clone(),
                    explanation: None,
                });
                break;
            }
        }
        if let Some(explanation) = &record.explanation {
            explanation.illegal_outside_explanations()?;
            if let Some(Matched {
                mechanism,
                explanation: place,
            }) = matched
                && mechanism.result == SpfResult::Fail
            {
                *place = self.explanation(explanation, authority).await;
            }
        }
        match &record.redirect {
            Some(redirect) if matched.is_none() => {
                self.redirect(redirect, authority).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Whether the record of an `include` passes the client (5.2).
    async fn include(&mut self, domain: &MacroString, authority: &[u8]) -> Result<bool, Stop> {
        let domain = self.expand(domain, authority).await?;
        let end = self.check_host(domain.clone(), true).await;
        match end.result {
            SpfResult::Pass => Ok(true),
            SpfResult::Fail | SpfResult::SoftFail | SpfResult::Neutral => Ok(false),
            SpfResult::None => Err(Problem::Included(printable(&domain)).into()),
            SpfResult::TempError | SpfResult::PermError => Err(Stop::End(end)),
        }
    }

    async fn redirect(&mut self, domain: &MacroString, authority: &[u8]) -> Result<End, Stop> {
        self.count_term()?;
        let domain = self.expand(domain, authority).await?;
        let end = self.check_host(domain.clone(), true).await;
        match end.result {
            SpfResult::None => Err(Problem::Redirected(printable(&domain)).into()),
            _ => Ok(end),
        }
    }
}

/// A text with what a record says in it, of which a record of 64 KiB can make four times as much.
fn bounded(mut text: String) -> String {
    if text.len() > MAX_REASON {
        // The text is ASCII.
        text.truncate(MAX_REASON - CUT.len());
        text.push_str(CUT);
    }
    text
}

/// A mechanism that matches, and what the domain has to say then.
struct Matched {
    mechanism: Mechanism,
    explanation: Option<String>,
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Two names of the most bytes, and a sentence about them. Postfix takes replies of 10 KiB at most.
const MAX_REASON: usize = 1024;
const CUT: &str = "...";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_to_its_limit_and_no_shorter() {
        let whole = "a".repeat(MAX_REASON);
        assert_eq!(bounded(whole.clone()), whole);
        let cut = bounded(whole + "a");
        assert_eq!(cut, "a".repeat(MAX_REASON - 3) + "...");
    }
}
