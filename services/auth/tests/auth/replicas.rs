//! Two replicas as processes, with one store.

use crate::Replica;
use serde_json::json;
use std::time::Duration;
use testkit::{Database, Sandbox, on_every_engine};
use tokio::time::timeout;

on_every_engine!(
    whoever_has_revoked_a_token_finds_no_replica_that_accepts_it,
    no_token_is_refused_while_a_new_key_comes_to_sign,
);

fn two(sandbox: &Sandbox, database: &Database) -> [Replica; 2] {
    let store = format!("--store={}", database.url);
    let short = ["--revocation-lease=100ms", "--key-lead=500ms"];
    let args = [&*store, "--logins-per-account=none", short[0], short[1]];
    let start = |name| Replica::start(sandbox, &args, &[("NINES_REPLICA", name)]);
    [start("auth-0"), start("auth-1")]
}

async fn whoever_has_revoked_a_token_finds_no_replica_that_accepts_it(database: Database) {
    let sandbox = Sandbox::new().unwrap();
    let replicas = two(&sandbox, &database);
    for round in 0..8 {
        let [here, there] = [&replicas[round % 2], &replicas[1 - round % 2]];
        let token = here.log_in().await;
        // It stays in the cache of both until the very last moment.
        let revoked = async {
            let answer = here.post("/v1/revoke", &json!({ "token": token })).await;
            assert_eq!(answer.status(), 200);
        };
        let used = async {
            loop {
                let _ = tokio::join!(here.is_good(&token), there.is_good(&token));
            }
        };
        tokio::select! {
            () = revoked => {}
            () = used => {}
        }
        assert!(!there.is_good(&token).await);
        assert!(!here.is_good(&token).await);
    }
}

async fn no_token_is_refused_while_a_new_key_comes_to_sign(database: Database) {
    let sandbox = Sandbox::new().unwrap();
    let [here, there] = two(&sandbox, &database);
    let kid = |token: &str| token.split('.').next().unwrap().to_owned();
    let first = here.log_in().await;
    here.rotate().await;
    let both_sign_anew = async {
        loop {
            let (one, two) = (here.log_in().await, there.log_in().await);
            for token in [&first, &one, &two] {
                assert!(here.is_good(token).await && there.is_good(token).await);
            }
            if kid(&one) != kid(&first) && kid(&two) != kid(&first) {
                break;
            }
        }
    };
    timeout(Duration::from_mins(1), both_sign_anew)
        .await
        .unwrap();
}
