# What the pages say, in English. One file for each language.

# Around every page
skip = Skip to content
administration = Administration
own-mailbox = My mailbox
overview = Overview
domains = Domains
mailboxes = Mailboxes
templates = Templates
providers = Providers
logins = Login log
explain = Explain
held-back = Held back
tokens = API tokens
sign-out = Sign out
faults = There is a problem
to-begin = Go to the start page

# Moments and limits
when-now = just now
when-minutes-ago = { $count ->
    [one] 1 minute ago
   *[other] { $count } minutes ago
}
when-hours-ago = { $count ->
    [one] 1 hour ago
   *[other] { $count } hours ago
}
when-days-ago = { $count ->
    [one] 1 day ago
   *[other] { $count } days ago
}
when-in-minutes = { $count ->
    [one] in 1 minute
   *[other] in { $count } minutes
}
when-in-hours = { $count ->
    [one] in 1 hour
   *[other] in { $count } hours
}
when-in-days = { $count ->
    [one] in 1 day
   *[other] in { $count } days
}
no-limit = no limit

# What stands in the way
forbidden = Not allowed
forbidden-why = Your account may not open this page.
not-found = Page not found
not-found-why = There is nothing at this address, or nothing that is yours.
stale = This page is out of date
stale-why = The form did not come from a page of your present session. Nothing was changed: go back, reload the page and try again.
bad-form = The form cannot be read
bad-form-why = Nothing was changed. Go back, reload the page and try again.
refused = That was not done
internal = Something went wrong here
internal-why = It is not your fault, and the log has the reason. Try again in a moment.

# Fields of forms
save = Save
cancel = Cancel
secret-remove = Remove the one that is stored
file-remove = Do not use this file any more

# What mailboxes may have
quota-of-domain = as the domain says
quota-wrong = Type a size such as 5G or 500M, or “unlimited”.
state-active = active
state-receive-only = receives only
state-disabled = disabled
services-none = app passwords only
service-imap = Read mail (IMAP)
service-pop3 = Fetch mail (POP3)
service-smtp = Send mail (SMTP)
service-sieve = Filter rules (ManageSieve)
service-dav = Calendars and contacts (CalDAV, CardDAV)
service-eas = Phones by ActiveSync
service-web = These pages and web mail

# Lists and searches
any = any
search = Search
search-all = Show all
pages = Pages
first-page = First page
next-page = Next page
never = never
created = Made
modified = Changed
date-wrong = Type a day such as 2027-11-22.
number-wrong = Type a number, without dots or units.
network-wrong = “{ $text }” is neither an address nor a network such as 192.0.2.0/24.
source-local = local
services-all = all

# Domains
domains-none = No domains yet. Mailboxes belong to a domain: add one first.
domain-new = Add a domain
domain-name = Domain
domain-name-help = What stands behind the @ of its addresses, such as example.org.
domain-name-wrong = Type the name of a domain, such as example.org.
domain-add = Add the domain
domain-added = The domain { $name } was added.
domain-changed = The domain { $name } was changed.
domain-removed = The domain { $name } was removed.
domain-edit = Change limits and provider
domain-edit-title = Change { $name }
domain-active = Its mailboxes may log in, and mail is taken for them
domain-active-help = Switched off, nobody logs in, and open sessions are ended.
domain-on = active
domain-on-what = Its mailboxes may log in, and mail is taken for them.
domain-off = off
domain-off-what = Nobody in this domain logs in, and no mail is taken for it.
domain-provider = Identity provider
domain-provider-help = Who speaks for this domain: tokens and sign-ins of its people come from there.
domain-provider-none = none
domain-max-mailboxes = Most mailboxes
domain-empty-is-no-limit = Empty is no limit.
domain-default-quota = Quota of a mailbox that has none of its own
domain-max-quota = Largest quota of one mailbox
domain-total-quota = All quotas together
domain-quota-help = Such as 5G or 500M. Empty is no limit.
domain-mailboxes-head = Mailboxes
domain-quota-head = Quotas given out
domain-mailboxes = { $count }
domain-mailboxes-of = { $used } of { $most }
domain-quota = { $used }
domain-quota-of = { $used } of { $most }
domain-mailboxes-show = Show its mailboxes
domain-switch = Switch the auth source of many
domain-remove = Remove this domain
domain-remove-what = It has no mailboxes. Nobody can log in or get mail there afterwards.
domain-remove-button = Remove the domain
domain-remove-full = It can be removed when it has no mailboxes any more.

