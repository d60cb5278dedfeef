use std::path::Path;

use super::*;
use crate::{
    directory::{Directory, Entry, Listing, Password, Written},
    mailbox::Quota,
};

struct Rig {
    folder: tempfile::TempDir,
    written: Written,
}

impl Rig {
    fn new(format: &str, further: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        let text = format!(
            "kind = \"passwd-file\"\ndomains = [\"example.org\"]\nformat = \"{format}\"\n\
             path = \"{}\"\n{further}",
            path.display()
        );
        Self { written: toml::from_str(&text).unwrap(), folder }
    }

    fn path(&self) -> &Path {
        self.written.path.as_ref().unwrap()
    }

    fn says(&self, text: &str) {
        fs::write(self.path(), text).unwrap();
    }

    fn open(&self) -> PasswdFile {
        let settings = Settings::mean(&"accounts".parse().unwrap(), &self.written).unwrap();
        let settings::Kind::PasswdFile(file) = &settings.kind else { panic!("a file") };
        PasswdFile::open(&settings, file)
    }
}

/// Two looks: at the second the file is quiet.
fn look(file: &PasswdFile) -> Option<Changes> {
    file.poll().or_else(|| file.poll())
}

fn find(file: &PasswdFile, name: &str) -> Option<Entry> {
    match file.find(&Address::parse(&format!("{name}@example.org")).unwrap()).unwrap() {
        Found::Entry(entry) => Some(*entry),
        Found::Nobody => None,
        Found::Several => panic!("several"),
    }
}

fn hash(entry: Option<Entry>) -> Option<String> {
    match entry?.password {
        Password::Hash(hash) => Some(hash.as_str().to_owned()),
        _ => None,
    }
}

fn problems(file: &PasswdFile) -> Vec<String> {
    file.status().failure.map(|failure| failure.problems).unwrap_or_default()
}

/// So many lines.
fn crowd(number: usize, hash: &str) -> String {
    let mut text = String::new();
    for number in 0..number {
        let _ = writeln!(text, "u{number}@example.org:{hash}");
    }
    text
}

const ANN: &str = "ann@example.org:{PLAIN}a\n";
const BOB: &str = "bob@example.org:{PLAIN}b\n";

#[test]
fn what_changes_counts_once_the_file_is_quiet() {
    let rig = Rig::new("passwd-file", "");
    rig.says(ANN);
    let file = rig.open();
    assert_eq!(hash(find(&file, "ann")).as_deref(), Some("{PLAIN}a"));
    assert_eq!(find(&file, "bob"), None);
    assert_eq!(look(&file), None, "nothing has changed");
    rig.says(&format!("{ANN}{BOB}"));
    assert_eq!(file.poll(), None, "it may still be written");
    assert_eq!(file.poll(), Some(Changes::default()));
    assert_eq!(hash(find(&file, "bob")).as_deref(), Some("{PLAIN}b"));
    rig.says(&ANN.replace("}a", "}other"));
    assert_eq!(look(&file).unwrap().lost, ["bob@example.org"]);
    assert_eq!(hash(find(&file, "ann")).as_deref(), Some("{PLAIN}other"));
    assert_eq!(find(&file, "bob"), None);
}

/// The same size, and within a clock tick: the inode is another one.
#[test]
fn a_file_that_takes_its_place_is_noticed() {
    let rig = Rig::new("passwd-file", "");
    rig.says(ANN);
    let file = rig.open();
    let new = rig.folder.path().join("new");
    fs::write(&new, ANN.replace("}a", "}z")).unwrap();
    fs::rename(&new, rig.path()).unwrap();
    assert!(look(&file).is_some());
    assert_eq!(hash(find(&file, "ann")).as_deref(), Some("{PLAIN}z"));
}

