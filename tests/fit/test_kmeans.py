"""K-means with weights and with a price on bits, against brute force."""

from __future__ import annotations

import itertools

import pytest
import torch
from operations import Operations
from torch import Tensor

from taichi_gs.fit import kmeans
from taichi_gs.fit.kmeans import assign, centroids, index_bits, lloyd, seed_codewords
from taichi_gs.fit.tensors import raw, taichi_dtype
from taichi_gs.kernels import runtime
from taichi_gs.kernels.assign import make_assign
from taichi_gs.kernels.runtime import Form


def random_samples(n: int, d: int, seed: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(n, d, generator=generator, dtype=dtype)
    weights = torch.rand(n, d, generator=generator, dtype=dtype) ** 4 + 1e-3
    return vectors, weights


def costs(vectors: Tensor, weights: Tensor, codewords: Tensor) -> Tensor:
    """The weighted squared error [N, K], the long way."""
    return (weights[:, None] * (vectors[:, None] - codewords[None]) ** 2).sum(dim=2)


def total_cost(vectors: Tensor, weights: Tensor, codewords: Tensor, indices: Tensor) -> float:
    return float((weights * (vectors - codewords[indices]) ** 2).sum())


def clusters(centers: Tensor, per_cluster: int, spread: float, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Vectors around `centers`, weights, and which centre each vector belongs to."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(len(centers)).repeat(per_cluster)
    noise = torch.rand(len(labels), centers.shape[1], generator=generator, dtype=torch.float64) - 0.5
    vectors = centers[labels] + spread * noise
    return vectors, torch.rand(vectors.shape, generator=generator, dtype=torch.float64) + 0.1, labels


@pytest.mark.parametrize("bit_price", [0.0, 0.3])
@pytest.mark.parametrize(("n", "k", "d"), [(200, 7, 3), (50, 60, 4), (1, 1, 1), (0, 4, 3)])
def test_assign_is_the_cheapest(n: int, k: int, d: int, bit_price: float) -> None:
    vectors, weights = random_samples(n, d, seed=1)
    codewords, _ = random_samples(k, d, seed=2)
    bits = torch.arange(k, dtype=torch.float64)
    expected = costs(vectors, weights, codewords) + bit_price * bits
    indices, cost = assign(vectors, weights, codewords, bits, bit_price)
    assert torch.equal(indices, expected.argmin(dim=1))
    torch.testing.assert_close(cost, expected.min(dim=1).values)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_forms_of_the_kernel_find_the_cheapest(form: Form, dtype: torch.dtype) -> None:
    """A sample that is alone in a group of lanes, codewords that are equal, and costs that are large."""
    device = runtime.start()
    vectors, weights = (t.to(device) for t in random_samples(33, 3, seed=6, dtype=dtype))
    vectors[5] *= 1e12
    codewords = random_samples(9, 3, seed=7, dtype=dtype)[0].to(device)
    codewords[6] = codewords[2]
    prices = torch.linspace(0, 1, 9, dtype=dtype, device=device)
    prices[6] = prices[2]
    indices, found = torch.empty(33, dtype=torch.int32, device=device), vectors.new_empty(33)
    inputs = (vectors, weights, codewords, prices, indices, found)
    make_assign(taichi_dtype(vectors), 3, form)(*(raw(t) for t in inputs))
    exact = costs(vectors.double(), weights.double(), codewords.double()) + prices.double()
    lowest, of_indices = exact.min(dim=1).values, exact.gather(1, indices[:, None].long())[:, 0]
    rounding = 1e-5 if dtype == torch.float32 else 1e-14
    torch.testing.assert_close(found.double(), lowest, rtol=rounding, atol=0)
    torch.testing.assert_close(of_indices, lowest, rtol=rounding, atol=0)
    assert 2 in indices
    assert 6 not in indices


def test_assign_in_single_precision_is_hardly_dearer() -> None:
    vectors, weights = random_samples(500, 4, seed=3, dtype=torch.float32)
    vectors += 5
    codewords = random_samples(64, 4, seed=4, dtype=torch.float32)[0] + 5
    indices, _ = assign(vectors, weights, codewords, torch.zeros(64), 0.0)
    exact = costs(vectors.double(), weights.double(), codewords.double())
    found = exact.gather(1, indices[:, None]).squeeze(1)
    assert float((found - exact.min(dim=1).values).max()) < 1e-4


def test_centroids_are_weighted_means() -> None:
    vectors, weights = random_samples(100, 3, seed=5)
    indices = torch.randint(0, 4, (100,), generator=torch.Generator().manual_seed(0))
    codewords = torch.full((6, 3), 7.0, dtype=torch.float64)
    found = centroids(vectors, weights, indices, codewords)
    for k in range(4):
        own = indices == k
        torch.testing.assert_close(found[k], (weights[own] * vectors[own]).sum(0) / weights[own].sum(0))
    assert torch.equal(found[4:], codewords[4:])


def test_index_bits() -> None:
    bits = index_bits(torch.tensor([0, 0, 0, 2, 2]), 4)
    torch.testing.assert_close(bits, -torch.log2(torch.tensor([4, 1, 3, 1]) / 9))


@pytest.mark.parametrize("seed", range(5))
def test_lloyd_never_gets_dearer(seed: int) -> None:
    vectors, weights = random_samples(300, 3, seed)
    start = random_samples(12, 3, seed + 100)[0] * 3
    history = []
    for iterations in range(8):
        codewords, indices = lloyd(vectors, weights, start, iterations=iterations)
        assert torch.equal(indices, costs(vectors, weights, codewords).argmin(dim=1))
        history.append(total_cost(vectors, weights, codewords, indices))
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in itertools.pairwise(history))
    assert history[-1] < 0.7 * history[0]


def test_lloyd_ends_where_the_best_of_all_partitions_is() -> None:
    """Six samples in two clusters: of all 62 partitions, none is cheaper."""
    vectors, weights = random_samples(6, 2, seed=8)
    partitions = [torch.tensor(p) for p in itertools.product((0, 1), repeat=6) if 0 < sum(p) < 6]
    best = min(
        total_cost(vectors, weights, centroids(vectors, weights, p, torch.zeros(2, 2, dtype=torch.float64)), p)
        for p in partitions
    )
    found = min(
        total_cost(vectors, weights, *lloyd(vectors, weights, vectors[[i, j]])) for i in range(6) for j in range(i)
    )
    assert found == pytest.approx(best, rel=1e-9)


def test_lloyd_reseeds_codewords_without_samples() -> None:
    centers = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]], dtype=torch.float64)
    vectors, weights, labels = clusters(centers, 30, spread=0.5)
    start = torch.tensor([[0.0, 0.0], [500.0, 500.0], [0.0, 9.0]], dtype=torch.float64)
    codewords, indices = lloyd(vectors, weights, start)
    assert len({(int(i), int(k)) for i, k in zip(labels, indices, strict=True)}) == 3
    torch.testing.assert_close(codewords[indices], centers[labels], rtol=0, atol=0.3)
    start[2] = start[1]
    _, indices = lloyd(vectors, weights, start, iterations=1)
    assert set(indices.tolist()) == {0, 1, 2}