# Another auth source for many mailboxes
switch-title = Auth source of mailboxes in { $name }
switch-what = Says for many mailboxes who checks the main password. Local passwords are kept meanwhile, and count again on the way back. See the plan first: it changes nothing.
switch-to = New auth source
switch-to-help = Where main passwords are checked from then on.
switch-from = Only mailboxes that have this one now
switch-from-help = Mailboxes with another one are left alone.
switch-from-any = any
switch-mask = Only these addresses
switch-mask-help = A mask with * and ?, such as a*@example.org. Empty is all of them.
switch-unbind = Forget whose they are at a provider
switch-unbind-help = The next login with a verified address says it anew.
switch-plan-button = Show the plan
switch-button = Switch them now
switch-plan-on = Go on with the plan
switch-on = Go on switching
switch-plan = What would be done
switch-done = What was done
switch-would = { $count ->
    [one] 1 mailbox would get it
   *[other] { $count } mailboxes would get it
}
switch-did = { $count ->
    [one] 1 mailbox has got it
   *[other] { $count } mailboxes have got it
}
switch-unchanged = { $count ->
    [one] 1 mailbox has it already
   *[other] { $count } mailboxes have it already
}
switch-left-out = { $count ->
    [one] 1 mailbox has another one and is left alone
   *[other] { $count } mailboxes have another one and are left alone
}
switch-refused = { $count ->
    [one] 1 mailbox was refused
   *[other] { $count } mailboxes were refused
}
switch-note = To know
switch-was = (was { $was }) { $words }
switch-no-password = It has no local password: only its app passwords work.
switch-unbound = It belongs to nobody at a provider any more.
switch-switched-off = The source before has switched it off, and it stays so.
switch-more = { $count ->
    [one] One more has something to know.
   *[other] { $count } more have something to know.
}
switch-go-on-what = There are more mailboxes behind { $address }.

