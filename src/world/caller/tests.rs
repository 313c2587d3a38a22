//! Connections of the caller, on a network in memory and in virtual time.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Method, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio::time::{Instant, sleep};

use super::super::serve::{Server, serve};
use super::super::{Net, connector::Connector};
use super::{CallError, Caller, Reply};
use crate::topology::Authority;

/// Answers `/whole` at once, `/pieces` with three pieces a second apart, and the rest with nothing.
async fn answer(request: Request<Incoming>) -> Response<BoxBody<Bytes, Infallible>> {
    let pieces = stream::iter(["a", "b", "c"]).then(|piece| async move {
        sleep(Duration::from_secs(1)).await;
        Ok(Frame::data(Bytes::from_static(piece.as_bytes())))
    });
    Response::new(match request.uri().path() {
        "/whole" => Full::from("whole").boxed(),
        "/pieces" => BoxBody::new(StreamBody::new(pieces)),
        _ => Full::default().boxed(),
    })
}

fn authority() -> Authority {
    Authority::new("server", 8000)
}

async fn up(net: &Net) -> Server {
    serve(net.listen(&authority()).await.unwrap(), answer)
}

async fn lab() -> (Net, Server, Caller) {
    let net = Net::memory();
    let server = up(&net).await;
    let caller = Caller::new(Connector::new(net.clone()).within(Duration::from_secs(10)));
    (net, server, caller)
}

/// A lab for each way to drive connections.
async fn labs() -> [(Net, Server, Caller); 2] {
    let ((net, server, caller), other) = (lab().await, lab().await);
    [(net, server, caller.with_tasks()), other]
}

async fn ask(caller: &Caller, method: Method, path: &str) -> Result<Response<Reply>, CallError> {
    let request = Request::builder().method(method).uri(format!("http://server:8000{path}"));
    caller.call(request.body(Full::default()).unwrap()).await
}

async fn text(caller: &Caller, path: &str) -> String {
    let reply = ask(caller, Method::GET, path).await.unwrap().into_body();
    String::from_utf8(reply.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn one_request_after_the_other_takes_the_same_connection() {
    for (net, server, caller) in labs().await {
        for (path, expected) in [("/whole", "whole"), ("/pieces", "abc"), ("/nothing", ""), ("/whole", "whole")] {
            assert_eq!(text(&caller, path).await, expected);
        }
        // An answer that has no body is over with its head.
        drop(ask(&caller, Method::HEAD, "/whole").await.unwrap());
        assert_eq!(text(&caller, "/whole").await, "whole");
        assert_eq!((net.connections(), server.open_connections()), (1, 1));
        let at_once = futures_util::future::join(text(&caller, "/whole"), text(&caller, "/pieces")).await;
        assert_eq!(at_once, ("whole".to_owned(), "abc".to_owned()));
        assert_eq!(net.connections(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_piece_arrives_when_it_is_sent() {
    for (_net, _server, caller) in labs().await {
        let began = Instant::now();
        let mut body = ask(&caller, Method::GET, "/pieces").await.unwrap().into_body();
        for second in 1..=3 {
            body.frame().await.unwrap().unwrap();
            assert_eq!(began.elapsed().as_secs(), second);
        }
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_its_server_has_closed_is_not_used_again() {
    for (net, server, caller) in labs().await {
        assert_eq!(text(&caller, "/whole").await, "whole");
        server.stop();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(server.open_connections(), 0);
        let _again = up(&net).await;
        assert_eq!(text(&caller, "/whole").await, "whole");
        assert_eq!(net.connections(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_rests_for_so_long_and_is_then_closed() {
    for (_net, server, caller) in labs().await {
        for _ in 0..2 {
            assert_eq!(text(&caller, "/whole").await, "whole");
            sleep(Duration::from_secs(80)).await;
            assert_eq!(server.open_connections(), 1);
            sleep(Duration::from_secs(110)).await;
            assert_eq!(server.open_connections(), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_takes_the_connection_along() {
    for (_net, server, caller) in labs().await {
        let mut body = ask(&caller, Method::GET, "/pieces").await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        drop(body);
        sleep(Duration::from_millis(2)).await;
        assert_eq!(server.open_connections(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_there_is_an_error_of_connecting() {
    let caller = Caller::new(Connector::new(Net::memory()));
    let error = ask(&caller, Method::GET, "/").await.unwrap_err();
    assert!(matches!(error, CallError::Connect(error) if error.kind() == std::io::ErrorKind::NotFound));
}

#[tokio::test(start_paused = true)]
async fn what_wants_tls_is_not_called_in_the_clear() {
    let (net, _server, caller) = lab().await;
    assert_eq!(text(&caller, "/whole").await, "whole");
    let request = Request::builder().uri("https://server:8000/whole").body(Full::default()).unwrap();
    let error = caller.call(request).await.unwrap_err();
    assert!(matches!(error, CallError::Connect(error) if error.to_string() == "TLS is not spoken here"));
    assert_eq!(net.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_at_once_share_few_connections_while_these_are_quick() {
    let (net, _server, caller) = lab().await;
    let caller = caller.with_tasks().growing_slowly();
    let answers = futures_util::future::join_all((0..5000).map(|_| text(&caller, "/whole"))).await;
    assert!(answers.iter().all(|answer| answer == "whole"));
    assert_eq!(net.connections(), 128);
}
