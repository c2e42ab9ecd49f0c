//! What one peer does ends its own connection at most: the others on the same endpoint go on.

mod common;

use common::{accept, endpoint, negotiate, within};
use peerage::{Configuration, DataChannelInit};

#[tokio::test]
async fn peers_that_open_channels_and_leave_at_once() {
    let server = endpoint().await;
    let steady_client = endpoint().await;
    let steady = steady_client.connect(Configuration::default()).await.unwrap();
    let served = server.connect(Configuration::default()).await.unwrap();
    let channel = steady.create_data_channel("steady", DataChannelInit::default()).await.unwrap();
    negotiate(&steady, &served).await;
    let echo = accept(&served).await;

    for round in 0..20 {
        let client = endpoint().await;
        let fleeting = client.connect(Configuration::default()).await.unwrap();
        let other = server.connect(Configuration::default()).await.unwrap();
        let first =
            fleeting.create_data_channel("first", DataChannelInit::default()).await.unwrap();
        negotiate(&fleeting, &other).await;
        within("the first channel", first.opened()).await.unwrap();
        // Open and end go out together, so that the other end may take them in one batch.
        for _ in 0..=round {
            fleeting.create_data_channel("late", DataChannelInit::default()).await.unwrap();
        }
        fleeting.close().await;

        channel.send(format!("round {round}")).await.unwrap();
        assert_eq!(
            within("a message", echo.recv()).await.unwrap(),
            format!("round {round}").into()
        );
    }
}

#[tokio::test]
async fn what_was_sent_before_a_close_arrives_on_every_channel() {
    let (client, server) = (endpoint().await, endpoint().await);
    let alice = client.connect(Configuration::default()).await.unwrap();
    let bob = server.connect(Configuration::default()).await.unwrap();
    let mut channels = Vec::new();
    for number in 0..24 {
        channels.push(
            alice
                .create_data_channel(number.to_string(), DataChannelInit::default())
                .await
                .unwrap(),
        );
    }
    negotiate(&alice, &bob).await;
    // More than the transport takes at once: what is left waits in the driver when the channels are closed.
    for channel in &channels {
        for _ in 0..4 {
            channel.send(vec![7; 250_000]).await.unwrap();
        }
        channel.close();
    }
    let mut readers = Vec::new();
    for _ in &channels {
        let peer = accept(&bob).await;
        readers.push(tokio::spawn(async move {
            let mut received = 0;
            while let Some(message) = within("a message", peer.recv()).await {
                received += message.len();
            }
            (received, peer.label().to_owned())
        }));
    }
    for reader in readers {
        let (received, label) = reader.await.unwrap();
        assert_eq!(received, 1_000_000, "channel {label}");
    }
}
