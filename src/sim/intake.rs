//! Reads a request's body: no more than is allowed, and no longer than a client may take.

use axum::BoxError;
use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::timeout;

pub(crate) use crate::world::drain::TIME;
use crate::world::drain::{drain, is_held_back};

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
    } else if is_held_back(headers, &body) {
        return Err(Unread::TooLarge);
    }
    drain(&mut body).await;
    Err(Unread::TooLarge)
}