#[test]
fn a_mistake_leaves_the_last_good_state_in_force_and_is_said() {
    let rig = Rig::new("passwd-file", "");
    rig.says(ANN);
    let file = rig.open();
    for (text, problem) in [
        (Some("ann@example.org:{PLAIN}new\nbob@example.org:x:vmail\n"), ":2: uid is not a number"),
        (Some("ann@example.org:{PLAIN}n:::::: allow_nets=::1\n"), "leave_out = [\"allow_nets\"]"),
        (Some("ann:{PLAIN}x\n"), "\"ann\" is no address: the name has no domain"),
        (Some("ann@example.org:x:0\n"), "uid 0"),
        (Some("ann@example.org:\n\nANN@example.org:\n"), "ann@example.org stands there more than"),
        (Some("ann@example.org:{PLAIN}x:::::: userdb_a|b=1\n"), "userdb_a|b is no name"),
        (Some(""), "is empty; a comment line in it says that this is meant"),
        (Some("\n\n"), "is empty"),
        (None, "No such file"),
    ] {
        match text {
            Some(text) => rig.says(text),
            None => fs::remove_file(rig.path()).unwrap(),
        }
        assert_eq!(look(&file), None, "{text:?}");
        assert!(problems(&file)[0].contains(problem), "{problem}: {:?}", problems(&file));
        assert_eq!(hash(find(&file, "ann")).as_deref(), Some("{PLAIN}a"), "{text:?}");
        assert_eq!(file.status().entries, Some(1));
    }
    rig.says("# nobody\n");
    assert_eq!(look(&file).unwrap().lost, ["ann@example.org"]);
    assert_eq!((problems(&file), find(&file, "ann")), (Vec::new(), None));
}

#[test]
fn without_a_good_state_good_lines_count_and_others_are_an_outage() {
    let rig = Rig::new("passwd-file", "");
    let file = rig.open();
    let ann = Address::parse("ann@example.org").unwrap();
    let outage = file.find(&ann).unwrap_err();
    assert_eq!(outage.cause, OutageCause::Unreachable);
    assert!(outage.detail.contains("No such file"), "{outage}");
    rig.says(&format!("{ANN}bob@example.org:x:vmail\n"));
    assert_eq!(look(&file), None);
    assert!(hash(find(&file, "ann")).is_some());
    let bob = Address::parse("bob@example.org").unwrap();
    assert!(file.find(&bob).unwrap_err().detail.contains(":2: uid"));
    assert!(file.look_up("bob@example.org").is_err(), "he is not gone");
    assert!(file.begin().is_err(), "and nobody else is");
    rig.says(&format!("{ANN}{BOB}"));
    assert!(look(&file).is_some());
    assert!(hash(find(&file, "bob")).is_some());
}

#[test]
fn what_a_line_says_is_told_of_its_person() {
    let rig = Rig::new(
        "passwd-file",
        "default_domain = \"example.org\"\ndefault_scheme = \"SHA512-CRYPT\"\n\
         attribute_mapping = [{ value = \"Gold\", template = \"Gold\" }]",
    );
    rig.says(
        "Ann:$6$s$h:5001:5002:Ann Example:/srv/ann::userdb_quota_rule=*:storage=1G \
         userdb_mail=maildir:~/m userdb_x=1 mailcow_template=Gold\n\
         bob:!::::::nologin\ncleo@example.org\n",
    );
    let file = rig.open();
    assert_eq!(problems(&file), Vec::<String>::new());
    let ann = find(&file, "ann").unwrap();
    assert_eq!(hash(Some(ann.clone())).as_deref(), Some("{SHA512-CRYPT}$6$s$h"));
    let profile = ann.profile;
    assert_eq!(profile.subject, "ann@example.org");
    assert_eq!(profile.email.as_deref(), Some("ann@example.org"));
    assert_eq!((profile.name.as_str(), profile.enabled), ("Ann Example", true));
    assert_eq!(profile.template_values, Some(vec!["Gold".to_owned()]));
    let own = *profile.own.unwrap();
    assert_eq!((own.uid, own.gid), (Some(5001), Some(5002)));
    assert_eq!(own.quota, Some(Quota { bytes: 1 << 30 }));
    assert_eq!(own.home.as_deref(), Some("/srv/ann"));
    assert_eq!(own.mail.as_deref(), Some("maildir:~/m"));
    assert_eq!(own.extra_fields.into_iter().collect::<Vec<_>>(), [("x".into(), "1".into())]);
    assert!(!find(&file, "bob").unwrap().profile.enabled);
    assert_eq!(find(&file, "cleo").unwrap().password, Password::Missing);
    rig.says("ann:$6$s$h:::::: nologin mailcow_template=Gold\nbob:!\ncleo\n");
    assert_eq!(look(&file).unwrap().lost, ["ann@example.org"]);
}

