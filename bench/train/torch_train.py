"""PyTorch's side of `bench train`: the model of a recipe, trained eagerly. Speaks lines of JSON."""
import json
import os
import sys
import time

import torch
import torch.nn.functional as F

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
torch.manual_seed(0)


class Model(torch.nn.Module):
    """Learned positions, norms before attention and a two-layer feed-forward block, head tied to the embedding."""

    def __init__(self, job):
        super().__init__()
        width, self.heads, self.dropout = job["width"], job["heads"], job["dropout"]
        self.tokens = torch.nn.Embedding(job["vocabulary"], width)
        self.positions = torch.nn.Parameter(0.01 * torch.randn(job["context"], width))
        self.blocks = torch.nn.ModuleList(
            torch.nn.ModuleDict(
                {
                    "norm1": torch.nn.LayerNorm(width),
                    "qkv": torch.nn.Linear(width, 3 * width),
                    "out": torch.nn.Linear(width, width),
                    "norm2": torch.nn.LayerNorm(width),
                    "up": torch.nn.Linear(width, job["hidden"]),
                    "down": torch.nn.Linear(job["hidden"], width),
                }
            )
            for _ in range(job["depth"])
        )
        self.norm = torch.nn.LayerNorm(width)
        self.register_buffer("mask", torch.triu(torch.full((job["context"], job["context"]), -1e9), 1))
        torch.nn.init.normal_(self.tokens.weight, std=0.02)

    def attend(self, x, block):
        batch, time_, width = x.shape
        shape = (batch, time_, self.heads, width // self.heads)
        q, k, v = (t.view(shape).transpose(1, 2) for t in block["qkv"](x).split(width, 2))
        if hasattr(F, "scaled_dot_product_attention"):
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = (q @ k.transpose(-2, -1)) * (width // self.heads) ** -0.5 + self.mask
            mixed = scores.softmax(-1) @ v
        return block["out"](mixed.transpose(1, 2).reshape(x.shape))

    def forward(self, x, y):
        h = F.dropout(self.tokens(x) + self.positions, self.dropout)
        for block in self.blocks:
            h = h + F.dropout(self.attend(block["norm1"](h), block), self.dropout)
            inner = F.relu(block["up"](block["norm2"](h)))
            h = h + F.dropout(block["down"](inner), self.dropout)
        logits = F.linear(self.norm(h), self.tokens.weight)
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), y.reshape(-1))


def main():
    job = json.loads(sys.stdin.readline())
    model = Model(job)
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    # Of its two ways to loop over tensors, the one that is faster here.
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), foreach=job["foreach"])
    tokens = torch.randint(job["vocabulary"], (8, job["batch"], job["context"] + 1))
    done = 0
    parameters = sum(p.numel() for p in model.parameters())
    print(json.dumps({"parameters": parameters, "version": torch.__version__}), flush=True)
    for line in sys.stdin:
        steps = json.loads(line)["steps"]
        started = time.perf_counter()
        for _ in range(steps):
            batch = tokens[done % 8]
            optimizer.zero_grad(set_to_none=True)
            loss = model(batch[:, :-1], batch[:, 1:])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            done += 1
        print(json.dumps({"ms": 1000 * (time.perf_counter() - started), "loss": loss.item()}), flush=True)


main()