def test_lloyd_reseeds_where_samples_are_coded_worst() -> None:
    vectors = torch.tensor([[0.0], [1.0], [100.0], [0.0], [1.0], [90.0]], dtype=torch.float64)
    weights = torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 2.0], dtype=torch.float64)[:, None]
    start = torch.tensor([[0.5], [1e6]], dtype=torch.float64)
    codewords, _ = lloyd(vectors, weights, start, iterations=1)
    torch.testing.assert_close(codewords, torch.tensor([[0.5], [280 / 3]], dtype=torch.float64))


def test_lloyd_with_more_codewords_than_samples() -> None:
    vectors, weights = random_samples(3, 2, seed=9)
    start = torch.full((8, 2), 100.0, dtype=torch.float64)
    codewords, indices = lloyd(vectors, weights, start)
    assert codewords.shape == (8, 2)
    torch.testing.assert_close(codewords[indices], vectors)


def test_well_separated_clusters_are_found() -> None:
    grid = torch.cartesian_prod(torch.arange(4.0), torch.arange(4.0), torch.arange(2.0)).double() * 10
    vectors, weights, labels = clusters(grid, 20, spread=1.0)
    # From any one sample of each cluster for certain, from k-means++ seeds not in every case.
    codewords, indices = lloyd(vectors, weights, vectors[torch.arange(32).flip(0) + 96])
    assert torch.equal(indices, 31 - labels)
    torch.testing.assert_close(codewords[indices], grid[labels], rtol=0, atol=0.5)
    lowest = total_cost(vectors, weights, codewords, indices)
    found = []
    for seed in range(10):
        start = seed_codewords(vectors, weights, 32, torch.Generator().manual_seed(seed))
        found.append(total_cost(vectors, weights, *lloyd(vectors, weights, start)))
    assert min(found) == pytest.approx(lowest)
    # A random choice of samples misses a third of the clusters; seeds that avoid each other, few.
    assert sum(found) / len(found) < 10 * lowest


