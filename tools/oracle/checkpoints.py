# SPDX-License-Identifier: Apache-2.0
"""Tiny checkpoints by the real libraries, for test/t_checkpoint.c: test/golden/checkpoints/.

    python tools/oracle/checkpoints.py        (torch 2.13, safetensors 0.8; seeded)

index.json: "load" lists files that must load, each with the safetensors file that holds the same tensors (checked here
against torch.load, bit for bit; CRC-32 of each of its tensors under "crc"); "refuse" lists files that must not, each
with a part of the message. Legacy files name storages by address, so their bytes differ from run to run.
"""
import collections, io, json, os, pickle, struct, sys, tarfile, warnings, zipfile, zlib

import torch
from safetensors.torch import save, load

warnings.filterwarnings("ignore")
OUT = os.path.join(os.path.dirname(__file__), "../../test/golden/checkpoints")
DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16,
          torch.int8, torch.uint8, torch.bool]
index = {"versions": {"torch": torch.__version__, "python": sys.version.split()[0]}, "load": [], "refuse": [], "crc": {}}


def values(dtype, *shape):
    x = torch.randn(*shape) * 3
    return x > 0 if dtype == torch.bool else (x * 20).abs().to(dtype) if dtype == torch.uint8 else \
        x.to(dtype) if dtype.is_floating_point else (x * 20).to(dtype)


def every_form():
    """dtype x {contiguous, transposed, permuted, expanded, shared, offset, rows, every second, scalar, empty}"""
    d = collections.OrderedDict()
    for t in DTYPES:
        n = str(t).split(".")[1]
        base = values(t, 5, 4)
        cube = values(t, 2, 3, 4)
        d[n + ".contiguous"] = base
        d[n + ".transposed"] = base.t()
        d[n + ".shared"] = base
        d[n + ".offset"] = base[2:]
        d[n + ".column"] = base[:, 1]
        d[n + ".block"] = base[1:4, 1:3]
        d[n + ".second"] = base[::2]
        d[n + ".permuted"] = cube.permute(2, 0, 1)
        d[n + ".slab"] = cube[1]
        d[n + ".expanded"] = values(t, 3).expand(4, 3)
        d[n + ".one_expanded"] = values(t, 1).expand(6)
        d[n + ".scalar"] = values(t, 1)[0]
        d[n + ".element"] = base[3, 2]
        d[n + ".empty"] = values(t, 0)
        d[n + ".empty_rows"] = base[5:]
        d[n + ".empty_wide"] = values(t, 3, 0, 2)
        d[n + ".ones"] = values(t, 1, 1, 3, 1)
        d[n + ".eight"] = values(t, 1, 2, 1, 1, 2, 1, 1, 2)
    return d


def many(n):
    base = torch.arange(n + 3, dtype=torch.int16)
    return collections.OrderedDict((f"layer.{i}.w", base[i:i + 2]) for i in range(n))


def odd_names():
    names = ["", " ", "a.b.c", "ünï", "模型", "\U0001f600", 'quote"and\\', "tab\t", "x" * 512]
    return collections.OrderedDict((n, torch.tensor([i, i + 1], dtype=torch.float32)) for i, n in enumerate(names))


def plain(d):
    return {k: v.detach().contiguous().clone() for k, v in d.items()}


def crc(t):
    return zlib.crc32(t.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()) if t.numel() else 0


def write(name, data):
    with open(os.path.join(OUT, name), "wb") as f:
        f.write(data)


def expected(name, d):
    d = plain(d)
    write(name, save(d, {"format": "pt"}))
    index["crc"][name] = {k: crc(v) for k, v in d.items()}


def bytes_of(obj, legacy, **kw):
    b = io.BytesIO()
    torch.save(obj, b, _use_new_zipfile_serialization=not legacy, **kw)
    return b.getvalue()


def good(name, d, like, legacy, metadata=False, form="ordered", data=None):
    if data is None:
        obj = collections.OrderedDict(d) if form == "ordered" else dict(d)
        if form == "parameters":
            obj = collections.OrderedDict((k, torch.nn.Parameter(v, requires_grad=v.is_floating_point())) for k, v in d.items())
        if metadata:
            obj._metadata = collections.OrderedDict((k.rsplit(".", 1)[0], {"version": 1}) for k in d)
        data = bytes_of(obj, legacy)
    back, want = torch.load(io.BytesIO(data), weights_only=True), plain(d)
    assert list(back) == list(want)
    for k in want:
        assert back[k].dtype == want[k].dtype and back[k].shape == want[k].shape and crc(back[k]) == crc(want[k]), k
    write(name, data)
    index["load"].append({"file": name, "like": like, "format": "pickle (legacy)" if legacy else "pickle (zip)", "n": len(d)})


def bad(name, data, message):
    write(name, data if isinstance(data, bytes) else bytes_of(data, False))
    index["refuse"].append({"file": name, "message": message})


def rezip(data, method=zipfile.ZIP_STORED, rename=lambda n: n, skip=(), comment=b""):
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as z, zipfile.ZipFile(out, "w", method) as w:
        for i in z.infolist():
            if i.filename.split("/", 1)[1] not in skip:
                w.writestr(zipfile.ZipInfo(rename(i.filename)), z.read(i), method)
        w.comment = comment
    return out.getvalue()


