//! Argon2id in memory that the hashing thread keeps.
//!
//! A hash takes 19 MB for some 25 ms. Given back each time, it stays with the allocator, once
//! for every thread that ever hashed and more than once: 170 MB after eight logins, measured.
//! Kept and used again, it is 19 MB for each hashing thread, and no more.

use argon2::{
    ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version,
    password_hash::{
        self, PasswordHasher,
        phc::{Output, ParamsString, PasswordHash, Salt},
    },
};
use std::cell::RefCell;

thread_local! {
    static MEMORY: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

#[cfg(test)]
thread_local! {
    /// The blocks that this thread has filled so far.
    pub(crate) static WORK: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Hashes with these parameters, in this thread's memory.
#[derive(Debug, Clone)]
pub(crate) struct Hasher {
    params: Params,
}

impl Hasher {
    pub(crate) const fn new(params: Params) -> Self {
        Self { params }
    }

    /// Whether `hash` costs less than one made now, in any of the three ways.
    pub(crate) fn is_stronger_than(&self, hash: &str) -> bool {
        let hash = PasswordHash::new(hash);
        let Some(theirs) = hash.ok().and_then(|hash| Params::try_from(&hash).ok()) else {
            return false;
        };
        let ours = &self.params;
        theirs.m_cost() < ours.m_cost()
            || theirs.t_cost() < ours.t_cost()
            || theirs.p_cost() < ours.p_cost()
    }

    /// Whether `password` is the one of which `hash` was made, with the hash's own parameters.
    pub(crate) fn verify(password: &[u8], hash: &str) -> password_hash::Result<bool> {
        let expected = PasswordHash::new(hash)?;
        if expected.algorithm != ARGON2ID_IDENT {
            return Err(password_hash::Error::Algorithm);
        }
        let salt = expected.salt.ok_or(password_hash::Error::SaltInvalid)?;
        let same = Self::new(Params::try_from(&expected)?);
        let found = same.hash_password_with_salt(password, &salt)?;
        // Both are there, and compared in constant time.
        Ok(expected.hash.is_some() && found.hash == expected.hash)
    }
}

impl PasswordHasher<PasswordHash> for Hasher {
    fn hash_password_with_salt(
        &self,
        password: &[u8],
        salt: &[u8],
    ) -> password_hash::Result<PasswordHash> {
        let mut out = [0_u8; Params::DEFAULT_OUTPUT_LEN];
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        MEMORY.with_borrow_mut(|memory| {
            memory.resize(self.params.block_count(), Block::new());
            argon2.hash_password_into_with_memory(password, salt, &mut out, memory.as_mut_slice())
        })?;
        #[cfg(test)]
        WORK.set(WORK.get() + self.params.block_count() * self.params.t_cost() as usize);
        Ok(PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&self.params)?,
            salt: Some(Salt::new(salt)?),
            hash: Some(Output::new(&out)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::PasswordVerifier;

    #[test]
    fn hashes_are_those_of_the_library_whatever_was_in_the_memory_before() {
        let small = Params::new(8, 1, 1, None).unwrap();
        let large = Params::new(64, 2, 2, None).unwrap();
        for params in [&small, &large, &small] {
            let hash = Hasher::new(params.clone())
                .hash_password(b"secret")
                .unwrap()
                .to_string();
            assert!(
                Argon2::default()
                    .verify_password(b"secret", hash.as_str())
                    .is_ok(),
                "{hash}"
            );
            assert!(Hasher::verify(b"secret", &hash).unwrap());
            assert!(!Hasher::verify(b"Secret", &hash).unwrap());
            let theirs = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
            let theirs = theirs.hash_password(b"secret").unwrap().to_string();
            assert!(Hasher::verify(b"secret", &theirs).unwrap());
        }
    }

    #[test]
    fn a_hash_is_weaker_if_any_of_its_parameters_is_smaller() {
        let hasher =
            |memory, passes, lanes| Hasher::new(Params::new(memory, passes, lanes, None).unwrap());
        let hash = hasher(32, 2, 2)
            .hash_password(b"secret")
            .unwrap()
            .to_string();
        for (stronger, (memory, passes, lanes)) in [
            (false, (32, 2, 2)),
            (false, (16, 1, 1)),
            (true, (33, 1, 1)),
            (true, (16, 3, 1)),
            (true, (24, 1, 3)),
        ] {
            let hasher = hasher(memory, passes, lanes);
            assert_eq!(
                hasher.is_stronger_than(&hash),
                stronger,
                "{memory} {passes} {lanes}"
            );
        }
        assert!(!hasher(64, 1, 1).is_stronger_than("no hash"));
    }

    #[test]
    fn what_is_no_hash_of_ours_is_an_error() {
        for hash in [
            "",
            "secret",
            "$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNo",
        ] {
            assert!(Hasher::verify(b"secret", hash).is_err(), "{hash}");
        }
    }
}
