//! A command or the call of a script, as one server runs it.

use redis::{
    Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, Script, ServerErrorKind, Value,
    aio::ConnectionLike, from_redis_value,
};

/// What a server is asked to do.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    call: &'a Cmd,
    /// The script that the call names. It is sent if the server does not have it.
    script: Option<&'a Script>,
}

impl<'a> Job<'a> {
    pub(super) fn command(call: &'a Cmd) -> Self {
        Self { call, script: None }
    }

    pub(super) fn script(script: &'a Script, call: &'a Cmd) -> Self {
        let script = Some(script);
        Self { call, script }
    }

    /// Runs it. A node whose slot has not arrived yet answers those that say that they are sent to it (`asking`).
    pub(super) async fn run<T: FromRedisValue>(
        self,
        connection: &mut impl ConnectionLike,
        asking: bool,
    ) -> Result<T, RedisError> {
        // The library's own call of a script copies each argument twice.
        match (self.once(connection, asking).await, self.script) {
            (Err(error), Some(script))
                if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) =>
            {
                script.prepare_invoke().load_async(connection).await?;
                self.once(connection, asking).await
            }
            (result, _) => result,
        }
    }

    async fn once<T: FromRedisValue>(
        self,
        connection: &mut impl ConnectionLike,
        asking: bool,
    ) -> Result<T, RedisError> {
        if !asking {
            return self.call.query_async(connection).await;
        }
        // It holds for the next command of the connection: both go in one piece.
        let mut both = Pipeline::with_capacity(2);
        both.cmd("ASKING").add_command(self.call.clone());
        let answers = connection.req_packed_commands(&both, 1, 1).await?;
        let answer = answers.into_iter().next().unwrap_or(Value::Nil);
        Ok(from_redis_value(answer.extract_error()?)?)
    }
}

/// What a node of a cluster answers. All but a value tell where to ask instead.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Reply<T> {
    Value(T),
    /// The node at this address has the slot.
    Moved(String),
    /// The slot is on its way to the node at this address, which is to be asked this once.
    Ask(String),
    /// The slot is on its way, and one of two keys has arrived.
    TryAgain,
    /// No node has the slot.
    NoNode,
}

impl<T> Reply<T> {
    pub(super) fn of(result: Result<T, RedisError>) -> Result<Self, RedisError> {
        let error = match result {
            Ok(value) => return Ok(Self::Value(value)),
            Err(error) => error,
        };
        let address = || error.redirect_node().map(|(address, _)| address.to_owned());
        let reply = match error.kind() {
            ErrorKind::Server(ServerErrorKind::Moved) => address().map(Self::Moved),
            ErrorKind::Server(ServerErrorKind::Ask) => address().map(Self::Ask),
            ErrorKind::Server(ServerErrorKind::TryAgain) => Some(Self::TryAgain),
            // The other reason is that the node does not see most of the others.
            ErrorKind::Server(ServerErrorKind::ClusterDown)
                if error.detail().is_some_and(|it| it.starts_with("Hash slot")) =>
            {
                Some(Self::NoNode)
            }
            _ => None,
        };
        reply.ok_or(error)
    }
}