def test_weights_decide_where_a_codeword_lies() -> None:
    vectors = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    codewords, _ = lloyd(vectors, torch.tensor([[3.0], [1.0]], dtype=torch.float64), vectors[:1])
    torch.testing.assert_close(codewords, torch.tensor([[0.25]], dtype=torch.float64))


@pytest.mark.parametrize("num_codewords", [1, 3, 5, 40, 64])
def test_seeds_are_different_samples(num_codewords: int) -> None:
    vectors, weights = random_samples(40, 3, seed=10)
    seeds = seed_codewords(vectors, weights, num_codewords, torch.Generator().manual_seed(0))
    rows = [tuple(row) for row in seeds.tolist()]
    assert len(rows) == len(set(rows)) == min(num_codewords, 40)
    assert set(rows) <= {tuple(row) for row in vectors.tolist()}


def test_seeds_are_chosen_without_waiting_for_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, weights = random_samples(40, 3, seed=10)
    by_numpy = seed_codewords(vectors, weights, 20, torch.Generator().manual_seed(0))
    monkeypatch.setattr(kmeans, "raw", lambda tensor: tensor)  # as on a GPU
    with Operations() as operations:
        by_pytorch = seed_codewords(vectors, weights, 20, torch.Generator().manual_seed(0))
    assert torch.equal(by_pytorch, by_numpy)
    assert len(by_numpy) == 20
    # The random numbers go there, and what is left out when samples repeat is a number.
    assert operations.waiting == ["to", "nonzero"]


def test_seeds_of_samples_that_repeat() -> None:
    vectors = torch.tensor([[1.0, 2.0], [1.0, 2.0], [3.0, 4.0], [3.0, 4.0]], dtype=torch.float64)
    seeds = seed_codewords(vectors, torch.ones_like(vectors), 4, torch.Generator().manual_seed(0))
    assert sorted(seeds.tolist()) == [[1, 2], [3, 4]]


def test_seeds_depend_on_the_generator_alone() -> None:
    vectors, weights = random_samples(200, 3, seed=11)
    runs = [seed_codewords(vectors, weights, 10, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_seeds_are_spread_by_their_squared_distance() -> None:
    """The second of two seeds: with distances 1, 2 and 5 from the first, it is the last in 25 of 30 cases."""
    vectors = torch.tensor([[0.0], [1.0], [2.0], [5.0]], dtype=torch.float64)
    seconds = []
    for seed in range(600):
        seeds = seed_codewords(vectors, torch.ones_like(vectors), 2, torch.Generator().manual_seed(seed))
        if float(seeds[0]) == 0:
            seconds.append(float(seeds[1]))
    assert len(seconds) > 100
    assert seconds.count(5.0) / len(seconds) == pytest.approx(25 / 30, abs=0.1)


def test_dearer_bits_leave_fewer_codewords() -> None:
    vectors, weights = random_samples(1000, 2, seed=12)
    start = seed_codewords(vectors, weights, 64, torch.Generator().manual_seed(0))
    used, entropies, errors = [], [], []
    for bit_price in (0.0, 0.003, 0.03, 0.3):
        codewords, indices = lloyd(vectors, weights, start, bit_price, iterations=30)
        counts = torch.bincount(indices, minlength=64)
        frequencies = counts[counts > 0] / counts.sum()
        used.append(len(frequencies))
        entropies.append(float(-(frequencies * frequencies.log2()).sum()))
        errors.append(total_cost(vectors, weights, codewords, indices))
    assert used == sorted(used, reverse=True)
    assert used[-1] < used[0] / 2
    assert entropies == sorted(entropies, reverse=True)
    assert errors == sorted(errors)
    assert len(set(errors)) == 4
