//! A receiver with axum and standardwebhooks, on the socket whose number is its argument (see tests/conformance/good).

use std::collections::BTreeSet;
use std::env::{args, var};
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::FromRawFd;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{json, Map, Value};
use standardwebhooks::{Webhook, HEADER_WEBHOOK_ID};

const LONGEST_BODY: usize = 4 << 20;

/// What the receiver did, in a file: an event takes effect once, and that survives restarts.
struct Ledger {
    file: File,
    seen: BTreeSet<String>,
}

impl Ledger {
    fn open(path: &str) -> std::io::Result<Self> {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .read(true)
            .open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok(Ledger {
            file,
            seen: text.lines().map(str::to_owned).collect(),
        })
    }

    fn take(&mut self, id: &str) -> std::io::Result<()> {
        if !self.seen.contains(id) {
            writeln!(self.file, "{id}")?;
            self.seen.insert(id.to_owned());
        }
        Ok(())
    }
}

struct Receiver {
    webhook: Webhook,
    ledger: Mutex<Ledger>,
}

async fn hooks(
    State(receiver): State<Arc<Receiver>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let id = headers
        .get(HEADER_WEBHOOK_ID)
        .and_then(|value| value.to_str().ok());
    let (Ok(()), Some(id)) = (receiver.webhook.verify(&body, &headers), id) else {
        return StatusCode::BAD_REQUEST;
    };
    match receiver
        .ledger
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take(id)
    {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn effects(State(receiver): State<Arc<Receiver>>) -> Json<Value> {
    let ledger = receiver
        .ledger
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let counts: Map<String, Value> = ledger
        .seen
        .iter()
        .map(|id| (id.clone(), json!(1)))
        .collect();
    Json(json!({ "effects": counts, "total": ledger.seen.len() }))
}

fn main() -> Result<(), Box<dyn Error>> {
    let number = args()
        .nth(1)
        .ok_or("the number of a socket is needed")?
        .parse()?;
    // The socket was handed over, and nothing else in this process has it.
    let socket = unsafe { TcpListener::from_raw_fd(number) };
    socket.set_nonblocking(true)?;
    let receiver = Receiver {
        webhook: Webhook::new(&var("SECRET")?)?,
        ledger: Mutex::new(Ledger::open(&var("LEDGER")?)?),
    };
    let routes = Router::new()
        .route("/hooks", post(hooks))
        .route("/effects", get(effects))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(Arc::new(receiver));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        Ok(axum::serve(tokio::net::TcpListener::from_std(socket)?, routes).await?)
    })
}
