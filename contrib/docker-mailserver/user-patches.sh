#!/bin/bash
#
# docker-mailserver asks Dovegate who may log in. It runs this file when it has written all
# its configuration and before it starts its services; README.md says what to mount where.
#
# Dovecot's master starts Dovegate in the place of Dovecot's auth process, on the sockets
# that docker-mailserver configured. So supervisord, the health check, Postfix's
# smtpd_sasl_path and everything that asks Dovecot about users stay as they are.
#
#   user-patches.sh            all of it
#   user-patches.sh accounts   only take over accounts that were added meanwhile, while the
#                              container runs
#
# For ACCOUNT_PROVISIONER=FILE, docker-mailserver 14 and 15 (Dovecot 2.3) and later ones with
# Dovecot 2.4.
set -eu

given=/tmp/docker-mailserver
config=/etc/dovegate/dovegate.toml
state=/var/lib/dovegate
dovegate=/usr/local/sbin/dovegate
provider=oauth2
named=

say() { printf 'dovegate: %s\n' "$*"; }

# docker-mailserver goes on whatever this script ends with. Once Dovecot is switched,
# nobody can log in as long as Dovegate does not run; that is better than passwords that
# Dovegate knows nothing about.
fail() {
    printf 'dovegate: ERROR: %s\n' "$*" >&2
    exit 1
}

# What Dovecot's master must know; the reasons stand in contrib/dovecot/*/under-master.conf.
# Named so that it is read after docker-mailserver's own files.
switch_dovecot() {
    local for_ever
    case $(dovecot --version) in
    2.3.*) for_ever='vsz_limit = 0
  idle_kill = 4294967295s' ;;
    *) for_ever='vsz_limit = unlimited
  idle_kill_interval = infinite' ;;
    esac
    cat >/etc/dovecot/conf.d/99-dovegate.conf <<EOF
# Written by $given/user-patches.sh.
service auth {
  executable = $dovegate serve
  user = dovegate
  drop_priv_before_exec = yes
  process_limit = 1
  process_min_avail = 1
  client_limit = 10000
  $for_ever
}
EOF
}

# Postfix finds Dovegate where it found Dovecot. But it cuts an AUTH command at 2,048
# bytes, and a token is longer.
widen_postfix() {
    local service
    for service in submission submissions; do
        postconf -P "$service/inet/line_length_limit=12288"
    done
}

# A new container has a new user table, and the state an old one's owner.
make_user_and_folders() {
    getent passwd dovegate >/dev/null ||
        useradd --system --user-group --no-create-home --home-dir "$state" \
            --shell /usr/sbin/nologin dovegate
    if [ -d /var/mail-state ]; then
        mkdir -p /var/mail-state/lib-dovegate
        if [ ! -L "$state" ]; then
            # Made by an earlier start without the volume.
            [ ! -e "$state" ] || fail "$state is not a link to /var/mail-state/lib-dovegate"
            ln -s /var/mail-state/lib-dovegate "$state"
        fi
    else
        mkdir -p "$state"
    fi
    chmod 700 "$state/"
    chown -R dovegate:dovegate "$state/"
    install -d -o dovegate -g dovegate -m 755 /run/dovegate
    install -d -o root -g dovegate -m 750 /etc/dovegate
}

uses_oauth2() {
    [ "${ENABLE_OAUTH2:-0}" = 1 ] && [ -n "${OAUTH2_INTROSPECTION_URL:-}" ] &&
        ! grep -q '^[[:space:]]*\[provider[.]' "$given/dovegate.toml"
}

write_config() {
    [ -r "$given/dovegate.toml" ] || fail "there is no $given/dovegate.toml"
    install -o root -g dovegate -m 640 "$given/dovegate.toml" "$config"
    if uses_oauth2; then
        case $OAUTH2_INTROSPECTION_URL in
        *[\"\\]* | *[[:space:][:cntrl:]]*) fail 'OAUTH2_INTROSPECTION_URL is no URL' ;;
        esac
        printf '\n[provider.%s]\nkind = "oidc"\nintrospection_url = "%s"\ntokens_for_local = true\n' \
            "$provider" "$OAUTH2_INTROSPECTION_URL" >>"$config"
    fi
    "$dovegate" config check || fail 'its settings are wrong, see above'
}

# Whether Dovegate reads docker-mailserver's accounts where they are.
follows_accounts() {
    grep -q '^[[:space:]]*\[directory[.]' "$given/dovegate.toml"
}

# The lines of one of docker-mailserver's files that say something.
lines_of() {
    [ -f "$given/$1" ] && grep -v -E '^[[:space:]]*(#|$)' "$given/$1" || true
}

# Once for each domain, and only where it names none.
name_provider() {
    uses_oauth2 || return 0
    case " $named " in *" $1 "*) return 0 ;; esac
    named+=" $1"
    "$dovegate" domain show "$1" --json | grep -q '"provider": *"' && return 0
    "$dovegate" --quiet domain set "$1" --provider "$provider" || fail "domain $1 did not get its provider"
}

# docker-mailserver's accounts that Dovegate does not know yet, with their hash and quota.
# What Dovegate knows it keeps: passwords are changed there from now on.
take_over_accounts() {
    local address hash attributes domain quota known domains
    domains='' known=''
    if [ -e "$state/store" ]; then
        domains=$("$dovegate" domain list --json) || fail 'cannot list domains'
        known=$("$dovegate" mailbox list --json) || fail 'cannot list mailboxes'
    fi
    while IFS='|' read -r address hash attributes; do
        [ -n "$address" ] || continue
        address=${address,,}
        domain=${address#*@}
        if ! grep -q -F "\"$domain\"" <<<"$domains"; then
            "$dovegate" --quiet domain add "$domain" || fail "domain $domain was not added"
            domains+="\"$domain\""
        fi
        name_provider "$domain"
        ! follows_accounts || continue
        grep -q -F "\"$address\"" <<<"$known" && continue
        quota=$(lines_of dovecot-quotas.cf | sed -n "s/^${address//./[.]}:\([0-9]*[kMGT]\)\$/\1/Ip")
        if "$dovegate" --quiet mailbox add "$address" --hash-stdin ${quota:+--quota "$quota"} <<<"$hash"; then
            say "took over $address"
        else
            printf 'dovegate: ERROR: %s was not taken over, see above\n' "$address" >&2
        fi
    done <<<"$(lines_of postfix-accounts.cf)"
}

if [ "${SMTP_ONLY:-0}" = 1 ]; then
    say 'SMTP_ONLY=1: nobody logs in, nothing to do'
    exit
fi
[ "${ACCOUNT_PROVISIONER:-FILE}" = FILE ] || fail "ACCOUNT_PROVISIONER=$ACCOUNT_PROVISIONER is not supported"

case ${1-} in
'')
    switch_dovecot
    [ -x "$dovegate" ] || fail "$dovegate is missing or may not be executed"
    widen_postfix
    make_user_and_folders
    write_config
    take_over_accounts
    say 'Dovecot will ask Dovegate who may log in'
    ;;
accounts) take_over_accounts ;;
*) fail "unknown word \"$1\": either nothing or \"accounts\"" ;;
esac
