//! What is measured.

use crate::rounds::Subject;
use argon2::{Algorithm, Argon2, Params, Version};
use auth::{Cost, measured};
use clap::Parser;
use ring::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use std::{collections::HashMap, hint::black_box, rc::Rc};

/// The name that the target is about.
pub const SEEN: &str = "a token seen before";

/// What a password hash costs by default.
#[derive(Parser)]
struct Defaults {
    #[command(flatten)]
    cost: Cost,
}

/// Everything, group by group.
pub fn all() -> Vec<Subject> {
    let replica = measured::Replica::start();
    let replica = Rc::new(replica.expect("a replica can be started"));
    let token = replica.issue().expect("a token can be made");
    let mut all = Vec::from(login());
    all.extend(issue(&replica, &token));
    all.extend(verify(&replica, &token));
    all.extend(check(&replica, token));
    all
}

fn subject(group: &'static str, name: &'static str, call: impl FnMut() + 'static) -> Subject {
    Subject {
        group,
        name,
        call: Box::new(call),
    }
}

fn login() -> [Subject; 2] {
    let cost = Defaults::parse_from(["bench"]).cost;
    let Cost {
        memory,
        passes,
        lanes,
    } = cost;
    let params = Params::new(memory, passes, lanes, None).expect("the defaults can be");
    let library = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let floor = move || {
        let mut out = [0; 32];
        let hashed = library.hash_password_into(b"password-1", b"some salt", &mut out);
        black_box(hashed.is_ok());
    };
    let ours = move || {
        black_box(measured::hash(memory, passes, lanes, "password-1").is_ok());
    };
    [
        subject("login", "argon2id alone, in new memory", floor),
        subject("login", "a password", ours),
    ]
}

fn pair() -> Ed25519KeyPair {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
    let pkcs8 = pkcs8.expect("there is randomness");
    Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("it was just made")
}

fn issue(replica: &Rc<measured::Replica>, token: &str) -> [Subject; 2] {
    let (replica, pair, text) = (replica.clone(), pair(), token.to_owned());
    let floor = move || {
        black_box(pair.sign(text.as_bytes()));
    };
    let ours = move || {
        black_box(replica.issue());
    };
    [
        subject("issuing", "Ed25519 signature alone", floor),
        subject("issuing", "a new token", ours),
    ]
}

fn verify(replica: &Rc<measured::Replica>, token: &str) -> [Subject; 2] {
    let (replica, pair, text) = (replica.clone(), pair(), token.to_owned());
    let (token, signature) = (text.clone(), pair.sign(text.as_bytes()));
    let floor = move || {
        let public = UnparsedPublicKey::new(&ED25519, pair.public_key());
        black_box(public.verify(text.as_bytes(), signature.as_ref()).is_ok());
    };
    let ours = move || {
        black_box(replica.verify(black_box(&token)));
    };
    [
        subject("checking", "Ed25519 verification alone", floor),
        subject("checking", "a token not seen before", ours),
    ]
}

fn check(replica: &Rc<measured::Replica>, token: String) -> [Subject; 3] {
    let (replica, text) = (replica.clone(), token.clone());
    let map = HashMap::from([(token.clone(), 1)]);
    let (key, seen) = (token.clone(), token);
    assert!(replica.check(&seen), "it is good, and now it was seen");
    let floor = move || {
        black_box(map.get(black_box(&key)));
    };
    let hash = move || {
        black_box(digest(&SHA256, black_box(text.as_bytes())));
    };
    let ours = move || {
        black_box(replica.check(black_box(&seen)));
    };
    [
        subject("checking again", "a look-up in a hash map alone", floor),
        subject("checking again", "SHA-256 of the token alone", hash),
        subject("checking again", SEEN, ours),
    ]
}
