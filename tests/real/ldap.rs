//! A directory at a real LDAP server: Debian's slapd. Needs what `contrib/test-setup`
//! installs.

mod asked;
