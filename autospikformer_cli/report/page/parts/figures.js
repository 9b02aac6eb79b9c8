// The figure of energy and accuracy, and what all figures have in common. Plotly draws; a click selects.

const CONFIG = {
  displaylogo: false,
  responsive: true,
  showSendToCloud: false,
  showEditInChartStudio: false,
  plotlyServerURL: "",
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
};

/** A colour of the style sheet, as the present colours of the page resolve it. */
function colour(name) {
  const probe = document.getElementById("probe");
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

/** Plotly reads marks in its texts: names of a run are shown as they are. */
const shownAsIs = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

const isNarrow = () => window.innerWidth < 640;
const isStill = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

/** The layout that all figures share, with what is special to one. */
function layoutOf(special) {
  const [line, faint] = [colour("line"), colour("faint")];
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: faint, automargin: true };
  const { xaxis, yaxis, ...rest } = special;
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 12, color: colour("ink") },
    margin: { l: 8, r: 8, t: 8, b: 8 },
    hoverlabel: { bgcolor: colour("panel"), bordercolor: colour("faint"), font: { color: colour("ink") } },
    modebar: { color: colour("faint"), activecolor: colour("ink"), bgcolor: "rgba(0,0,0,0)" },
    legend: { orientation: "h", x: 0, y: 1.02, xanchor: "left", yanchor: "bottom", font: { size: 11 } },
    dragmode: isNarrow() ? "pan" : "zoom",
    xaxis: { ...axis, ...xaxis },
    yaxis: { ...axis, ...yaxis },
    ...rest,
  };
}

/** Draw a figure anew, or change what is there. */
function draw(id, traces, layout) {
  return Plotly.react(document.getElementById(id), traces, layoutOf(layout), CONFIG);
}

function hasWebGL() {
  const context = document.createElement("canvas").getContext("webgl");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return context !== null;
}

const NAMES = { candidates: "candidates", rejected: "rejected", front: "Pareto front", baseline: "baseline" };

/** The traces of the front's figure. Each point has its row, which a click selects. */
function frontTraces(archive, view, kind) {
  const { candidates, baseline } = archive;
  const { scoring, unit } = view;
  const energies = (rows) => rows.map((row) => scoring.energy[row] / unit.joules);
  const points = (rows, more) => ({
    x: energies(rows), y: rows.map((row) => candidates.top1[row]), customdata: rows,
    text: rows.map((row) => shownAsIs(`${candidates.ids[row]}  ${candidates.subnets[row]}`)),
    hovertemplate: `<b>%{text}</b><br>%{x:.4~f} ${unit.symbol}, %{y:.2f} %<extra></extra>`, ...more,
  });
  const first = points(view.taken, {
    type: kind, mode: "markers", name: NAMES.candidates,
    hovertemplate: `<b>%{text}</b><br>%{x:.4~f} ${unit.symbol}, %{y:.2f} %<br>F_AEB %{marker.color:.4f}<extra></extra>`,
    marker: candidateMarker(view),
  });
  return [
    first,
    points(view.rejected, {
      type: kind, mode: "markers", name: NAMES.rejected, visible: view.rejected.length > 0,
      marker: { symbol: "x-thin-open", size: 6, color: colour("faint"), line: { width: 1, color: colour("faint") } },
    }),
    points(view.front, {
      type: "scatter", mode: "lines+markers", name: NAMES.front,
      line: { color: colour("ink"), width: 1.5, shape: "hv" }, // no accuracy that none has
      marker: { symbol: "circle-open", size: 9, color: colour("ink"), line: { width: 1.5 } },
    }),
    {
      type: "scatter", mode: "markers", name: NAMES.baseline, visible: baseline !== null && scoring.baseline_j !== null,
      x: [scoring.baseline_j / unit.joules], y: [baseline?.top1], text: [shownAsIs(baseline?.text)],
      hovertemplate: `<b>baseline %{text}</b><br>%{x:.4~f} ${unit.symbol}, %{y:.2f} %<extra></extra>`,
      marker: { symbol: "star", size: 14, color: "#d55e00", line: { width: 1, color: colour("ink") } },
    },
  ];
}