def unaligned(d):
    """The same file with a header that is not padded to 8 bytes, as flan-t5-base's: data at an odd offset."""
    raw = save(plain(d), {"format": "pt"})
    n = struct.unpack("<Q", raw[:8])[0]
    header = raw[8:8 + n].rstrip(b" ")
    header = header.replace(b'"pt"', b'"pt"' + b" " * (len(header) % 2 == 0), 1)
    assert len(header) % 2 == 1
    return struct.pack("<Q", len(header)) + header + raw[8 + n:]


class Evil:
    def __reduce__(self):
        return os.system, ("echo pwned",)


def old_tar():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as t:
        for n in ("storages", "tensors", "pickle"):
            data = pickle.dumps(0, 2)
            i = tarfile.TarInfo(n)
            i.size = len(data)
            t.addfile(i, io.BytesIO(data))
    return out.getvalue()


def main():
    os.makedirs(OUT, exist_ok=True)
    torch.manual_seed(1)
    forms, names = every_form(), odd_names()
    expected("forms.safetensors", forms)
    expected("names.safetensors", names)
    write("unaligned.safetensors", unaligned(forms))
    index["load"].append({"file": "unaligned.safetensors", "like": "forms.safetensors", "format": "safetensors", "n": len(forms)})
    for legacy in (True, False):
        kind = "legacy" if legacy else "zip"
        good(f"{kind}-forms.bin", forms, "forms.safetensors", legacy)
        good(f"{kind}-metadata.bin", forms, "forms.safetensors", legacy, metadata=True)
        good(f"{kind}-dict.bin", forms, "forms.safetensors", legacy, form="dict")
        good(f"{kind}-names.bin", names, "names.safetensors", legacy)
        floats = collections.OrderedDict((k, v) for k, v in forms.items() if k.startswith("float"))
        expected("floats.safetensors", floats)
        good(f"{kind}-parameters.bin", floats, "floats.safetensors", legacy, form="parameters")
        for n in (0, 1, 2, 300, 1001):
            if not legacy:
                expected(f"many-{n}.safetensors", many(n))
            good(f"{kind}-many-{n}.bin", many(n), f"many-{n}.safetensors", legacy, metadata=n == 300)
    few = many(2)
    z = bytes_of(few, False)
    good("zip-by-python.bin", few, "many-2.safetensors", False, data=rezip(z))
    good("zip-torch-1.6.bin", few, "many-2.safetensors", False,
         data=rezip(z, rename=lambda n: "archive/" + n.split("/", 1)[1],
                    skip=("byteorder", ".format_version", ".storage_alignment", ".data/serialization_id")))

    bad("evil.bin", {"w": torch.ones(2), "x": Evil()}, "system")
    bad("evil-legacy.bin", bytes_of({"w": torch.ones(2), "x": Evil()}, True), "system")
    bad("module.bin", bytes_of(torch.nn.Linear(2, 2), False), "torch.nn.modules.linear.Linear")
    bad("module-legacy.bin", bytes_of(torch.nn.Linear(2, 2), True), "torch.nn.modules.linear.Linear")
    bad("training.bin", {"state_dict": dict(few), "epoch": 3}, "'state_dict' is a dict; every value must be a tensor: this is a training")
    bad("epoch.bin", {"epoch": 3}, "'epoch' is an integer")
    bad("list.bin", [torch.ones(2)], "holds a list")
    bad("tensor.bin", torch.ones(2), "holds a tensor")
    bad("complex.bin", {"w": torch.ones(2, dtype=torch.complex64)}, "torch.ComplexFloatStorage")
    bad("uint16.bin", {"w": torch.ones(2, dtype=torch.uint16)}, "_rebuild_tensor_v3")
    bad("sparse.bin", {"w": torch.eye(2).to_sparse()}, "_rebuild_sparse_tensor")
    bad("quantized.bin", {"w": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}, "_rebuild_qtensor")
    bad("hooks.bin", {"w": torch.ones(2, 2, dtype=torch.complex64).conj()}, "ComplexFloatStorage")
    bad("neg.bin", {"w": torch._neg_view(torch.ones(2))}, "takes 6 arguments")
    bad("numbers.bin", {1: torch.ones(2)}, "a key is an integer")
    bad("deflated.bin", rezip(z, zipfile.ZIP_DEFLATED), "compressed (method 8)")
    bad("comment.bin", rezip(z, comment=b"hello"), "no end record in its last 22 bytes")
    bad("twofolders.bin", rezip(z, rename=lambda n: n if n.endswith("pkl") else "b/" + n.split("/", 1)[1]), "more than one top folder")
    bad("nopickle.bin", rezip(z, skip=("data.pkl",)), "no data.pkl")
    bad("nostorage.bin", rezip(z, skip=("data/0",)), "storage '0' is not in the zip")
    bad("leading.bin", b"#!/bin/sh\n" + z, "neither a zip nor a legacy")
    bad("trailing.bin", z + b"\n", "no end record in its last 22 bytes")
    bad("old.bin", old_tar(), "tar checkpoint")
    bad("protocol4.bin", bytes_of(dict(few), False, pickle_protocol=4), "pickle protocol 4")
    bad("plain.bin", pickle.dumps({"w": 1}, 2), "bare pickle")
    b = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), b)
    bad("script.bin", b.getvalue(), "compressed (method 8)")
    with open(os.path.join(OUT, "index.json"), "w") as f:
        json.dump(index, f, indent=0, sort_keys=True)
        f.write("\n")


main()
