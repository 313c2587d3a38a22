//! Answers that a provider has compressed: gzip, and deflate as zlib has it.
//!
//! Providers are offered no others, so that what a client takes and the gateway cannot read is not sent.

use std::io::{self, Read as _, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use flate2::Compression;
use flate2::{read, write};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use http::{HeaderMap, HeaderValue};
use http_body::{Body as _, Frame};

use super::BODY_LIMIT;
use super::tap::Tap;
use crate::world::caller::Reply;

/// How much of a stream is decoded at once, in bytes: what it becomes may be a thousand times as much.
const PIECE: usize = 4 * 1024;

/// How an answer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As it is.
    Identity,
    Gzip,
    Deflate,
    /// In a way that nobody here can read.
    Unknown,
}

impl Encoding {
    /// What an answer says of itself.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let Some(said) = headers.get(CONTENT_ENCODING) else { return Self::Identity };
        let Ok(said) = said.to_str() else { return Self::Unknown };
        let mut each = said.split(',').map(str::trim).filter(|one| !one.is_empty()).map(Self::named);
        let mut known = each.by_ref().filter(|one| *one != Self::Identity);
        match (known.next(), known.next()) {
            (None, _) => Self::Identity,
            (Some(one), None) => one,
            (Some(_), Some(_)) => Self::Unknown,
        }
    }

    fn named(name: &str) -> Self {
        let is = |one: &str| name.eq_ignore_ascii_case(one);
        if is("identity") {
            Self::Identity
        } else if is("gzip") {
            Self::Gzip
        } else if is("deflate") {
            Self::Deflate
        } else {
            Self::Unknown
        }
    }

    /// A body that has come whole, as it was before; none where it is broken, or longer than [`BODY_LIMIT`]. One that
    /// nobody can read stays as it is.
    pub(crate) fn decode(self, body: Bytes) -> Option<Bytes> {
        let limit = BODY_LIMIT as u64 + 1;
        let mut plain = Vec::new();
        match self {
            Self::Identity | Self::Unknown => return Some(body),
            Self::Gzip => read::GzDecoder::new(&*body).take(limit).read_to_end(&mut plain).ok()?,
            Self::Deflate => read::ZlibDecoder::new(&*body).take(limit).read_to_end(&mut plain).ok()?,
        };
        (plain.len() <= BODY_LIMIT).then(|| plain.into())
    }

    /// A body compressed again.
    pub(crate) fn encode(self, plain: Bytes) -> Bytes {
        let level = Compression::default();
        let encoded = match self {
            Self::Identity | Self::Unknown => return plain,
            Self::Gzip => {
                let mut encoder = write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(&plain).and_then(|()| encoder.finish())
            }
            Self::Deflate => {
                let mut encoder = write::ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(&plain).and_then(|()| encoder.finish())
            }
        };
        // Writing to memory does not fail.
        encoded.map_or(plain, Bytes::from)
    }
}

/// Takes from what a client takes what cannot be read here.
pub(crate) fn offer_what_can_be_read(headers: &mut HeaderMap) {
    let can_be_read = |offer: &str| {
        let name = offer.split(';').next().unwrap_or_default().trim();
        name.is_empty() || Encoding::named(name) != Encoding::Unknown
    };
    let mut offers = headers.get_all(ACCEPT_ENCODING).iter();
    if offers.all(|value| value.to_str().is_ok_and(|value| value.split(',').all(can_be_read))) {
        return;
    }
    let offers = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let kept: Vec<&str> =
        offers.flat_map(|value| value.split(',')).map(str::trim).filter(|one| can_be_read(one)).collect();
    let kept = if kept.is_empty() { "identity".to_owned() } else { kept.join(", ") };
    if let Ok(kept) = HeaderValue::try_from(kept) {
        headers.insert(ACCEPT_ENCODING, kept);
    }
}

/// A compressed stream, as it was before.
pub(crate) struct Decoded {
    reply: Reply,
    pub(crate) tap: Box<Tap>,
    decoder: Decoder,
    /// What has come and is not decoded yet.
    came: Bytes,
    is_over: bool,
}

/// Decodes a body piece by piece.
pub(crate) enum Decoder {
    Gzip(write::GzDecoder<Vec<u8>>),
    Deflate(write::ZlibDecoder<Vec<u8>>),
}

impl Decoded {
    pub(crate) fn new(reply: Reply, decoder: Decoder) -> Self {
        Self { reply, tap: Box::default(), decoder, came: Bytes::new(), is_over: false }
    }

    /// How much is kept of it.
    pub(crate) fn held(&self) -> usize {
        self.tap.held() + self.came.len()
    }

