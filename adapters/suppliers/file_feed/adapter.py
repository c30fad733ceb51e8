"""One transport and the formats, put together as a `Supplier`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from adapters.suppliers.file_feed.formats import is_document, open_table
from adapters.suppliers.file_feed.transports import Head, NoAddress, Transport
from adapters.suppliers.presets import Preset, presets
from connector.ports.learning import Learns
from connector.ports.suppliers import Feed, FetchMark, NotModified, Proposal, ReadOptions, Table, TableNote
from connector.registry import Environment

_DELIMITER_WORDS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}


class FileFeed:
    """A supplier that publishes one complete file. See `connector.ports.suppliers.Supplier`."""

    def __init__(
        self,
        transport: Transport,
        options: ReadOptions,
        environment: Environment,
        warning: str = "",
        preset: Preset | None = None,
    ) -> None:
        self._transport = transport
        self._preset = preset
        if preset is not None:
            options = replace(
                options,
                format=options.format or preset.format,
                delimiter=options.delimiter or preset.delimiter,
            )
            warning = f"{preset.says} {warning}".rstrip()
        self._options = options
        self._environment = environment
        self._warning = warning

    def check(self) -> str:
        """Reads the first 256 KB and says what they are; raises as `fetch` and `open` do."""
        if isinstance(self._transport, NoAddress):
            return self._transport.says
        head = self._transport.head()
        with tempfile.TemporaryDirectory(prefix="dispo-check-") as directory:
            sentence = self._describe(head, Path(directory))
        return f"{sentence} {self._warning}".rstrip()

    def fetch(self, mark: FetchMark | None, directory: Path) -> Feed | NotModified:
        """Bring the whole file into `directory`; see the port."""
        return self._transport.fetch(mark, directory)

    def learnt(self) -> Mapping[str, str]:
        """See `connector.ports.learning.Learns`."""
        return self._transport.learnt() if isinstance(self._transport, Learns) else {}

    def proposal(self) -> Proposal | None:
        """See `connector.ports.suppliers.Proposes`: what the preset says of the columns."""
        if self._preset is None or not self._preset.columns:
            return None
        return Proposal(self._preset.columns, self._preset.words)

    def open(self, feed: Feed, options: ReadOptions) -> Table:
        """Open `feed` with `options`; what they leave empty is taken from the connection's settings. A note says
        when the columns are those of a hub's file that nobody named."""
        table = self._open(feed, options, self._environment.max_feed_bytes)
        if self._preset is None:
            for preset in presets().values():
                if preset.fits(table.shape.columns):
                    note = TableNote(
                        0, "", "preset", f"This looks like a file of {preset.title}. {preset.says}"
                    )
                    table.shape = replace(table.shape, notes=(*table.shape.notes, note))
        return table

    def _open(self, feed: Feed, options: ReadOptions, max_bytes: int) -> Table:
        own = self._options
        return open_table(
            feed,
            replace(
                options,
                format=options.format or own.format,
                encoding=options.encoding or own.encoding,
                delimiter=options.delimiter or own.delimiter,
                records_path=options.records_path or own.records_path,
                variants_path=options.variants_path or own.variants_path,
                header_line=options.header_line or own.header_line,
                sheet=options.sheet or own.sheet,
                member=options.member or own.member,
            ),
            max_bytes,
        )

    def _describe(self, head: Head, directory: Path) -> str:
        size = "" if head.size_bytes is None else f", {head.size_bytes:,} bytes"
        when = "" if head.as_of is None else f", changed {head.as_of:%Y-%m-%d %H:%M} UTC"
        content = head.content
        if not head.is_whole:
            if is_document(content):
                # Half of a document cannot be judged; the first run reads it whole.
                return f"{head.name} was found{size}{when}; it is read at the first run."
            cut = max(content.rfind(b"\n"), content.rfind(b"\r")) + 1
            content = content[: cut or len(content)]
        path = directory / head.name
        path.write_bytes(content)
        feed = Feed(path, head.name, len(content), FetchMark(), head.as_of)
        # The beginning may be larger than a small limit; whether the whole is, the fetch judges.
        shape = self._open(feed, ReadOptions(), max(self._environment.max_feed_bytes, len(content))).shape
        named = ", ".join(shape.columns[:6]) + (", …" if len(shape.columns) > 6 else "")
        delimiter = _DELIMITER_WORDS.get(shape.delimiter, repr(shape.delimiter)) if shape.delimiter else ""
        read_as = " ".join(filter(None, (shape.format, shape.encoding, delimiter)))
        return f"{head.name} was found{size}{when}: {read_as}, {len(shape.columns)} columns ({named})."
