//! Clients that are slow, and clients that rest, in virtual time.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};

use super::{Server, serve};
use crate::topology::Authority;
use crate::world::Net;
use crate::world::net::Stream;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

async fn connect() -> (Server, Stream) {
    let net = Net::memory();
    let at = Authority::new("server", 80);
    let handler = |_: Request<Incoming>| async { Response::new(Full::new(Bytes::from_static(b"hello"))) };
    let server = serve(net.listen(&at).await.unwrap(), handler);
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
    let (server, mut stream) = connect().await;
    for _ in 0..3 {
        sleep(Duration::from_hours(1)).await;
        stream.write_all(REQUEST).await.unwrap();
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
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
