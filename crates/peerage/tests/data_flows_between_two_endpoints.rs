//! The whole stack on real sockets: messages of every size arrive whole, in order and with their kind.

mod common;

use common::{accept, negotiate, pair, within};
use peerage::{
    Bytes, ConnectionState, DataChannelInit, DataChannelState, Message, SendError, TrySendError,
};

#[tokio::test]
async fn text_and_binary_of_every_size_are_echoed() {
    let (alice, bob) = pair().await;
    let channel = alice.create_data_channel("echo", DataChannelInit::default()).await.unwrap();
    negotiate(&alice, &bob).await;
    let echo = accept(&bob).await;
    assert_eq!(echo.label(), "echo");
    tokio::spawn(async move {
        while let Some(message) = echo.recv().await {
            echo.send(message).await.unwrap();
        }
    });
    for size in [0, 1, 1_200, 16_384, 65_536, 262_144] {
        let data: Bytes = (0..size).map(|i| (i * 7 % 251) as u8).collect::<Vec<_>>().into();
        for message in [Message::Binary(data.clone()), Message::text("x".repeat(size))] {
            within("room", channel.send(message.clone())).await.unwrap();
            assert_eq!(within("the echo", channel.recv()).await, Some(message), "{size} bytes");
        }
    }
    within("the connection", alice.connected()).await.unwrap();
    assert_eq!(alice.connection_state(), ConnectionState::Connected);
}

#[tokio::test]
async fn a_slow_reader_makes_the_sender_wait_and_loses_nothing() {
    const COUNT: u32 = 1_000;
    let (alice, bob) = pair().await;
    let channel = alice.create_data_channel("bulk", DataChannelInit::default()).await.unwrap();
    negotiate(&alice, &bob).await;
    let reader = accept(&bob).await;
    let sender = tokio::spawn(async move {
        for number in 0..COUNT {
            let mut data = vec![number as u8; 65_536];
            data[..4].copy_from_slice(&number.to_be_bytes());
            channel.send(data).await.unwrap();
        }
        channel
    });
    // Nothing is read until the sender can get no further: 64 MiB do not fit in what one connection may hold.
    within("the channel to fill", async {
        while !sender.is_finished() {
            let before = bob.statistics().await.unwrap().transport.bytes_received;
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            if before > 0 && bob.statistics().await.unwrap().transport.bytes_received == before {
                break;
            }
        }
    })
    .await;
    assert!(!sender.is_finished(), "64 MiB were taken although nobody read");
    for number in 0..COUNT {
        let message = within("a message", reader.recv()).await.unwrap();
        assert_eq!(message.len(), 65_536);
        assert_eq!(message.data()[..4], number.to_be_bytes());
    }
    let channel = within("the sender", sender).await.unwrap();
    within("the buffer to drain", channel.buffered_amount_low()).await;
    assert_eq!(channel.buffered_amount(), 0);
}

#[tokio::test]
async fn try_send_says_why_not_and_gives_the_message_back() {
    let (alice, bob) = pair().await;
    let channel = alice.create_data_channel("x", DataChannelInit::default()).await.unwrap();
    assert!(
        matches!(channel.try_send("early"), Err(TrySendError::NotOpen(message)) if message == "early".into())
    );
    negotiate(&alice, &bob).await;
    within("the channel", channel.opened()).await.unwrap();
    let error = channel.send(vec![0; 262_145]).await.unwrap_err();
    assert!(
        matches!(&error, SendError::TooLarge { message, limit: 262_144 } if message.len() == 262_145),
        "{error}"
    );
    let peer = accept(&bob).await;
    channel.close();
    within("the close", channel.closed()).await;
    assert!(
        matches!(channel.try_send("late"), Err(TrySendError::Closed(message)) if message == "late".into())
    );
    assert_eq!(within("the end of messages", peer.recv()).await, None);
}

#[tokio::test]
async fn what_was_sent_arrives_although_the_channel_was_dropped() {
    let (alice, bob) = pair().await;
    let channel =
        alice.create_data_channel("last words", DataChannelInit::default()).await.unwrap();
    negotiate(&alice, &bob).await;
    for number in 0..100_u32 {
        channel.send(number.to_be_bytes().to_vec()).await.unwrap();
    }
    drop(channel);
    let peer = accept(&bob).await;
    for number in 0..100_u32 {
        assert_eq!(
            within("a message", peer.recv()).await.unwrap().data()[..],
            number.to_be_bytes()
        );
    }
    assert_eq!(within("the end", peer.recv()).await, None);
    assert_eq!(peer.state(), DataChannelState::Closed);
}
