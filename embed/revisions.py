"""What tells the weights of a model from others of the same name."""

import hashlib
from pathlib import Path


def folder_checksum(folder: Path) -> str:
    """Of the files of a sentence-transformers folder: their names and contents."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".safetensors", ".bin", ".json", ".txt", ".model"} and path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256-{digest.hexdigest()[:16]}"


def hub_commit(model: str) -> str:
    """The commit of a hub model that is on this machine; empty when it is not."""
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(model, "config.json")
    except ValueError:
        # No hub id can look like that; whoever opens the model says so.
        return ""
    return Path(found).parent.name if isinstance(found, str) else ""
