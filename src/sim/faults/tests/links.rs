//! Faults of the network on connections that live, that nobody uses any more, and that come from outside.

use std::io;
use std::time::Duration;

use axum::Router;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};

use super::{HOST, Rig, authority, in_real_time, in_virtual_time, serve};
use crate::fault::{Aim, Clear, Injection, Target};
use crate::topology::{Authority, Topology};

/// Reads one whole answer off a connection that is kept.
async fn read_answer(stream: &mut crate::world::Stream) -> io::Result<String> {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while !text.ends_with(b"0\r\n\r\n") {
        match stream.read(&mut buffer).await? {
            0 => break,
            count => text.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(String::from_utf8(text).unwrap())
}

const KEPT: &[u8] = b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: 15\r\n\r\n{\"stream\":true}";

#[test]
fn live_connections_are_struck_in_their_next_exchange() {
    let run = async |rig: Rig| {
        let mut stream = rig.world.net.of("client").connect(&authority()).await.unwrap();
        stream.write_all(KEPT).await.unwrap();
        let mut first = [0; 64];
        stream.read_exact(&mut first).await.unwrap();
        rig.inject("reset");
        let rest = read_answer(&mut stream).await.unwrap();
        assert!(rest.contains("[DONE]"), "the answer under way is let be: {rest}");
        stream.write_all(KEPT).await.unwrap();
        assert_eq!(read_answer(&mut stream).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    };
    in_virtual_time(run);
    in_real_time(run);
}

#[test]
fn an_idle_connection_is_reset_at_once() {
    let run = async |rig: Rig| {
        let mut stream = rig.world.net.of("client").connect(&authority()).await.unwrap();
        stream.write_all(KEPT).await.unwrap();
        read_answer(&mut stream).await.unwrap();
        let board = rig.board.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(50)).await;
            board.inject(Injection::parse("{reset: {when: at-once}}").unwrap(), Aim::host(HOST));
        });
        let start = Instant::now();
        assert_eq!(stream.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        let passed = start.elapsed().as_millis();
        assert!(passed >= 50, "{passed} ms");
        assert!(passed < 60 || !rig.world.net.is_memory(), "{passed} ms");
    };
    in_virtual_time(run);
    in_real_time(run);
}

#[test]
fn what_was_written_arrives_though_the_writer_is_gone() {
    let run = async |rig: Rig| {
        let to = Authority::new("sink", 1);
        let mut listener = rig.world.net.listen(&to).await.unwrap();
        rig.board.inject(Injection::parse("{latency: {time: 200ms, direction: upstream}}").unwrap(), Aim::default());
        let mut stream = rig.world.net.connect(&to).await.unwrap();
        let mut accepted = listener.accept().await.unwrap();
        let start = Instant::now();
        stream.write_all(b"a last word").await.unwrap();
        drop(stream);
        let mut text = String::new();
        accepted.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "a last word");
        let took = start.elapsed().as_millis();
        assert!(if rig.world.net.is_memory() { took == 201 } else { (200..400).contains(&took) }, "{took}");
    };
    in_virtual_time(run);
    in_real_time(run);
}

#[test]
fn programs_outside_the_lab_are_met_at_the_listener() {
    in_real_time(async |rig| {
        let front = Authority::new("agentgateway-proxy", 8080);
        let listener = rig.world.net.listen(&front).await.unwrap().outside("client");
        let address = listener.address().unwrap();
        drop(crate::sim::serve(listener, Router::new().fallback(serve)));
        let gateway = Target::parse("client -> gateway").unwrap().aim(&Topology::default()).unwrap();
        let fetch = async || {
            let mut bytes = Vec::new();
            let exchange = async {
                #[expect(clippy::disallowed_methods, reason = "a program outside the lab")]
                let mut stream = tokio::net::TcpStream::connect(address).await?;
                stream.write_all(KEPT).await?;
                stream.read_to_end(&mut bytes).await
            };
            let read = timeout(Duration::from_millis(500), exchange).await;
            (bytes, read.map(|read| read.map_err(|error| error.kind())))
        };
        for (fault, expected) in
            [("{byte-limit: {bytes: 40}}", Ok(Ok(40))), ("refuse", Ok(Err(io::ErrorKind::ConnectionReset)))]
        {
            rig.board.inject(Injection::parse(fault).unwrap(), gateway.clone());
            let (bytes, read) = fetch().await;
            assert_eq!(read, expected, "{fault}: {}", String::from_utf8_lossy(&bytes));
            rig.board.clear(&Clear::All);
        }
        let (bytes, _) = fetch().await;
        assert!(bytes.ends_with(b"0\r\n\r\n"));
    });
}

#[test]
fn a_request_whose_body_comes_slowly_or_not_at_all_is_the_simulators_own() {
    in_virtual_time(async |rig| {
        rig.inject("{fault: status, probability: 0}");
        let mut stream = rig.world.net.connect(&authority()).await.unwrap();
        let (head, body) = KEPT.split_at(KEPT.len() - 15);
        stream.write_all(head).await.unwrap();
        sleep(Duration::from_secs(40)).await;
        stream.write_all(body).await.unwrap();
        assert!(read_answer(&mut stream).await.unwrap().contains("[DONE]"), "what came late is passed on");
    });
}
