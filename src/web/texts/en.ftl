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
service-eas = Phones (ActiveSync)
service-web = Web mail and these pages

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

changed-meanwhile = Somebody has changed it meanwhile, so nothing was saved. Open this page again and look at what it is now.

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
own-login-when = Last
own-login-service = For
own-login-from = From
own-login-outcome = Result
own-login-with = With
own-login-times = { $count ->
    [one] once
   *[other] { $count } times
}
own-login-no-address = unknown
own-login-without = no app password
own-login-revoked = { $id } (revoked)
own-outcome-ok = signed in
own-outcome-wrong = wrong password
own-outcome-held-back = held back after many attempts
own-outcome-service = not for this service
own-outcome-network = not from this network
own-outcome-expired = expired
own-outcome-refused = refused
own-mailbox-facts = About it
own-mailbox-address = Address
own-mailbox-quota = Storage limit
own-mailbox-password = Password
own-mailbox-password-opens = The password opens
password-is-here = It is kept here.
password-is-at = It is kept and changed at { $source }.
password-change = Change password
password-change-help = You are signed out then, here and wherever else you are signed in to these pages, and sign in with the new password. Mail programs with an app password go on.
password-current = Present password
password-new = New password
password-new-help = Long is better than complicated. It opens these pages, where app passwords are made.
password-again = New password, once more
password-not-the-same = The two are not the same.


# Fields of forms
read-only = You can look at this, and not change it: it holds for the whole server.

# What mailboxes may have

# Templates
templates-what = A template says what a mailbox gets when it is made. A provider’s mapping chooses one for each person.
templates-none = There is no template yet. Without one, a provider’s first login makes no mailbox.
template-new = Add a template
template-add = Add template
template-title = Template { $name }
template-added = Template “{ $name }” was added.
template-changed = Template “{ $name }” was saved. Mailboxes get it at their next login or sync.
template-removed = Template “{ $name }” was removed.
template-name = Name
template-name-wrong = Type a name of 1 to 100 characters.
template-quota = Storage limit
template-quota-help = Such as 5G or 500M; “unlimited” for none. Leave it empty to have the domain’s default.
template-state = State of a new mailbox
template-state-help = A mailbox that receives only takes mail, and nobody logs in to it.
template-services = Services of the main password
template-services-help = Without any, people need an app password for each device.
template-app-passwords = People may make app passwords
template-app-passwords-help = mailcow calls it acl_app_passwds.
template-force-change = A local password must be changed at the next sign-in here
template-force-change-help = mailcow calls it force_pw_update.
template-tags = Tags
template-tags-help = Labels for searches, with commas between them.
template-further = What other programs act on
template-further-help = mailcow’s further fields. Dovegate keeps them and hands them out; web mail, mail server or spam filter act on them.
template-remove = Remove this template
template-remove-what = Mailboxes keep what they got by it. People for whom a mapping names it get no mailbox, and no changes, until it names another one.
template-remove-button = Remove the template
template-force-tfa = Second factor is a must in web mail
template-tls-enforce-in = Incoming mail by TLS alone
template-tls-enforce-out = Outgoing mail by TLS alone
template-rl-value = Rate limit of outgoing mail: messages
template-rl-frame = Rate limit of outgoing mail: in which time
template-sogo-access = SOGo may be used
template-tagged-mail-handler = Mail to addresses with an extension
template-quarantine-notification = Notices of quarantined mail
template-quarantine-category = Which quarantined mail these notices tell of
template-acl-spam-alias = May make temporary addresses
template-acl-tls-policy = May change the TLS policy
template-acl-spam-score = May change the spam score
template-acl-spam-policy = May change senders’ allow and deny lists
template-acl-delimiter-action = May change what becomes of mail with an extension
template-acl-syncjobs = May fetch mail from elsewhere
template-acl-eas-reset = May reset ActiveSync devices
template-acl-sogo-profile-reset = May reset the SOGo profile
template-acl-pushover = May set up Pushover
template-acl-quarantine = May act on quarantined mail
template-acl-quarantine-attachments = May see attachments in quarantine
template-acl-quarantine-notification = May change quarantine notices
template-acl-quarantine-category = May change which quarantined mail is told
template-acl-pw-reset = May reset the password by mail
word-per-second = per second
word-per-minute = per minute
word-per-hour = per hour
word-per-day = per day
word-none = stays as it is
word-subject = tag in the subject
word-subfolder = into a folder
word-never = never
word-hourly = hourly
word-daily = daily
word-weekly = weekly
word-add-header = only marked as spam
word-reject = rejected
word-all = all

