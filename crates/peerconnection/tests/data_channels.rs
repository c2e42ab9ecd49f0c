//! Data channels end to end in memory: sizes, kinds, ids, reliability, closing, limits (RFC 8831, RFC 8832; webrtc-pc §6).

mod common;

use std::time::Duration;

use common::{Pair, config};
use peerage_peerconnection::{
    ConnectionState, DataChannelInit, DataChannelState, Event, Message, Priority, SendError,
};

const PATIENCE: Duration = Duration::from_secs(30);

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 31 + index / 251) as u8).collect()
}

#[test]
fn messages_of_all_sizes_come_back_as_they_went() {
    let (mut pair, a, _) = Pair::connected(40);
    pair.b.echo = true;
    let mut sent = Vec::new();
    for size in [0, 1, 1_200, 16 * 1024, 64 * 1024, 256 * 1024] {
        sent.push(Message::Binary(pattern(size).into()));
        sent.push(Message::text("x".repeat(size)));
    }
    for message in &sent {
        pair.a.pc.send(pair.now, a, message.clone()).unwrap();
    }
    assert!(
        pair.run_until(PATIENCE, |pair| pair.a.messages.len() == sent.len()),
        "{:?}",
        pair.a.messages
    );
    let back: Vec<Message> = pair.a.messages.iter().map(|(_, message)| message.clone()).collect();
    assert_eq!(back, sent);
    assert_eq!(pair.a.pc.buffered_amount(a), 0);
    let statistics = pair.a.pc.statistics();
    assert_eq!(statistics.data_channels[0].messages_sent, 12);
    assert_eq!(statistics.data_channels[0].messages_received, 12);
    let total: u64 = sent.iter().map(|message| message.len() as u64).sum();
    assert_eq!(statistics.data_channels[0].bytes_received, total);
}

#[test]
fn a_hundred_channels_from_both_sides() {
    let (mut pair, ..) = Pair::connected(41);
    let mut ours = Vec::new();
    for number in 0..100 {
        let (now, label) = (pair.now, format!("channel {number}"));
        ours.push(pair.a.pc.create_data_channel(now, &label, DataChannelInit::default()).unwrap());
        pair.b.pc.create_data_channel(now, &label, DataChannelInit::default()).unwrap();
    }
    assert!(pair.run_until(PATIENCE, |pair| pair.a.incoming().len() == 100
        && pair.b.incoming().len() == 101));
    pair.b.echo = true;
    for (number, handle) in ours.iter().enumerate() {
        pair.a.pc.send(pair.now, *handle, Message::text(number.to_string())).unwrap();
    }
    assert!(pair.run_until(PATIENCE, |pair| pair.a.messages.len() == 100));
    for (number, handle) in ours.iter().enumerate() {
        assert!(pair.a.messages.contains(&(*handle, Message::text(number.to_string()))));
    }
    // Ids have the parity of the DTLS role and are all different.
    let mut ids: Vec<u16> = ours
        .iter()
        .map(|&handle| pair.a.pc.data_channel(handle).unwrap().init.id.unwrap())
        .collect();
    assert!(ids.iter().all(|id| id % 2 == 1));
    ids.dedup();
    assert_eq!(ids.len(), 100);
}

#[test]
fn what_the_opener_said_reaches_the_other_end() {
    let (mut pair, ..) = Pair::connected(42);
    let init = DataChannelInit {
        ordered: false,
        max_retransmits: Some(3),
        protocol: "p".into(),
        priority: Priority::High,
        ..DataChannelInit::default()
    };
    pair.a.pc.create_data_channel(pair.now, "the label", init.clone()).unwrap();
    let timed = DataChannelInit { max_packet_life_time: Some(500), ..DataChannelInit::default() };
    pair.a.pc.create_data_channel(pair.now, "", timed.clone()).unwrap();
    assert!(pair.run_until(PATIENCE, |pair| pair.b.incoming().len() == 3));
    let seen = |index: usize| pair.b.pc.data_channel(pair.b.incoming()[index]).unwrap();
    assert_eq!(seen(1).label, "the label");
    assert_eq!(seen(1).init, DataChannelInit { id: Some(3), ..init });
    assert_eq!(seen(2).init, DataChannelInit { id: Some(5), ..timed });
}

