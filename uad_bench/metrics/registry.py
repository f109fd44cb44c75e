"""All metrics by the names that records and tables use.

Metrics at a threshold, lesion metrics and surface metrics are defined next to their formulas (`overlap`, `lesion`,
`surface`); metrics over all thresholds are defined here.
"""

from uad_bench.metrics.alarms import PATIENT_ALARM_RATE, SLICE_ALARM_RATE
from uad_bench.metrics.froc import FROC_SCORE, LESION_SENSITIVITY
from uad_bench.metrics.lesion import LESION_FP, LESIONS
from uad_bench.metrics.metric import Metric, by_name
from uad_bench.metrics.overlap import OVERLAP
from uad_bench.metrics.reconstruction import RECONSTRUCTION
from uad_bench.metrics.surface import SURFACES

_OVER_THRESHOLDS = (
    Metric(
        name="auprc",
        label="AUPRC",
        description="area under the precision-recall curve as the step sum (average precision)",
    ),
    Metric(
        name="auroc",
        label="AUROC",
        description="probability that a random anomalous voxel scores higher than a random healthy one",
    ),
    Metric(
        name="matched_auroc",
        label="Matched AUROC",
        description="AUROC between lesion and healthy voxels of equal input intensity; 0.5 for the input itself",
    ),
    Metric(
        name="fpr95",
        label="FPR@95TPR",
        description="lowest FPR at a sensitivity of at least 95 %",
        better="lower",
    ),
    Metric(
        name="auprc_gain",
        label="AUPRC gain",
        description="(AUPRC - prevalence) / (1 - prevalence); 0 for a constant map",
        proportion=False,
    ),
    Metric(
        name="prevalence",
        label="Prevalence",
        description="fraction of scored voxels that are anomalous; the AUPRC of a constant map",
        better=None,
    ),
)
_HEALTHY_SLICES = (
    Metric(
        name="fpr_healthy",
        label="FPR (healthy)",
        description="fraction of brain voxels predicted anomalous in slices without anomaly",
        better="lower",
    ),
    Metric(
        name="fpr_healthy_ratio",
        label="FPR ratio",
        description="FPR in test slices without anomaly, divided by the policy's nominal rate",
        better=None,
        proportion=False,
    ),
)
_SLICES = (
    Metric(name="slice_auroc", label="Slice AUROC", description="AUROC of one score per slice (mean over the brain)"),
    Metric(name="slice_auprc", label="Slice AUPRC", description="AUPRC of one score per slice (mean over the brain)"),
    Metric(
        name="slice_auroc_top1pct",
        label="Slice AUROC (top 1 %)",
        description="AUROC of the mean of a slice's highest 1 % of scores",
    ),
    Metric(
        name="slice_auprc_top1pct",
        label="Slice AUPRC (top 1 %)",
        description="AUPRC of the mean of a slice's highest 1 % of scores",
    ),
)

_VOLUMES = (
    Metric(
        name="lesion_ml",
        label="Lesion volume",
        description="volume of a patient's lesions",
        better=None,
        unit="mL",
        proportion=False,
    ),
    Metric(
        name="false_positive_ml",
        label="False-positive volume",
        description="volume of a patient's voxels that are predicted anomalous and are healthy",
        better="lower",
        unit="mL",
        proportion=False,
    ),
)

METRICS = by_name(
    *_OVER_THRESHOLDS,
    *OVERLAP.values(),
    *LESIONS.values(),
    LESION_FP,
    LESION_SENSITIVITY,
    FROC_SCORE,
    SLICE_ALARM_RATE,
    PATIENT_ALARM_RATE,
    *_HEALTHY_SLICES,
    *_VOLUMES,
    *SURFACES.values(),
    *_SLICES,
    *RECONSTRUCTION.values(),
)
