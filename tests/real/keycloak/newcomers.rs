//! People who have no mailbox log in through a real Dovecot: by a password of which
//! Keycloak keeps a hash, and by a token; and what becomes of it when Keycloak says
//! something else of them later.

use std::thread;

use reqwest::Method;
use serde_json::{Value, json};

use super::house::{FLOW, House, NO_CACHE, corp_at};
use crate::support::{
    bearer::{Mechanism, imap_bearer},
    client::{Dialogue, Outcome, imap_login},
    dovecot::{Extra, Version, Way},
    keycloak::{DESKTOP, Keycloak},
    realm::Realm,
};

/// Whom the rules fit by an attribute, a group, or a role.
const RULES: &str = "attribute_mapping = [
  { value = \"gold\", template = \"Gold\" },
  { value = \"silver\", template = \"Silver\" },
  { group = \"/staff/board\", template = \"Board\" },
  { role = \"clerk\", template = \"Clerk\" },
]
mailpassword_cache = \"0s\"
recheck_interval = \"0s\"
";
const TEMPLATES: [(&str, &str); 4] =
    [("Gold", "3G"), ("Silver", "2G"), ("Board", "2G"), ("Clerk", "1G")];
const CROWD: usize = 20;

/// A realm whose tokens tell attribute, groups and roles, with a group and a role
/// that the rules name, and others.
struct World<'k> {
    realm: Realm<'k>,
    staff: String,
    board: String,
    /// A group that has the role.
    office: String,
}

impl<'k> World<'k> {
    fn make(keycloak: &'k Keycloak, name: &str) -> Self {
        let realm = Realm::make(keycloak, name, &json!({}));
        let desktop = format!("clients/{}/protocol-mappers/models", realm.client(DESKTOP));
        let shown = json!({ "access.token.claim": "true", "introspection.token.claim": "true" });
        for (mapper, config) in [
            (
                "oidc-group-membership-mapper",
                json!({ "claim.name": "groups", "full.path": "true" }),
            ),
            (
                "oidc-usermodel-attribute-mapper",
                json!({
                    "claim.name": "mailcow_template", "user.attribute": "mailcow_template",
                    "jsonType.label": "String", "multivalued": "true",
                }),
            ),
        ] {
            let mut config = config;
            config.as_object_mut().unwrap().extend(shown.as_object().unwrap().clone());
            let mapper = json!({
                "name": mapper, "protocol": "openid-connect", "protocolMapper": mapper,
                "config": config,
            });
            realm.post(&desktop, &mapper);
        }
        let staff = realm.post("groups", &json!({ "name": "staff" }));
        let board = realm.post(&format!("groups/{staff}/children"), &json!({ "name": "board" }));
        let office = realm.post("groups", &json!({ "name": "office" }));
        realm.post("roles", &json!({ "name": "clerk" }));
        let world = Self { realm, staff, board, office };
        world.make_clerk(&format!("groups/{}", world.office));
        world
    }

    fn house(&self, version: Version, keys: &[&str]) -> Option<House> {
        let client = self.realm.service_account("sees", &["view-users", "view-realm"]);
        let keys = [&[client.as_str(), FLOW, NO_CACHE, RULES], keys].concat();
        let corp = corp_at(&self.realm.keycloak.url(), &self.realm.name, &keys);
        let extra = Extra { tables: &corp, ..Extra::default() };
        let house = House::start_as(version, Way::OwnDaemon, extra)?;
        for (name, quota) in TEMPLATES {
            let tag = name.to_lowercase();
            house.rig.dovegate(&["template", "add", name, "--quota", quota, "--tag", &tag]);
        }
        Some(house)
    }

    /// Somebody with a password for mail, and the value of the attribute.
    fn person(&self, name: &str, value: &str) -> String {
        let id = self.realm.person(name, "tea");
        self.call(&id, value);
        id
    }

    fn call(&self, id: &str, value: &str) {
        let attributes = json!({ "mailcow_password": ["{PLAIN}tea"], "mailcow_template": [value] });
        self.realm.change(id, &json!({ "attributes": attributes }));
    }

    fn join(&self, id: &str, group: &str) {
        self.realm.admin(Method::PUT, &format!("users/{id}/groups/{group}"), &json!({})).good();
    }

    fn leave(&self, id: &str, group: &str) {
        let path = format!("users/{id}/groups/{group}");
        self.realm.admin(Method::DELETE, &path, &Value::Null).good();
    }

    /// Somebody or a group gets the role.
    fn make_clerk(&self, who: &str) {
        let role = self.realm.get("roles/clerk");
        let path = format!("{who}/role-mappings/realm");
        self.realm.admin(Method::POST, &path, &json!([role])).good();
    }

    fn token(&self, name: &str) -> String {
        self.realm.sign_in(name).access
    }
}

fn address(name: &str) -> String {
    format!("{name}@example.org")
}

impl House {
    fn shown(&self, name: &str) -> Value {
        self.json(&["mailbox", "show", &address(name)])
    }

    fn template_of(&self, name: &str) -> String {
        self.shown(name)["template"].as_str().unwrap_or("none").to_owned()
    }

    fn has_no(&self, name: &str) {
        let shown = ["mailbox", "show", &address(name)];
        let output = self.rig.dovegate.run(&self.rig.folder, &shown, "");
        assert_eq!(output.status.code(), Some(1), "{name} has a mailbox");
    }

    /// What `doveadm user` and `doveadm quota get` say of her storage.
    fn dovecot_says_quota(&self, name: &str, kibibytes: u64) {
        let user = address(name);
        let said = self.rig.doveadm(&["user", &user]);
        let bytes = kibibytes * 1024;
        let expected = match self.rig.version {
            Version::V23 => format!("*:bytes={bytes}"),
            Version::V24 => format!("{}G", bytes >> 30),
        };
        let fields: Vec<Vec<&str>> =
            said.text.lines().map(|line| line.split_whitespace().collect()).collect();
        let is_it = |field: &Vec<&str>| field[0].starts_with("quota") && field[1] == expected;
        assert!(fields.iter().any(is_it), "{expected} in {}", said.text);
        let said = self.rig.doveadm(&["quota", "get", "-u", &user]);
        let storage = said.text.lines().find(|line| line.contains("STORAGE"));
        let storage = storage.unwrap_or_else(|| panic!("{}", said.text));
        assert!(storage.split_whitespace().any(|word| word == kibibytes.to_string()), "{storage}");
    }
}

fn a_first_login_makes_the_mailbox(version: Version) {
    let Some(keycloak) = Keycloak::shared() else { return };
    let world = World::make(keycloak, &format!("newcomers-{version:?}"));
    let Some(house) = world.house(version, &[]) else { return };
    let ids = ["mara", "nina", "orla"].map(|name| world.person(name, "gold"));
    house.has_no("mara");
    house.keeps_out(&address("mara"), "coffee", "wrong_password");
    house.has_no("mara");

    house.opens(&address("mara"), "tea");
    house.admits(&address("nina"), &world.token("nina"));
    for (name, id) in [("mara", &ids[0]), ("nina", &ids[1])] {
        let shown = house.shown(name);
        assert_eq!(shown["template"], "Gold", "{shown}");
        assert_eq!((&shown["tags"], &shown["bound"]["subject"]), (&json!(["gold"]), &json!(id)));
        assert_eq!(shown["auth_source"], "corp");
        house.dovecot_says_quota(name, 3 << 20);
    }
    everybody_at_once(&house, &world);
    assert_eq!(house.whole_mailboxes().len(), 3);
    // Nothing more is written from now on.
    let before = house.stored();
    house.opens(&address("mara"), "tea");
    house.admits(&address("mara"), &world.token("mara"));
    assert_eq!(house.stored().changed_since(&before), [""; 0]);
}

/// Orla's programs, all at the same moment: ten with her password, ten with tokens.
fn everybody_at_once(house: &House, world: &World<'_>) {
    let (port, orla, token) = (house.rig.ports.imap, address("orla"), world.token("orla"));
    let login = |number: usize| {
        let mut dialogue = Dialogue::tcp(port);
        match number % 2 {
            0 => imap_login(&mut dialogue, &orla, "tea"),
            _ => imap_bearer(&mut dialogue, Mechanism::Xoauth2, &orla, &token).outcome,
        }
    };
    let login = &login;
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let all: Vec<_> = (0..CROWD).map(|number| scope.spawn(move || login(number))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(outcomes, vec![Outcome::In; CROWD]);
}

#[test]
fn a_first_login_makes_the_mailbox_on_2_3() {
    a_first_login_makes_the_mailbox(Version::V23);
}

#[test]
fn a_first_login_makes_the_mailbox_on_2_4() {
    a_first_login_makes_the_mailbox(Version::V24);
}

/// Attribute, group and role lead to one template by every path: password, token
/// and sync.
#[test]
fn groups_and_roles_mean_the_same_by_every_path() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let world = World::make(keycloak, "mapped");
    let Some(house) = world.house(Version::V23, &["import_users = true\n"]) else { return };
    // By name: how it comes to a mailbox, and what fits.
    let all = ["password", "token", "sync"].map(|way| {
        [
            ("value", "Gold"),
            ("group", "Board"),
            ("role", "Clerk"),
            ("office", "Clerk"),
            ("both", "Board"),
        ]
        .map(|(fits, template)| (format!("{way}-{fits}"), way, fits, template))
    });
    for (name, _, fits, _) in all.iter().flatten() {
        let id = world.person(name, if *fits == "value" { "gold" } else { "lead" });
        match *fits {
            "group" => world.join(&id, &world.board),
            "office" => world.join(&id, &world.office),
            "role" => world.make_clerk(&format!("users/{id}")),
            "both" => {
                world.join(&id, &world.board);
                world.make_clerk(&format!("users/{id}"));
            }
            _ => {}
        }
    }
    let stranger = world.person("stranger", "lead");
    // The group around the one that is named.
    world.join(&stranger, &world.staff);
    for (name, way, _, _) in all.iter().flatten() {
        match *way {
            "password" => drop(house.opens(&address(name), "tea")),
            "token" => drop(house.admits(&address(name), &world.token(name))),
            _ => house.has_no(name),
        }
    }
    house.sync();
    for (name, _, _, template) in all.iter().flatten() {
        assert_eq!(house.template_of(name), *template, "{name}");
    }
    house.has_no("stranger");
    let before = house.stored();
    assert_eq!(house.sync()["done"], json!({}));
    assert_eq!(house.stored().changed_since(&before), [""; 0]);
    for (name, _, _, _) in all.iter().flatten() {
        house.opens(&address(name), "tea");
        house.admits(&address(name), &world.token(name));
    }
    assert_eq!(house.stored().changed_since(&before), [""; 0]);
}

/// What changes at Keycloak counts at the next login: by a password as far as a
/// search for the person shows it, by a token as far as that does.
#[test]
fn a_login_brings_the_mailbox_up_to_date() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let world = World::make(keycloak, "up-to-date");
    let Some(house) = world.house(Version::V23, &[]) else { return };
    let mara = world.person("mara", "gold");
    house.opens(&address("mara"), "tea");
    house.rig.dovegate(&["mailbox", "set", &address("mara"), "--tag", "gold", "--tag", "own"]);
    for (value, template, gibibytes) in [("silver", "Silver", 2), ("gold", "Gold", 3)] {
        world.call(&mara, value);
        let line = house.opens(&address("mara"), "tea");
        assert_eq!(house.template_of("mara"), template, "{line}");
        house.dovecot_says_quota("mara", gibibytes << 20);
    }
    world.call(&mara, "lead");
    world.join(&mara, &world.board);
    house.admits(&address("mara"), &world.token("mara"));
    assert_eq!(house.template_of("mara"), "Board");
    house.dovecot_says_quota("mara", 2 << 20);
    // Of who is in no group at all, Keycloak's tokens say nothing about groups.
    world.join(&mara, &world.staff);
    world.leave(&mara, &world.board);
    world.make_clerk(&format!("users/{mara}"));
    house.admits(&address("mara"), &world.token("mara"));
    let shown = house.shown("mara");
    assert_eq!(shown["template"], "Clerk", "{shown}");
    // What an administrator has set stays.
    assert_eq!(shown["tags"], json!(["gold", "own"]), "{shown}");
    house.dovecot_says_quota("mara", 1 << 20);
}

/// What refuses somebody a mailbox is named by the log and by `explain`.
#[test]
fn a_refusal_names_its_cause() {
    let Some(keycloak) = Keycloak::shared() else { return };
    let world = World::make(keycloak, "refused");
    let Some(house) = world.house(Version::V23, &[]) else { return };
    for name in ["mara", "nina"] {
        world.person(name, "gold");
    }
    world.person("olga", "lead");
    house.rig.dovegate(&["domain", "set", "example.org", "--max-mailboxes", "1"]);
    house.opens(&address("mara"), "tea");
    for (name, reason, words) in
        [("nina", "provision_limit", "1 mailbox"), ("olga", "provision_no_template", "lead")]
    {
        house.keeps_out(&address(name), "tea", reason);
        house.refuses(&address(name), &world.token(name), reason);
        house.has_no(name);
        let explain = ["explain", &address(name), "--service", "imap", "--password-stdin"];
        let output = house.rig.dovegate.run(&house.rig.folder, &explain, "tea\n");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(words), "{words}: {said}");
        house.has_no(name);
    }
    // By the time there is room she gets hers.
    house.rig.dovegate(&["domain", "set", "example.org", "--max-mailboxes", "2"]);
    house.opens(&address("nina"), "tea");
    assert_eq!(house.whole_mailboxes().len(), 2);
}
