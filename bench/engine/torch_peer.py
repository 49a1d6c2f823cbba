"""PyTorch's side: eager training steps. Speaks lines of JSON on standard input and output, as serve.ts does."""
import ctypes
import itertools
import json
import math
import os
import subprocess
import sys
import time

import numpy
import torch
import torch.nn.functional as F

CHECKED = 4  # results that are compared before anything is timed
SLOW = 3  # seconds of a first step that is compared alone

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


def load(job):
    """Parameters by name, and a list of batches."""
    parameters, data = {}, {}
    for array in job["arrays"]:
        values = numpy.fromfile(
            job["file"], dtype=array["dtype"], count=math.prod(array["shape"]), offset=array["offset"]
        ).reshape(array["shape"])
        if array["role"] == "parameter":
            parameters[array["name"]] = torch.from_numpy(values)
        else:
            values = values.astype("int64") if array["dtype"] == "int32" else values
            data[array["name"]] = torch.from_numpy(values)
    count = len(next(iter(data.values()), []))
    return parameters, [{name: values[i].clone() for name, values in data.items()} for i in range(count)]


def linear(p, name, x):
    # Stored as [inputs, outputs] in the file, as [outputs, inputs] here: torch's own layout.
    return F.linear(x, p[name + ".weight"], p[name + ".bias"])


def mlp(sizes):
    return lambda p, x, y: F.mse_loss(linear(p, "down", F.gelu(linear(p, "up", x))), y)


def classifier(sizes):
    return lambda p, x, y: F.cross_entropy(linear(p, "down", F.relu(linear(p, "up", x))), y)


def cnn(sizes):
    def loss(p, x, y):
        h = F.max_pool2d(F.relu(F.conv2d(x, p["conv1.weight"], p["conv1.bias"], padding=1)), 2)
        h = F.max_pool2d(F.relu(F.conv2d(h, p["conv2.weight"], p["conv2.bias"], padding=1)), 2)
        return F.cross_entropy(linear(p, "head", h.flatten(1)), y)

    return loss