    /// The next piece for the client.
    pub(crate) fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            while !self.came.is_empty() {
                let piece = self.came.split_to(self.came.len().min(PIECE));
                match self.decoder.decode(&piece) {
                    Ok(plain) if plain.is_empty() => {}
                    Ok(plain) => {
                        self.tap.read(&plain);
                        return Poll::Ready(Some(Ok(Frame::data(plain.into()))));
                    }
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            }
            if self.is_over {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut self.reply).poll_frame(context)) {
                Some(Ok(frame)) => self.came = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                None => {
                    self.is_over = true;
                    if let Err(error) = self.decoder.end() {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
        }
    }
}

impl Decoder {
    /// None for an encoding that needs none, or that nobody can read.
    pub(crate) fn of(encoding: Encoding) -> Option<Self> {
        match encoding {
            Encoding::Identity | Encoding::Unknown => None,
            Encoding::Gzip => Some(Self::Gzip(write::GzDecoder::new(Vec::new()))),
            Encoding::Deflate => Some(Self::Deflate(write::ZlibDecoder::new(Vec::new()))),
        }
    }

    /// What the next bytes become, all of it.
    fn decode(&mut self, mut bytes: &[u8]) -> io::Result<Vec<u8>> {
        while !bytes.is_empty() {
            let taken = match self {
                Self::Gzip(decoder) => decoder.write(bytes)?,
                Self::Deflate(decoder) => decoder.write(bytes)?,
            };
            if taken == 0 {
                // What follows its end is none of it.
                break;
            }
            bytes = &bytes[taken..];
        }
        match self {
            Self::Gzip(decoder) => decoder.flush()?,
            Self::Deflate(decoder) => decoder.flush()?,
        }
        Ok(std::mem::take(match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Deflate(decoder) => decoder.get_mut(),
        }))
    }

    /// Whether it may end here.
    fn end(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(decoder) => decoder.try_finish(),
            Self::Deflate(decoder) => decoder.try_finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &http::HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn an_answer_says_how_it_is_encoded() {
        for (said, encoding) in [
            ("gzip", Encoding::Gzip),
            ("identity, GZIP", Encoding::Gzip),
            ("deflate", Encoding::Deflate),
            ("identity", Encoding::Identity),
            ("", Encoding::Identity),
            ("gzip, gzip", Encoding::Unknown),
            ("br", Encoding::Unknown),
        ] {
            assert_eq!(Encoding::of(&headers(&CONTENT_ENCODING, &[said])), encoding, "{said}");
        }
        assert_eq!(Encoding::of(&HeaderMap::new()), Encoding::Identity);
    }

    #[test]
    fn what_is_encoded_is_decoded_and_what_is_broken_or_endless_is_not() {
        let plain = Bytes::from("What is 2+2? ".repeat(100));
        for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Deflate] {
            let encoded = encoding.encode(plain.clone());
            assert_eq!(encoding.decode(encoded.clone()), Some(plain.clone()));
            if encoding != Encoding::Identity {
                assert!(encoded.len() < plain.len());
                assert_eq!(encoding.decode(encoded.slice(..encoded.len() / 2)), None);
                assert_eq!(encoding.decode(encoding.encode(vec![0; BODY_LIMIT + 1].into())), None);
            }
        }
    }

    #[test]
    fn a_piece_is_decoded_when_it_comes() {
        let mut encoder = write::GzEncoder::new(Vec::new(), Compression::default());
        let [mut decoder, mut begun] = [(); 2].map(|()| Decoder::of(Encoding::Gzip).unwrap());
        for event in ["data: 1\n\n", "data: 2\n\n"] {
            encoder.write_all(event.as_bytes()).unwrap();
            encoder.flush().unwrap();
            let came = std::mem::take(encoder.get_mut());
            assert_eq!(decoder.decode(&came).unwrap(), event.as_bytes());
            begun.decode(&came).unwrap();
        }
        assert!(begun.end().is_err(), "it has not ended");
        let mut end = encoder.finish().unwrap();
        end.extend_from_slice(b"more");
        assert!(decoder.decode(&end).unwrap().is_empty());
        assert!(decoder.end().is_ok());
        assert!(Decoder::of(Encoding::Gzip).unwrap().decode(b"plain text").is_err());
    }

    #[test]
    fn providers_are_offered_what_can_be_read() {
        for (takes, offered) in [
            (&["gzip, deflate, br, zstd"][..], &["gzip, deflate"][..]),
            (&["gzip;q=0.5, *;q=0"], &["gzip;q=0.5"]),
            (&["br"], &["identity"]),
            (&["gzip", "zstd"], &["gzip"]),
            (&["gzip,deflate;q=0.1"], &["gzip,deflate;q=0.1"]),
            (&["gzip", "deflate"], &["gzip", "deflate"]),
            (&[], &[]),
        ] {
            let mut sent = headers(&ACCEPT_ENCODING, takes);
            offer_what_can_be_read(&mut sent);
            let sent: Vec<_> = sent.get_all(ACCEPT_ENCODING).iter().map(|value| value.to_str().unwrap()).collect();
            assert_eq!(sent, offered, "{takes:?}");
        }
    }
}