# Mailboxes
mailboxes-none = No mailboxes yet. Add one here, or let a provider make them at the first login.
mailboxes-none-found = No mailbox is like that. Try a shorter text, or any state.
mailbox-unknown = There is no such mailbox here.
mailbox-search = Address or name
mailbox-search-help = Any part of it; * and ? make it a mask.
mailbox-new = Add a mailbox
mailbox-add = Add the mailbox
mailbox-added = The mailbox { $address } was added.
mailbox-changed = The mailbox was changed.
mailbox-address = Address
mailbox-address-help = Its domain has to be there already.
mailbox-address-wrong = Type an address such as ann@example.org.
mailbox-domain-unknown = There is no domain { $domain } here. Add it first.
mailbox-domain = Domain
mailbox-name = Name
mailbox-state = State
mailbox-source = Auth source
mailbox-source-help = Who checks the main password. The local password is kept while it is another one, and counts again on the way back.
mailbox-source-new-help = Who checks the main password.
mailbox-quota = Quota
mailbox-quota-help = Such as 5G, or “unlimited”. Empty is the domain’s default.
mailbox-quota-new-help = Such as 5G, or “unlimited”. Empty is the template’s, else the domain’s.
mailbox-quota-of-domain = { $quota }, as the domain says
mailbox-services = Services of the main password
mailbox-services-help = Without any, only app passwords log in.
mailbox-tags = Tags
mailbox-tags-help = With commas between them.
mailbox-template = Template
mailbox-template-none = none
mailbox-template-help = Says quota, services, state and tags.
mailbox-template-leave = leave as it is
mailbox-template-apply-help = Is applied once more when you save.
mailbox-template-applied = { $name }, revision { $revision }
mailbox-bound = Belongs to
mailbox-bound-to = { $subject } at { $provider }
mailbox-unbind = Take it from this person
mailbox-unbound = The mailbox belongs to nobody now. The next login with a verified address says whose it is.
mailbox-kept = Held against the provider
mailbox-release = Let these follow the provider again
mailbox-release-help = An administrator has set them, so the provider changes them no more.
mailbox-home = Home folder
mailbox-home-help = Empty makes it anew from the configured pattern.
mailbox-mail = Mail location
mailbox-mail-help = Empty takes the configured one.
mailbox-uid = User id
mailbox-gid = Group id
mailbox-id-help = A number. Empty takes the configured one.
mailbox-fields = Further userdb fields
mailbox-fields-help = KEY=VALUE, one in a line.
mailbox-fields-wrong = “{ $line }” is not KEY=VALUE.
mailbox-facts = About it
mailbox-more = Folders, ids and further fields
mailbox-edit = Change
mailbox-edit-title = Change { $address }
mailbox-active = Active: it logs in and receives mail.
mailbox-active-domain-off = Active, but its domain is switched off: nobody logs in.
mailbox-receives-only = It receives mail, and nobody logs in.
mailbox-disabled = Disabled: it neither logs in nor receives mail.
mailbox-missing-there = { $source } has not had this person since { $since }. Whoever comes back there can log in again.
mailbox-disabled-there = { $source } says that the account is disabled since { $since }. Enable it there.
mailbox-set-by-administrator = An administrator has set this, and no provider undoes it.
mailbox-set-by-provider = { $source } has set this.
mailbox-owner-disabled = The person is disabled at { $source } (asked { $asked }), so app passwords are refused, too.
mailbox-owner-gone = The person is gone at { $source } (asked { $asked }), so app passwords are refused, too.
mailbox-make-active = Make it active
mailbox-make-receive-only = Receive only: end its sessions
mailbox-make-disabled = Disable: end its sessions, take no mail
mailbox-state-changed = The state was changed.
mailbox-source-head = Main password
mailbox-source-switch = Switch the auth source
mailbox-source-changed = The main password is checked by this source now: { $source }.
mailbox-password-local = The local password counts ({ $scheme }).
mailbox-password-none = It has no password: only app passwords log in.
mailbox-password-kept = { $source } checks the main password. The local one is kept ({ $scheme }), and counts again when you switch back to “local”.
mailbox-password-elsewhere = { $source } checks the main password. There is no local one to switch back to.
mailbox-password = Password
mailbox-password-title = Local password of { $address }
mailbox-password-help = It replaces the local password. Whoever holds the old one is refused from then on.
mailbox-password-new-help = The local password; may be empty.
mailbox-password-give = Give it a local password
mailbox-password-other = Change the local password
mailbox-password-set-button = Set the password
mailbox-password-set = The local password was set.
mailbox-password-remove = Remove the local password
mailbox-password-remove-what = While the auth source is local, only app passwords log in afterwards.
mailbox-password-remove-button = Remove the password
mailbox-password-removed = The local password was removed.
mailbox-app-passwords = App passwords
mailbox-app-passwords-none = No app passwords yet. People make them for themselves, one for each device.
mailbox-app-password-new = Make an app password
mailbox-app-password-title = New app password for { $address }
mailbox-app-password-name = Name
mailbox-app-password-name-help = The device or program it is for, such as “Phone”.
mailbox-app-password-name-missing = Type a name for it.
mailbox-app-password-services = Opens
mailbox-app-password-services-missing = Choose at least one: it opens nothing otherwise.
mailbox-app-password-last = Last used
mailbox-app-password-from = only from { $networks }
mailbox-app-password-expires = Expires
mailbox-app-password-expires-help = Its last day; empty is never.
mailbox-networks = Only from these networks
mailbox-networks-help = Addresses or networks such as 192.0.2.0/24, one in a line. Empty is everywhere.
mailbox-app-password-more = Expiry and networks
mailbox-app-password-make = Make it
mailbox-app-password-made = App password “{ $name }” for { $address }
mailbox-app-password-once = It is shown only now. Hand it to its owner; dashes and case do not matter.
mailbox-app-password-opens = It opens: { $services }.
mailbox-app-password-saved = I have saved it
mailbox-app-password-revoke = Revoke
mailbox-app-password-revoked = The app password was revoked: its device is refused from now on.
mailbox-logins = Last logins
mailbox-logins-none = Nobody has tried to log in yet.
mailbox-logins-all = All logins of this mailbox
mailbox-explain = Explain a login
mailbox-remove = Remove this mailbox
mailbox-remove-ask = Remove …
mailbox-remove-title = Remove { $address }?
mailbox-remove-what = Its settings, its app passwords and its part of the login log are removed, and its open sessions are ended. The mail in its home folder stays on disk.
mailbox-remove-button = Remove the mailbox
mailbox-removed = The mailbox { $address } was removed.