def gpt(sizes):
    batch, steps, heads, width = sizes["batch"], sizes["time"], sizes["heads"], sizes["width"]
    mask = torch.triu(torch.full((steps, steps), -1e9), 1)
    fused = getattr(F, "scaled_dot_product_attention", None)

    def attend(q, k, v):
        if fused:
            return fused(q, k, v, is_causal=True)
        scores = (q @ k.transpose(-2, -1)) * (1 / math.sqrt(width // heads)) + mask
        return scores.softmax(-1) @ v

    def loss(p, x, y):
        def norm(name, h):
            return F.layer_norm(h, (width,), p[name + ".scale"], p[name + ".bias"])

        h = F.embedding(x, p["tokens"]) + p["positions"]
        for i in range(sizes["layers"]):
            parts = linear(p, f"{i}.qkv", norm(f"{i}.norm1", h)).split(width, 2)
            q, k, v = (t.view(batch, steps, heads, width // heads).transpose(1, 2) for t in parts)
            h = h + linear(p, f"{i}.out", attend(q, k, v).transpose(1, 2).reshape(batch, steps, width))
            h = h + linear(p, f"{i}.down", F.gelu(linear(p, f"{i}.up", norm(f"{i}.norm2", h))))
        logits = F.linear(norm("norm", h), p["tokens"])
        return F.cross_entropy(logits.view(-1, sizes["vocabulary"]), y.view(-1))

    return loss


def fno(sizes):
    modes = sizes["modes"]

    def pointwise(p, name, h):
        return F.conv2d(h, p[name + ".weight"][:, :, None, None], p[name + ".bias"])

    def spectral(p, name, h):
        weight = torch.complex(p[name + ".re"], p[name + ".im"]).view(2, modes, modes, *p[name + ".re"].shape[1:])
        z = torch.fft.rfft2(h)
        kept = torch.zeros_like(z)
        for half, rows in enumerate((slice(modes), slice(-modes, None))):
            kept[:, :, rows, :modes] = torch.einsum("bixy,xyio->boxy", z[:, :, rows, :modes], weight[half])
        return torch.fft.irfft2(kept, s=h.shape[-2:])

    def loss(p, x, y):
        batch, _, height, width = x.shape
        rows = torch.linspace(0, 1, height + 1)[:-1, None].expand(batch, 1, height, width)
        columns = torch.linspace(0, 1, width + 1)[:-1].expand(batch, 1, height, width)
        h = pointwise(p, "lift", torch.cat((x, rows, columns), 1))
        for i in range(sizes["layers"]):
            h = pointwise(p, f"block{i}.pointwise", h) + spectral(p, f"block{i}.spectral", h)
            h = F.gelu(h) if i < sizes["layers"] - 1 else h
        return F.mse_loss(pointwise(p, "project", F.gelu(pointwise(p, "widen", h))), y)

    return loss


MODELS = {"fno": fno, "mlp": mlp, "classifier": classifier, "cnn": cnn, "gpt": gpt}


def training(job, parameters, batches, channels_last, options):
    """Steps from the parameters at the start; torch's way of keeping images and of looping over tensors may vary."""
    loss = MODELS[job["model"]](job["sizes"])
    adam = job["adam"]

    def arranged(x):
        return x.contiguous(memory_format=torch.channels_last) if channels_last and x.dim() == 4 else x

    def own(name, x):
        is_linear = x.dim() == 2 and name.endswith(".weight") and job["model"] != "fno"
        return arranged(x.t().contiguous() if is_linear else x.clone()).requires_grad_()

    inputs = [{name: arranged(x) for name, x in batch.items()} for batch in batches]

    def run(steps):
        p = {name: own(name, x) for name, x in parameters.items()}
        optimizer = torch.optim.AdamW(
            list(p.values()),
            lr=adam["learningRate"],
            betas=(adam["beta1"], adam["beta2"]),
            eps=adam["eps"],
            weight_decay=adam["weightDecay"],
            **options,
        )
        losses = []
        for i in range(steps):
            optimizer.zero_grad(set_to_none=True)
            value = loss(p, **inputs[i % len(inputs)])
            value.backward()
            optimizer.step()
            losses.append(value.detach())
        return [value.item() for value in losses]

    return run


def seconds(run, steps):
    start = time.perf_counter()
    run(steps)
    return time.perf_counter() - start


def fastest(job, parameters, batches):
    """The best of torch's own choices: how its optimizer loops over tensors, and how images lie in memory."""
    loops = [{}, {"foreach": True}, {"fused": True}]
    layouts = [False, True] if job["model"] == "cnn" else [False]
    runs = []
    for channels_last, options in itertools.product(layouts, loops):
        run = training(job, parameters, batches, channels_last, options)
        try:
            once = seconds(lambda steps: (run(1), run(steps)), 2)
        except (TypeError, RuntimeError):
            continue  # this version does not have the option on the CPU
        steps = max(2, min(200, int(0.3 / once)))
        best = min(seconds(run, steps) / steps for _ in range(3))
        label = ", ".join([*options, *(["channels last"] if channels_last else [])])
        runs.append((best, label, run))
    _, label, run = min(runs, key=lambda found: found[0])
    return run, f"eager ({label})" if label else "eager"


class Llama:
    """A token after those in the caches; `linear` makes the module of a weight [inputs, outputs]."""

    def __init__(self, job, parameters, linear):
        sizes = job["sizes"]
        self.sizes, self.p = sizes, parameters
        self.maps = {
            name[: -len(".weight")]: linear(weight) for name, weight in parameters.items() if ".layer." in name
        }
        self.head = linear(parameters["embedding.weight"].t())
        shape = (sizes["layers"], sizes["heads"], sizes["room"], sizes["width"] // sizes["heads"])
        self.keys, self.values = torch.zeros(shape), torch.zeros(shape)

    def norm(self, name, h):
        return h * torch.rsqrt(h.square().mean(-1, keepdim=True) + 1e-5) * self.p[name]

    def turned(self, h, place):
        half = h.shape[-1] // 2
        angles = place * 10000.0 ** (-torch.arange(half) / half)
        a, b = h[..., :half], h[..., half:]
        cos, sin = angles.cos(), angles.sin()
        return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)

    @torch.inference_mode()
    def __call__(self, token, place):
        heads = self.sizes["heads"]
        h = self.p["embedding.weight"][token]
        for i in range(self.sizes["layers"]):
            at = f"blocks.{i}.mixer.layer."
            x = self.norm(f"blocks.{i}.mixer.norm.scale", h)
            q, k, v = (self.maps[at + name](x).view(heads, 1, -1) for name in ("query", "key", "value"))
            self.keys[i, :, place] = self.turned(k, place)[:, 0]
            self.values[i, :, place] = v[:, 0]
            keys, values = self.keys[i, :, : place + 1], self.values[i, :, : place + 1]
            scores = self.turned(q, place) @ keys.transpose(-2, -1) / math.sqrt(q.shape[-1])
            h = h + self.maps[at + "output"]((scores.softmax(-1) @ values).reshape(1, -1))
            at = f"blocks.{i}.ffn.layer."
            x = self.norm(f"blocks.{i}.ffn.norm.scale", h)
            h = h + self.maps[at + "down"](F.silu(self.maps[at + "gate"](x)) * self.maps[at + "up"](x))
        logits = self.head(self.norm("norm.scale", h))
        return logits.argmax().item(), logits


def decoding(job, parameters):
    """In float32, and with the 8-bit linear layers that torch has for the CPU."""

    def plain(weight):
        module = torch.nn.Linear(*weight.shape, bias=False)
        module.weight = torch.nn.Parameter(weight.t().contiguous(), requires_grad=False)
        return module

    def rounded(weight):
        layers = torch.nn.Sequential(plain(weight))
        return torch.quantization.quantize_dynamic(layers, {torch.nn.Linear}, dtype=torch.qint8)

    def entrant(name, label, linear, **more):
        model = Llama(job, parameters, linear)

        def run(steps):
            for _ in range(steps):
                _, logits = model(torch.tensor([1]), job["sizes"]["seen"])
            return [logits.square().mean().sqrt().item(), logits.max().item(), logits.abs().mean().item()]

        return {"id": name, "label": label, "multiple": 1, **more}, run

    yield entrant("eager", "eager, float32", plain)
    yield entrant("int8", "eager, weights of 8 bits", rounded, tolerance=0.05)


def conditional(job, parameters, x):
    """All units and a mask, or the rows of the chosen ones gathered."""
    sizes = job["sizes"]
    layers, experts, units, active = (sizes[name] for name in ("layers", "experts", "units", "active"))
    ups = [parameters[f"{i}.up"] for i in range(layers)]
    downs = [parameters[f"{i}.down"] for i in range(layers)]
    columns = [down.t().contiguous() for down in downs]
    chosen = [torch.tensor([(i * (experts // active) + layer) % experts for i in range(active)]) for layer in range(layers)]
    rows = [(c[:, None] * units + torch.arange(units)).flatten() for c in chosen]
    masks = [torch.zeros(1, experts * units).index_fill(1, r, 1.0) for r in rows]

    @torch.inference_mode()
    def dense(steps):
        for _ in range(steps // layers):
            h = x
            for up, down, mask in zip(ups, columns, masks):
                h = h + F.linear(F.linear(h, up).relu() * mask, down)
        return h[0, :4].tolist()

    @torch.inference_mode()
    def gathered(steps):
        for _ in range(steps // layers):
            h = x
            for up, down, r in zip(ups, downs, rows):
                h = h + F.linear(h, up[r]).relu() @ down[r]
        return h[0, :4].tolist()

    yield {"id": "dense", "label": "eager, all units, the others set to zero", "multiple": layers}, dense
    yield {"id": "conditional", "label": "eager, the chosen units gathered", "multiple": layers}, gathered


def set_up(job):
    """The ways of doing a job, each with what it says of itself and a function of steps."""
    if job["model"] == "firstResult":
        return [({"id": "process", "label": "python", "multiple": 1}, first_result)]
    if not job["arrays"] or job["model"] == "compile":
        raise ValueError("the comparison has no form of this job for it")
    if job["model"] == "decode":
        return list(decoding(job, load(job)[0]))
    parameters, batches = load(job)
    if job["model"] in MODELS:
        run, label = fastest(job, parameters, batches)
        return [({"id": "eager", "label": label, "multiple": 1}, run)]
    x = batches[0]["x"]
    if job["model"] == "conditional":
        return list(conditional(job, parameters, x))
    return [call(job, parameters, batches, x)]


def first_result(starts):
    script = "import torch; print((torch.tensor([1.0, 2.0, 3.0]) @ torch.tensor([4.0, 5.0, 6.0])).item())"
    for _ in range(starts):
        result = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    return [float(result.stdout)]


def call(job, parameters, batches, x):
    """A call of a function."""
    steps_in_graph = job["stepsInGraph"]

    if job["model"] == "rfft":

        def run(steps):
            for _ in range(steps):
                z = torch.fft.rfft(x)
            return [z[1, 2].real.item(), z[17, 100].imag.item(), (z.real**2).mean().item(), (z.imag**2).mean().item()]

    elif job["model"] in ("power", "planePower"):
        transform = torch.fft.rfft if job["model"] == "power" else torch.fft.rfft2

        def run(steps):
            for _ in range(steps):
                z = transform(x)
                power = (z.real.square() + z.imag.square()).mean(0).flatten()
            return power[[0, 1, len(power) // 2, len(power) - 1]].tolist()

    elif job["model"] == "convolution":
        kernel = parameters["k"].requires_grad_()
        signal, dy = x.requires_grad_(), batches[0]["y"]
        length = x.shape[-1]

        def run(steps):
            for _ in range(steps):
                spectrum = torch.fft.rfft(signal, n=2 * length) * torch.fft.rfft(kernel, n=2 * length)
                y = torch.fft.irfft(spectrum, n=2 * length)[..., :length]
                du, dk = torch.autograd.grad(y, (signal, kernel), dy)
                energies = [v.square().sum() for v in (y, du, dk)]
            return [v.item() for v in energies]

    elif job["model"] == "products":

        def run(steps):
            total = 0.0
            for _ in range(steps // steps_in_graph):
                h, out = x, [torch.empty_like(x), torch.empty_like(x)]
                for i in range(steps_in_graph):
                    h = torch.mm(h, x, out=out[i % 2])
                total = h.flatten()[:1024].abs().sum().item()
            return [total]

    elif job["model"] == "passes":

        def run(steps):
            total = 0.0
            for _ in range(steps // steps_in_graph):
                h, out = x, [torch.empty_like(x), torch.empty_like(x)]
                for i in range(steps_in_graph):
                    h = torch.clamp_min(h, -2 + 0.1 * i, out=out[i % 2])
                total = h.flatten()[:1024].abs().sum().item()
            return [total]

    else:
        raise ValueError("the comparison has no form of this job for it")

    multiple = steps_in_graph if job["model"] in ("products", "passes") else 1
    return {"id": "eager", "label": "eager", "multiple": multiple}, run


def linear_algebra():
    """Libraries that do the matrix products, and the processor that OpenBLAS takes kernels for."""
    torch.ones(64, 64) @ torch.ones(64, 64)
    with open("/proc/self/maps") as maps:
        names = {line.split()[-1] for line in maps if ".so" in line}
    libraries = sorted(n for n in names if any(part in os.path.basename(n) for part in ("blas", "mkl", "blis")))
    facts = {"blas": libraries}
    for path in libraries:
        core = getattr(ctypes.CDLL(path), "openblas_get_corename", None)
        if core:
            core.restype = ctypes.c_char_p
            facts["kernels"] = core().decode()
    return facts


def answer(request, state):
    if request["op"] == "describe":
        facts = linear_algebra() if os.path.exists("/proc/self/maps") else {"blas": []}
        return {"name": "PyTorch", "version": torch.__version__, "threads": torch.get_num_threads(), **facts}
    if request["op"] == "setup":
        state.clear()
        entrants = []
        for entrant, run in set_up(request["job"]):
            started = time.perf_counter()
            check = run(entrant["multiple"])
            if len(check) < CHECKED and time.perf_counter() - started < SLOW:
                check = run(-(-CHECKED // entrant["multiple"]) * entrant["multiple"])
            entrants.append({**entrant, "check": check[:CHECKED]})
            state[entrant["id"]] = run
        return {"entrants": entrants}
    return {"ms": seconds(state[request["entrant"]], request["steps"]) * 1e3}


state = {}
for line in sys.stdin:
    try:
        reply = answer(json.loads(line), state)
    except Exception as error:  # the harness reports it beside the other peers' results
        reply = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), flush=True)