# Words of many pages
yes = yes
no = no
none = none
back = Back
address = Address
and-more = { $count ->
    [one] and 1 more
   *[other] and { $count } more
}
milliseconds = { $number } ms

# Identity providers
providers-what = An identity provider says who people are. It speaks only for the domains that name it.
providers-none = There is no identity provider yet. With one, people sign in by it, and mailboxes are made as it says.
provider-new = Add an identity provider
provider-name = Name
provider-name-help = Short, for you and the log: lower-case letters, digits, “-” and “_”. It can’t be changed later.
provider-name-wrong = Type 1 to 64 lower-case letters, digits, “-” and “_”, beginning with a letter. “local” and “none” are taken.
provider-kind = Kind
provider-kind-keycloak = Keycloak
provider-kind-oidc = Another OpenID provider
provider-kind-unknown = unknown
provider-which = What kind of server is it?
provider-keycloak-what = Browser sign-in, tokens, the Mailpassword Flow, sync of all people, and news of what happens to them.
provider-oidc-what = Authentik and any other: browser sign-in and tokens. It cannot be asked about people.
provider-new-keycloak = Add a Keycloak
provider-new-oidc = Add an OpenID provider
provider-add = Add provider
provider-added = Provider “{ $name }” was added. Run the connection test now, then let a domain name it.
provider-changed = Provider “{ $name }” was saved.
provider-removed = Provider “{ $name }” was removed.
provider-settings = Settings
provider-settings-what = Server, client, tokens, how people become mailboxes
provider-settings-title = Settings of { $name }
provider-read-only = You can look at this, and not change it here: it is declared in dovegate.toml, or holds for the whole server.
provider-health = State
provider-is-up = answers
provider-is-down = does not answer
provider-is-left-alone = is left alone for a moment, since it failed again and again or asked for it
provider-is-wrong = settings are wrong
provider-is-unasked = not asked since the start
provider-warnings = Works, and is not safe
provider-facts = Facts
provider-declared = Declared in
provider-in-file = dovegate.toml, and changed only there
provider-in-store = these pages, the API and the command line
provider-no-domains = None: it speaks for nobody yet. Choose it in the settings of a domain.
provider-events = News of people
events-watching = asked for all the time
events-not-recorded = the realm does not save its events
events-forbidden = our client may not see events (role view-events)
events-failing = cannot be asked for now
events-not-asked = not asked for
provider-remove = Remove this provider
provider-remove-title = Remove { $name }?
provider-remove-what = Its tokens open nothing from then on, and nobody signs in by it. It can be removed only when no mailbox follows it.
provider-remove-domains = { $count ->
    [one] 1 domain names it and will have no provider.
   *[other] { $count } domains name it and will have no provider.
}
provider-remove-button = Remove the provider

