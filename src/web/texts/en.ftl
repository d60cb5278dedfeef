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
sign-in-how = Type your email address.
