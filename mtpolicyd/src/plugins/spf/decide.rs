//! What a result of SPF leads to: a line of the log, a score and an action.

use policy_dns::spf::{Scope, SpfResult, Verdict};

use super::{Policy, Spf};
use crate::chain::{Call, Score, fill};

impl Spf {
    /// Logs, scores and answers.
    pub(super) fn act(&self, call: &mut Call<'_>, verdict: &Verdict) -> Option<String> {
        let (scope, why) = (verdict.scope(), verdict.local_explanation());
        let result = verdict.result();
        match result {
            SpfResult::Neutral => {
                call.note(|| format!("SPF {scope} status neutral. (no SPF records)"));
                self.score_sender(call, scope, self.neutral_score.as_ref());
                None
            }
            SpfResult::None => {
                call.note(|| format!("spf {scope} check failed: {why}"));
                self.score_sender(call, scope, self.none_score.as_ref());
                None
            }
            SpfResult::Pass => {
                call.note(|| format!("SPF {scope} check passed"));
                // Anybody can have a name of his own for HELO that passes.
                if scope == Scope::Helo {
                    return None;
                }
                self.decide(call, &self.pass, |mode| is_dunno(mode).then(dunno))
            }
            SpfResult::SoftFail => {
                call.note(|| format!("SPF {scope} check returned softfail {why}"));
                self.decide(call, &self.soft_fail, |mode| match mode {
                    "reject" => Some(self.rejection(verdict)),
                    mode => is_dunno(mode).then(dunno),
                })
            }
            SpfResult::Fail => {
                call.note(|| format!("SPF {scope} check failed: {why}"));
                let is_reject = |mode: &str| mode == "reject";
                self.decide(call, &self.fail, |mode| {
                    is_reject(mode).then(|| self.rejection(verdict))
                })
            }
            SpfResult::TempError | SpfResult::PermError => {
                call.note(|| format!("SPF {scope} failed with {result} {why}"));
                let (policy, verb) = if result == SpfResult::TempError {
                    (&self.temp_error, "defer")
                } else {
                    (&self.perm_error, "reject")
                };
                self.decide(call, policy, |mode| {
                    let verb = self.error_verb(mode, verb)?;
                    if verb == "dunno" {
                        return Some(dunno());
                    }
                    Some(format!("{verb} spf {scope} check failed: {why}"))
                })
            }
        }
    }

    fn decide(
        &self,
        call: &mut Call<'_>,
        policy: &Policy,
        action: impl FnOnce(&str) -> Option<String>,
    ) -> Option<String> {
        call.add_score_once(&self.scoring, &self.name, policy.score.as_ref(), &self.done);
        action(policy.mode.text(call.session()))
    }

    /// Scores a result that most names in HELO have, for the sender alone.
    fn score_sender(&self, call: &mut Call<'_>, scope: Scope, score: Option<&Score>) {
        if scope == Scope::MailFrom {
            call.add_score_once(&self.scoring, &self.name, score, &self.done);
        }
    }

    /// What an error is answered with. In the original `temperror_mode` decides whether an error of either kind is
    /// answered with dunno, and a mode does not change the verb.
    fn error_verb<'m>(&'m self, mode: &'m str, verb: &'m str) -> Option<&'m str> {
        match mode {
            "passive" => None,
            _ if self.compat => {
                let is_dunno = self.temp_error.mode.configured() == Some("dunno");
                Some(if is_dunno { "dunno" } else { verb })
            }
            "dunno" | "defer" | "reject" => Some(mode),
            "accept" => Some("dunno"),
            _ => Some(verb),
        }
    }

    fn rejection(&self, verdict: &Verdict) -> String {
        let values = [
            ("%LOCAL_EXPL%", verdict.local_explanation()),
            (
                "%AUTH_EXPL%",
                verdict.authority_explanation().unwrap_or_default(),
            ),
        ];
        format!("reject {}", fill(&self.message, &values))
    }
}

fn is_dunno(mode: &str) -> bool {
    matches!(mode, "accept" | "dunno")
}

fn dunno() -> String {
    "dunno".to_owned()
}
