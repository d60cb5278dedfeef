//! `contrib`: every piece of `dovegate.toml` in there is one that Dovegate takes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Where a secret lies by the pieces' word.
const SECRETS: &str = "/etc/dovegate/";

#[test]
fn every_piece_of_settings_is_taken() {
    let pieces = pieces(&contrib());
    assert!(pieces.len() >= 7, "{pieces:?}");
    for piece in pieces {
        let output = check(&fs::read_to_string(&piece).unwrap());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", piece.display());
    }
}

/// The provider that docker-mailserver's two variables come to.
#[test]
fn one_url_is_a_provider() {
    let piece = fs::read_to_string(contrib().join("docker-mailserver/dovegate.toml")).unwrap();
    let (_, provider) = piece.split_once("adds this by itself:").unwrap();
    let (provider, _) = provider.split_once("# It does so").unwrap();
    let provider = provider.replace("#     ", "").replace("\n#", "\n");
    let provider = provider.replace("\"…\"", "\"https://sso.example.org/userinfo\"");
    assert!(provider.contains("tokens_for_local = true"), "{provider}");
    assert!(check(&provider).status.success(), "{provider}");
    assert!(!check(&provider.replace("oidc", "keycloak")).status.success());
}

fn contrib() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib")
}

fn pieces(folder: &Path) -> Vec<PathBuf> {
    let mut pieces = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pieces.append(&mut self::pieces(&path));
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            pieces.push(path);
        }
    }
    pieces
}

/// `config check`, with the secrets in a folder of the test.
fn check(piece: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let at = format!("{}/", folder.path().display());
    let quoted = |line: &str| line.split('"').nth(1).unwrap().replace(SECRETS, "");
    for line in piece.lines().filter(|line| line.starts_with("client_secret_file")) {
        fs::write(folder.path().join(quoted(line)), "secret\n").unwrap();
    }
    let file = folder.path().join("dovegate.toml");
    // Root exists everywhere, mail servers' users only where they are installed.
    let lines = piece.lines().map(|line| match line.split_once(" = ") {
        Some((key @ ("owner" | "group"), _)) => format!("{key} = \"root\""),
        _ => line.replace(SECRETS, &at),
    });
    let ours = ["user = \"root\"", "group = \"root\""].map(str::to_owned);
    let text: Vec<String> = ours.into_iter().chain(lines).collect();
    fs::write(&file, text.join("\n")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dovegate"));
    command.arg("--config").arg(&file).args(["config", "check"]).output().unwrap()
}
