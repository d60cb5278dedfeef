-- What Dovegate takes over of mailcow's database: one JSON object a line, each
-- with the name of its table and that table's columns as they are. Reads only.
-- README.md beside this file says how to run it.

SET NAMES utf8mb4;
START TRANSACTION READ ONLY;

SELECT JSON_OBJECT('table', 'identity_provider', 'settings', JSON_OBJECTAGG(`key`, `value`))
FROM identity_provider
HAVING COUNT(*) > 0;

SELECT JSON_OBJECT('table', 'templates', 'type', `type`, 'template', template, 'attributes', attributes)
FROM templates
ORDER BY id;

SELECT JSON_OBJECT('table', 'domain', 'domain', domain, 'active', active, 'mailboxes', mailboxes,
                   'defquota', defquota, 'maxquota', maxquota, 'quota', quota)
FROM domain
ORDER BY domain;

-- Rooms and other things that can be booked have a mailbox, and nobody logs in.
SELECT JSON_OBJECT('table', 'mailbox', 'username', username, 'password', password, 'name', name,
                   'quota', quota, 'active', active, 'authsource', authsource,
                   'mailbox_path_prefix', mailbox_path_prefix, 'attributes', attributes,
                   'tags', (SELECT JSON_ARRAYAGG(tag_name) FROM tags_mailbox
                            WHERE tags_mailbox.username = mailbox.username))
FROM mailbox
WHERE kind NOT REGEXP 'location|thing|group'
ORDER BY domain, username;

SELECT JSON_OBJECT('table', 'app_passwd', 'id', id, 'name', name, 'mailbox', mailbox,
                   'password', password, 'created', UNIX_TIMESTAMP(created), 'active', active,
                   'imap_access', imap_access, 'pop3_access', pop3_access,
                   'smtp_access', smtp_access, 'sieve_access', sieve_access,
                   'dav_access', dav_access, 'eas_access', eas_access)
FROM app_passwd
WHERE mailbox IN (SELECT username FROM mailbox WHERE kind NOT REGEXP 'location|thing|group')
ORDER BY mailbox, id;

COMMIT;
