//! What is left of a request's body once nobody wants it: read and dropped, since a client that is still
//! sending would see its connection break, and not the answer.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::EXPECT;
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

/// How long a body may take to arrive.
pub(crate) const TIME: Duration = Duration::from_mins(1);
/// Bytes that are read and dropped at most.
const PATIENCE: usize = 64 * 1024 * 1024;

/// Whether a client waits for a word before it sends its body, of which nothing has been read: then it
/// need not send it at all.
pub(crate) fn is_held_back<B: Body>(headers: &HeaderMap, body: &B) -> bool {
    headers.contains_key(EXPECT) && body.size_hint().lower() > 0
}

/// Reads a body to its end, or until it has taken too much or too long.
pub(crate) async fn drain<B: Body<Data = Bytes> + Unpin>(body: &mut B) {
    let read = async {
        let mut dropped = 0;
        while let Some(Ok(frame)) = body.frame().await {
            dropped += frame.data_ref().map_or(0, Bytes::len);
            if dropped > PATIENCE {
                break;
            }
        }
    };
    let _ = timeout(TIME, read).await;
}
