"""What batch norm regularizes, in theory and measured: `python benchmarks/bn_regularization.py`.

Three questions to one linear unit with Gaussian input (arXiv 1809.00846), on one plot:

1. The loss under batch norm's noise against that of population norm + gamma decay, ℓ + ζγ², by
   batch size M; for the identity and for ReLU. As in the theory, the statistics are those of a
   batch drawn apart from the samples.
2. The effective learning rate, that of the angle to the teacher: ηγ/L², L = ‖w‖. It follows γ, and
   falls with L, which only grows since the gradient is perpendicular to w.
3. The largest learning rate at which a small angle shrinks, γ at its optimum: 2 L²(1 + 2ζ).

Writes `docs/images/bn_regularization.png`, and the figures beside it as JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vitruvian.core.files import whole_file
from vitruvian.nn.norms import penalty_coefficients

SIZES = (16, 32, 64, 128, 256, 512)
SAMPLES = 20_000
BATCHES = 4000
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#777777"


def zeta(z: Tensor, gamma: float, size: int, activation: str) -> float:
    weight, bias = torch.full((1,), gamma).double(), torch.zeros(1).double()
    return float(sum(penalty_coefficients(z[:, None], weight, bias, size, activation)))


def losses(activation: str) -> dict[str, Any]:
    """The loss of population norm, with gamma decay, and under the noise of batches of M.

    γ is at the optimum of the population's loss; elsewhere a term of first order joins.
    """
    z = torch.randn(SAMPLES).double()
    z = (z - z.mean()) / z.std(correction=0)
    target = 0.9 * z + 0.4 * torch.randn_like(z)
    active = torch.ones_like(z)
    if activation == "relu":
        target, active = target.relu(), (z > 0).double()
    gamma = float((target * z).mean() / (active * z.square()).mean())

    def loss(mean: Tensor, deviation: Tensor) -> Tensor:
        """ℓ = A(h) − y h, A′ = g: the mean over all samples, for each row of statistics."""
        h = gamma * (z - mean[:, None]) / deviation[:, None]
        power = h.square() if activation == "identity" else h.relu().square()
        return (power / 2 - target * h).mean(1)

    plain = float(loss(torch.zeros(1), torch.ones(1)))
    rows = []
    for size in SIZES:
        values = []
        for _ in range(BATCHES // 50):
            picked = z[torch.randint(SAMPLES, (50, size))]
            values.append(loss(picked.mean(1), picked.std(1, correction=0)))
        noisy = torch.cat(values)
        decay = zeta(z, gamma, size, activation) * gamma**2
        error = float(noisy.std()) / len(noisy) ** 0.5
        rows.append(
            {"M": size, "BN": float(noisy.mean()), "error": error, "PN + decay": plain + decay}
        )
    return {"PN": plain, "rows": rows}


def descend(penalty: float, rate: float, steps: int) -> dict[str, list[float]]:
    """Gradient descent on ½(γ² − 2γR + 1) + ζγ², R the cosine of w to the teacher."""
    w = torch.tensor([0.3, 1.0], dtype=torch.float64, requires_grad=True)
    gamma = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    measured, theory = [], []
    for _ in range(steps):
        length = w.norm()
        loss = (gamma**2 - 2 * gamma * w[0] / length + 1) / 2 + penalty * gamma**2
        dw, dgamma = torch.autograd.grad(loss, (w, gamma))
        theory.append(float((rate * gamma / length**2).detach()))
        with torch.no_grad():
            before = torch.atan2(w[1], w[0])
            w -= rate * dw
            measured.append(float((before - torch.atan2(w[1], w[0])) / before.sin()))
            gamma -= rate * dgamma
    return {"measured": measured, "theory": theory}


def largest_rate(penalty: float, length: float = 1.0) -> float:
    """By bisection: the rate up to which a small angle shrinks, γ at its optimum."""

    def shrinks(rate: float) -> bool:
        w = torch.tensor([length, 1e-6 * length], dtype=torch.float64)
        for _ in range(5):
            size = w.norm()
            cosine = w[0] / size
            gamma = cosine / (1 + 2 * penalty)
            teacher = torch.tensor([1.0, 0.0], dtype=torch.float64)
            moved = w + rate * gamma * (teacher - cosine * w / size) / size
            if (moved[1] / moved[0]).abs() > (w[1] / w[0]).abs():
                return False
            w = moved
        return True

    low, high = 0.0, 16.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if shrinks(middle) else (low, middle)
    return low


def draw_losses(axes: Axes, results: dict[str, Any]) -> None:
    for (name, result), colour in zip(results.items(), (BLUE, ORANGE), strict=True):
        rows = result["rows"]
        sizes = [row["M"] for row in rows]
        rise = [row["BN"] - result["PN"] for row in rows]
        decay = [row["PN + decay"] - result["PN"] for row in rows]
        errors = [2 * row["error"] for row in rows]
        axes.errorbar(sizes, rise, errors, fmt="o", color=colour, label=f"BN measured, {name}")
        axes.plot(sizes, decay, color=colour, label=f"PN + gamma decay, {name}")
    axes.set(xscale="log", yscale="log", xlabel="batch size M", ylabel="loss above PN's")
    axes.set_xticks(SIZES, [str(size) for size in SIZES])
    axes.set_title("the loss")


def draw(results: dict[str, Any], path: Path) -> None:
    figure = Figure(figsize=(15, 4.4), layout="constrained")
    first, second, third = figure.subplots(1, 3)
    draw_losses(first, results["loss"])
    for (penalty, run), colour in zip(
        results["effective rate"].items(), (BLUE, ORANGE), strict=True
    ):
        steps = range(len(run["theory"]))
        second.plot(steps, run["theory"], color=colour, label=f"ηγ/L², ζ = {penalty}")
        second.plot(
            steps[::3],
            run["measured"][::3],
            "o",
            ms=4,
            color=colour,
            label=f"measured, ζ = {penalty}",
        )
    second.axhline(results["rate"], color=GREY, ls=":", label="η: without normalization")
    second.set(xlabel="step", ylabel="effective learning rate")
    second.set_title("the effective learning rate")
    rows = results["largest rate"]
    sizes = [row["M"] for row in rows]
    third.plot(sizes, [row["theory"] for row in rows], color=BLUE, label="2 L²(1 + 2ζ)")
    third.plot(sizes, [row["measured"] for row in rows], "o", color=BLUE, label="measured")
    third.axhline(2, color=GREY, ls=":", label="without the penalty")
    third.set(xscale="log", xlabel="batch size M", ylabel="largest learning rate / L²")
    third.set_xticks(sizes, [str(size) for size in sizes])
    third.set_title("the largest learning rate")
    for axes in (first, second, third):
        axes.minorticks_off()
        axes.legend(frameon=False, fontsize=8)
    with whole_file(path) as part:
        figure.savefig(part, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    images = Path(__file__).parents[1] / "docs" / "images"
    parser.add_argument("--out", type=Path, default=images / "bn_regularization.png")
    out = parser.parse_args().out
    torch.manual_seed(0)
    rate = 0.5
    results: dict[str, Any] = {
        "loss": {name: losses(name) for name in ("identity", "relu")},
        "rate": rate,
        "effective rate": {str(penalty): descend(penalty, rate, 60) for penalty in (0.0, 0.25)},
        "largest rate": [
            {"M": size, "theory": 2 * (1 + 2 * penalty), "measured": largest_rate(penalty)}
            for size, penalty in ((size, 3 / (4 * size)) for size in (2, 4, 8, 16, 32, 64))
        ],
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(out.with_suffix(".json")) as part:
        part.write_text(json.dumps(results, indent=1) + "\n")
    draw(results, out)
    for name, result in results["loss"].items():
        for row in result["rows"]:
            ratio = (row["BN"] - result["PN"]) / (row["PN + decay"] - result["PN"])
            print(f"{name}, M = {row['M']}: BN's rise over ζγ² = {ratio:.3f}")
    for row in results["largest rate"]:
        print(f"M = {row['M']}: largest rate {row['measured']:.4f}, theory {row['theory']:.4f}")


if __name__ == "__main__":
    main()
