//! V and D: what was negotiated, and addresses that stay hidden.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::echo;
use crate::pair::{End, Pair, unsupported};
use crate::process::Unsupported;
use crate::scenario::Scenario;

/// Version, group and suite are what this pair must agree on, and both ends say the same.
pub(super) async fn versions(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    pair.connect("record", "echo").await?;
    echo(pair, pair.offerer(), "main").await?;
    let (subject, peer) =
        (pair.subject.call("stats", json!({})).await?, pair.peer.call("stats", json!({})).await?);
    let told = |field: &str| -> Result<Option<String>> {
        let (ours, theirs) = (subject[field].as_str(), peer[field].as_str());
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            ensure!(
                plain(ours) == plain(theirs),
                "{field}: {} says {ours}, {} says {theirs}",
                pair.subject.name(),
                pair.peer.name()
            );
        }
        Ok(ours.or(theirs).map(str::to_owned))
    };
    let (version, group, cipher) =
        (told("dtls_version")?, told("dtls_group")?, told("dtls_cipher")?);
    for (name, value) in [("version", &version), ("group", &group), ("cipher", &cipher)] {
        pair.note(name, value.clone().map_or(Value::Null, Value::from));
    }
    let Some(expect) = scenario.expect.get(pair.peer.name()) else { return Ok(()) };
    let same = |expected: &str, told: &Option<String>| {
        told.as_deref().is_some_and(|told| plain(told) == plain(expected))
    };
    if let Some(expected) = &expect.version {
        ensure!(same(expected, &version), "DTLS version is {version:?}, must be {expected}");
    }
    // Browsers do not tell the group, Peerage must.
    if let Some(expected) = &expect.group
        && (group.is_some() || pair.subject.name() == "peerage")
    {
        ensure!(same(expected, &group), "group is {group:?}, must be {expected}");
    }
    if !expect.ciphers.is_empty() {
        ensure!(
            expect.ciphers.iter().any(|expected| same(expected, &cipher)),
            "cipher suite is {cipher:?}, must be one of {:?}",
            expect.ciphers
        );
    }
    Ok(())
}

/// Names as letters and digits only, without the prefix of the TLS registry: OpenSSL, BoringSSL and the registry write
/// the same suite in three ways.
fn plain(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    let upper = upper
        .strip_prefix("TLS_")
        .unwrap_or(&upper)
        .replace("_WITH_", "_")
        .replace("AES_128", "AES128")
        .replace("AES_256", "AES256");
    upper.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// Host candidates carry `.local` names only, and the ends connect all the same.
pub(super) async fn mdns(pair: &mut Pair) -> Result<()> {
    let mut hidden = Vec::new();
    for end in [pair.subject.clone(), pair.peer.clone()] {
        match end.call("create", json!({"incoming": "echo", "hide_addresses": true})).await {
            Ok(_) => hidden.push(end),
            Err(error) if error.is::<Unsupported>() => {
                end.call("create", json!({"incoming": "echo"})).await?;
            }
            Err(error) => return Err(error),
        }
    }
    if hidden.is_empty() {
        return Err(unsupported("neither end can hide its addresses"));
    }
    pair.offerer().channel("main", "record", json!({})).await?;
    let (offer, answer) = pair.negotiate().await?;
    for end in pair.ends() {
        end.opened("main", pair.patience).await?;
    }
    echo(pair, pair.offerer(), "main").await?;
    pair.note("hidden_ends", hidden.len());
    for end in &hidden {
        let sdp = if end.name() == pair.offerer().name()
            && std::sync::Arc::ptr_eq(&end.process, &pair.offerer().process)
        {
            &offer
        } else {
            &answer
        };
        check_hidden(end, sdp)?;
    }
    Ok(())
}

fn check_hidden(end: &End, sdp: &str) -> Result<()> {
    let in_sdp = sdp
        .lines()
        .filter_map(|line| line.trim_end().strip_prefix("a="))
        .filter(|line| line.starts_with("candidate:"))
        .map(str::to_owned);
    let trickled = end
        .process
        .events()
        .into_iter()
        .filter(|event| end.is(event, "candidate"))
        .filter_map(|event| event["candidate"]["candidate"].as_str().map(str::to_owned));
    let mut names = 0;
    for candidate in in_sdp.chain(trickled) {
        let mut words = candidate.split_whitespace();
        let (Some(address), Some("host")) = (words.nth(4), words.nth(2)) else { continue };
        ensure!(address.ends_with(".local"), "{} shows its address: {candidate}", end.name());
        names += 1;
    }
    ensure!(names > 0, "{} offered no host candidate at all", end.name());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn suites_have_one_name() {
        assert_eq!(
            plain("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
            plain("ECDHE-ECDSA-AES128-GCM-SHA256")
        );
        assert_eq!(plain("TLS_AES_128_GCM_SHA256"), plain("aes128-gcm-sha256"));
        assert_ne!(plain("TLS_AES_128_GCM_SHA256"), plain("TLS_AES_256_GCM_SHA384"));
    }
}