#[test]
fn negotiated_channels_need_no_open() {
    let mut pair = Pair::new(43);
    let init = DataChannelInit { negotiated: true, id: Some(7), ..DataChannelInit::default() };
    let a = pair.a.pc.create_data_channel(pair.now, "a", init.clone()).unwrap();
    let b = pair.b.pc.create_data_channel(pair.now, "b", init.clone()).unwrap();
    pair.negotiate();
    assert!(
        pair.run_until(PATIENCE, |pair| !pair.a.opened().is_empty() && !pair.b.opened().is_empty())
    );
    pair.a.pc.send(pair.now, a, Message::text("hi")).unwrap();
    assert!(pair.run_until(PATIENCE, |pair| !pair.b.messages.is_empty()));
    assert_eq!(pair.b.messages, [(b, Message::text("hi"))]);
    assert!(pair.b.incoming().is_empty() && pair.a.incoming().is_empty());
    let error = pair.a.pc.create_data_channel(pair.now, "again", init).unwrap_err();
    assert_eq!(error.name(), "OperationError");
}

#[test]
fn closing_is_seen_by_both_and_frees_the_id() {
    let (mut pair, a, b) = Pair::connected(44);
    let id = pair.a.pc.data_channel(a).unwrap().init.id;
    pair.a.pc.send(pair.now, a, Message::text("last words")).unwrap();
    pair.a.pc.close_data_channel(pair.now, a);
    assert_eq!(pair.a.pc.data_channel(a).unwrap().state, DataChannelState::Closing);
    assert_eq!(
        pair.a.pc.send(pair.now, a, Message::text("too late")),
        Err(SendError::NotOpen(DataChannelState::Closing))
    );
    assert!(
        pair.run_until(PATIENCE, |pair| !pair.a.closed().is_empty() && !pair.b.closed().is_empty())
    );
    assert_eq!(pair.b.messages, [(b, Message::text("last words"))]);
    assert!(
        pair.b.has(&Event::DataChannelClosing(b)) && !pair.a.has(&Event::DataChannelClosing(a))
    );
    assert!(pair.a.pc.data_channel(a).is_none() && pair.b.pc.data_channel(b).is_none());
    assert_eq!(pair.a.pc.send(pair.now, a, Message::text("x")), Err(SendError::UnknownDataChannel));

    let (again, there) = pair.open("again");
    assert_eq!(pair.a.pc.data_channel(again).unwrap().init.id, id);
    pair.a.pc.send(pair.now, again, Message::text("anew")).unwrap();
    assert!(pair.run_until(PATIENCE, |pair| pair.b.messages.len() == 2));
    assert_eq!(pair.b.messages[1], (there, Message::text("anew")));
}

#[test]
fn closing_from_both_sides_at_once_ends_well() {
    let (mut pair, a, b) = Pair::connected(45);
    pair.a.pc.close_data_channel(pair.now, a);
    pair.b.pc.close_data_channel(pair.now, b);
    assert!(
        pair.run_until(PATIENCE, |pair| !pair.a.closed().is_empty() && !pair.b.closed().is_empty())
    );
    assert_eq!((pair.a.closed(), pair.b.closed()), (vec![a], vec![b]));
}

#[test]
fn closing_the_connection_tells_the_peer_at_once() {
    let (mut pair, a, b) = Pair::connected(46);
    pair.a.pc.close(pair.now);
    assert_eq!(pair.a.pc.connection_state(), ConnectionState::Closed);
    assert!(
        pair.run_until(Duration::from_secs(1), |pair| !pair.b.closed().is_empty()),
        "{:?}",
        pair.b.events
    );
    assert_eq!((pair.a.closed(), pair.b.closed()), (vec![a], vec![b]));
    assert!(
        pair.b
            .pick(|event| matches!(event, Event::DataChannelError { .. }).then_some(()))
            .is_empty()
    );
    assert!(pair.a.pc.poll_timeout().is_none());
    assert_eq!(
        pair.a
            .pc
            .create_data_channel(pair.now, "x", DataChannelInit::default())
            .unwrap_err()
            .name(),
        "InvalidStateError"
    );
    // Nobody answers the other's consent checks any more.
    assert!(pair.run_until(Duration::from_secs(60), |pair| pair.b.pc.connection_state()
        == ConnectionState::Failed));
}

#[test]
fn a_peer_that_vanishes_is_missed_and_then_given_up() {
    let (mut pair, ..) = Pair::connected(47);
    pair.filter = Box::new(|_, _| false);
    assert!(pair.run_until(Duration::from_secs(15), |pair| pair.a.pc.connection_state()
        == ConnectionState::Disconnected));
    assert!(pair.run_until(Duration::from_secs(40), |pair| pair.a.pc.connection_state()
        == ConnectionState::Failed));
    pair.filter = Box::new(|_, _| true);
    // Only a restart leads out, and what was sent meanwhile arrives.
    let (a, _) = (pair.a.opened()[0], ());
    pair.a.pc.send(pair.now, a, Message::text("still here")).unwrap();
    pair.a.pc.restart_ice(pair.now);
    pair.negotiate();
    pair.connect();
    assert!(pair.run_until(PATIENCE, |pair| !pair.b.messages.is_empty()));
}

