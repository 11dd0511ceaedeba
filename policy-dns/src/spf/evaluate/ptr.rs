//! The names of a client that its addresses confirm: the mechanism `ptr` and the macro `p` (RFC 7208, 5.5).

use super::evaluation::Evaluation;
use crate::{Name, Outcome, RecordType, Resolver, spf::problem::Problem};

impl<R: Resolver> Evaluation<'_, R> {
    /// Whether the client has a confirmed name within `domain`.
    pub(in crate::spf) async fn has_name_within(&mut self, domain: &[u8]) -> Result<bool, Problem> {
        let names = self.client_names().await?;
        let Ok(domain) = Name::parse(domain) else {
            return Ok(false);
        };
        let names = names
            .into_iter()
            .filter(|name| name.is_within(&domain))
            .collect();
        Ok(!self.confirmed(names).await?.is_empty())
    }

    /// The value of the macro `p`: the confirmed name that is `domain`, one within it, or any; `unknown` if there
    /// is none.
    pub(in crate::spf) async fn client_name(&mut self, domain: &[u8]) -> Result<Vec<u8>, Problem> {
        let names = self.client_names().await?;
        let names = self.confirmed(names).await?;
        let domain = Name::parse(domain).ok();
        let identical = names.iter().find(|name| Some(*name) == domain.as_ref());
        let within = || {
            names
                .iter()
                .find(|name| domain.as_ref().is_some_and(|domain| name.is_within(domain)))
        };
        let name = identical.or_else(within).or_else(|| names.first());
        Ok(name.map_or_else(|| b"unknown".to_vec(), Name::to_bytes))
    }

    /// The names that DNS gives for the client's address. An error counts as none.
    async fn client_names(&mut self) -> Result<Vec<Name>, Problem> {
        if let Some(names) = &self.client_names.names {
            return Ok(names.clone());
        }
        let most = usize::try_from(self.options.max_look_ups_per_term).unwrap_or(usize::MAX);
        let reverse = Name::reverse(self.request.client);
        let names = match self.look_up_name(reverse, RecordType::Ptr).await {
            Ok(answer) => {
                self.count_if_void(&answer)?;
                answer.pointers().take(most).cloned().collect()
            }
            Err(_) => vec![],
        };
        self.client_names.names = Some(names.clone());
        Ok(names)
    }

    /// Those of the names that have the client's address. One whose look-up fails is passed over.
    async fn confirmed(&mut self, names: Vec<Name>) -> Result<Vec<Name>, Problem> {
        let is_new = |name: &&Name| {
            !self
                .client_names
                .confirmed
                .iter()
                .any(|(known, _)| known == *name)
        };
        let new: Vec<_> = names.iter().filter(is_new).cloned().collect();
        let kind = self.address_type();
        let answers = self.ask(new.iter().cloned(), kind).await;
        for (name, answer) in new.into_iter().zip(answers) {
            let has_address = match answer {
                Ok(answer) => {
                    if answer.outcome() != Outcome::Records {
                        self.count_if_void(&answer)?;
                    }
                    answer
                        .addresses()
                        .any(|address| address == self.request.client)
                }
                Err(_) => false,
            };
            self.client_names.confirmed.push((name, has_address));
        }
        let is_confirmed = |name: &Name| {
            self.client_names
                .confirmed
                .iter()
                .any(|(known, yes)| known == name && *yes)
        };
        Ok(names.into_iter().filter(is_confirmed).collect())
    }
}
