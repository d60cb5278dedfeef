-- The tables that contrib/mailcow/dump.sql reads, with mailcow's names and types of
-- columns (August 2026). What it does not read is left out.

CREATE TABLE identity_provider (
    `key` VARCHAR(255) NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) CHARSET utf8mb4;

CREATE TABLE templates (
    id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    template VARCHAR(255) NOT NULL,
    type VARCHAR(255) NOT NULL,
    attributes JSON
) CHARSET utf8mb4;

CREATE TABLE domain (
    domain VARCHAR(255) NOT NULL PRIMARY KEY,
    mailboxes INT(10) NOT NULL DEFAULT 0,
    defquota BIGINT(20) NOT NULL DEFAULT 3072,
    maxquota BIGINT(20) NOT NULL DEFAULT 102400,
    quota BIGINT(20) NOT NULL DEFAULT 102400,
    active TINYINT(1) NOT NULL DEFAULT 1
) CHARSET utf8mb4;

CREATE TABLE mailbox (
    username VARCHAR(255) NOT NULL PRIMARY KEY,
    password VARCHAR(255) NOT NULL,
    name VARCHAR(255),
    mailbox_path_prefix VARCHAR(150) DEFAULT '/var/vmail/',
    quota BIGINT(20) NOT NULL DEFAULT 102400,
    domain VARCHAR(255) NOT NULL,
    attributes JSON,
    kind VARCHAR(100) NOT NULL DEFAULT '',
    authsource ENUM('mailcow', 'keycloak', 'generic-oidc', 'ldap') DEFAULT 'mailcow',
    active TINYINT(1) NOT NULL DEFAULT 1
) CHARSET utf8mb4;

CREATE TABLE tags_mailbox (
    tag_name VARCHAR(255) NOT NULL,
    username VARCHAR(255) NOT NULL
) CHARSET utf8mb4;

CREATE TABLE app_passwd (
    id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    mailbox VARCHAR(255) NOT NULL,
    domain VARCHAR(255) NOT NULL,
    password VARCHAR(255) NOT NULL,
    created DATETIME(0) NOT NULL DEFAULT NOW(0),
    imap_access TINYINT(1) NOT NULL DEFAULT 1,
    smtp_access TINYINT(1) NOT NULL DEFAULT 1,
    dav_access TINYINT(1) NOT NULL DEFAULT 1,
    eas_access TINYINT(1) NOT NULL DEFAULT 1,
    pop3_access TINYINT(1) NOT NULL DEFAULT 1,
    sieve_access TINYINT(1) NOT NULL DEFAULT 1,
    active TINYINT(1) NOT NULL DEFAULT 1
) CHARSET utf8mb4;
