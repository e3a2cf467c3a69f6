//! The service as a program: replicas that share a store, and what it says of its secrets.

mod replicas;
mod secrets;

use reqwest::{Client, Response};
use serde_json::{Value, json};
use testkit::{Sandbox, Service};

/// A replica that runs for as long as this is kept.
struct Replica {
    service: Service,
    client: Client,
}

impl Replica {
    /// Starts it with one user, and with these arguments and this environment besides.
    fn start(sandbox: &Sandbox, args: &[&str], env: &[(&str, &str)]) -> Self {
        let args: Vec<_> = ["--seed-users=1"]
            .iter()
            .chain(args)
            .map(ToString::to_string)
            .collect();
        let mut service = Service::new(env!("CARGO_BIN_EXE_auth"), &args).unwrap();
        service = service.env("NINES_ADMIN_TOKEN", "admin secret");
        for (name, value) in env {
            service = service.env(name, *value);
        }
        let started = service.start(sandbox, LOG, &[]).unwrap();
        assert!(started, "{}", log(sandbox));
        let client = Client::builder().no_proxy().build().unwrap();
        Self { service, client }
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        let url = format!("http://{}{path}", self.service.public());
        self.client.post(url).json(body).send().await.unwrap()
    }

    async fn rotate(&self) {
        let url = format!("http://{}/keys/rotate", self.service.admin());
        let request = self.client.post(url).bearer_auth("admin secret");
        assert_eq!(request.send().await.unwrap().status(), 200);
    }

    /// A token of the one user's.
    async fn log_in(&self) -> String {
        let login = json!({ "username": "user-1", "password": "password-1" });
        let answer: Value = self.post("/v1/login", &login).await.json().await.unwrap();
        answer["token"].as_str().unwrap().to_owned()
    }

    async fn is_good(&self, token: &str) -> bool {
        let answer = self
            .post("/v1/introspect", &json!({ "token": token }))
            .await;
        let answer: Value = answer.json().await.unwrap();
        answer["active"].as_bool().unwrap()
    }
}

const LOG: &str = "log";

fn log(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.path().join(LOG)).unwrap_or_default()
}
