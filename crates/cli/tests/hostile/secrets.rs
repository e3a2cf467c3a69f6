//! No secret ever in logs, spans, metrics, problems, files or the list of processes: values
//! are planted, everything that can be seen is gathered, and searched.

use super::client;
use axum::{Router, body::Bytes, extract::State};
use serde_json::{Value, json};
use std::{
    fs,
    sync::{Arc, Mutex},
};
use testkit::{
    Service,
    chain::{Chain, Engine, SERVICES},
    postgres::Cluster,
};

const PASSWORD: &str = "pl4nted-p4ssword-of-a-user";
/// A password that comes as a number, which an error message may repeat.
const NUMBER: &str = "8675309867530986753";
const ADMIN_TOKEN: &str = "pl4nted-4dmin-token";
const STORE_PASSWORD: &str = "pl4nted-p4ssword-of-the-store";

/// All that was exported as telemetry.
type Exported = Arc<Mutex<Vec<Bytes>>>;

async fn collector() -> (String, Exported) {
    let exported = Exported::default();
    let take = async |State(exported): State<Exported>, bytes: Bytes| {
        exported.lock().unwrap().push(bytes);
    };
    let router = Router::new().fallback(take).with_state(exported.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), exported)
}

fn planted(service: Service, otlp: &str) -> Service {
    service
        .env("NINES_LOG", "trace")
        .env("NINES_ADMIN_TOKEN", ADMIN_TOKEN)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp)
}

/// A chain in which secrets are planted; its spans and metrics go to `otlp`.
fn chain(otlp: &str, cluster: Option<Cluster>) -> Chain {
    let program = env!("CARGO_BIN_EXE_nines");
    let Some(cluster) = cluster else {
        return Chain::start(program, Engine::Sqlite, |_, service| planted(service, otlp));
    };
    let store = |_| format!("{}&password={STORE_PASSWORD}", cluster.database());
    let stores = SERVICES.map(store);
    Chain::start(program, Engine::Postgres(cluster), |name, service| {
        let place = SERVICES.iter().position(|service| *service == name);
        let service = planted(service, otlp);
        match name {
            "gateway" => service,
            _ => service.env("NINES_STORE", &*stores[place.unwrap()]),
        }
    })
}

/// All that can be seen of the chain from outside, by where it is seen.
struct Seen {
    places: Vec<(String, Vec<u8>)>,
}

impl Seen {
    fn add(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.places.push((place.into(), bytes.into()));
    }

    fn assert_without(&self, what: &str, secret: &[u8]) {
        for (place, bytes) in &self.places {
            let found = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!found, "{what} is in {place}");
        }
    }

    fn size_of(&self, start: &str) -> usize {
        let those = self
            .places
            .iter()
            .filter(|(place, _)| place.starts_with(start));
        those.map(|(_, bytes)| bytes.len()).sum()
    }
}

/// Uses the chain well and badly; the token it got.
async fn use_it(chain: &Chain, seen: &mut Seen) -> String {
    let post = |path: &str, body: String| {
        let request = client().post(chain.url("gateway", path)).body(body);
        request.header("content-type", "application/json")
    };
    let account = json!({ "username": "planted", "password": PASSWORD }).to_string();
    let created = post("/v1/accounts", account.clone()).send().await.unwrap();
    assert_eq!(created.status(), 201, "{}", created.text().await.unwrap());
    let answer = post("/v1/login", account.clone()).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let token = answer["token"].as_str().unwrap().to_owned();
    let page = client()
        .get(chain.url("gateway", "/v1/me"))
        .bearer_auth(&token);
    assert_eq!(page.send().await.unwrap().status(), 200);
    let wrong = |body: &str| body.replace(PASSWORD, &format!("{PASSWORD}-not"));
    for (path, body) in [
        ("/v1/login", wrong(&account)),
        (
            "/v1/login",
            account.replace("\"planted\"", &format!("\"{PASSWORD}\"")),
        ),
        ("/v1/accounts", wrong(&account)),
        (
            "/v1/accounts",
            format!("{{\"username\":\"u\",\"password\":{NUMBER}}}"),
        ),
        (
            "/v1/login",
            format!("{{\"username\":\"u\",\"password\":{NUMBER}}}"),
        ),
        (
            "/v1/login",
            format!("{{\"username\":\"u\",\"password\":[\"{PASSWORD}\"]}}"),
        ),
        (
            "/v1/login",
            format!("{{\"username\":\"u\",\"password\":\"{PASSWORD}"),
        ),
    ] {
        let answer = post(path, body).send().await.unwrap();
        assert!(answer.status().is_client_error(), "{path}");
        seen.add(format!("problem of {path}"), answer.text().await.unwrap());
    }
    let changed = format!("{}x", &token[..token.len() - 1]);
    let refused = client()
        .get(chain.url("gateway", "/v1/me"))
        .bearer_auth(&changed);
    seen.add(
        "problem of a bad token",
        refused.send().await.unwrap().text().await.unwrap(),
    );
    let faults = format!("http://{}/faults", chain.service("auth").admin());
    let refused = client()
        .put(&faults)
        .bearer_auth(format!("{ADMIN_TOKEN}-not"));
    seen.add(
        "problem of a bad admin token",
        refused.send().await.unwrap().text().await.unwrap(),
    );
    let changed = client()
        .put(&faults)
        .bearer_auth(ADMIN_TOKEN)
        .json(&json!({ "seed": 1, "faults": [] }));
    assert_eq!(changed.send().await.unwrap().status(), 200);
    token
}

async fn look_around(chain: &Chain, seen: &mut Seen) {
    for name in SERVICES {
        let admin = chain.service(name).admin();
        for path in ["/metrics", "/faults", "/openapi.json"] {
            let text = reqwest::get(format!("http://{admin}{path}")).await.unwrap();
            seen.add(format!("{name}{path}"), text.text().await.unwrap());
        }
    }
    for pid in chain.sandbox().processes() {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        seen.add(format!("process {pid}"), line);
    }
}

/// What is left once all have stopped: logs and stores.
fn look_back(chain: &Chain, seen: &mut Seen) {
    for entry in fs::read_dir(chain.sandbox().path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            seen.add(format!("file {}", path.display()), fs::read(&path).unwrap());
        }
    }
}

async fn gathered(cluster: Option<Cluster>) {
    let (otlp, exported) = collector().await;
    let chain = chain(&otlp, cluster);
    let mut seen = Seen { places: Vec::new() };
    let token = use_it(&chain, &mut seen).await;
    look_around(&chain, &mut seen).await;
    assert_eq!(chain.stop(), [Some(0); 5]);
    look_back(&chain, &mut seen);
    for (number, bytes) in exported.lock().unwrap().iter().enumerate() {
        seen.add(format!("export {number}"), bytes.to_vec());
    }
    for (start, least) in [
        ("export", 1000),
        ("file", 1000),
        ("process", 100),
        ("problem", 500),
    ] {
        assert!(
            seen.size_of(start) >= least,
            "hardly anything was seen in {start}"
        );
    }
    let signature = token.rsplit('.').next().unwrap();
    for (what, secret) in [
        ("the user's password", PASSWORD),
        ("the password that is a number", NUMBER),
        ("the token's signature", signature),
        ("the admin token", ADMIN_TOKEN),
        ("the store's password", STORE_PASSWORD),
    ] {
        seen.assert_without(what, secret.as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_seen_anywhere_with_sqlite() {
    gathered(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_seen_anywhere_with_postgresql() {
    if let Some(cluster) = Cluster::start(false) {
        gathered(Some(cluster)).await;
    }
}
