//! What is answered where the request cannot be served: the cause and the remedy, as JSON.

use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{export::query::QueryError, nearest::did_you_mean};

/// An error answer.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    body: Body,
}

#[derive(Debug, Serialize)]
struct Body {
    error: String,
    remedy: String,
}

impl Refusal {
    pub(super) const fn new(status: StatusCode, error: String, remedy: String) -> Self {
        Self { status, body: Body { error, remedy } }
    }

    pub(super) fn unknown_path(path: &str, known: &[&str]) -> Self {
        let hint = did_you_mean(path, known.iter().copied());
        let error = format!("there is no {path} here{hint}");
        Self::new(StatusCode::NOT_FOUND, error, format!("the paths are {}", known.join(", ")))
    }

    pub(super) fn internal(error: &impl std::error::Error) -> Self {
        let remedy = "this is a bug of iotruth: please report it".to_owned();
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string(), remedy)
    }
}

impl From<QueryError> for Refusal {
    fn from(QueryError { error, remedy }: QueryError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, remedy)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // Two strings always serialize.
        let mut body = serde_json::to_string_pretty(&self.body).unwrap_or_default();
        body.push('\n');
        (self.status, [(CONTENT_TYPE, "application/json")], body).into_response()
    }
}
