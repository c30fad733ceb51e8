"""The ways to a supplier's file, and their settings, in the reader's language. Adapters write them in English
and know no catalogue; what is not here is shown as they wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping


def place_words(_: Callable[..., str]) -> Mapping[str, str]:
    """From the English of a title, label or help text to the reader's words; `_` is their gettext."""
    return {
        "A web address": _("A web address"),
        "A Google sheet": _("A Google sheet"),
        "A server, by SFTP": _("A server, by SFTP"),
        "A server, by FTP or FTPS": _("A server, by FTP or FTPS"),
        "A mailbox": _("A mailbox"),
        "Object storage (S3)": _("Object storage (S3)"),
        "The supplier sends it here": _("The supplier sends it here"),
        "This machine": _("This machine"),
        "Address": _("Address"),
        "Path": _("Path"),
        "User": _("User"),
        "Password": _("Password"),
        "Private key": _("Private key"),
        "Passphrase of the key": _("Passphrase of the key"),
        "Fingerprint of the server": _("Fingerprint of the server"),
        "Folder": _("Folder"),
        "Sender": _("Sender"),
        "Subject contains": _("Subject contains"),
        "Attachment": _("Attachment"),
        "Unread only": _("Unread only"),
        "Bucket": _("Bucket"),
        "Object": _("Object"),
        "Region": _("Region"),
        "Endpoint": _("Endpoint"),
        "Access key": _("Access key"),
        "Secret of the access key": _("Secret of the access key"),
        "Where the bucket's name goes": _("Where the bucket's name goes"),
        "Header name": _("Header name"),
        "Header value": _("Header value"),
        "Parameter name": _("Parameter name"),
        "Parameter token": _("Parameter token"),
        "Token address": _("Token address"),
        "Client ID": _("Client ID"),
        "Client secret": _("Client secret"),
        "Scope": _("Scope"),
        "Audience": _("Audience"),
        "Where the client's secret goes": _("Where the client's secret goes"),
        "It comes from": _("It comes from"),
        "If it is a hub's file: doba, modalyst, salehoo, spocket or syncee.": _(
            "If it is a hub's file: doba, modalyst, salehoo, spocket or syncee."
        ),
        "Format": _("Format"),
        "Encoding": _("Encoding"),
        "Delimiter": _("Delimiter"),
        "Header line": _("Header line"),
        "List of records": _("List of records"),
        "Variants inside a record": _("Variants inside a record"),
        "JSON as in variants, XML as in variants/variant; - for a row for each product; empty to find it out.": _(
            "JSON as in variants, XML as in variants/variant; - for a row for each product; empty to find it out."
        ),
        "Sheet": _("Sheet"),
        "File in the archive": _("File in the archive"),
        "Where the file is, beginning with https://.": _("Where the file is, beginning with https://."),
        "The file's name may hold *: then the newest that fits.": _(
            "The file's name may hold *: then the newest that fits."
        ),
        "ftpes:// and ftps:// are encrypted. The file's name may hold *: then the newest that fits.": _(
            "ftpes:// and ftps:// are encrypted. The file's name may hold *: then the newest that fits."
        ),
        "The mail server, beginning with imaps:// (or imap://: encrypted before the password is sent).": _(
            "The mail server, beginning with imaps:// (or imap://: encrypted before the password is sent)."
        ),
        "As copied from the browser. Share the sheet with anyone who has the link.": _(
            "As copied from the browser. Share the sheet with anyone who has the link."
        ),
        "Instead of an address: a file in a directory the operator allowed.": _(
            "Instead of an address: a file in a directory the operator allowed."
        ),
        "If the address asks for a user and a password.": _("If the address asks for a user and a password."),
        "Instead of a password: OpenSSH or PEM, the whole file.": _(
            "Instead of a password: OpenSSH or PEM, the whole file."
        ),
        "Empty: learnt at the first connection. Another one later is refused.": _(
            "Empty: learnt at the first connection. Another one later is refused."
        ),
        "INBOX if empty.": _("INBOX if empty."),
        "Only their messages count.": _("Only their messages count."),
        "A pattern, where a message has several.": _("A pattern, where a message has several."),
        "yes, or empty for all.": _("yes, or empty for all."),
        "Its key; with * the newest that fits.": _("Its key; with * the newest that fits."),
        "us-east-1 if empty.": _("us-east-1 if empty."),
        "Empty for Amazon; else the address of the storage.": _(
            "Empty for Amazon; else the address of the storage."
        ),
        "path or host; host if empty at Amazon, else path.": _(
            "path or host; host if empty at Amazon, else path."
        ),
        "If a token goes in a header.": _("If a token goes in a header."),
        'For a token in the address; "token" if empty.': _('For a token in the address; "token" if empty.'),
        "For OAuth client credentials.": _("For OAuth client credentials."),
        "basic or body; basic if empty.": _("basic or body; basic if empty."),
        "Empty to detect; else as in cp1252.": _("Empty to detect; else as in cp1252."),
        "Empty to detect; one character, or tab.": _("Empty to detect; one character, or tab."),
        "Empty to detect; the line with the column names, -1 if there is none.": _(
            "Empty to detect; the line with the column names, -1 if there is none."
        ),
        "JSON as in data.products, XML as in products/product.": _(
            "JSON as in data.products, XML as in products/product."
        ),
        "Workbooks only: the name of the sheet with the list.": _(
            "Workbooks only: the name of the sheet with the list."
        ),
        "Archives only, as in stock*.csv; empty if there is only one list in it.": _(
            "Archives only, as in stock*.csv; empty if there is only one list in it."
        ),
    }
