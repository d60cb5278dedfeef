//! An LDAP server of one test: Debian's slapd with its database in a temporary
//! folder, on free ports of 127.0.0.1, as whoever runs the tests.

use std::{
    fmt::Write as _,
    fs,
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;

use super::{
    certificate,
    place::{Folder, System, free_ports},
    process::Server,
    skip, wait_for,
};

const PROGRAMS: [&str; 4] =
    ["/usr/sbin/slapd", "/usr/sbin/slapadd", "/usr/bin/ldapmodify", "/usr/bin/ldapdelete"];
/// Below it are all people.
pub const PEOPLE: &str = "ou=people,dc=example,dc=net";
/// May read and search people.
pub const READER: &str = "cn=reader,dc=example,dc=net";
/// The password of [`READER`].
pub const READER_PASSWORD: &str = "reads it all";
/// May do everything.
const ADMIN: &str = "cn=admin,dc=example,dc=net";
const ADMIN_PASSWORD: &str = "writes it all";

/// One server. Its people are at example.net.
#[derive(Debug)]
pub struct Slapd {
    server: Option<Server>,
    folder: Folder,
    ports: [u16; 2],
}

/// A person to be.
pub struct Person<'p> {
    pub uid: &'p str,
    pub password: &'p str,
    /// Further lines of his entry.
    pub more: &'p str,
}

impl Slapd {
    /// Starts one with these people, each with the address `uid@example.net`; `None`,
    /// with a line that says so, where it cannot run.
    pub fn start(people: &[Person<'_>]) -> Option<Self> {
        if let Some(missing) = PROGRAMS.iter().find(|program| !Path::new(program).exists()) {
            skip(&format!("there is no {missing}"));
            return None;
        }
        let folder = System::here().folder();
        certificate::make(&folder);
        fs::create_dir(folder.outside("database")).unwrap();
        let mut slapd = Self { server: None, folder, ports: free_ports() };
        slapd.configure();
        slapd.add(people);
        slapd.run();
        Some(slapd)
    }

    fn configure(&self) {
        let folder = self.folder.inside("");
        let folder = folder.trim_end_matches('/');
        self.folder.write(
            "slapd.conf",
            &format!(
                r#"
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {folder}/pid
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
sizelimit 50
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
database mdb
maxsize 104857600
suffix "dc=example,dc=net"
rootdn "{ADMIN}"
rootpw "{ADMIN_PASSWORD}"
directory {folder}/database
dbnosync
index objectClass,mail,uid,entryUUID eq
overlay memberof
memberof-group-oc groupOfNames
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=hidden,dc=example,dc=net" by * none
access to * by dn.exact="{READER}" read by * none
limits dn.exact="{READER}" size=50 size.prtotal=unlimited
"#
            ),
        );
        let mut ldif = format!(
            "dn: dc=example,dc=net\nobjectClass: domain\ndc: example\n\n\
             dn: {PEOPLE}\nobjectClass: organizationalUnit\nou: people\n\n\
             dn: ou=hidden,dc=example,dc=net\nobjectClass: organizationalUnit\nou: hidden\n\n"
        );
        let _ = write!(
            ldif,
            "dn: {READER}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n\
             cn: reader\nuserPassword: {READER_PASSWORD}\n\n"
        );
        self.folder.write("base.ldif", &ldif);
        self.slapadd("base.ldif");
    }

    /// Adds people while it is stopped.
    fn add(&self, people: &[Person<'_>]) {
        let ldif: String = people.iter().map(entry).collect();
        self.folder.write("people.ldif", &ldif);
        self.slapadd("people.ldif");
    }

    fn slapadd(&self, name: &str) {
        let mut command = Command::new(PROGRAMS[1]);
        command.arg("-q").arg("-f").arg(self.folder.outside("slapd.conf"));
        let output = command.arg("-l").arg(self.folder.outside(name)).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts it again after [`Slapd::stop`].
    pub fn run(&mut self) {
        let [plain, tls] = self.ports;
        let mut command = Command::new(PROGRAMS[0]);
        command
            .args([
                "-d",
                "stats",
                "-h",
                &format!("ldap://127.0.0.1:{plain}/ ldaps://127.0.0.1:{tls}/"),
            ])
            .arg("-f")
            .arg(self.folder.outside("slapd.conf"));
        let server = Server::start("slapd", command, &self.folder.outside("log"));
        self.server = Some(server);
        wait_for("slapd to listen", Duration::from_secs(30), || {
            self.ports
                .iter()
                .all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
                .then_some(())
        });
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Holds it up: it takes connections, and answers nobody.
    pub fn hold(&self) {
        let server = self.server.as_ref().expect("it runs");
        server.signal(Signal::SIGSTOP);
        let stat = format!("/proc/{}/stat", server.id());
        wait_for("slapd to stand still", Duration::from_secs(10), || {
            fs::read_to_string(&stat).unwrap().contains(") T ").then_some(())
        });
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.server.as_ref().expect("it runs").signal(Signal::SIGCONT);
    }

    /// Its URL in clear text.
    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.ports[0])
    }

    /// Its URL by TLS.
    pub fn tls_url(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.ports[1])
    }

    /// The certificate that it shows.
    pub fn certificate(&self) -> String {
        self.folder.inside("cert.pem")
    }

    /// Changes entries by LDIF.
    pub fn modify(&self, ldif: &str) {
        self.client(PROGRAMS[2], ldif, &[]);
    }

    /// Adds a person while it runs.
    pub fn join(&self, person: &Person<'_>) {
        self.client(PROGRAMS[2], &entry(person), &["-a"]);
    }

    /// Removes a person's entry.
    pub fn remove(&self, uid: &str) {
        self.client(PROGRAMS[3], "", &[&format!("uid={uid},{PEOPLE}")]);
    }

    fn client(&self, program: &str, input: &str, arguments: &[&str]) {
        use std::io::Write as _;
        let mut child = Command::new(program)
            .args(["-x", "-H", &self.url(), "-D", ADMIN, "-w", ADMIN_PASSWORD])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().expect("piped").write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// How often a line with these words stands in its log. It is written after the
    /// answer.
    pub fn count(&self, words: &str) -> usize {
        thread::sleep(Duration::from_millis(200));
        let log = fs::read_to_string(self.folder.outside("log")).unwrap();
        log.lines().filter(|line| line.contains(words)).count()
    }
}

fn entry(person: &Person<'_>) -> String {
    let Person { uid, password, more } = person;
    format!(
        "dn: uid={uid},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: {uid}\n\
         mail: {uid}@example.net\nuserPassword: {password}\n{more}\n"
    )
}
