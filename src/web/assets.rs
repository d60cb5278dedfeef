//! What pages load besides: one style sheet, and the little script of what is live.

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};

/// By name: media type and content.
const ASSETS: &[(&str, &str, &str)] = &[
    ("dovegate.css", "text/css; charset=utf-8", include_str!("assets/dovegate.css")),
    ("dovegate.js", "text/javascript; charset=utf-8", include_str!("assets/dovegate.js")),
];

/// `GET /assets/{name}`. Pages name each by its digest besides, so that it can be kept
/// for ever.
pub(super) async fn serve(Path(name): Path<String>) -> Response {
    let Some((_, media_type, content)) = ASSETS.iter().find(|(known, ..)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, *media_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, *content).into_response()
}

/// The address of one, for a page.
pub(super) fn address(name: &str) -> String {
    let content = ASSETS.iter().find(|(known, ..)| *known == name).map(|(.., content)| content);
    let digest = blake3::hash(content.copied().unwrap_or_default().as_bytes()).to_hex();
    format!("/assets/{name}?{}", &digest[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_content_has_another_address() {
        let (style, script) = (address("dovegate.css"), address("dovegate.js"));
        assert!(style.starts_with("/assets/dovegate.css?"), "{style}");
        assert_ne!(style.split_once('?').unwrap().1, script.split_once('?').unwrap().1);
    }
}
