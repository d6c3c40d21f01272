"""Charts of a case: cluster validity, contributions, and the probability against the cut-off. Numbers in, SVG out."""

from __future__ import annotations

from collections.abc import Sequence

from ..drawing import GREY, INK, LOWERS, RAISES, RULE, house_style, new_figure, svg_bytes


def validity_curves(
    k: Sequence[int], calinski_harabasz: Sequence[float], silhouette: Sequence[float], davies_bouldin: Sequence[float], used_k: int
) -> bytes:
    """SVG: the three validity indices over k, the k used marked; arrays of equal length (n,)."""
    from matplotlib.ticker import MaxNLocator

    curves = (
        ("Calinski-Harabasz", "higher is better", calinski_harabasz, max),
        ("Silhouette", "higher is better", silhouette, max),
        ("Davies-Bouldin", "lower is better", davies_bouldin, min),
    )
    with house_style():
        figure = new_figure(8.2, 2.35)
        for i, (title, sense, values, best) in enumerate(curves):
            axes = figure.add_axes((0.075 + i * 0.325, 0.21, 0.25, 0.58))
            axes.axvline(used_k, color=RULE, lw=6, zorder=0)
            axes.plot(k, values, "-o", color=LOWERS, lw=1.4, ms=4.5, zorder=2)
            top = k[list(values).index(best(values))]
            axes.plot([top], [best(values)], "o", mfc="white", mec=LOWERS, mew=1.6, ms=8, zorder=3)
            axes.set_title(title, loc="left", pad=14)
            axes.text(0, 1.04, sense, transform=axes.transAxes, fontsize=7.5, color=GREY, ha="left", va="bottom")
            axes.set_xticks(list(k))
            axes.set_xlim(min(*k, used_k) - 0.4, max(*k, used_k) + 0.4)
            axes.yaxis.set_major_locator(MaxNLocator(5))
            axes.margins(y=0.15)
            axes.set_xlabel("number of habitats k")
    return svg_bytes(figure)


def contribution_bars(labels: Sequence[str], log_odds: Sequence[float], imputed: Sequence[bool]) -> bytes:
    """SVG: what every predictor adds to the log odds against a patient at the training mean, largest first.

    Parameters
    ----------
    labels : predictor with its value
    log_odds : contribution of each, log odds
    imputed : the value is the training mean; marked as such
    """
    order = sorted(range(len(labels)), key=lambda i: -abs(log_odds[i]))
    reach = max(1e-6, *(abs(v) for v in log_odds)) * 1.28
    with house_style():
        height = 0.36 * len(labels) + 0.85
        figure = new_figure(8.2, height)
        axes = figure.add_axes((0.33, 0.5 / height, 0.62, 0.36 * len(labels) / height))
        for row, i in enumerate(order):
            value = log_odds[i]
            axes.barh(row, value, height=0.62, color=RAISES if value > 0 else LOWERS, zorder=2)
            text = "training mean" if imputed[i] else f"{value:+.2f}".replace("-", "\u2212")
            axes.text(
                value + (1 if value >= 0 else -1) * reach * 0.015, row, text, ha="left" if value >= 0 else "right", va="center", fontsize=8
            )
        axes.axvline(0, color=INK, lw=0.9, zorder=3)
        axes.set_yticks(range(len(order)), [labels[i] for i in order])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_ylim(len(order) - 0.5, -0.5)
        axes.set_xlim(-reach, reach)
        axes.set_xlabel("log odds against a patient at the training mean")
        axes.text(0, 1, "lowers the risk", transform=axes.transAxes, color=LOWERS, fontsize=8, va="bottom", ha="left")
        axes.text(1, 1, "raises the risk", transform=axes.transAxes, color=RAISES, fontsize=8, va="bottom", ha="right")
    return svg_bytes(figure)


def probability_bar(probability: float, cut_off: float) -> bytes:
    """SVG: a bar from 0 to 100 % with this case's probability and the model's cut-off."""
    colour = RAISES if probability >= cut_off else LOWERS
    with house_style():
        figure = new_figure(5.2, 0.95)
        axes = figure.add_axes((0.04, 0.36, 0.92, 0.28))
        axes.barh(0, 1, height=1, color="#EFEFEF", zorder=0)
        axes.barh(0, probability, height=1, color=colour, zorder=1)
        axes.plot([cut_off, cut_off], [-0.75, 0.75], color=INK, lw=1.6, zorder=3, clip_on=False)
        align = "left" if cut_off < 0.12 else "right" if cut_off > 0.88 else "center"
        axes.text(cut_off, 0.95, f"cut-off {100 * cut_off:.3g} %", ha=align, va="bottom", fontsize=8.5)
        axes.set_xlim(0, 1)
        axes.set_ylim(-0.5, 0.5)
        axes.set_yticks([])
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])
        axes.spines["left"].set_visible(False)
    return svg_bytes(figure)
