"""Downloads that break, lie, or have no room; archives that want to write elsewhere."""

import hashlib
import io
import os
import tarfile
import zipfile
from collections import namedtuple

import pytest

from segtutor.data import download
from segtutor.data.download import LOCK, fetch, locked
from segtutor.data.unpack import missing, unpack
from tests.data.server import serving

CONTENT = os.urandom(300_000)
SHA1 = "sha1:" + hashlib.sha1(CONTENT).hexdigest()


@pytest.fixture
def site():
    with serving({"a.zip": CONTENT}) as site:
        yield site


def get(site, folder, **options):
    return fetch(f"{site.url}/a.zip", folder / "a.zip", **{"wait": 0.0, **options})


def test_whole_download_and_second_call(site, tmp_path):
    path = get(site, tmp_path, digest=SHA1)
    assert path.read_bytes() == CONTENT and sorted(os.listdir(tmp_path)) == ["a.zip", LOCK]
    assert locked(tmp_path)["a.zip"]["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    get(site, tmp_path, digest=SHA1)
    assert len(site.asked) == 1


def test_a_broken_connection_is_taken_up_where_it_ended(site, tmp_path):
    site.breaks, site.after = 3, 70_000
    assert get(site, tmp_path, digest=SHA1).read_bytes() == CONTENT
    assert [r for _, r in site.asked] == [None, "bytes=70000-", "bytes=140000-", "bytes=210000-"]


def test_another_call_goes_on(site, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(CONTENT[:1234])
    assert get(site, tmp_path, digest=SHA1).read_bytes() == CONTENT
    assert site.asked == [("/a.zip", "bytes=1234-")]


def test_server_without_ranges_starts_anew(site, tmp_path):
    site.ranges = False
    (tmp_path / "a.zip.part").write_bytes(b"x" * 1234)
    assert get(site, tmp_path, digest=SHA1).read_bytes() == CONTENT


@pytest.mark.parametrize("length, asked", [(len(CONTENT), 1), (len(CONTENT) + 5, 2)])
def test_part_as_long_as_the_file_or_longer(site, tmp_path, length, asked):
    (tmp_path / "a.zip.part").write_bytes((CONTENT + b"extra")[:length])
    assert get(site, tmp_path, digest=SHA1).read_bytes() == CONTENT
    assert len(site.asked) == asked


def test_wrong_digest_is_kept_aside_and_not_used(site, tmp_path):
    with pytest.raises(ValueError, match=r"a.zip has SHA1 .*, but its publisher states 0000: .*"):
        get(site, tmp_path, digest="sha1:0000")
    assert (tmp_path / "a.zip.wrong").read_bytes() == CONTENT
    assert not (tmp_path / "a.zip").exists() and "a.zip" not in locked(tmp_path)


def test_first_download_is_remembered_where_nothing_is_published(site, tmp_path):
    path = get(site, tmp_path)
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(ValueError, match=rf"SHA256 .*, but {LOCK} remembers .*a.zip.wrong"):
        get(site, tmp_path)
    site.files["a.zip"] = CONTENT[:-1]  # the publisher changes it
    with pytest.raises(ValueError, match="remembers"):
        get(site, tmp_path)
    site.files["a.zip"] = CONTENT
    assert get(site, tmp_path).read_bytes() == CONTENT


def test_no_network(tmp_path):
    with pytest.raises(OSError, match=r"cannot be fetched .*Is there a network\? 4 bytes are kept"):
        (tmp_path / "a.zip.part").write_bytes(b"1234")
        fetch("http://127.0.0.1:9/a.zip", tmp_path / "a.zip", wait=0.0, timeout=2)
    assert (tmp_path / "a.zip.part").read_bytes() == b"1234"


def test_server_that_always_breaks_at_once(site, tmp_path):
    site.breaks = 99
    with pytest.raises(OSError, match="the connection ended early"):
        get(site, tmp_path)
    assert len(site.asked) == download.TRIES


def test_address_that_is_gone(site, tmp_path):
    with pytest.raises(OSError, match=r"b.zip answers 404 .*put it at .*b.zip"):
        fetch(f"{site.url}/b.zip", tmp_path / "b.zip", wait=0.0)
    assert len(site.asked) == 1


def test_disk_without_room(site, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage(1, 1, 1000))
    with pytest.raises(OSError, match=r"0.0 GB free, a.zip needs 0.0 GB more: free some space"):
        get(site, tmp_path)
    assert len(site.asked) == 1  # trying again would not help


def test_disk_that_fills_up(site, tmp_path, monkeypatch):
    class Full(io.FileIO):
        def write(self, block):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(download, "open", lambda p, mode: Full(p, "wb"), raising=False)
    with pytest.raises(OSError, match=r"cannot write .*a.zip.part \(No space left on device\)"):
        get(site, tmp_path)
    assert len(site.asked) == 1


# ---- archives


def make_zip(path, files: dict[str, bytes], link: str = ""):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        if link:
            info = zipfile.ZipInfo(link)
            info.external_attr = 0o120777 << 16
            archive.writestr(info, "/etc/passwd")
    return path


def make_tar(path, files: dict[str, bytes], kind: bytes = b"", name: str = "link"):
    with tarfile.open(path, "w") as archive:
        for file, content in files.items():
            info = tarfile.TarInfo(file)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        if kind:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    return path


@pytest.mark.parametrize("make, ending", [(make_zip, "zip"), (make_tar, "tar")])
def test_unpacking_goes_on_where_it_stopped(tmp_path, make, ending):
    files = {f"d/e/{i}.bin": bytes([i]) * (i + 1) for i in range(5)}
    archive, target = make(tmp_path / f"x.{ending}", files), tmp_path / "out"
    assert len(missing(archive, target)) == 5
    assert unpack(archive, target) == 5 and unpack(archive, target) == 0
    (target / "d/e/3.bin").unlink()
    (target / "d/e/2.bin").write_bytes(b"x")
    assert [m.name for m in missing(archive, target)] == ["d/e/2.bin", "d/e/3.bin"]
    assert unpack(archive, target) == 2
    assert {str(p.relative_to(target)): p.read_bytes() for p in target.rglob("*.bin")} == files
    assert not list(target.rglob("*.part"))


ESCAPES = ["../x", "a/../../x", "/x", "a\\..\\x", "C:/x", "C:x"]


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("make, ending", [(make_zip, "zip"), (make_tar, "tar")])
def test_names_that_lead_out(tmp_path, make, ending, name):
    archive = make(tmp_path / f"x.{ending}", {"good": b"1", name: b"2"})
    with pytest.raises(ValueError, match="nothing was unpacked"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists() and not (tmp_path / "x").exists()


def test_links_and_devices(tmp_path):
    archives = [make_zip(tmp_path / "x.zip", {"good": b"1"}, link="a")]
    for i, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE)):
        archives.append(make_tar(tmp_path / f"{i}.tar", {"good": b"1"}, kind))
    for archive in archives:
        with pytest.raises(ValueError, match="is a link or device: nothing was unpacked"):
            unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_link_in_the_target(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "d").symlink_to(tmp_path / "elsewhere")
    archive = make_zip(tmp_path / "x.zip", {"d/a": b"1"})
    with pytest.raises(ValueError, match="is a link that leads out"):
        unpack(archive, tmp_path / "out")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_archives_that_broke_off(tmp_path):
    for make, name in ((make_zip, "x.zip"), (make_tar, "x.tar")):
        path = make(tmp_path / name, {"a": os.urandom(5000), "b": os.urandom(5000)})
        path.write_bytes(path.read_bytes()[:7000])
        with pytest.raises(ValueError, match=rf"{name} is (not a whole archive|damaged)"):
            unpack(path, tmp_path / "out")
    path = make_zip(tmp_path / "y.zip", {"a": b"A" * 5000})
    path.write_bytes(path.read_bytes().replace(b"AAAA", b"AABA", 1))
    with pytest.raises(ValueError, match="y.zip is damaged at a .*delete it and call again"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out" / "a").exists()
