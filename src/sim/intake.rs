//! Reads a request's body: no more than is allowed, and no longer than a client may take.

use std::time::Duration;

use axum::BoxError;
use bytes::Bytes;
use http::HeaderMap;
use http::header::EXPECT;
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::timeout;

/// How long a body may take to arrive.
pub(crate) const TIME: Duration = Duration::from_mins(1);
/// Bytes beyond the limit that are read and dropped, so that the client hears why.
const PATIENCE: usize = 64 * 1024 * 1024;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is longer than the limit.
    TooLarge,
    /// It did not arrive within [`TIME`].
    TooSlow,
    /// It broke off, or it is no HTTP.
    Broken,
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read<B>(headers: &HeaderMap, body: B, limit: usize) -> Result<Bytes, Unread>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    timeout(TIME, read_limited(headers, body, limit)).await.unwrap_or(Err(Unread::TooSlow))
}

async fn read_limited<B>(headers: &HeaderMap, mut body: B, limit: usize) -> Result<Bytes, Unread>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    if body.size_hint().lower() <= limit as u64 {
        match Limited::new(&mut body, limit).collect().await {
            Ok(read) => return Ok(read.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {}
            Err(_) => return Err(Unread::Broken),
        }
    } else if headers.contains_key(EXPECT) {
        return Err(Unread::TooLarge);
    }
    let mut dropped = 0;
    while let Some(Ok(frame)) = body.frame().await {
        dropped += frame.data_ref().map_or(0, Bytes::len);
        if dropped > PATIENCE {
            break;
        }
    }
    Err(Unread::TooLarge)
}