provider-server = Server
provider-server-url = Server URL
provider-server-url-help = Keycloak: the root of the server, with “/auth” at its end for releases before 17. Others: the issuer.
provider-realm = Realm
provider-realm-help = Name of the realm that your people are in.
provider-version = Version
provider-version-help = mailcow asks for it. Nothing depends on it here, so it may stay empty.
provider-client = Our client there
provider-client-id = Client ID
provider-client-id-help = The client that you have made for Dovegate at the provider.
provider-client-secret = Client secret
provider-client-secret-help = It goes in and is never shown again. Empty leaves the stored one as it is.
provider-client-secret-file = File with the client secret
provider-file-help = A file is named in dovegate.toml or on the command line, since only there it is known who may read it.
provider-client-auth = How the client proves itself
provider-client-auth-help = Keycloak takes both.
provider-client-auth-basic = in the header (client_secret_basic)
provider-client-auth-post = in the form (client_secret_post)
provider-people = How people become mailboxes
provider-mailpassword-flow = Mailpassword Flow
provider-mailpassword-flow-help = Main passwords are checked against a hash that Keycloak keeps as an attribute of the person. The client’s service account needs the role view-users.
provider-password-attribute = Attribute with the hash
provider-password-attribute-help = Empty means mailcow_password.
provider-login-provisioning = A first login makes a mailbox
provider-login-provisioning-help = Where a template fits the person.
provider-import-users = Sync makes mailboxes for people who have none
provider-import-users-help = The service account needs the role view-users.
provider-periodic-full-sync = Sync runs by itself and changes mailboxes
provider-periodic-full-sync-help = With the one above alone it runs by itself, too, and only makes new ones.
provider-sync-interval = Sync interval in minutes
provider-sync-interval-help = From the end of one to the beginning of the next. Empty means 15.
provider-withdraw-limit = Most mailboxes that one sync may switch off, in percent
provider-withdraw-limit-help = If more people are missing or disabled, it switches off none and says so. Empty means 10.
provider-renames = When somebody’s address changes
provider-renames-help = A mailbox follows only within its domain, to an address that is verified and free.
provider-renames-report = say it, and leave the mailbox as it is
provider-renames-follow = rename the mailbox
provider-unverified = Addresses that the provider has not verified
provider-unverified-help = A mailbox belongs to the first person who comes with its address. Accept unverified ones only where people cannot write their address themselves.
provider-unverified-refuse = do not count
provider-unverified-accept = count like verified ones
provider-sign-in = Sign-in with a browser, administrators
provider-redirect-url = Redirect URL
provider-redirect-url-help = Where the provider sends browsers back to; allow it at the client there. Empty means /sign-in/NAME/callback at these pages’ address.
provider-sign-in-scopes = Scopes to ask for
provider-sign-in-scopes-help = Empty means openid, profile and email.
provider-administrator-role = Role of administrators
provider-administrator-role-help = Who has it administers the domains that name this provider. Empty means nobody.
provider-administrators = They administer the whole server
provider-administrators-help = Everything, and not these domains alone.
provider-tokens = Tokens of mail programs
provider-methods = How tokens are checked
provider-methods-help = introspection, userinfo or jwt, in their order. Empty means introspection where there is a client secret, else userinfo.
provider-scopes = Scopes that a token must have
provider-scopes-help = All of them, with spaces between.
provider-audience = Audiences
provider-audience-help = A token must name one of them.
provider-clients = Clients
provider-clients-help = A token must be for one of them: your mail programs. Without, tokens that any other program got open mailboxes, too.
provider-untyped-tokens = Take signed tokens that do not say what they are
provider-untyped-tokens-help = Such a one may be an ID token that another application got.
provider-user-claim = Claim that names the mailbox
provider-user-claim-help = Empty means email. People can often write others themselves.
provider-user-claim-is-trusted = People cannot write that claim themselves
provider-user-claim-is-trusted-help = Needed for any claim but email.
provider-default-domain = Default domain
provider-default-domain-help = Completes a claim without “@”. Empty means that such a token is refused.
provider-tokens-for-local = Tokens open local mailboxes, too
provider-tokens-for-local-help = Those of the provider’s domains, whose auth source is local, LDAP or a file.
provider-endpoints = Endpoints and certificates
provider-issuer = Issuer
provider-issuer-help = What tokens name, where the server is asked at another address than people use. Empty means what the server URL comes to.
provider-authorize-url = Authorization endpoint
provider-token-url = Token endpoint
provider-userinfo-url = Userinfo endpoint
provider-introspection-url = Introspection endpoint
provider-introspection-url-help = Empty means by discovery. Alone, without a client, it is asked as a userinfo URL.
provider-jwks-url = Key set
provider-endpoint-help = Empty means by discovery.
provider-ca-file = File with certificates to believe besides the system’s
provider-ignore-ssl-errors = Believe any certificate
provider-ignore-ssl-errors-help = For trying things out: whoever stands between can read tokens and say who may log in.
provider-times = Times
provider-token-cache = A checked token is not asked about again for
provider-token-cache-help = Empty means 60s; at most 1h. A token that was revoked may work as long.
provider-mailpassword-cache = What is said of a person is not asked again for
provider-mailpassword-cache-help = Empty means 60s; at most 1h.
provider-unknown-cache = The same of an unknown address
provider-unknown-cache-help = Empty means 10s; at most 5m.
provider-recheck-interval = After a wrong password it is asked again once in
provider-recheck-interval-help = For one person. Empty means 5s; at most 5m.
provider-stale-limit = While it is down, its last answer counts for
provider-stale-limit-help = Empty means 12h; at most 7d; 0s is never.
provider-account-check = Whether the owner of an app password is enabled is asked after
provider-account-check-help = Empty means 15m with the Mailpassword Flow, else never; 0s is never: app passwords then outlive the account.
provider-event-interval = What happens to people is asked for every
provider-event-interval-help = Empty means 2s; 1s to 5m; 0s is never. Needs the role view-events.
provider-connect-timeout = Longest wait for a connection
provider-connect-timeout-help = Empty means 3s; at most 8s.
provider-timeout = Longest wait for an answer
provider-timeout-help = Empty means 5s; at most 8s.