#[test]
fn a_restart_while_data_flows_loses_nothing() {
    let (mut pair, a, _) = Pair::connected(48);
    for round in 0..4u32 {
        for number in 0..50u32 {
            let text = format!("{} {}", round * 50 + number, "x".repeat(3000));
            pair.a.pc.send(pair.now, a, Message::text(text)).unwrap();
        }
        pair.run_for(Duration::from_millis(20));
        match round {
            0 => pair.a.pc.restart_ice(pair.now),
            2 => pair.b.pc.restart_ice(pair.now),
            _ => continue,
        }
        if round == 0 { pair.negotiate() } else { pair.negotiate_from_b() }
    }
    assert!(
        pair.run_until(PATIENCE, |pair| pair.b.messages.len() == 200),
        "{}",
        pair.b.messages.len()
    );
    for (number, (_, message)) in pair.b.messages.iter().enumerate() {
        assert!(message.as_text().unwrap().starts_with(&format!("{number} ")));
    }
    pair.connect();
}

#[test]
fn a_full_buffer_hands_the_message_back_and_says_when_there_is_room() {
    let mut small = config();
    small.settings.sctp.send_buffer = 100_000;
    let mut pair = Pair::with(49, small, config());
    let (a, _) = pair.open("test");
    pair.a.pc.set_buffered_amount_low_threshold(a, 1000);
    let message = Message::Binary(pattern(30_000).into());
    let mut taken = 0;
    let refused = loop {
        match pair.a.pc.send(pair.now, a, message.clone()) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 100);
    };
    assert_eq!(refused, SendError::BufferFull(message.clone()));
    assert!(pair.a.pc.buffered_amount(a) >= 60_000);
    assert!(pair.run_until(PATIENCE, |pair| pair.a.has(&Event::BufferedAmountLow(a))));
    pair.a.pc.send(pair.now, a, message).unwrap();
    assert!(pair.run_until(PATIENCE, |pair| pair.b.messages.len() == taken + 1));
}

#[test]
fn oversize_messages_are_refused_by_the_sender() {
    let mut small = config();
    small.settings.sctp.max_message_size = 5000;
    let mut pair = Pair::with(50, config(), small);
    let (a, b) = pair.open("test");
    assert_eq!(pair.a.pc.max_message_size(), 5000);
    let error = pair.a.pc.send(pair.now, a, Message::Binary(vec![0; 5001].into())).unwrap_err();
    assert_eq!(
        (error.name(), error),
        ("TypeError", SendError::TooLarge { size: 5001, limit: 5000 })
    );
    pair.a.pc.send(pair.now, a, Message::Binary(vec![0; 5000].into())).unwrap();
    pair.b.pc.send(pair.now, b, Message::Binary(vec![0; 200_000].into())).unwrap();
    assert!(
        pair.run_until(PATIENCE, |pair| !pair.b.messages.is_empty() && !pair.a.messages.is_empty())
    );
}

#[test]
fn options_that_contradict_each_other_are_type_errors() {
    let mut pair = Pair::new(51);
    let bad = [
        DataChannelInit {
            max_retransmits: Some(1),
            max_packet_life_time: Some(1),
            ..DataChannelInit::default()
        },
        DataChannelInit { negotiated: true, ..DataChannelInit::default() },
        DataChannelInit { negotiated: true, id: Some(65_535), ..DataChannelInit::default() },
        DataChannelInit { protocol: "x".repeat(65_536), ..DataChannelInit::default() },
    ];
    for init in bad {
        assert_eq!(
            pair.a.pc.create_data_channel(pair.now, "", init).unwrap_err().name(),
            "TypeError"
        );
    }
    let label = "x".repeat(65_536);
    assert_eq!(
        pair.a
            .pc
            .create_data_channel(pair.now, &label, DataChannelInit::default())
            .unwrap_err()
            .name(),
        "TypeError"
    );
}

#[test]
fn a_peer_that_opens_without_end_is_held_at_the_limit() {
    let mut limited = config();
    limited.settings.sctp.max_data_channels = 10;
    let mut pair = Pair::with(52, config(), limited);
    pair.open("first");
    for _ in 0..200 {
        pair.a.pc.create_data_channel(pair.now, "more", DataChannelInit::default()).unwrap();
    }
    pair.run_for(Duration::from_secs(5));
    assert_eq!(pair.b.incoming().len(), 10);
    assert_eq!(pair.b.pc.statistics().data_channels.len(), 10);
    assert!(!pair.a.closed().is_empty(), "those refused are closed");
    assert_eq!(pair.b.pc.connection_state(), ConnectionState::Connected);
    let error =
        pair.b.pc.create_data_channel(pair.now, "own", DataChannelInit::default()).unwrap_err();
    assert_eq!(error.name(), "OperationError");
}

