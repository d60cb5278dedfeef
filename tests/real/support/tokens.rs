//! Bearer tokens for recordings: a provider that knows one, as that of the
//! replay does, and the messages that bring it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{
    dovegate::Dovegate,
    place::Folder,
    provider::{FakeProvider, USERINFO},
};

/// The token that the provider knows.
pub const GOOD: &str = "good-token";
/// One that it refuses.
pub const BAD: &str = "bad-token";

/// Starts a provider that takes [`GOOD`] for `user`'s token.
pub fn provider_for(user: &str) -> FakeProvider {
    let fake = FakeProvider::start();
    fake.know(GOOD, json!({ "email": user }));
    fake
}

/// Where it is asked. By userinfo, so that no port of this run gets into a
/// challenge; and by number, since there is no name resolution in another root
/// folder.
fn userinfo(fake: &FakeProvider) -> String {
    fake.at(USERINFO).replace("localhost", "127.0.0.1")
}

/// Dovegate's settings for it.
pub fn settings(fake: &FakeProvider) -> String {
    let url = userinfo(fake);
    format!(
        "[provider.corp]\nkind = \"oidc\"\nintrospection_url = \"{url}\"\ntokens_for_local = true\n"
    )
}

/// Adds it to a running Dovegate.
pub fn add(fake: &FakeProvider, dovegate: &Dovegate, folder: &Folder) {
    let url = userinfo(fake);
    for command in [
        &["provider", "add", "corp", "--kind", "oidc", "--introspection-url", &url][..],
        &["provider", "set", "corp", "--tokens-for-local", "true"],
    ] {
        dovegate.must(folder, command, "");
    }
    speaks_for_example_org(dovegate, folder);
}

/// Lets it speak for `example.org`.
pub fn speaks_for_example_org(dovegate: &Dovegate, folder: &Folder) {
    dovegate.must(folder, &["domain", "set", "example.org", "--provider", "corp"], "");
}

/// The line of a fixture's head that tells the replay of it.
pub fn head(user: &str) -> String {
    format!("token: {GOOD} {user}")
}

/// XOAUTH2's message, in base64.
pub fn xoauth2(user: &str, token: &str) -> String {
    STANDARD.encode(format!("user={user}\x01auth=Bearer {token}\x01\x01"))
}

/// OAUTHBEARER's message, in base64.
pub fn oauthbearer(user: &str, token: &str) -> String {
    let header = format!("n,a={user},");
    STANDARD.encode(format!(
        "{header}\x01host=mail.example.org\x01port=993\x01auth=Bearer {token}\x01\x01"
    ))
}