# Login log
logins-none = No login is like that.
logins-full = These are the latest { $count }. Search for a mailbox or a day to see others.
login-last = When
login-who = Mailbox
login-mailbox-gone = gone
login-outcome = Outcome
login-ok = let in
login-failed = any refusal
login-explain = Explain
login-what = By and from
login-from = { $service } from { $rip }
login-with-app-password = app password { $id }
login-count = Times
login-first = since
login-address = Mailbox
login-service = Service
login-rip = From address or network
login-rip-help = Such as 192.0.2.7 or 192.0.2.0/24.
login-since = From day
login-until = To day
login-app-password = App password
login-app-password-help = Its id, four characters.
login-more = Network, days, app password

# Explain
explain-what = Goes the very way of a login, step by step, and says what it would come to. Nothing is counted, kept or changed.
explain-name = Login name
explain-name-help = As the mail program sends it.
explain-name-missing = Type a login name.
explain-service = Service
explain-password = Password
explain-password-help = May be empty: the explanation ends before the password then.
explain-rip = Address of the person
explain-rip-help = The IP address that the login comes from, if it matters.
explain-rip-wrong = Type an IP address such as 192.0.2.7.
explain-token = Token instead of a password
explain-token-help = An access token of the identity provider.
explain-more = Address, token
explain-button = Explain
explain-of = { $address } · { $service }
explain-verified = accepted
explain-rejected = refused
explain-unavailable = cannot be told now
explain-undecided = depends on the password
explain-steps = Steps
explain-step = Step
explain-found = What was found
explain-outcome = Outcome
explain-step-ok = ok
explain-step-refused = ended here
explain-step-skipped = does not apply

# Held back
held-what = After too many wrong passwords an account or a network is refused for a while. App passwords of a held-back account still work.
held-none = Nobody is held back.
held-who = Who
held-kind = What
held-account = account
held-network = network
held-until = Let in again
held-lift = Let in now
held-lifted = { $subject } is not held back any more.

# Caches
caches = Caches
caches-what = What was verified or asked lately is remembered for a while, so that a login costs little. Forgetting costs a question each, and nobody’s mail.
cache-holds = Holds
cache-entries = Entries
cache-size = Size
cache-of = { $bytes } of { $most }
cache-hits = Answered
cache-hits-of = { $percent } % of { $all }
cache-unasked = nothing yet
cache-verified = right passwords
cache-wrong = wrong passwords
cache-people = people at providers
cache-unknown = addresses nobody has
cache-tokens = tokens
cache-refused-tokens = refused tokens
cache-flush = Forget
cache-masks = Addresses
cache-masks-help = Masks with * and ?, one in a line. Empty is everything.
cache-masks-own-help = Addresses or masks such as *@example.org in domains that are yours, one in a line.
cache-flush-button = Forget now
cache-flushed = { $count ->
    [one] One entry was forgotten.
   *[other] { $count } entries were forgotten.
}

