//! Clients that mean harm, on real processes: what they send is refused clearly and in
//! bounded memory, everybody else is served meanwhile, and no secret ever comes out.

mod crowds;
mod requests;
mod secrets;
mod tokens;
mod wire;

use serde_json::{Value, json};
use testkit::{
    Service,
    chain::{Chain, Engine},
};

/// A chain with its usual settings.
fn chain() -> Chain {
    chain_with(|_, service| service)
}

fn chain_with(adjust: impl Fn(&str, Service) -> Service) -> Chain {
    Chain::start(env!("CARGO_BIN_EXE_nines"), Engine::Sqlite, adjust)
}

/// A token of `user-1`.
async fn log_in(chain: &Chain) -> String {
    let login = json!({ "username": "user-1", "password": "password-1" });
    let request = client()
        .post(chain.url("gateway", "/v1/login"))
        .json(&login);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    answer["token"].as_str().unwrap().to_owned()
}

/// The status of `GET /v1/me` with this token, and the problem, if it is one.
async fn me(chain: &Chain, token: &str) -> (u16, Value) {
    let request = client()
        .get(chain.url("gateway", "/v1/me"))
        .bearer_auth(token);
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}
