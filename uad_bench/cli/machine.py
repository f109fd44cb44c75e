"""`uad-bench machine`."""

from uad_bench.cli.options import AsJson, print_json


def machine(json: AsJson = False) -> None:
    """Show how methods are isolated on this machine, and its hardware, as they are stored in records."""
    from uad_bench.console import stdout
    from uad_bench.execution.sandbox import isolation_available
    from uad_bench.runs.environment import hardware
    from uad_bench.runs.isolation import MEANING

    isolation, found = isolation_available(), hardware()
    if json:
        print_json({"isolation": isolation, **found})
        return
    lines = {
        "isolation": f"{isolation} ({MEANING[isolation]})",
        "processor": f"{found['cpu']}, {found['cores']} cores",
        "memory": f"{found['memory_mib']} MiB",
        "gpus": ", ".join(found["gpu"]) or "none",
        "system": found["system"],
    }
    for name, text in lines.items():
        stdout().print(f"{name:<10} {text}", markup=False)
