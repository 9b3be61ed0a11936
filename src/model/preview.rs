use super::digest::Digest;

/// Makes the token of a link to a preview, and the hash under which it is stored: 64 hexadecimal
/// digits each.
///
/// The token goes into the link and nowhere else: who reads the database can open no preview. It
/// is 256 random bits, which a fast hash keeps as safe as a slow one.
pub fn new_token() -> (String, String) {
    // A UUID has 122 random bits, so three have enough; the digest evens out those that are fixed.
    let random: Vec<u8> = (0..3)
        .flat_map(|_| uuid::Uuid::new_v4().into_bytes())
        .collect();
    token_of(&random)
}

/// The token that is made of bytes which nobody can guess, and the hash under which it is stored.
pub fn token_of(secret: &[u8]) -> (String, String) {
    let token = Digest::of_bytes(secret).to_string();
    let hash = token_hash(&token);
    (token, hash)
}

/// The hash under which a token is stored.
pub fn token_hash(token: &str) -> String {
    Digest::of_bytes(token.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_tokens_are_alike_and_none_is_its_hash() {
        let tokens: Vec<_> = (0..100).map(|_| new_token()).collect();
        for (token, hash) in &tokens {
            assert_eq!((token.len(), hash), (64, &token_hash(token)));
        }
        let all: BTreeSet<_> = tokens
            .iter()
            .flat_map(|(token, hash)| [token, hash])
            .collect();
        assert_eq!(all.len(), 200);
    }
}
