//! The opening of one connection to a server.

use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, ConnectionInfo, aio::MultiplexedConnection};

use super::error::error;
use crate::StoreError;

pub(super) async fn open(
    server: ConnectionInfo,
    config: &AsyncConnectionConfig,
) -> Result<MultiplexedConnection, StoreError> {
    let client = Client::open(server).map_err(error)?;
    client
        .get_multiplexed_async_connection_with_config(config)
        .await
        .map_err(error)
}

/// The deadline is that of the whole call, which ends the wait for an answer.
pub(super) fn config(deadline: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(deadline))
        .set_response_timeout(None)
}
