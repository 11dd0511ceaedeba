//! The match of a mechanism (RFC 7208, 5).

use std::net::IpAddr;

use super::{Stop, evaluation::Evaluation};
use crate::{
    Answer, RecordType, Resolver,
    spf::{
        macros::MacroString,
        problem::Problem,
        record::{Test, within_v4, within_v6},
    },
};

impl<R: Resolver> Evaluation<'_, R> {
    /// Whether a mechanism matches (5).
    pub(super) async fn matches(&mut self, test: &Test, authority: &[u8]) -> Result<bool, Stop> {
        if !matches!(test, Test::All | Test::Ip4(..) | Test::Ip6(..)) {
            self.count_term()?;
        }
        let client = self.request.client;
        match test {
            Test::All => Ok(true),
            Test::Ip4(network, length) => {
                Ok(matches!(client, IpAddr::V4(client) if within_v4(*network, *length, client)))
            }
            Test::Ip6(network, length) => {
                Ok(matches!(client, IpAddr::V6(client) if within_v6(*network, *length, client)))
            }
            Test::A(domain, prefixes) => {
                let domain = self.target(domain.as_ref(), authority).await?;
                let answer = self.look_up(&domain, self.address_type()).await?;
                self.count_if_void(&answer)?;
                Ok(answer
                    .addresses()
                    .any(|address| prefixes.contain(address, client)))
            }
            Test::Mx(domain, prefixes) => {
                for address in self
                    .exchange_addresses(test, domain.as_ref(), authority)
                    .await?
                {
                    let address = address?;
                    self.count_if_void(&address)?;
                    if address
                        .addresses()
                        .any(|address| prefixes.contain(address, client))
                    {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Test::Ptr(domain) => {
                let domain = self.target(domain.as_ref(), authority).await?;
                Ok(self.has_name_within(&domain).await?)
            }
            Test::Exists(domain) => {
                let domain = self.expand(domain, authority).await?;
                let answer = self.look_up(&domain, RecordType::A).await?;
                self.count_if_void(&answer)?;
                Ok(answer.records().next().is_some())
            }
            Test::Include(domain) => self.include(domain, authority).await,
        }
    }

    /// The answers for the hosts of an `mx`, asked for at once, in the order of the hosts.
    async fn exchange_addresses(
        &mut self,
        test: &Test,
        domain: Option<&MacroString>,
        authority: &[u8],
    ) -> Result<Vec<Result<Answer, Problem>>, Stop> {
        let domain = self.target(domain, authority).await?;
        let answer = self.look_up(&domain, RecordType::Mx).await?;
        self.count_if_void(&answer)?;
        let hosts: Vec<_> = answer.exchanges().map(|(_, host)| host.clone()).collect();
        let most = self.options.max_look_ups_per_term;
        if u32::try_from(hosts.len()).map_or(true, |hosts| hosts > most) {
            return Err(Problem::Exchanges(most, test.to_string()).into());
        }
        // The root is a domain that takes no mail (RFC 7505).
        Ok(self
            .ask(
                hosts.into_iter().filter(|host| !host.is_root()),
                self.address_type(),
            )
            .await)
    }
}