#[test]
fn a_paused_receiver_holds_the_sender_back_and_loses_nothing() {
    let mut receiver = config();
    receiver.settings.sctp.receive_window = 512 * 1024;
    let mut pair = Pair::with(53, config(), receiver);
    let (a, _) = pair.open("test");
    pair.b.pc.set_receive_paused(true);
    for _ in 0..100 {
        pair.a.pc.send(pair.now, a, Message::Binary(pattern(50_000).into())).unwrap();
    }
    pair.run_for(Duration::from_secs(5));
    assert!(pair.b.messages.is_empty());
    assert!(pair.a.pc.buffered_amount(a) > 4_000_000, "{}", pair.a.pc.buffered_amount(a));
    pair.b.pc.set_receive_paused(false);
    assert!(
        pair.run_until(PATIENCE, |pair| pair.b.messages.len() == 100),
        "{}",
        pair.b.messages.len()
    );
}

#[test]
fn a_channel_closes_though_its_messages_are_not_read() {
    let (mut pair, a, b) = Pair::connected(54);
    pair.b.pc.set_receive_paused(true);
    for _ in 0..40 {
        pair.a.pc.send(pair.now, a, Message::Binary(pattern(200_000).into())).unwrap();
    }
    pair.run_for(Duration::from_secs(5));
    assert!(pair.a.pc.buffered_amount(a) > 2_000_000, "the window is full");
    pair.b.pc.close_data_channel(pair.now, b);
    assert!(
        pair.run_until(PATIENCE, |pair| !pair.a.closed().is_empty() && !pair.b.closed().is_empty())
    );
    assert!(pair.b.messages.is_empty(), "the application closed the channel");
    // The ids and the window are free again.
    pair.b.pc.set_receive_paused(false);
    let (again, there) = pair.open("again");
    pair.a.pc.send(pair.now, again, Message::text("anew")).unwrap();
    assert!(pair.run_until(PATIENCE, |pair| !pair.b.messages.is_empty()));
    assert_eq!(pair.b.messages, [(there, Message::text("anew"))]);
}

#[test]
fn a_paused_receiver_reads_what_came_before_the_peer_closed_the_channel() {
    let (mut pair, a, b) = Pair::connected(55);
    pair.b.pc.set_receive_paused(true);
    for _ in 0..20 {
        pair.a.pc.send(pair.now, a, Message::Binary(pattern(10_000).into())).unwrap();
    }
    pair.a.pc.close_data_channel(pair.now, a);
    pair.run_for(Duration::from_secs(3));
    assert!(pair.b.messages.is_empty() && pair.b.closed().is_empty());
    pair.b.pc.set_receive_paused(false);
    assert!(
        pair.run_until(PATIENCE, |pair| !pair.a.closed().is_empty() && !pair.b.closed().is_empty())
    );
    assert_eq!(pair.b.messages.len(), 20);
    assert_eq!(pair.b.closed(), [b]);
}

#[test]
fn a_paused_receiver_learns_that_the_peer_is_gone() {
    let (mut pair, a, b) = Pair::connected(56);
    pair.b.pc.set_receive_paused(true);
    for _ in 0..20 {
        pair.a.pc.send(pair.now, a, Message::Binary(pattern(100_000).into())).unwrap();
    }
    assert!(pair.run_until(PATIENCE, |pair| pair.a.pc.buffered_amount(a) == 0));
    pair.run_for(Duration::from_secs(1));
    pair.a.pc.close(pair.now);
    assert!(pair.run_until(Duration::from_secs(1), |pair| pair.b.closed() == [b]));
    assert_eq!(pair.b.messages.len(), 20, "what had arrived is not lost");
}

/// While nothing gets through, the timers of SCTP double. Once ICE has a path they must not keep it idle.
#[test]
fn data_flows_as_soon_as_a_path_is_back() {
    let (mut pair, a, _) = Pair::connected(31);
    pair.filter = Box::new(|_, _| false);
    pair.a.pc.send(pair.now, a, Message::text("held up")).unwrap();
    // Long enough for the timers to be seconds apart, too short for ICE to give the path up.
    pair.run_for(Duration::from_secs(20));
    assert_eq!(pair.a.pc.connection_state(), ConnectionState::Disconnected);
    pair.filter = Box::new(|_, _| true);
    let back = |pair: &mut Pair| pair.a.pc.connection_state() == ConnectionState::Connected;
    assert!(pair.run_until(PATIENCE, back));
    assert!(pair.run_until(Duration::from_millis(500), |pair| !pair.b.messages.is_empty()));
}
