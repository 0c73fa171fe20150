"""K-means vector quantisation with a weight for every sample and channel (paper section 3.3).

The weights [N, D] are the curvature of the picture's squared error in each attribute, so that

    cost(i, k) = sum_d weights[i, d] (vectors[i, d] - codewords[k, d])^2 + bit_weight * bits[k]

is, to second order, what giving sample i the codeword k costs: the rate-distortion cost of squared error and index bits
(entropy-constrained vector quantisation, Chou, Lookabaugh and Gray 1989).
"""

from __future__ import annotations

import torch
from torch import Tensor

from taichi_gs.fit.tensors import raw, taichi_dtype
from taichi_gs.kernels import runtime
from taichi_gs.kernels.assign import make_assign
from taichi_gs.kernels.sharing import is_worth_sharing
from taichi_gs.model.arrays import namespace

NANOSECONDS = 1
"""What it takes to compare a sample with a codeword."""


def assign(
    vectors: Tensor, weights: Tensor, codewords: Tensor, bits: Tensor, bit_weight: float
) -> tuple[Tensor, Tensor]:
    """Return the cheapest codeword of every sample [N] int64 and its cost [N].

    Args:
        vectors: [N, D].
        weights: [N, D], positive.
        codewords: [K, D].
        bits: [K], the code length of each codeword's index.
        bit_weight: λ, the squared error that one bit is worth; 0 is plain k-means.
    """
    indices = torch.empty(len(vectors), dtype=torch.int32, device=vectors.device)
    costs = vectors.new_empty(len(vectors))
    form = runtime.kernel_form(runtime.start())
    shared = form == "gpu" or is_worth_sharing(NANOSECONDS * len(vectors) * len(codewords))
    kernel = make_assign(taichi_dtype(vectors), vectors.shape[1], form, shared=shared)
    inputs = (vectors, weights, codewords, (bit_weight * bits).to(weights.dtype))
    if len(vectors):
        kernel(*(raw(t.contiguous()) for t in inputs), raw(indices), raw(costs))
    return indices.long(), costs


def centroids(
    vectors: Tensor, weights: Tensor, indices: Tensor, codewords: Tensor, totals: Tensor | None = None
) -> Tensor:
    """The weighted mean of each cluster [K, D]; a codeword without samples stays where it is.

    `totals` are the `total_weights`, if they are known.
    """
    if totals is None:
        totals = total_weights(weights, indices, len(codewords))
    sums = torch.zeros_like(codewords).index_add_(0, indices, weights * vectors)
    return torch.where(totals > 0, sums / totals.clamp_min(torch.finfo(totals.dtype).tiny), codewords)


def total_weights(weights: Tensor, indices: Tensor, num_codewords: int) -> Tensor:
    """The sums [K, D] of the weights of each cluster."""
    return weights.new_zeros(num_codewords, weights.shape[1]).index_add_(0, indices, weights)


def index_bits(indices: Tensor, num_codewords: int) -> Tensor:
    """The ideal code length [K] of each index, with one added count each so that an unused one keeps a chance."""
    counts = torch.bincount(indices, minlength=num_codewords) + 1.0
    return -torch.log2(counts / counts.sum())


def lloyd(
    vectors: Tensor,
    weights: Tensor,
    codewords: Tensor,
    bit_weight: float = 0.0,
    iterations: int = 10,
) -> tuple[Tensor, Tensor]:
    """Run Lloyd iterations, as many as the paper's by default, and return new codewords [K, D] and indices [N].

    Codewords that lost all their samples are moved to the samples that are coded worst.
    """
    bits = vectors.new_zeros(len(codewords))
    for _ in range(iterations):
        indices, cost = assign(vectors, weights, codewords, bits, bit_weight)
        empty = torch.bincount(indices, minlength=len(codewords)) == 0
        if empty.any():
            worst = cost.argsort(descending=True, stable=True)[: int(empty.sum())]
            codewords = codewords.clone()
            codewords[empty.nonzero().squeeze(1)[: len(worst)]] = vectors[worst]
            indices, _ = assign(vectors, weights, codewords, bits, bit_weight)
        codewords = centroids(vectors, weights, indices, codewords)
        if bit_weight > 0.0:
            bits = index_bits(indices, len(codewords))
    indices, _ = assign(vectors, weights, codewords, bits, bit_weight)
    return codewords, indices


def seed_codewords(
    vectors: Tensor, weights: Tensor, num_codewords: int, generator: torch.Generator, samples_per_seed: int = 8
) -> Tensor:
    """Choose K of the samples as first codewords [K, D] by k-means++ (Arthur and Vassilvitskii 2007).

    Fewer if there are fewer different samples. `generator` is one of the CPU's, wherever the samples lie. Of many
    samples only `samples_per_seed` times K are looked at, chosen at random.
    """
    most = samples_per_seed * num_codewords
    if len(vectors) > most:
        rows = torch.randperm(len(vectors), generator=generator)[:most].to(vectors.device)
        vectors, weights = vectors[rows], weights[rows]
    count = min(num_codewords, len(vectors))
    if count == 0:
        return vectors
    # All random numbers at once, and the choice where the samples are: on a GPU the loop waits for nothing. On the CPU
    # it is NumPy's, because PyTorch takes longer for so little.
    draws = raw(torch.rand(count, generator=generator, dtype=torch.float64).to(vectors.device))
    columns, column_weights = raw(vectors.mT.contiguous()), raw(weights.mT.contiguous())
    xp, chosen, totals = namespace(columns), [], []
    nearest, shares = xp.full_like(columns[0], xp.inf), xp.ones_like(columns[0])
    for k in range(count):
        sums = xp.cumulative_sum(shares, dtype=xp.float64)
        row = xp.searchsorted(sums[:-1], draws[k : k + 1] * sums[-1:], side="right")
        chosen.append(row)
        totals.append(sums[-1:])
        differences = columns - columns[:, row]
        nearest = xp.minimum(nearest, xp.sum(column_weights * (differences * differences), axis=0))
        shares = nearest
    rows, left = (torch.as_tensor(xp.concat(parts)) for parts in (chosen, totals))
    return vectors[rows[left > 0.0]]  # where nothing was left, samples repeat