# Admin tokens
tokens-what = A program asks the API with a token of its own: it has a name, rights and an end.
tokens-none = No tokens yet. A control panel or a script needs one; the command line on this machine does not.
token-new = Make a token
token-name = Name
token-name-help = What it is for, such as “Control panel”.
token-name-missing = Type a name for it.
token-scopes = It may
token-scopes-head = May
token-scopes-help = As little as it needs. None of these includes another one.
token-scopes-missing = Choose at least one: it opens nothing otherwise.
token-scope-read = Look at everything it reaches
token-scope-mailboxes = Change mailboxes and app passwords
token-scope-settings = Change domains, templates and providers
token-scope-sync = Start and stop syncs
token-scope-operate = Empty caches, let in who is held back, test providers, explain logins
token-scope-transfer = Export and import everything, password hashes included
token-domains = Only in these domains
token-domains-help = One in a line. Empty is the whole server.
token-domain-wrong = “{ $text }” is not the name of a domain.
token-domain-unknown = One of these domains is not here.
token-everything = the whole server
token-expires = Expires
token-expires-help = Its last day; empty is 90 days from now.
token-expired = expired
token-never = It never expires
token-last = Last used
token-by = by { $who }
token-make = Make it
token-made = Token “{ $name }”
token-once = It is shown only now. Whoever has it has its rights.
token-how = The program sends it as “Authorization: Bearer …” to /api/v1 of this address.
token-saved = I have saved it
token-revoke = Revoke
token-revoked = The token was revoked: its program is refused from now on.

# Signing in
sign-in = Sign in
sign-in-address = Email address
sign-in-continue = Continue
sign-in-password = Password
sign-in-password-help = The password of your mailbox. An app password does not sign in here.
sign-in-no-address = Type your whole email address, such as name@example.org.
sign-in-no-password = Type your password.
sign-in-wrong = That did not work: the address or the password is wrong, or you may not sign in here. After many attempts you have to wait a while.
sign-in-app-password = That is an app password. It opens mail programs; sign in here with the password of your mailbox.
sign-in-unavailable = Your password cannot be checked at the moment. It may be right: try again in a minute.
sign-in-at = Continue with { $provider }
sign-in-or-password = Or with a password that is kept here
sign-in-refused = You are not signed in
sign-in-again = Sign in again
sign-in-why-declined = { $provider } has not signed you in.
sign-in-why-over = This sign-in is over: it took longer than ten minutes, was used before, or was not begun in this browser. Begin again.
sign-in-why-unavailable = { $provider } cannot be asked at the moment. Try again in a minute.
sign-in-why-held-back = Too many wrong passwords have come from your network. Wait a while, then try again.
sign-in-why-no-mailbox = { $provider } knows you as { $address }, but there is no mailbox for you here, and none could be made. Ask your administrator.
sign-in-why-off = The mailbox { $address } is switched off. Ask your administrator.
sign-in-why-service = The mailbox { $address } does not open these pages. Ask your administrator.
sign-in-why-unverified = { $provider } has not verified that { $address } is yours. Have it verified there, then sign in again.
sign-in-why-reassigned = The mailbox { $address } belongs to another account of { $provider }. Ask your administrator.
sign-in-why-elsewhere = { $provider } opens no mailbox for you here. Perhaps you are signed in there with another account than you want to use.
sign-in-why-other = What came back from { $provider } is not good. Try again; if it stays so, ask your administrator.
sign-out-there = Sign out of { $provider }
signed-out = You are signed out
signed-out-here = You are signed out here. You are still signed in at { $provider }, so whoever uses this browser can come back without a password.
sign-in-busy = Too many people sign in at this moment. Try again in a minute.

