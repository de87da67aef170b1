"""Hierarchical graph grouping on associative embedding's network, end to end.

Jin, Liu, Xie, Wang, Qian, Ouyang, Luo: "Differentiable Hierarchical Graph Grouping for Multi-Person
Pose Estimation", ECCV 2020 (arXiv 2007.11864). A bottom-up network gives joint candidates; a graph
network (`pose/hgg_graph.py`) groups them, and both are trained at once. No code was published: the
graph is a reconstruction, and its scores are not the paper's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor, nn

from vitruvian.core.errors import UnknownNameError
from vitruvian.core.published import published_names
from vitruvian.core.system import Batch
from vitruvian.pose.ae_hourglass import WIDTHS, AEHourglass, AssociativeEmbedding
from vitruvian.pose.associative_embedding import find_candidates, finish_people
from vitruvian.pose.bottom_up_system import Maps
from vitruvian.pose.hgg_graph import GraphGrouping, Nodes, read_nodes
from vitruvian.pose.hgg_losses import graph_losses, match_candidates

By = Literal["graph", "tags"]
STRIDE = 4
LEAST = 2
"""Joints of a person; the refinement looks for those that a lone one misses in vain."""


class GraphGroupedHourglass(nn.Module):
    """The network: associative embedding's, and the graph that groups what it finds."""

    def __init__(self, base: AEHourglass, graph: GraphGrouping) -> None:
        super().__init__()
        self.base, self.graph = base, graph

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """The base's maps, see `AEHourglass`."""
        return self.base(image)

    def published_keys(self) -> dict[str, str]:
        """The base's keys are the published ones, after `base.`; the graph's were never."""
        graph = {key: key for key in self.state_dict() if key.startswith("graph.")}
        base = published_names(self.base).items()
        return graph | {f"base.{ours}": f"base.{theirs}" for ours, theirs in base}


