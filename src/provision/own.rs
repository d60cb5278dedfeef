//! Values of a mailbox that its source keeps for each person apart: a line of a
//! passwd-file has a quota, a home and more of its own. They win over a template's,
//! and an administrator's over them where there is such a thing as his own value.

use crate::{
    mailbox::{Mailbox, OwnValues, policy::Field},
    store::NewMailbox,
};

/// Gives them to a mailbox that is made.
pub(super) fn give_new(new: &mut NewMailbox, own: &OwnValues) {
    let OwnValues { quota, uid, gid, home, mail, extra_fields } = own.clone();
    new.quota = quota.or(new.quota);
    new.uid = uid.or(new.uid);
    new.gid = gid.or(new.gid);
    new.home = home.or(new.home.take());
    new.mail = mail.or(new.mail.take());
    new.extra_fields.extend(extra_fields);
}

/// Gives them to a mailbox that is there. What is not said is left as it is; but a
/// limit that is not said any more, and no template gives, is the domain's again.
pub(super) fn give(mailbox: &mut Mailbox, own: &OwnValues) {
    let OwnValues { quota, uid, gid, home, mail, extra_fields } = own.clone();
    if !mailbox.is_overridden(Field::Quota) && (quota.is_some() || mailbox.template.is_none()) {
        mailbox.quota = quota;
    }
    mailbox.uid = uid.or(mailbox.uid);
    mailbox.gid = gid.or(mailbox.gid);
    mailbox.home = home.or(mailbox.home.take());
    mailbox.mail = mail.or(mailbox.mail.take());
    mailbox.extra_fields.extend(extra_fields);
}
