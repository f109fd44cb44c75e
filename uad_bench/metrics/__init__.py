"""Metrics as pure functions of numpy arrays, and the table of their names.

Nothing here reads a file, prints, or needs torch. A metric returns a `Measure`, which is a number or the reason why
there is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class MetricCard:
    """What a reader needs to know about a metric.

    Attributes:
        label: as printed in a table's head.
        description: one sentence.
        better: which direction is better; None for a number that describes the data.
        unit: `""` for a ratio, else `"mm"`.
    """

    label: str
    description: str
    better: Literal["higher", "lower"] | None = "higher"
    unit: str = ""


_FRAGMENTS = "lesions and components under 50 mm³ dropped"

METRICS: Mapping[str, MetricCard] = MappingProxyType(
    {
        "auprc": MetricCard("AUPRC", "area under the precision-recall curve as the step sum (average precision)"),
        "auroc": MetricCard("AUROC", "chance that a random anomalous voxel scores higher than a random healthy one"),
        "dice": MetricCard("Dice", "overlap 2TP / (2TP + FP + FN) at the operating point that the policy names"),
        "precision": MetricCard("Precision", "anomalous share of the marked voxels"),
        "sensitivity": MetricCard("Sensitivity", "marked share of the anomalous voxels"),
        "jaccard": MetricCard("Jaccard", "overlap TP / (TP + FP + FN)"),
        "fpr": MetricCard("FPR", "marked share of the healthy voxels", "lower"),
        "specificity": MetricCard("Specificity", "unmarked share of the healthy voxels"),
        "fpr95": MetricCard(
            "FPR@95TPR", "lowest FPR of any threshold that finds 95 % of the anomalous voxels", "lower"
        ),
        "auprc_gain": MetricCard("AUPRC gain", "(AUPRC - prevalence) / (1 - prevalence); 0 for a constant map"),
        "prevalence": MetricCard(
            "Prevalence", "anomalous share of the scored voxels; the AUPRC of a constant map", None
        ),
        "lesion_f1_any": MetricCard(
            "Lesion F1 (any)", f"lesions hit and components hitting by any overlap; {_FRAGMENTS}"
        ),
        "lesion_f1_iou50": MetricCard("Lesion F1 (IoU>0.5)", f"one-to-one matches at IoU over one half; {_FRAGMENTS}"),
        "lesion_fp_per_volume": MetricCard(
            "Lesion FP", f"components that hit no lesion, a volume; {_FRAGMENTS}", "lower"
        ),
        "fpr_healthy": MetricCard("FPR (healthy)", "marked share of the brain in slices without anomaly", "lower"),
        "fpr_healthy_ratio": MetricCard("FPR ratio", "FPR on healthy test slices over the policy's nominal rate", None),
        "nsd2": MetricCard("NSD 2 mm", "share of both surfaces that lie within 2 mm of the other"),
        "hd95": MetricCard(
            "HD95", "95th percentile of the surface distances, the larger of both directions", "lower", "mm"
        ),
        "assd": MetricCard("ASSD", "mean distance between the surfaces, both directions together", "lower", "mm"),
        "slice_auroc": MetricCard("Slice AUROC", "AUROC of one score a slice (mean over the brain)"),
        "slice_auprc": MetricCard("Slice AUPRC", "AUPRC of one score a slice (mean over the brain)"),
        "slice_auroc_top1pct": MetricCard(
            "Slice AUROC (top 1 %)", "AUROC of the mean of a slice's highest 1 % of scores"
        ),
        "slice_auprc_top1pct": MetricCard(
            "Slice AUPRC (top 1 %)", "AUPRC of the mean of a slice's highest 1 % of scores"
        ),
    }
)
