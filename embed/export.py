"""A sentence-transformers model, written once for the CPU at hand: OpenVINO, in the precision that the processor is fast in.

The export runs in a process of its own (`python -m embed.export`), because torch is needed there and nowhere later. Its
result is a folder with the model (`model.xml`, `model.bin`, `words.npy`), its tokenizer (`embed.pieces`), its card
(`card.json`) and a vector to know it by (`probe.npy`), checked against torch on texts that it was not calibrated with, and
refused when its vectors differ.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embed import pieces
from embed import precision as processor
from embed.encoder import ModelCard, Vectors
from embed.errors import CannotExport
from embed.sample import sample_texts

if TYPE_CHECKING:
    from embed.models import Source
    from embed.sentence import SentenceEncoder

log = logging.getLogger("filrouge.embed")

LAYOUT = 4
"""Raised when an export of the same model comes out different, so that old ones are not taken for new ones."""
LEAST_COSINE = {"int8": 0.99, "bfloat16": 0.999, "float32": 0.9999}
"""Between a vector of ours and torch's float32 one, over sample texts; below, the export is refused."""
_ABANDONED = 86_400
"""Seconds."""
_CALIBRATION_TEXTS = 192
_CHECK_TEXTS = 32
_CALIBRATION_TOKENS = 192


