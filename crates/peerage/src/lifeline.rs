//! How handles speak to the driver: bounded commands, and a control lane that dropping a handle can use without waiting.

#[cfg(feature = "engine")]
use std::sync::{Arc, Mutex};
use std::time::Instant;

#[cfg(feature = "engine")]
use peerage_media::sync::SyncGroup;
use peerage_peerconnection::{DataChannelHandle, Message};
use tokio::sync::{mpsc, oneshot};

use crate::Error;
use crate::driver::{Connection, ConnectionId, NewConnection};

/// Commands that may wait for their turn at an endpoint.
pub(crate) const COMMAND_QUEUE: usize = 1024;

/// A call on a connection, run by the driver between two packets.
pub(crate) type Call = Box<dyn FnOnce(&mut Connection, Instant) + Send>;

/// What handles ask of the driver.
pub(crate) enum Command {
    /// A new connection.
    Connect(Box<NewConnection>),
    /// Any call of the control plane.
    Call(ConnectionId, Call),
    /// A message, for which the handle has reserved room.
    Send(ConnectionId, DataChannelHandle, Message),
}

/// What handles tell the driver without waiting. Each handle sends at most a few of these in its life, so that the lane
/// is bounded by the number of handles although the queue itself is not.
#[derive(Debug)]
pub(crate) enum Control {
    /// The last handle of a connection is gone.
    DropConnection(ConnectionId),
    /// The last handle of a channel is gone, after so many messages were sent on it.
    DropChannel(ConnectionId, DataChannelHandle, u64),
    /// The application closes a channel, after so many messages were sent on it.
    CloseChannel(ConnectionId, DataChannelHandle, u64),
    /// The application has read: take more from the transport.
    Resume(ConnectionId),
    /// The application closes the endpoint.
    CloseEndpoint,
}

/// What keeps the tracks that are received over one connection together.
#[cfg(feature = "engine")]
pub(crate) type SharedSyncGroup = Arc<Mutex<SyncGroup>>;

/// Shared by all handles of one connection; dropping it closes the connection. It owns no queue of events, so that
/// handles inside undelivered events cannot keep it alive in a circle.
#[derive(Debug)]
pub(crate) struct Lifeline {
    id: ConnectionId,
    commands: mpsc::Sender<Command>,
    control: mpsc::UnboundedSender<Control>,
    #[cfg(feature = "engine")]
    sync: SharedSyncGroup,
}

impl Lifeline {
    pub(crate) fn new(
        id: ConnectionId,
        commands: mpsc::Sender<Command>,
        control: mpsc::UnboundedSender<Control>,
    ) -> Self {
        Self {
            id,
            commands,
            control,
            #[cfg(feature = "engine")]
            sync: SharedSyncGroup::default(),
        }
    }

    pub(crate) fn id(&self) -> ConnectionId {
        self.id
    }

    pub(crate) fn commands(&self) -> &mpsc::Sender<Command> {
        &self.commands
    }

    #[cfg(feature = "engine")]
    pub(crate) fn sync_group(&self) -> SharedSyncGroup {
        self.sync.clone()
    }

    /// Runs `call` on the connection in the driver and waits for its result.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Connection, Instant) -> Result<T, peerage_peerconnection::Error>
        + Send
        + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let call = Box::new(move |connection: &mut Connection, now: Instant| {
            let result = call(connection, now);
            // Before the reply, so that whoever awaited the call reads the state it led to.
            connection.publish();
            let _ = reply.send(result);
        });
        self.commands
            .send(Command::Call(self.id, call))
            .await
            .map_err(|_| Error::ConnectionClosed)?;
        Ok(answer.await.map_err(|_| Error::ConnectionClosed)??)
    }

    pub(crate) fn control(&self, control: Control) {
        // The driver may be gone; then there is nothing left to tell.
        let _ = self.control.send(control);
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        self.control(Control::DropConnection(self.id));
    }
}