class HierarchicalGraphGrouping(AssociativeEmbedding):
    """Training, scoring and use.

    Args:
        skeleton: Name of the joints' skeleton.
        stacks: As in `AEHourglass`.
        widths: Likewise.
        unused: As in `AssociativeEmbedding`.
        features: Of a node of the graph.
        layers: Of the graph, at most.
        candidates: Of a picture, the highest ones: edges are judged between every two of them.
        edges: Weight of the edges' loss.
        macro: Weight of the macro nodes' loss.
        group_by: "graph"; or "tags": associative embedding's own grouping, to compare with.
        options: Of `AssociativeEmbedding`; `backbone` is a trained one.
    """

    card_name = "hgg"
    head = ("graph.",)
    network: GraphGroupedHourglass

    def __init__(
        self,
        skeleton: str = "coco17",
        *,
        stacks: int = 4,
        widths: Sequence[int] = WIDTHS,
        unused: int = 34,
        features: int = 128,
        layers: int = 3,
        candidates: int = 300,
        edges: float = 1.0,
        macro: float = 1.0,
        group_by: By = "graph",
        **options: Any,
    ) -> None:
        if group_by not in ("graph", "tags"):
            raise UnknownNameError("grouping", group_by, ("graph", "tags"))
        super().__init__(skeleton, stacks=stacks, widths=widths, unused=unused, **options)
        joints = len(self.skeleton)
        graph = GraphGrouping(joints, widths[0], width=features, layers=layers)
        self.network = GraphGroupedHourglass(cast("AEHourglass", self.network), graph)
        self.weight_of |= {"edges": edges, "macro": macro}
        self.group_by = group_by
        self.candidates = candidates
        self.save_hyperparameters(ignore=["backbone"])

    @classmethod
    def entries(cls, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """All of them: nobody else has such checkpoints."""
        return state

    @classmethod
    def arguments_of(cls, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """None: our own checkpoints say their arguments."""
        del state
        return {}

    def backbone_state(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """An associative embedding's checkpoint, published or of a run, under the base's keys."""
        bare = {key.removeprefix("network."): value for key, value in state.items()}
        names = published_names(self.network.base)
        entries = super().entries(bare)
        return {f"base.{names.get(key, key)}": value for key, value in entries.items()}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """`heatmaps`, `push` and `pull` of the base; the graph's `edges` and `macro`."""
        outputs, features = self.network.base.forward_features(self.normalised(batch["image"]))
        losses = self.map_losses(outputs, batch)
        last = self.read_stages(outputs)[-1]
        found: dict[str, list[Tensor]] = {"edges": [], "macro": []}
        for place in range(len(features)):
            nodes, owners = self.labelled_nodes(last, features[place], batch, place)
            judgements, _ = self.network.graph(nodes)
            for name, value in graph_losses(judgements, owners).items():
                found[name].append(self.weight_of[name] * value)
        none = features.sum() * 0
        return losses | {
            name: torch.stack(values).sum() / len(features) if values else none
            for name, values in found.items()
        }

    def labelled_nodes(
        self, maps: Maps, features: Tensor, batch: Batch, place: int
    ) -> tuple[Nodes, Tensor]:
        """The candidates of one picture of a batch, and whose they are.

        Annotated joints that no candidate stands for are added: without them a graph would see no
        good pair before the heat maps are learned.
        """
        assert maps.tags is not None
        heatmaps, tags = maps.heatmaps[place].float(), maps.tags[place].float()
        joints, height, width = heatmaps.shape
        labels = batch[f"places{STRIDE}"][place].cpu().numpy()
        flat, known = labels[..., 0], labels[..., 1] > 0
        truth = np.stack([flat % width, flat // width % height], axis=-1)
        with torch.no_grad():
            points, scores, _ = find_candidates(heatmaps, tags[..., None], self.grouping)
        kinds, candidates = self._highest(scores)
        owners = match_candidates(
            points[kinds, candidates], kinds, truth, known, self.skeleton.sigmas
        )
        matched = owners >= 0
        known[owners[matched], kinds[matched]] = False
        person, joint = np.nonzero(known)
        cells = np.concatenate([points[kinds, candidates], truth[person, joint]]).astype(np.int64)
        kind = torch.from_numpy(np.concatenate([kinds, joint])).to(features.device)
        x, y = torch.from_numpy(cells).to(features.device).unbind(dim=1)
        nodes = read_nodes(
            features,
            (torch.stack([x, y], dim=1) + 0.5) * STRIDE,
            kind,
            heatmaps[kind, y, x].detach(),
            tags[kind, y, x],
            (width * STRIDE, height * STRIDE),
            joints,
        )
        return nodes, torch.from_numpy(np.concatenate([owners, person])).to(features.device)

    def group(
        self,
        heatmaps: Float[Tensor, "joints height width"],
        tags: Float[Tensor, "maps height width tags"],
        picture: UInt8[NDArray[Any], "height width 3"],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The graph's people in place of those of the tags; adjusted and refined as those are."""
        if self.group_by == "tags":
            return super().group(heatmaps, tags, picture)
        points, scores, values = find_candidates(heatmaps, tags, self.grouping)
        kinds, candidates = self._highest(scores)
        rows = np.concatenate([points, scores[..., None], values], axis=-1)[kinds, candidates]
        people = np.zeros((0, len(heatmaps), rows.shape[-1]), dtype=np.float32)
        if len(rows):
            people = self._people(rows, kinds, picture)
        return finish_people(people, heatmaps, tags, refine=self.refine)

    def _highest(self, scores: NDArray[Any]) -> tuple[NDArray[np.int64], ...]:
        """Kind and place of the highest candidates above the threshold, ordered by kind."""
        least = np.sort(scores, axis=None)[-self.candidates :][0]
        return np.nonzero((scores > self.grouping.score) & (scores >= least))

    def _people(
        self, rows: NDArray[Any], kinds: NDArray[np.int64], picture: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """(people, joints, 3 + tags): what the graph makes of candidates (n, 3 + tags)."""
        height, width = picture.shape[:2]
        pixels = torch.from_numpy(picture.transpose(2, 0, 1)[None].copy()).to(self.device)
        with self.chosen.autocast():
            _, features = self.network.base.forward_features(self.normalised(pixels))
        table = torch.from_numpy(rows.astype(np.float32)).to(self.device)
        nodes = read_nodes(
            features[0].float(),
            table[:, :2] + 0.5,
            torch.from_numpy(kinds).to(self.device),
            table[:, 2],
            table[:, 3],
            (width, height),
            len(self.skeleton),
        )
        _, groups = self.network.graph(nodes)
        found = [list(members) for members in groups.members if len(members) >= LEAST]
        people = np.zeros((len(found), len(self.skeleton), rows.shape[1]), dtype=np.float32)
        for person, members in zip(people, found, strict=True):
            person[kinds[members]] = rows[members]
        return people
