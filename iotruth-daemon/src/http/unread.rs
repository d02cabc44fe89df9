//! Answers that clients have not read to their end: memory that anybody can have us hold.

use std::sync::Arc;

use axum::{
    body::{self, Body},
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::refusal::Refusal;

/// An answer up to this size needs no room: of all connections together they are little.
const SMALL: usize = 16 << 10;

/// The room for them.
#[derive(Clone, Debug)]
pub(super) struct Unread {
    bytes: u32,
    room: Arc<Semaphore>,
}

/// An answer and its room.
struct Held {
    answer: Bytes,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.answer
    }
}

impl Unread {
    pub(super) fn new(bytes: u32) -> Self {
        Self { bytes, room: Arc::new(Semaphore::new(bytes as usize)) }
    }

    /// Gives an answer if there is room for it. One that is larger than all of it has it alone.
    pub(super) async fn hold(State(unread): State<Self>, request: Request, next: Next) -> Response {
        let (parts, body) = next.run(request).await.into_parts();
        let answer = match body::to_bytes(body, usize::MAX).await {
            Ok(answer) => answer,
            Err(error) => return Refusal::internal(&error).into_response(),
        };
        if answer.len() <= SMALL {
            return Response::from_parts(parts, Body::from(answer));
        }
        let needed = u32::try_from(answer.len()).unwrap_or(u32::MAX).min(unread.bytes);
        let Ok(room) = unread.room.try_acquire_many_owned(needed) else {
            return Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("answers that nobody reads take all {} bytes for them", unread.bytes),
                "read each answer to its end; one that is not read is dropped after a minute"
                    .to_owned(),
            )
            .into_response();
        };
        let held = Held { answer, _room: room };
        Response::from_parts(parts, Body::from(Bytes::from_owner(held)))
    }
}
