"""Object storage against a server that verifies signatures by itself, and against Amazon's own examples."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from requests_aws4auth import AWS4Auth

from adapters.suppliers.file_feed.adapter import FileFeed
from adapters.suppliers.file_feed.transports.s3 import Bucket
from connector.ports.errors import Misconfigured, NotFound, Unauthorized
from connector.ports.suppliers import Feed, NotModified
from simulator.storage import ObjectStorage, signature
from tests.adapters.transports.sources import DAY_ONE, LIMIT_BYTES, PAGE, csv_of, feed_of
from tests.conformance.suppliers import SupplierConformance


@pytest.fixture(scope="module")
def running() -> Iterator[ObjectStorage]:
    with ObjectStorage() as storage:
        yield storage


@pytest.fixture
def storage(running: ObjectStorage) -> ObjectStorage:
    running.objects.clear()
    running.requests.clear()
    running.secret_key, running.status, running.cut_at, running.cut = "secret", 0, None, False
    running.page_size = 1000
    return running


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    path = tmp_path / "inbox"
    path.mkdir()
    return path


def feed_at(storage: ObjectStorage, key: str, **config: str) -> FileFeed:
    given: dict[str, Any] = {
        "place": "s3",
        "endpoint": storage.url,
        "region": storage.region,
        "bucket": storage.bucket,
        "key": key,
        "access_key": storage.access_key,
    }
    return feed_of({**given, **config}, secret_key="secret")


class StorageSource:
    is_remote = True
    has_credentials = True

    def __init__(self, storage: ObjectStorage) -> None:
        self.storage, self._hour = storage, 0
        self.supplier = feed_at(storage, "out/stock.csv")

    def _put(self, content: bytes) -> None:
        self._hour += 1
        self.storage.objects["out/stock.csv"] = (content, DAY_ONE + timedelta(hours=self._hour))

    def publish(self, rows: list[tuple[str, str]]) -> None:
        self._put(csv_of(rows))

    def republish(self) -> None:
        # An upload in parts gives the same bytes another ETag.
        content = self.storage.objects["out/stock.csv"][0]
        self._put(content)
        self.supplier = feed_at(self.storage, "out/stock*.csv")
        self.storage.objects["out/stock2.csv"] = (content, DAY_ONE + timedelta(days=9))

    def publish_nothing(self) -> None:
        self._put(b"")

    def publish_page(self) -> None:
        self._put(PAGE)

    def publish_huge(self) -> None:
        self._put(b"a,b\n" * LIMIT_BYTES)

    def remove(self) -> None:
        self.storage.objects.clear()

    def refuse_credentials(self) -> None:
        self.storage.secret_key = "other"

    def fail(self) -> None:
        self.storage.cut = True

    def break_off(self) -> None:
        self.storage.cut_at = 100

    def calls(self) -> int:
        return self.storage.requests["out/stock.csv", 200]


class TestObjectStorage(SupplierConformance):
    @pytest.fixture
    def source(self, storage: ObjectStorage) -> StorageSource:
        return StorageSource(storage)


EXAMPLE = Bucket(
    "https://s3.amazonaws.com",
    "us-east-1",
    "examplebucket",
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    is_path_style=False,
)
# "Examples: Signature calculations in AWS Signature Version 4", Amazon S3 API reference.
OBJECT = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
LISTING = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"


@pytest.mark.parametrize(
    ("key", "query", "headers", "expected"),
    [
        pytest.param("test.txt", None, {"Range": "bytes=0-9"}, OBJECT, id="an object"),
        pytest.param("", {"max-keys": "2", "prefix": "J"}, {}, LISTING, id="a listing"),
    ],
)
def test_signatures_are_those_of_the_published_examples(
    key: str, query: dict[str, str] | None, headers: dict[str, str], expected: str
) -> None:
    url = EXAMPLE.url(key, query)
    request = requests.Request(
        "GET",
        url,
        headers={**headers, "Host": "examplebucket.s3.amazonaws.com", "x-amz-date": "20130524T000000Z"},
    ).prepare()
    include = {"host", "range", "x-amz-*"} if headers else {"host", "x-amz-*"}
    AWS4Auth(EXAMPLE.access_key, EXAMPLE.secret_key, "us-east-1", "s3", include_hdrs=include)(request)
    signed = request.headers["Authorization"]
    assert expected == signed.rpartition("Signature=")[2]

    names = signed.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    small = {name.lower(): value for name, value in request.headers.items()}
    path, _, asked = (request.path_url).partition("?")
    scope = "20130524/us-east-1/s3/aws4_request"
    assert expected == signature(EXAMPLE.secret_key, "GET", path, asked, small, names, scope)


@pytest.mark.parametrize("key", ["Lager Bestand.csv", "a+b=c&d.csv", "été/stock~1.csv", "100%.csv"])
def test_keys_with_unusual_letters_are_signed_as_they_are_sent(
    key: str, storage: ObjectStorage, inbox: Path
) -> None:
    storage.objects[key] = (csv_of([("A", "1")]), DAY_ONE)
    feed = feed_at(storage, key).fetch(None, inbox)
    assert isinstance(feed, Feed)
    assert (csv_of([("A", "1")]), DAY_ONE) == (feed.path.read_bytes(), feed.as_of)


def test_the_newest_object_that_fits_is_taken_from_all_pages(storage: ObjectStorage, inbox: Path) -> None:
    storage.page_size = 2
    for number in range(7):
        storage.objects[f"out/stock_{number}.csv"] = (csv_of([("A", str(number))]), DAY_ONE)
    storage.objects["out/stock_3.csv"] = (csv_of([("A", "3")]), DAY_ONE + timedelta(days=1))
    storage.objects["out/stock_new.txt"] = (b"x", DAY_ONE + timedelta(days=2))
    feed = feed_at(storage, "out/stock_*.csv")
    found = feed.fetch(None, inbox)
    assert isinstance(found, Feed)
    assert "stock_3.csv" == found.name
    assert NotModified() == feed.fetch(found.mark, inbox)


@pytest.mark.parametrize(
    ("config", "expected", "words"),
    [
        pytest.param({"bucket": "others"}, NotFound, "no such bucket", id="bucket"),
        pytest.param({"region": "us-east-1"}, Misconfigured, "another region: eu-west-3", id="region"),
        pytest.param({"access_key": "AKIDOTHER"}, Unauthorized, "InvalidAccessKeyId", id="access key"),
        pytest.param({"key": "none_*.csv"}, NotFound, "No object fits this (0 others", id="nothing fits"),
    ],
)
def test_what_is_wrong_is_named(
    config: dict[str, str], expected: type[Exception], words: str, storage: ObjectStorage, inbox: Path
) -> None:
    storage.objects["stock.csv"] = (b"x", DAY_ONE)
    with pytest.raises(expected) as caught:
        feed_at(storage, **{"key": "stock.csv", **config}).fetch(None, inbox)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"key": "out/"}, "key"),
        ({"key": "a//b.csv"}, "key"),
        ({"bucket": "Not A Bucket"}, "bucket"),
        ({"region": "Paris!"}, "region"),
        ({"endpoint": "ftp://x"}, "endpoint"),
        ({"bucket_style": "other"}, "bucket_style"),
        ({"access_key": ""}, "access_key"),
    ],
)
def test_a_setting_that_cannot_work_names_its_field(
    config: dict[str, str], field: str, storage: ObjectStorage
) -> None:
    with pytest.raises(Misconfigured) as caught:
        feed_at(storage, **{"key": "stock.csv", **config})
    assert field == caught.value.field


def test_buckets_of_amazon_are_asked_by_their_own_host() -> None:
    assert "https://examplebucket.s3.amazonaws.com/out/a%20b.csv" == EXAMPLE.url("out/a b.csv")
