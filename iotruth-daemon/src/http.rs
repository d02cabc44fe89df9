//! The HTTP side: read-only, and everything it says comes from one view at a time.

mod refusal;
mod server;
#[cfg(test)]
mod tests;
mod unread;

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Query, Request, State},
    http::{
        Method, StatusCode, Uri,
        header::{ALLOW, CONTENT_TYPE, HeaderValue},
    },
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use tokio::sync::watch;

use self::refusal::Refusal;
pub use self::server::{HttpError, Limits, bind, serve};
use crate::{
    export::{
        inflight, metrics,
        mismatches::{Filter, mismatches},
        query::{self, Format},
        ready,
        status::{self, status},
    },
    view::View,
};

/// Bytes of a query above which it is refused: every sensible one is far shorter.
const MAX_QUERY: usize = 2_048;

/// Path of each endpoint, and what it is for.
const ENDPOINTS: [(&str, &str); 7] = [
    ("/", "this index"),
    ("/metrics", "figures for Prometheus"),
    ("/mismatches", "requests that failed or behaved oddly, newest first"),
    ("/inflight", "requests that have begun and not ended, oldest first"),
    ("/status", "how the daemon is doing, and whether its books balance"),
    ("/healthz", "answers while the daemon is alive"),
    (
        "/readyz",
        "200 while all threads run and every reader has begun and is given a CPU, else 503 with the reason",
    ),
];

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

type Views = watch::Receiver<Arc<View>>;

/// All endpoints over the newest view.
pub fn router(views: Views) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/metrics", get(get_metrics))
        .route("/mismatches", get(get_mismatches))
        .route("/inflight", get(get_inflight))
        .route("/status", get(get_status))
        .route("/healthz", get(get_healthz))
        .route("/readyz", get(get_readyz))
        .method_not_allowed_fallback(wrong_method)
        .fallback(unknown_path)
        .layer(middleware::from_fn(refuse_long_query))
        .with_state(views)
}

async fn index(uri: Uri) -> Result<Response, Refusal> {
    no_query(&uri)?;
    let mut text = String::from("iotruth: what really reached the block device\n\n");
    for (path, purpose) in ENDPOINTS {
        let _ = writeln!(text, "{path:<14}{purpose}");
    }
    text.push_str(
        "\n/mismatches, /inflight and /status take ?format=text; the first two also take ",
    );
    text.push_str(
        "device= and limit=,\nand /mismatches takes kind=, severity= and since= (10m, or a time in UTC).\n",
    );
    Ok(answer(StatusCode::OK, TEXT, text.into()))
}

async fn get_metrics(State(views): State<Views>, uri: Uri) -> Result<Response, Refusal> {
    no_query(&uri)?;
    let view = newest(&views);
    let text = metrics::metrics(&view).map_err(|error| Refusal::internal(&error))?;
    Ok(answer(StatusCode::OK, metrics::CONTENT_TYPE, text))
}

async fn get_mismatches(State(views): State<Views>, uri: Uri) -> Result<Response, Refusal> {
    let view = newest(&views);
    let filter = Filter::new(&pairs(&uri)?, &view)?;
    Ok(answer(StatusCode::OK, content_type(filter.format), mismatches(&view, &filter)))
}

async fn get_inflight(State(views): State<Views>, uri: Uri) -> Result<Response, Refusal> {
    let (format, body) = inflight::inflight(&newest(&views), &pairs(&uri)?)?;
    Ok(answer(StatusCode::OK, content_type(format), body))
}

async fn get_status(State(views): State<Views>, uri: Uri) -> Result<Response, Refusal> {
    let format = status::format(&pairs(&uri)?)?;
    Ok(answer(StatusCode::OK, content_type(format), status(&newest(&views), format)))
}

async fn get_healthz(uri: Uri) -> Result<Response, Refusal> {
    no_query(&uri)?;
    Ok(answer(StatusCode::OK, JSON, ready::healthy()))
}

async fn get_readyz(State(views): State<Views>, uri: Uri) -> Result<Response, Refusal> {
    no_query(&uri)?;
    // A view that nobody will ever replace is history, whatever it says of itself.
    let orphaned = views.has_changed().is_err();
    let (ready, body) = ready::ready(&newest(&views), orphaned);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(answer(status, JSON, body))
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let mut response = Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{method} is not allowed on {}", uri.path()),
        "iotruth is read-only: use GET or HEAD".to_owned(),
    )
    .into_response();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

async fn unknown_path(uri: Uri) -> Refusal {
    Refusal::unknown_path(uri.path(), &ENDPOINTS.map(|(path, _)| path))
}

async fn refuse_long_query(request: Request, next: Next) -> Response {
    let length = request.uri().query().map_or(0, str::len);
    if length <= MAX_QUERY {
        return next.run(request).await;
    }
    Refusal::new(
        StatusCode::URI_TOO_LONG,
        format!("the query has {length} bytes"),
        format!("a query has at most {MAX_QUERY} bytes"),
    )
    .into_response()
}

fn newest(views: &Views) -> Arc<View> {
    Arc::clone(&views.borrow())
}

/// The decoded pairs of the query.
fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Refusal> {
    Query::try_from_uri(uri).map(|Query(pairs)| pairs).map_err(|error| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            format!("the query cannot be read: {error}"),
            "write it as key=value, joined by &".to_owned(),
        )
    })
}

fn no_query(uri: &Uri) -> Result<(), Refusal> {
    query::Query::new(&pairs(uri)?, &[])?;
    Ok(())
}

const fn content_type(format: Format) -> &'static str {
    match format {
        Format::Json => JSON,
        Format::Text => TEXT,
    }
}

fn answer(status: StatusCode, content_type: &'static str, body: Bytes) -> Response {
    (status, [(CONTENT_TYPE, content_type)], Body::from(body)).into_response()
}
