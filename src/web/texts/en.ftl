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