# One's own mailbox
more = More
cancel = Cancel
to-own-mailbox = Back to my mailbox
app-passwords = App passwords
app-passwords-none = No app passwords yet. Your mail program asks for a password when you add your account to it: make an app password for each program or device, and you can take away any of them alone later.
app-password-show = Show or revoke
app-password-what-now = What to do
app-password-new = New app password
app-password-name = Name
app-password-name-help = So that you know it again, such as “Phone” or “Laptop, Thunderbird”.
app-password-no-name = Give it a name.
app-password-services = Opens
app-password-services-of-new = What shall it open?
app-password-no-service = Mark at least one.
app-password-for-imap = Read mail (IMAP)
app-password-for-smtp = Send mail (SMTP)
app-password-for-pop3 = Fetch mail (POP3)
app-password-for-sieve = Filter rules (Sieve)
app-password-for-dav = Calendars and contacts (CalDAV, CardDAV)
app-password-for-eas = Exchange ActiveSync
app-password-for-web = Webmail
app-password-expires = Expires
app-password-expires-of-new = Last day
app-password-expires-help = After it the app password opens nothing. Leave it empty for one that lasts until you revoke it.
app-password-bad-expiry = Choose a day that is not over yet, or leave it empty.
app-password-never-expires = Never
app-password-is-over = expired
app-password-networks = Usable from
app-password-networks-of-new = Only from these networks
app-password-networks-help = Addresses or networks such as 192.0.2.0/24, one in each line. Leave it empty to use it from everywhere.
app-password-bad-network = “{ $network }” is no address and no network.
app-password-everywhere = Everywhere
app-password-make = Make app password
app-password-last-used = Last used
app-password-never-used = Never used
app-password-created = Made
app-password-imported = It came along from another mail server.
app-password-id = It begins with
app-password-revoke-help = Whatever has this app password stored cannot sign in any more, and is told that the password is wrong.
app-password-revoke = Revoke “{ $name }”
app-password-revoked = “{ $name }” is revoked.
app-password-logins = Sign-ins with it
app-passwords-revoke-all = Revoke all app passwords
app-passwords-revoke-all-help = All programs and devices with one of these cannot sign in any more. Do this when a device is lost and you do not know which app password it had.
app-passwords-revoke-these = { $count ->
    [one] Revoke this app password
   *[other] Revoke all { $count } app passwords
}
app-passwords-revoked = { $count ->
    [one] One app password is revoked.
   *[other] { $count } app passwords are revoked.
}
app-password-made = App password for “{ $name }”
made-once = This is the only time that you see it. Type or copy it into your mail program now, in the place of your password.
made-copy = Copy
made-copied = Copied
made-typing = The dashes need not be typed, nor whether letters are large or small.
made-saved = I have saved it
made-code = For a phone
made-code-help = The camera of a phone reads the app password out of this code.
made-code-label = The app password as a QR code
made-profile = iPhone, iPad and Mac
made-profile-help = This file sets up the whole account: open it on the device, then install it in Settings. It holds the app password, so delete it afterwards.
made-profile-load = Load the profile
made-opens = This app password opens: { $services }.
opens-everything = everything
opens-nothing = nothing: app passwords only
set-up = Set up a mail program
set-up-how = Add an account with these servers, and an app password as its password.
set-up-ask = Your mail program finds the servers by itself, or your administrator knows them. Take your whole address as user name, and an app password as password.
server-user = User name
server-imap = Incoming mail (IMAP)
server-smtp = Outgoing mail (SMTP)
server-pop3 = Incoming mail (POP3)
server-sieve = Filter rules (ManageSieve)
server-port = port { $port }
server-tls = SSL/TLS
server-starttls = STARTTLS
own-logins = My sign-ins
own-logins-recent = Recent sign-ins
own-logins-all = All sign-ins
own-logins-help = Equal sign-ins are one row. If one of them was not you, revoke the app password that it used, or change your password.
own-logins-none = Nobody has signed in yet.
login-when = Last
login-service = For
login-from = From
login-with = With
login-outcome = Result
login-times = { $count ->
    [one] once
   *[other] { $count } times
}
login-no-address = unknown
login-without = no app password
login-revoked = { $id } (revoked)
service-imap = IMAP
service-pop3 = POP3
service-smtp = SMTP
service-sieve = Sieve
service-dav = CalDAV, CardDAV
service-eas = ActiveSync
service-web = these pages, webmail
outcome-ok = signed in
outcome-wrong = wrong password
outcome-held-back = held back after many attempts
outcome-service = not for this service
outcome-network = not from this network
outcome-expired = expired
outcome-refused = refused
mailbox-facts = My mailbox
mailbox-address = Address
mailbox-quota = Storage limit
mailbox-password-opens = The password opens
mailbox-password = Password
password-is-here = It is kept here.
password-is-at = It is kept and changed at { $source }.
password-change = Change password
password-change-help = You are signed out then, here and wherever else you are signed in to these pages, and sign in with the new password. Mail programs with an app password go on.
password-current = Present password
password-new = New password
password-new-help = Long is better than complicated. It opens these pages, where app passwords are made.
password-again = New password, once more
password-not-the-same = The two are not the same.
