//! 1,000 connections opened, used and closed in one process: memory and tasks stay flat.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};

use common::{accept, endpoint, negotiate, within};
use peerage::{Configuration, DataChannelInit, Endpoint};

struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: defers to the system's allocator; the counter touches no memory that is handed out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Half of the connections are closed, the others only dropped; some with messages under way.
async fn use_connection(client: &Endpoint, server: &Endpoint, number: usize) {
    let alice = client.connect(Configuration::default()).await.unwrap();
    let bob = server.connect(Configuration::default()).await.unwrap();
    let channel = alice.create_data_channel("x", DataChannelInit::default()).await.unwrap();
    negotiate(&alice, &bob).await;
    let peer = accept(&bob).await;
    channel.send("ping").await.unwrap();
    assert_eq!(within("a message", peer.recv()).await.unwrap(), "ping".into());
    if number.is_multiple_of(3) {
        channel.send(vec![0; 100_000]).await.unwrap();
    }
    if number.is_multiple_of(2) {
        alice.close().await;
        bob.close().await;
    }
}

/// A client with a socket of its own each time, as browsers have; the server has one socket for all.
async fn round(server: &Endpoint, count: usize) -> (isize, usize) {
    for number in 0..count {
        let client = endpoint().await;
        use_connection(&client, server, number).await;
    }
    let tasks = tokio::runtime::Handle::current().metrics();
    within("the clients' tasks to end", async {
        while tasks.num_alive_tasks() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    (LIVE.load(Ordering::Relaxed), tasks.num_alive_tasks())
}

#[tokio::test]
async fn a_thousand_connections_leave_nothing_behind() {
    let server = endpoint().await;
    let (warm, tasks_before) = round(&server, 50).await;
    let (after, tasks_after) = round(&server, 950).await;
    println!(
        "live bytes after 50 connections: {warm}, after 1,000: {after}; tasks {tasks_before}, {tasks_after}"
    );
    assert_eq!(tasks_before, tasks_after);
    // Less than a hundred bytes for each of 950: queues that grew to their working size, and no connection.
    assert!(after - warm < 64 * 1024, "{} bytes more", after - warm);
}