/** The ring around the selected candidate: a shape of the layout, which is moved without drawing the points anew. */
function ringsAround(archive, view, row) {
  if (row === null || !Number.isFinite(view.scoring.energy[row])) return [];
  return [{
    type: "circle", xsizemode: "pixel", ysizemode: "pixel", x0: -9, x1: 9, y0: -9, y1: 9,
    xanchor: view.scoring.energy[row] / view.unit.joules, yanchor: archive.candidates.top1[row],
    line: { color: colour("accent"), width: 3 },
  }];
}

function candidateMarker(view) {
  return {
    size: view.taken.length > 3000 ? 5 : 7,
    color: view.taken.map((row) => view.fitness[row]),
    colorscale: "Viridis",
    showscale: view.scoring.priced && view.taken.length > 0,
    line: { width: 0.5, color: colour("faint") },
    colorbar: {
      title: { text: "F_AEB", side: "top", font: { size: 11 } }, thickness: 10, len: 0.9, outlinewidth: 0,
      tickfont: { size: 10 }, ...(isNarrow() ? { orientation: "h", y: -0.22, yanchor: "top" } : { x: 1.01 }),
    },
  };
}

/** The figure of the front, kept with what it shows: only what changed is drawn anew. */
class FrontFigure {
  constructor(archive, onSelect) {
    this.archive = archive;
    this.div = document.getElementById("front");
    this.kind = archive.vectors || !hasWebGL() ? "scatter" : "scattergl";
    this.onSelect = onSelect;
  }

  /** Show a view. Of another alpha alone, only colours change. */
  show(view, selected) {
    const before = this.view;
    this.view = view;
    if (before && before.scoring === view.scoring && before.best === null && view.best === null) {
      return this.recolour(view);
    }
    const done = draw("front", frontTraces(this.archive, view, this.kind), {
      xaxis: { title: { text: `Energy of one image (${view.unit.symbol})` } },
      yaxis: { title: { text: "Top-1 accuracy (%)" } },
      hovermode: "closest",
      shapes: ringsAround(this.archive, view, selected),
    });
    if (!before) this.div.on("plotly_click", ({ points }) => this.take(points));
    return done;
  }

  /** Points keep their places, which are those of the first view of this scoring. */
  recolour(view) {
    const rows = this.div.data[0].customdata;
    return Plotly.restyle(this.div, { "marker.color": [rows.map((row) => view.fitness[row])] }, [0]);
  }

  /** Draw all anew, in other colours or another width. */
  redraw(selected) {
    const view = this.view;
    this.view = undefined;
    if (!view) return;
    this.div.removeAllListeners("plotly_click");
    this.show(view, selected);
  }

  take(points) {
    const found = points.find(({ customdata }) => Number.isInteger(customdata));
    if (found) this.onSelect(found.customdata);
  }

  select(row) {
    if (this.view) Plotly.relayout(this.div, { shapes: ringsAround(this.archive, this.view, row) });
  }
}

/** What the front's figure shows, in words. */
function frontText(archive, view) {
  const { top1 } = archive.candidates;
  const { energy, baseline_j: baselineEnergy, priced } = view.scoring;
  if (!view.taken.length) return "No candidate to draw.";
  if (!priced) return "Energies are not known under these prices, so there is no front. More accuracy ranks first.";
  const at = (accuracy, joules) => `${fixed(accuracy, 2)} % at ${withUnit(joules, view.unit)}`;
  const say = (row) => `${at(top1[row], energy[row])} (${archive.candidates.ids[row]})`;
  const { front } = view;
  const verb = front.length === 1 ? "is" : "are";
  const points = new Set(front.map((row) => `${energy[row]} ${top1[row]}`)).size;
  const shared = points < front.length ? `, ${plural(points, "point")}` : "";
  const number = `${plural(front.length, "candidate")} of ${whole(view.taken.length)}`;
  const among = `${number} ${verb} on the Pareto front${shared}`;
  const range = front.length > 1 ? `from ${say(front[0])} to ${say(front.at(-1))}` : say(front[0]);
  const baseline = baselineEnergy === null || !archive.baseline ? ""
    : ` The baseline has ${at(archive.baseline.top1, baselineEnergy)}.`;
  return `${among}: ${range}.${baseline} The table below has every point; show "Pareto front" there.`;
}
