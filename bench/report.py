#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tables and the picture from the results of bench/run.

  bench/report.py RESULTS.json... [--svg FILE]

Of several files the last one that has a row counts: a part can be measured again.
"""
import json
import math
import sys

COLD_LIMIT = 0.4  # of QEMU's time
RSS_FLOOR = 32 << 10  # KiB: ru_maxrss begins with that of the Python that forked
NAMES = {"native": "native", "warm": "Grus warm", "cold": "Grus cold", "off": "Grus", "qemu": "QEMU"}


def time_of(row, *sides):
    """Of the first of these sides that was measured and is right."""
    for side in sides:
        r = row["sides"].get(side)
        if r:
            return None if "wrong" in r else r["time"]
    return None


def ratios(row):
    """warm over native, cold over QEMU, QEMU over warm; one column of Grus stands for both."""
    native, qemu = time_of(row, "native"), time_of(row, "qemu")
    warm, cold = time_of(row, "warm", "off", "cold"), time_of(row, "cold", "off", "warm")
    over = lambda a, b: a / b if a and b else None
    return over(warm, native), over(cold, qemu), over(qemu, warm)


def misses(row):
    """Which of the first two ratios misses its target."""
    slower, of_qemu, _ = ratios(row)
    if row["extra_ms"]:
        native, warm = time_of(row, "native"), time_of(row, "warm", "off", "cold")
        late = bool(native and warm) and (warm - native) * 1000 > row["extra_ms"]
    else:
        late = bool(slower) and slower > row["target"]
    return late, bool(of_qemu) and of_qemu > COLD_LIMIT


def mean(values):
    values = [v for v in values if v]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else 0


def seconds(row, side):
    r = row["sides"].get(side)
    if not r:
        return ""
    text = f"{r['time']:.2f}" if r["time"] >= 1 else f"{r['time']:.3f}" if r["time"] >= 0.1 else f"{r['time']:.4f}"
    return f"wrong ({text})" if "wrong" in r else text


def head(results):
    qemu = f"{results['qemu']}, QEMU_CPU=neoverse-n1" if results["qemu"] else "without QEMU"
    columns = [NAMES[s] for s in results["sides"]] + ["warm / native", "target", "cold / QEMU", "QEMU / warm"]
    return (f"{results['cpu']}, {results['cpus']} CPUs, Linux {results['kernel']}, load {results['load']:.1f}; {qemu}; CPU seconds, "
            f"least of {results['reps']}. Bold: misses its target (cold / QEMU: at most {COLD_LIMIT}).\n\n"
            f"| program | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")


def line(row, sides):
    slower, of_qemu, faster = ratios(row)
    late, slow_cold = misses(row)
    bold = lambda text, yes: f"**{text}**" if yes else text
    cell = lambda v: f"{v:.2f}" if v else ""
    target = f"{row['target']}"
    first = cell(slower)
    if row["extra_ms"]:
        target = f"+{row['extra_ms']} ms"
        native, warm = time_of(row, "native"), time_of(row, "warm", "off", "cold")
        if native and warm:
            first = f"{slower:.2f} (+{(warm - native) * 1000:.2f} ms)"
    cells = [seconds(row, s) for s in sides] + [bold(first, late), target, bold(cell(of_qemu), slow_cold), cell(faster)]
    return f"| {row['name']} | {' | '.join(cells)} |"


def foot(results):
    rows, sides = results["rows"], results["sides"]
    all_ratios = [ratios(r) for r in rows]
    missed = [misses(r) for r in rows]
    means = [f"{name} {mean(values):.2f} (target {target})" for name, target, values in
             (("warm / native", 2.2, [r[0] for r in all_ratios]), ("QEMU / warm", 5, [r[2] for r in all_ratios])) if any(values)]
    out = [f"\nGeometric means: {', '.join(means)}. Missed: {sum(a for a, _ in missed)} of {len(rows)} rows against native, "
           f"{sum(b for _, b in missed)} against QEMU.",
           f"Engine: {results['engine_bytes'] / 1e6:.2f} MB (target 3)."]
    start = results.get("static_start")
    if start:
        out.append("Start of a static program, ms of CPU: " +
                   ", ".join(f"{NAMES[s]} {t * 1000:.2f}" for s, t in start.items()) + " (target 1).")
    if results.get("programs"):
        grus = [s for s in sides if s not in ("native", "qemu") and all(s in p for p in results["programs"].values())]
        out.append("\n| program | translated | distinct | again | ns each | " +
                   " | ".join(f"peak RSS {NAMES[s]}, MB | page faults" for s in ["native"] + grus) + " | RSS / native |\n|---|" +
                   "---:|" * (5 + 2 * (1 + len(grus))))
        for name, p in results["programs"].items():
            t = p.get("translation", {"translated": 0, "distinct": 0, "ns": 0})
            cells = [f"{t['translated']:,}", f"{t['distinct']:,}", f"{t['translated'] / max(t['distinct'], 1):.3f}", f"{t['ns']:.0f}"]
            for side in ["native"] + grus:
                cells += [f"{p[side]['rss'] / 1024:.1f}" if p[side]["rss"] > RSS_FLOOR else "", f"{p[side]['faults']:,}"]
            large = p["native"]["rss"] > RSS_FLOOR
            cells.append(" / ".join(f"{p[s]['rss'] / p['native']['rss']:.2f}" for s in grus) if large else "")
            out.append(f"| {name} | {' | '.join(cells)} |")
        out.append("Targets: translated again below 1.2, 100 ns each, RSS of rustc and cc1plus 1.4 times native.")
    for row in rows:
        out += [f"wrong: {row['name']}, {NAMES[side]}: {r['wrong']}" for side, r in row["sides"].items() if "wrong" in r]
    return "\n".join(out)


# -- The picture: one line per row, from native (1) to the right on a logarithmic scale -----------------------------------

STYLE = """
text { font: 11px sans-serif; fill: #24292f } .title { font-size: 14px; font-weight: bold } .axis { stroke: #d0d7de }
.target { stroke: #57606a; stroke-width: 2 } .span { stroke: #d0d7de; stroke-width: 3 }
.warm { fill: #0969da } .cold { fill: none; stroke: #0969da; stroke-width: 1.5 } .qemu { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .axis, .span { stroke: #30363d } .target { stroke: #8b949e }
  .warm { fill: #58a6ff } .cold { stroke: #58a6ff } .qemu { fill: #f0883e }
}
"""


def picture(results):
    left, width, top, pitch = 160, 600, 64, 17
    low, high = 0.5, 200
    x = lambda ratio: left + width * math.log(min(max(ratio, low), high) / low) / math.log(high / low)
    rows = results["rows"]
    bottom = top + pitch * len(rows)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 30}" height="{bottom + 30}" '
           f'viewBox="0 0 {left + width + 30} {bottom + 30}">', f"<style>{STYLE}</style>",
           '<text class="title" x="10" y="20">CPU time, native = 1 (left is faster)</text>']
    place = 10
    for name, text in (("warm", "Grus, warm cache"), ("cold", "Grus, empty cache"), ("qemu", results["qemu"] or "QEMU")):
        text = text.split(" (")[0].replace("qemu-aarch64 version", "QEMU")
        out.append(f'<circle class="{name}" cx="{place + 5}" cy="37" r="4"/><text x="{place + 14}" y="41">{text}</text>')
        place += 130
    out.append(f'<path class="target" d="M{place + 5} 31v12"/><text x="{place + 14}" y="41">target</text>')
    for tick in (0.5, 1, 2, 5, 10, 20, 50, 100, 200):
        out.append(f'<path class="axis" d="M{x(tick):.1f} {top - 6}V{bottom}"/>'
                   f'<text text-anchor="middle" x="{x(tick):.1f}" y="{bottom + 16}">{tick:g}</text>')
    for i, row in enumerate(rows):
        y = top + pitch * i + pitch / 2
        native = time_of(row, "native")
        points = {s: time_of(row, s) / native for s in ("warm", "off", "cold", "qemu") if native and time_of(row, s)}
        out.append(f'<text text-anchor="end" x="{left - 8}" y="{y + 4}">{row["name"].replace("&", "&amp;")}</text>')
        if points:
            out.append(f'<path class="span" d="M{x(min(points.values())):.1f} {y}H{x(max(points.values())):.1f}"/>')
        limit = row["target"] or (1 + row["extra_ms"] / 1000 / native if native else None)
        if limit:
            out.append(f'<path class="target" d="M{x(limit):.1f} {y - 6}v12"/>')
        for side in ("qemu", "cold", "off", "warm"):
            if side in points:
                out.append(f'<circle class="{side.replace("off", "warm")}" cx="{x(points[side]):.1f}" cy="{y}" r="4"/>')
    return "\n".join(out + ["</svg>\n"])


def main():
    arguments = sys.argv[1:]
    svg = None
    if "--svg" in arguments:
        at = arguments.index("--svg")
        svg = arguments[at + 1]
        del arguments[at:at + 2]
    if not arguments:
        sys.exit(__doc__)
    results = None
    for path in arguments:
        with open(path) as f:
            part = json.load(f)
        if results:
            rows = {r["name"]: r for r in results["rows"]}
            rows.update({r["name"]: r for r in part["rows"]})
            sides = [s for s in NAMES if s in results["sides"] + part["sides"]]
            results = {**results, **part, "rows": list(rows.values()), "sides": sides}
        else:
            results = part
    print("\n".join([head(results)] + [line(r, results["sides"]) for r in results["rows"]] + [foot(results)]))
    if svg:
        with open(svg, "w") as f:
            f.write(picture(results))


if __name__ == "__main__":
    main()
