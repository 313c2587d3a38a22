//! Clients that are slow, and clients that rest, in virtual time.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};

use super::{Server, serve, serve_with_h2c};
use crate::topology::Authority;
use crate::world::Net;
use crate::world::net::Stream;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

async fn connect() -> (Server, Stream) {
    connect_to(false).await
}

/// A server, which may speak HTTP/2 as well, and a connection to it.
async fn connect_to(h2c: bool) -> (Server, Stream) {
    let net = Net::memory();
    let at = Authority::new("server", 80);
    let handler = |_: Request<Incoming>| async { Response::new(Full::new(Bytes::from_static(b"hello"))) };
    let listener = net.listen(&at).await.unwrap();
    let server = if h2c { serve_with_h2c(listener, handler) } else { serve(listener, handler) };
    let stream = net.connect(&at).await.unwrap();
    (server, stream)
}

/// An answer with its body, which is `hello`.
async fn answer(stream: &mut Stream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"hello") {
        assert!(stream.read_buf(&mut text).await.unwrap() > 0, "it ends after {:?}", String::from_utf8_lossy(&text));
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_told_so_and_closed() {
    let (_server, mut stream) = connect().await;
    // It may rest first.
    sleep(Duration::from_hours(1)).await;
    let began = Instant::now();
    let dribble = async |stream: &mut Stream| -> Result<Infallible, std::io::Error> {
        loop {
            stream.write_all(b"x").await?;
            sleep(Duration::from_secs(1)).await;
        }
    };
    // One byte a second; the client sees no error before the server closes.
    let patience = Duration::from_millis(29_500);
    assert!(timeout(patience, dribble(&mut stream)).await.is_err());
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{text}");
    // A byte is on its way for a millisecond, and so is the answer.
    assert_eq!(began.elapsed(), Duration::from_millis(30_002));
}

#[tokio::test(start_paused = true)]
async fn a_connection_rests_between_requests_as_long_as_it_likes() {
    for h2c in [false, true] {
        let (server, mut stream) = connect_to(h2c).await;
        for _ in 0..3 {
            sleep(Duration::from_hours(1)).await;
            stream.write_all(REQUEST).await.unwrap();
            assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
        }
        assert_eq!(server.open_connections(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn where_http_2_is_spoken_too_a_head_that_never_ends_ends_the_connection() {
    for (before, begun) in
        [(&b""[..], &b"POST /openai HTTP/1.1\r\nhost: "[..]), (b"", b"PRI * HTTP/2.0\r\n"), (REQUEST, b"G")]
    {
        let (server, mut stream) = connect_to(true).await;
        stream.write_all(before).await.unwrap();
        if !before.is_empty() {
            answer(&mut stream).await;
        }
        sleep(Duration::from_hours(1)).await;
        let began = Instant::now();
        stream.write_all(begun).await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert_eq!(began.elapsed(), Duration::from_millis(30_002), "{begun:?}");
        assert_eq!(server.open_connections(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn frames_of_http_2_that_belong_to_no_request_are_no_head() {
    let (server, mut stream) = connect_to(true).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let (settings, ping) = (b"\0\0\0\x04\0\0\0\0\0", b"\0\0\x08\x06\0\0\0\0\x0012345678");
    // In two pieces, as a network may have it.
    for piece in [&preface[..5], &preface[5..], settings, ping] {
        stream.write_all(piece).await.unwrap();
        sleep(Duration::from_millis(5)).await;
    }
    sleep(Duration::from_hours(1)).await;
    assert_eq!(server.open_connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_second_head_of_a_connection_may_not_take_longer_either() {
    let (server, mut stream) = connect().await;
    stream.write_all(REQUEST).await.unwrap();
    answer(&mut stream).await;
    stream.write_all(&REQUEST[..10]).await.unwrap();
    sleep(Duration::from_secs(29)).await;
    assert_eq!(server.open_connections(), 1);
    stream.write_all(&REQUEST[10..]).await.unwrap();
    answer(&mut stream).await;
    stream.write_all(&REQUEST[..10]).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    drop(stream);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(server.open_connections(), 0);
}
