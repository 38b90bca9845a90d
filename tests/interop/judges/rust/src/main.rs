//! Judges with Rust's library: a question a line of JSON on standard input, a verdict a line on standard output (see foreign.py).

use std::error::Error;
use std::io::{stdin, stdout, BufRead, Write};

use base64::{engine::general_purpose::STANDARD, Engine};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{json, Value};
use standardwebhooks::Webhook;

fn text<'a>(asked: &'a Value, name: &str) -> &'a str {
    asked[name].as_str().unwrap_or_default()
}

fn verify(asked: &Value, body: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut headers = HeaderMap::new();
    for (name, value) in asked["headers"].as_object().into_iter().flatten() {
        headers.insert(
            HeaderName::try_from(name)?,
            HeaderValue::from_str(value.as_str().unwrap_or_default())?,
        );
    }
    Ok(Webhook::new(text(asked, "secret"))?.verify(body, &headers)?)
}

fn sign(asked: &Value, body: &[u8]) -> Result<Value, Box<dyn Error>> {
    let (id, now) = (text(asked, "id"), asked["now"].as_i64().unwrap_or_default());
    let signature = Webhook::new(text(asked, "secret"))?.sign(id, now, body)?;
    Ok(
        json!({ "webhook-id": id, "webhook-timestamp": now.to_string(), "webhook-signature": signature }),
    )
}

fn answer(line: &str) -> Result<Value, Box<dyn Error>> {
    let asked: Value = serde_json::from_str(line)?;
    let body = STANDARD.decode(text(&asked, "body"))?;
    if text(&asked, "operation") == "sign" {
        return Ok(json!({ "headers": sign(&asked, &body)? }));
    }
    Ok(match verify(&asked, &body) {
        Ok(()) => json!({ "accepted": true }),
        Err(refusal) => json!({ "accepted": false, "reason": refusal.to_string() }),
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = stdout();
    for line in stdin().lock().lines() {
        let verdict =
            answer(&line?).unwrap_or_else(|fault| json!({ "failure": fault.to_string() }));
        writeln!(out, "{verdict}")?;
        out.flush()?;
    }
    Ok(())
}