# The connection test
trial-run = Test the connection
trial-takes = It changes nothing and takes 20 seconds at most.
trial-again = Test again
trial-title = Connection test of { $name }
trial-passed = All steps passed.
trial-failed = A step failed. What to do about it stands beside it.
trial-token = Try a token, too
trial-token-label = Access token
trial-token-help = One of a mail program of yours. It is used for this test alone.
step = Step
step-outcome = Outcome
step-found = What was found
step-took = Time
step-ok = ok
step-warning = works
step-failed = failed
step-not-tried = not tried

# Directories
directories = Directories
directories-what = Files and LDAP servers with people. They are declared in dovegate.toml.
directory-kind-file = File of accounts
directory-kind-ldap = LDAP
directory-answers = answers
directory-kept = cannot be read; its last good state counts
directory-failing = cannot be read
directory-unread = not asked yet
directory-since = since
directory-at = Where
directory-entries = People
directory-read = Read

# The mapping
mapping = Mapping
mapping-what-short = Which template somebody gets
mapping-title = Mapping of { $name }
mapping-what = The first row that fits a person decides which template he or she gets. Texts are compared as they are.
mapping-no-templates = There is no template yet, so nobody gets a mailbox.
mapping-rows = Rows of the mapping
mapping-row = Row { $number }
mapping-who = Who has
mapping-by-value = this value of the attribute
mapping-by-group = this group
mapping-by-role = this role
mapping-text = Text
mapping-gets = gets template
mapping-no-template = –
mapping-template-missing = { $name } (does not exist)
mapping-more-rows = Empty a row to take it away. There are new empty ones after each save.
mapping-text-wrong = Row { $number }: type the value, group or role.
mapping-template-wrong = Row { $number }: choose a template.
mapping-default = Template for everybody else
mapping-default-help = Where no row fits. Without one, they get no mailbox.
mapping-default-updates = It is applied to mailboxes that exist, too
mapping-default-updates-help = Otherwise only to new ones.
mapping-attribute = Attribute with the value
mapping-attribute-help = Empty means mailcow_template.
mapping-groups-claim = Claim with groups
mapping-groups-claim-help = In tokens. Empty means groups.
mapping-roles-claim = Claim with roles
mapping-roles-claim-help = In tokens. Empty means realm_access.roles.
mapping-changed = The mapping was saved. Mailboxes follow it at their next login or sync.

# What would this person get?
preview = What would this person get?
preview-what-short = Try the mapping on somebody
preview-title = What would somebody of { $name } get?
preview-address = Email address
preview-help = The provider is asked about this person now. Nothing is changed.
preview-run = Ask
preview-result = Result
preview-elsewhere = It does not speak for the domain of this address, or the domain is not here.
preview-nobody = Nobody there has this address.
preview-several = More than one person there has this address, so none of them can log in with it.
preview-refused = Nothing would be done for this person.
preview-unchanged = The mailbox is as it should be.
preview-changed = The mailbox would be changed: { $change }.
preview-created = A mailbox would be made by template { $template },
preview-created-without = A mailbox would be made without a template,
preview-at-both = at the first login or the next sync.
preview-at-login = at the first login.
preview-at-sync = at the next sync.
preview-at-none = but neither a login nor a sync makes any: both are switched off in the settings.
preview-mailbox = The mailbox
preview-person = What is said of the person
preview-name = Name
preview-id = ID there
preview-enabled = May log in there
preview-verified = Address is verified
preview-values = Value of the attribute
preview-groups = Groups
preview-roles = Roles
preview-not-asked = not asked: the mapping does not go by it
preview-entry = Row that fits
preview-entry-number = row { $number }
preview-entry-none = none: the template for everybody else
preview-template = Template

