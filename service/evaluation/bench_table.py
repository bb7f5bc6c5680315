"""The table that ``visard bench`` prints."""

from service.evaluation.bench import BenchReport, Throughput


def render_bench(report: BenchReport) -> str:
    """The report as text."""
    cost, behind = report.cost, report.overtaking
    mix = ", ".join(map(str, report.mix))
    lines = [
        f"load     {report.clients} clients, {report.requests} requests, photos of {mix} faces in turn",
        f"device   {cost.device}, {cost.threads} threads",
        "",
        *_way("as the service works", report.batched),
        *_way("every face by itself", report.alone),
        f"faces/s, batched to alone             {report.gain:.2f}",
        f"one face alone, seconds               {cost.seconds:.3f}, {cost.evaluations} evaluations each way",
        f"the same with 50 + 50 steps of DDIM   {cost.ddim_seconds:.3f}, {cost.ddim_evaluations} evaluations each way",
        f"DDIM to ours                          {cost.ddim_seconds / cost.seconds:.2f}",
        f"one face that comes behind {behind.faces:<11}{behind.seconds:.3f}, in order of arrival {behind.in_order:.3f}",
        f"peak memory                           {report.peak_bytes / 2**20:.0f} MiB",
    ]
    return "\n".join(lines)


def _way(name: str, done: Throughput) -> list[str]:
    sizes = ", ".join(f"{count} of {size}" for size, count in done.batches.items())
    rows = [
        f"{phase:10}{row.p50:10.3f}{row.p95:10.3f}{row.p99:10.3f}{row.count:8}" for phase, row in done.phases.items()
    ]
    return [
        f"{name}: {done.requests_per_second:.2f} requests/s, {done.faces_per_second:.2f} faces/s",
        f"evaluations: {sizes} faces",
        f"{'seconds':10}{'p50':>10}{'p95':>10}{'p99':>10}{'count':>8}",
        *rows,
        "",
    ]
