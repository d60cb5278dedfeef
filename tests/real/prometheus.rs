//! A real Prometheus: it takes what `/metrics` says, the alerts load, and every
//! query of the dashboard is one that it can run.
//!
//! Needs Debian's `prometheus`, which `contrib/test-setup` unpacks into the cache
//! folder: installed, it would begin to scrape.

use std::{fs, path::Path, process::Command, time::Duration};

use serde_json::Value;

use crate::support::{
    dovegate::{Daemon, Dovegate},
    http,
    place::{System, cache, free_ports},
    process::Server,
    skip, wait_for,
};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn prometheus_scrapes_dovegate_and_runs_alerts_and_dashboard() {
    let programs = cache().join("prometheus/usr/bin");
    if !programs.join("prometheus").exists() {
        return skip("Prometheus is not unpacked");
    }
    if !nix::unistd::geteuid().is_root() {
        return skip("Dovegate gives up root here, so only root can start it");
    }
    let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib");
    let alerts = contrib.join("prometheus/alerts.yml");
    let checked = Command::new(programs.join("promtool"))
        .args(["check", "rules", "--lint-fatal"])
        .arg(&alerts)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let folder = System::here().folder();
    let [scraped, web] = free_ports();
    let settings = format!(
        "[http.internal]\naddress = \"127.0.0.1:{scraped}\"\n[[listener]]\ntype = \"auth\"\n\
         path = \"{}\"\n",
        folder.inside("auth")
    );
    let dovegate = Dovegate::prepare(&folder, "mail", &settings);
    let _daemon = Daemon::start(&dovegate, &folder);
    let corp = ["provider", "add", "corp", "--kind", "oidc", "--server-url", "http://127.0.0.1:1"];
    dovegate.must(&folder, &corp, "");

    let config = folder.write(
        "prometheus.yml",
        &format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [\"{}\"]\n\
             scrape_configs:\n  - job_name: dovegate\n    static_configs:\n      \
             - targets: [\"127.0.0.1:{scraped}\"]\n",
            alerts.display()
        ),
    );
    let mut command = Command::new(programs.join("prometheus"));
    command
        .arg(format!("--config.file={config}"))
        .arg(format!("--storage.tsdb.path={}", folder.outside("prometheus").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{web}"));
    let mut server = Server::start("prometheus", command, &folder.outside("prometheus.log"));
    let ask = |path: &str| http::get(&format!("http://127.0.0.1:{web}/api/v1/{path}"), "").good();
    wait_for("Prometheus", PATIENCE, || {
        assert!(server.runs(), "{}", fs::read_to_string(folder.outside("prometheus.log")).unwrap());
        // It listens a moment before it answers.
        std::net::TcpStream::connect(("127.0.0.1", web)).ok()?;
        let ready = http::get(&format!("http://127.0.0.1:{web}/-/ready"), "");
        (ready.status == 200).then_some(())
    });
    let target = wait_for("a scrape", PATIENCE, || {
        let targets = ask("targets");
        let target = targets["data"]["activeTargets"][0].clone();
        (target["health"] != "unknown" && !target["health"].is_null()).then_some(target)
    });
    assert_eq!((target["health"].as_str(), target["lastError"].as_str()), (Some("up"), Some("")));

    let number = |query: &str| {
        let answer = http::send(
            reqwest::Method::POST,
            &format!("http://127.0.0.1:{web}/api/v1/query"),
            |request| request.form(&[("query", query)]),
        );
        assert_eq!(answer.body["status"], "success", "{query}: {}", answer.body);
        answer.body["data"]["result"].as_array().unwrap().len()
    };
    wait_for("what was scraped", PATIENCE, || (number("dovegate_ready == 1") == 1).then_some(()));
    for query in ["dovegate_build_info", "dovegate_provider_up", "up{job=\"dovegate\"}"] {
        assert_eq!(number(query), 1, "{query}");
    }
    assert_eq!(number("dovegate_login_seconds_bucket{le=\"+Inf\"}"), 3);
    let dashboard = fs::read_to_string(contrib.join("grafana/dovegate.json")).unwrap();
    let mut queries = Vec::new();
    gather(&serde_json::from_str(&dashboard).unwrap(), &mut queries);
    assert!(queries.len() > 50, "{}", queries.len());
    for query in &queries {
        let query = query.replace("$__rate_interval", "1m");
        number(&query.replace("$instance", ".*").replace("$provider", ".*"));
    }
    let rules = ask("rules");
    let rules = rules["data"]["groups"][0]["rules"].as_array().unwrap().clone();
    assert!(rules.len() >= 10, "{}", rules.len());
    wait_for("every alert evaluated", PATIENCE, || {
        let rules = ask("rules")["data"]["groups"][0]["rules"].as_array().unwrap().clone();
        let known = rules.iter().all(|rule| rule["health"] != "unknown");
        assert!(rules.iter().all(|rule| rule["health"] != "err"), "{rules:?}");
        known.then_some(())
    });
}

/// Every query of the dashboard.
fn gather(value: &Value, queries: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            queries.extend(fields.get("expr").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|inner| gather(inner, queries));
        }
        Value::Array(all) => all.iter().for_each(|inner| gather(inner, queries)),
        _ => {}
    }
}