# Syncs
sync = Sync
sync-what-short = Plan, progress and log
sync-title = Sync of { $name }
sync-run-title = Run { $run } of { $name }
sync-plan-title = Plan for { $name }
sync-logins-title = What logins and events did at { $name }
sync-under-way = A sync is under way.
sync-planning = A dry run is under way.
sync-phase-people = It goes through the people.
sync-phase-missing = It asks for those who are missing.
sync-phase-withdrawing = It switches mailboxes off.
sync-progress = Progress
sync-people-of = { $people } of { $expected } people
sync-people-so-far = { $count ->
    [one] 1 person so far
   *[other] { $count } people so far
}
sync-stop = Stop it
sync-stopping = It stops after the page that it is at. What was done stands.
sync-plan = Dry run
sync-plan-nothing = Nothing was changed. A sync would do this:
sync-plan-lines = See it line by line
sync-last = Last sync
sync-last-complete = The last complete one was
sync-none = There was no sync yet.
sync-next = Next one
sync-no-next = None runs by itself.
sync-plan-button = Dry run
sync-run-button = Sync now
sync-plan-help = A dry run changes nothing and shows what a sync would do.
sync-limit-summary = When more mailboxes may be switched off than usual
sync-limit = Most mailboxes to switch off, in percent
sync-limit-help = For this one sync. Otherwise the limit of the settings holds.
sync-limit-wrong = Type a percentage from 0 to 100.
sync-runs = Runs
sync-runs-none = Nothing has run yet.
sync-begun = Begun
sync-ended = Ended
sync-outcome = Outcome
sync-did = What it did
sync-by-hand = by hand
sync-by-itself = by itself
sync-logins = What logins and events did
sync-people = people
sync-created = created
sync-updated = updated
sync-renamed = renamed
sync-withdrawn = switched off
sync-restored = switched on again
sync-missing = missing
sync-skipped = left out
sync-unchanged = unchanged
sync-left-out = Left out:
sync-outcome-running = under way
sync-outcome-complete = complete
sync-outcome-cancelled = stopped by an administrator
sync-outcome-braked = held by its brake
sync-outcome-failed = failed
sync-outcome-interrupted = interrupted
sync-action = What was done
sync-any-action = anything
sync-mask = Addresses
sync-cause = Cause
sync-detail = Details
sync-lines-none = No lines.
filter = Show
time = Time
reload = Reload

# Where administrators begin
overview-well = Nothing is wrong.
overview-wrong = What is wrong now
overview-figures = Since the start
overview-provider-wrong = Settings of provider { $name } are wrong: it is not asked.
overview-provider-down = Provider { $name } does not answer: { $why }
overview-provider-left-alone = Provider { $name } is left alone for a moment.
overview-provider-events = News of people cannot be had from { $name }: { $why }.
overview-directory = Directory { $name }: { $why }.
overview-sync = The last sync of { $name }: { $why }.
overview-domain-mailboxes = Domain { $name } has { $used } of { $most } mailboxes.
overview-domain-quota = Domain { $name } has given away { $used } of { $most }.
overview-held-back = { $count ->
    [one] 1 account or network is held back after too many wrong passwords.
   *[other] { $count } accounts and networks are held back after too many wrong passwords.
}
overview-withdrawals = { $count ->
    [one] The sessions of 1 mailbox that nobody may use any more could not be ended.
   *[other] The sessions of { $count } mailboxes that nobody may use any more could not be ended.
}
overview-no-domain = There is no domain yet. Begin with one.
overview-started = Running since
overview-verified = Logins let in
overview-rejected = Logins refused
overview-unavailable = Could not be decided
overview-store = Size of the store
overview-version = Version

# One-time addresses for administrators
link = Administration by a one-time address
link-how = This address was made on the server with "dovegate admin link". It works once, and lets you administer everything until you sign out.
link-go = Sign in as administrator
link-gone = This address was used already, or is too old. Make another one on the server with "dovegate admin link".
link-name = Administrator
