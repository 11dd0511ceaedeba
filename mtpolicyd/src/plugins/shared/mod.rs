//! Parts that several plugins are made of.

mod code_scores;
pub(super) use code_scores::CodeScores;

mod dns_list;
pub(super) use dns_list::{Hit, ListCheck};

mod file;
pub(super) use file::WatchedFile;

mod fitted;
pub(super) use fitted::fitted;

mod mask;
pub(super) use mask::Masks;

mod networks;
pub(super) use networks::{LOCAL, Networks};

mod zone_text;

use std::{borrow::Cow, net::IpAddr};

use crate::{chain::Call, chain::plugin::PluginError};

/// The client's address as the request has it.
///
/// # Errors
///
/// The request has none. Postfix sends it with each request.
pub(super) fn client_address<'r>(call: &Call<'r>) -> Result<Cow<'r, str>, PluginError> {
    let address = call.text("client_address").filter(|text| !text.is_empty());
    address.ok_or_else(|| PluginError::other("client_address not defined in request!"))
}

/// The client's address, if it is one.
pub(super) fn client_ip(call: &Call<'_>) -> Option<IpAddr> {
    let address = call.text("client_address")?.parse::<IpAddr>().ok()?;
    Some(address.to_canonical())
}