#[test]
fn docker_mailservers_accounts_have_their_limits() {
    let folder = tempfile::tempdir().unwrap();
    let quotas = folder.path().join("dovecot-quotas.cf");
    let rig = Rig::new("docker-mailserver", &format!("quota_path = \"{}\"", quotas.display()));
    rig.says("ann@example.org|{PLAIN}a\nbob@example.org|{PLAIN}b\n");
    let file = rig.open();
    let quota = |name| find(&file, name).unwrap().profile.own.unwrap().quota;
    assert_eq!((quota("ann"), problems(&file)), (None, Vec::<String>::new()));
    fs::write(&quotas, "ann@example.org:5G\n").unwrap();
    assert!(look(&file).is_some(), "a change of the limits is one, too");
    assert_eq!(quota("ann"), Some(Quota { bytes: 5 << 30 }));
    fs::write(&quotas, "ann@example.org:much\n").unwrap();
    assert_eq!(look(&file), None);
    assert!(problems(&file)[0].contains("dovecot-quotas.cf:1: "), "{:?}", problems(&file));
    assert_eq!(quota("ann"), Some(Quota { bytes: 5 << 30 }));
}

#[tokio::test]
async fn everybody_is_listed_once() {
    let rig = Rig::new("passwd-file", "");
    rig.says(&crowd(250, "{PLAIN}x"));
    let settings = Settings::mean(&"accounts".parse().unwrap(), &rig.written).unwrap();
    let directory = Directory::open(settings).unwrap();
    let (mut listing, mut all) = (Listing::default(), std::collections::BTreeSet::new());
    // Whoever is listed, is of one state of the file.
    while let Some(page) = directory.list(&mut listing).await.unwrap() {
        assert!(page.len() <= 100);
        if all.is_empty() {
            rig.says(BOB);
        }
        let _ = directory.poll();
        all.extend(page.into_iter().map(|person| person.subject));
    }
    assert_eq!(all.len(), 250);
    assert!(directory.look_up("u7@example.org").await.unwrap().is_none());
}

/// What is asked for a hundred thousand people is little more than the file has.
#[test]
fn a_large_file_takes_little_memory() {
    let rig = Rig::new("passwd-file", "");
    let hash = format!("{{SHA512-CRYPT}}$6$saltsalt$${}", "h".repeat(86));
    let text = crowd(100_000, &hash);
    rig.says(&text);
    let file = rig.open();
    assert_eq!(file.status().entries, Some(100_000));
    assert!(find(&file, "u77777").is_some());
    let (good, _) = file.snapshots();
    assert!(good.unwrap().bytes() < text.len() + 2 * 1024 * 1024);
}

/// Where no state was good yet, nobody can say which of two lines is meant.
#[test]
fn of_two_lines_neither_counts_before_there_is_a_good_state() {
    let rig = Rig::new("passwd-file", "");
    rig.says(&format!("{ANN}{BOB}{}", ANN.replace("}a", "}other")));
    let file = rig.open();
    assert!(file.find(&Address::parse("ann@example.org").unwrap()).is_err());
    assert_eq!(hash(find(&file, "bob")).as_deref(), Some("{PLAIN}b"));
}
