"""gzip, as a file and in transfer."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from adapters.suppliers.file_feed.faults import too_large, truncated


def gunzip(chunks: Iterator[bytes], subject: str, max_bytes: int) -> Iterator[bytes]:
    """The unpacked bytes of a gzip stream of one or more members, in pieces of at most 1 MB.

    Raises FileFault: "too_large" beyond `max_bytes`, "truncated" when a member is incomplete or damaged.
    """
    unpacker = zlib.decompressobj(31)
    size_bytes, has_data = 0, False
    try:
        for chunk in chunks:
            pending = chunk
            while pending:
                if unpacker.eof:
                    pending = pending.lstrip(b"\0")  # some writers pad with zeros
                    if not pending:
                        break
                    unpacker = zlib.decompressobj(31)
                piece = unpacker.decompress(pending, 1 << 20)
                pending = unpacker.unconsumed_tail or unpacker.unused_data
                has_data = True
                size_bytes += len(piece)
                if size_bytes > max_bytes:
                    raise too_large(subject, max_bytes)
                yield piece
        # What the buffer still holds is bounded by the last chunk, but may be many times its size.
        while has_data and not unpacker.eof:
            piece = unpacker.decompress(unpacker.unconsumed_tail, 1 << 20)
            if not piece:
                break
            size_bytes += len(piece)
            if size_bytes > max_bytes:
                raise too_large(subject, max_bytes)
            yield piece
    except zlib.error as exc:
        raise truncated(subject, "Its compression is damaged.") from exc
    if not unpacker.eof:
        raise truncated(subject, "It ends in the middle of its compression.")