def exported(source: "Source", precision: str, cache: Path) -> Path:
    """The folder of the export of `source`, made on the first call (about a minute), then found.

    It appears whole or not at all, also when two processes make it at once: the first to finish wins (`embed.load` lets only
    one begin). Raises `CannotExport` with the reason; the next call for the same model and machine says the same without
    trying again.
    """
    parts = (LAYOUT, precision, version("openvino"), sorted(processor.cpu_features()))
    machine = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{source.name}-{source.revision}")
    folder = cache / "compiled" / f"{slug}-{precision}-{machine}"
    refusal = folder.with_suffix(".refused")
    if (folder / "card.json").is_file():
        return folder
    if refusal.is_file():
        raise CannotExport(refusal.read_text(encoding="utf-8"))
    partial = folder.parent / f".{folder.name}.{uuid.uuid4().hex}"
    _sweep(folder)
    log.warning("preparing the model '%s' for this processor: once, about a minute", source.name)
    try:
        partial.mkdir(parents=True)
        request = {**asdict(source), "path": str(source.path), "precision": precision, "target": str(partial)}
        done = subprocess.run(
            [sys.executable, "-m", "embed.export"],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            cwd=Path(__file__).parent.parent,
            check=False,
        )
        if done.returncode == _REFUSED:
            reason = done.stderr.strip().splitlines()[-1]
            refusal.write_text(reason, encoding="utf-8")
            raise CannotExport(reason)
        if done.returncode:
            raise CannotExport(f"the export ended with status {done.returncode}: {done.stderr.strip()[-200:]}")
        for path in partial.rglob("*"):
            if path.is_file():
                descriptor = os.open(path, os.O_RDONLY)
                os.fsync(descriptor)
                os.close(descriptor)
        if folder.exists() and not (folder / "card.json").is_file():
            # What is left of an export that somebody deleted in part.
            shutil.rmtree(folder, ignore_errors=True)
        try:
            partial.rename(folder)
        except OSError:
            if not (folder / "card.json").is_file():
                raise
    except OSError as error:
        raise CannotExport(f"cannot write {folder.parent}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _sweep(folder: Path) -> None:
    """Delete what exports left behind that were killed; half a gigabyte each."""
    for partial in folder.parent.glob(f".{folder.name}.*"):
        with contextlib.suppress(OSError):
            # Another process may be at it just now, and no export takes a day.
            if partial.stat().st_mtime < time.time() - _ABANDONED:
                shutil.rmtree(partial, ignore_errors=True)


def export(encoder: "SentenceEncoder", precision: str, target: Path) -> None:
    """Write the model of `encoder`, which runs on the CPU, to the folder `target`."""
    import openvino.preprocess
    import torch

    model = encoder.model
    card = replace(encoder.card, precision=precision)
    tokenizer = model.tokenizer
    if not getattr(tokenizer, "is_fast", False):
        raise CannotExport("its tokenizer has no fast form")
    inner = getattr(model[0], "auto_model", None)
    if inner is None:
        raise CannotExport("it is not a transformer")
    # Other forms of attention do not go through the exporter.
    inner.set_attn_implementation("eager")

    class Whole(torch.nn.Module):
        """The model behind its table of word vectors, with its pooling, as one function of two tensors: vectors, states."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            found = self.model({"inputs_embeds": inputs_embeds, "attention_mask": attention_mask})
            return torch.nn.functional.normalize(found["sentence_embedding"], dim=1), found["token_embeddings"]

    # The table of word vectors is most of a multilingual model, and a text touches a few rows of it. Left in a file that
    # is mapped into memory, it costs what is touched; inside the graph, the runtime would unfold all of it.
    table = inner.get_input_embeddings().weight.detach().numpy()
    np.save(target / "words.npy", table.astype(np.float16))
    both = ("inputs_embeds", "attention_mask")
    example = (torch.zeros(2, 16, table.shape[1]), torch.ones(2, 16, dtype=torch.int64))
    with torch.no_grad():
        torch.onnx.export(
            Whole().eval(),
            example,
            str(target / "export.onnx"),
            input_names=list(both),
            output_names=["vector", "states"],
            dynamic_axes={name: {0: "texts", 1: "tokens"} for name in (*both, "states")} | {"vector": {0: "texts"}},
            opset_version=17,
            dynamo=False,
        )
    graph = openvino.Core().read_model(str(target / "export.onnx"))
    if precision == "int8":
        graph = _quantised(graph, tokenizer, table, card)
    # The rows of the table go in as they lie in the file.
    inputs = openvino.preprocess.PrePostProcessor(graph)
    inputs.input("inputs_embeds").tensor().set_element_type(openvino.Type.f16)
    openvino.save_model(inputs.build(), str(target / "model.xml"), compress_to_fp16=False)
    del graph
    for leftover in target.glob("export.onnx*"):
        leftover.unlink()
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    pieces.write(backend, target)
    (target / "card.json").write_text(card.to_json(), encoding="utf-8")
    _check(encoder, precision, target)


def _quantised(graph: Any, tokenizer: Any, table: Vectors, card: ModelCard) -> Any:
    """The graph with 8-bit weights and activations, calibrated on sample texts.

    On processors with AMX activations are signed: with unsigned ones something is to be subtracted from each product, which
    takes a fifth of the time. With VNNI alone signed ones are a sixth slower. The vectors are as near to those of float32
    either way, and to each other (.9998).
    """
    # Their telemetry is on unless this is set; nothing leaves this machine.
    os.environ["NNCF_CI"] = "1"
    import nncf

    def feed(text: str) -> dict[str, Any]:
        ids = tokenizer(text, truncation=True, max_length=_CALIBRATION_TOKENS)["input_ids"]
        return {"inputs_embeds": table[ids][np.newaxis], "attention_mask": np.ones((1, len(ids)), dtype=np.int64)}

    texts = sample_texts(_CALIBRATION_TEXTS)
    both = [(card.query_prefix if number % 4 == 0 else card.passage_prefix) + text for number, text in enumerate(texts)]
    preset = nncf.QuantizationPreset
    return nncf.quantize(
        graph,
        nncf.Dataset(both, feed),
        preset=preset.PERFORMANCE if "amx_int8" in processor.cpu_features() else preset.MIXED,
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(both),
    )


def _check(encoder: "SentenceEncoder", precision: str, target: Path) -> None:
    from embed.compiled import CompiledEncoder

    texts = sample_texts(_CHECK_TEXTS, seed=2)
    cosines = (CompiledEncoder(target, new=True).encode_passages(texts) * encoder.encode_passages(texts)).sum(axis=1)
    if not cosines.min() >= LEAST_COSINE[precision]:
        raise CannotExport(f"its {precision} vectors are off: cosine {cosines.min():.4f} to torch's float32")


_REFUSED = 3


def main() -> int:
    """`python -m embed.export`, with one JSON object on stdin; status 3 when the model, not the machine, is at fault."""
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    from embed.models import KnownModel, Source
    from embed.sentence import SentenceEncoder

    given = json.load(sys.stdin)
    target, precision = Path(given.pop("target")), given.pop("precision")
    source = Source(**{**given, "known": KnownModel(**given["known"])})
    encoder = SentenceEncoder(source.path, source.name, source.known, source.revision, device="cpu")
    try:
        export(encoder, precision, target)
    except OSError:
        raise
    except Exception as error:
        # Whatever goes wrong in four libraries: the caller falls back to torch, and says why in one line.
        print(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}", file=sys.stderr)  # noqa: T201
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
