#!/usr/bin/env python3
"""Writes a realm of 10,000 people, as Keycloak's import by folder reads it.

    crowd.py FOLDER

The realm is "crowd". Person number 7 is c00007 at c00007@example.org; her id ends with
her number, and her template is t2 of t0 to t4. Her password for mail is mail-of-c00007,
kept as {SSHA512}: a scheme that many directories have, and one that costs so little
that two thousand logins at once show the provider's work and not that of the hash. Two
hundred and fifty to a file: Keycloak takes each file in one transaction, and longer
ones slow down the more they hold.
"""
import base64
import hashlib
import json
import pathlib
import sys

PEOPLE = 10_000
PER_FILE = 250
TEMPLATES = 5


def scope(name, mapper, config):
    shown = {"access.token.claim": "true", "introspection.token.claim": "true"}
    return {
        "name": name,
        "protocol": "openid-connect",
        "attributes": {"include.in.token.scope": "false"},
        "protocolMappers": [
            {
                "name": name,
                "protocol": "openid-connect",
                "protocolMapper": mapper,
                "config": {**config, **shown},
            }
        ],
    }


def attribute(name, administrators_alone=False):
    people = ["admin"] if administrators_alone else ["admin", "user"]
    return {"name": name, "permissions": {"view": people, "edit": ["admin"]}}


def realm():
    roles = {
        "claim.name": "resource_access.${client_id}.roles",
        "jsonType.label": "String",
        "multivalued": "true",
    }
    profile = {
        "attributes": [
            attribute("username"),
            attribute("email"),
            attribute("firstName"),
            attribute("lastName"),
            attribute("mailcow_password", administrators_alone=True),
            attribute("mailcow_template", administrators_alone=True),
        ]
    }
    return {
        "realm": "crowd",
        "enabled": True,
        "sslRequired": "none",
        "clientScopes": [
            scope("basic", "oidc-sub-mapper", {}),
            scope("roles", "oidc-usermodel-client-role-mapper", roles),
        ],
        "clients": [
            {
                "clientId": "dovegate",
                "secret": "secret-of-dovegate",
                "publicClient": False,
                "serviceAccountsEnabled": True,
                "standardFlowEnabled": False,
                "defaultClientScopes": ["basic", "roles"],
            }
        ],
        "users": [
            {
                "username": "service-account-dovegate",
                "enabled": True,
                "serviceAccountClientId": "dovegate",
                "clientRoles": {"realm-management": ["view-users"]},
            }
        ],
        "components": {
            "org.keycloak.userprofile.UserProfileProvider": [
                {
                    "providerId": "declarative-user-profile",
                    "config": {"kc.user.profile.config": [json.dumps(profile)]},
                }
            ]
        },
    }


def person(number):
    name = f"c{number:05}"
    salt = hashlib.sha256(name.encode()).digest()[:8]
    digest = hashlib.sha512(f"mail-of-{name}".encode() + salt).digest()
    return {
        "id": f"00000000-0000-4000-8000-{number:012}",
        "username": name,
        "email": f"{name}@example.org",
        "emailVerified": True,
        "enabled": True,
        "firstName": "Somebody",
        "lastName": name,
        "attributes": {
            "mailcow_password": ["{SSHA512}" + base64.b64encode(digest + salt).decode()],
            "mailcow_template": [f"t{number % TEMPLATES}"],
        },
    }


def main():
    folder = pathlib.Path(sys.argv[1])
    (folder / "crowd-realm.json").write_text(json.dumps(realm()))
    for number in range(0, PEOPLE, PER_FILE):
        people = [person(number + n) for n in range(PER_FILE)]
        file = folder / f"crowd-users-{number // PER_FILE}.json"
        file.write_text(json.dumps({"realm": "crowd", "users": people}))


main()
