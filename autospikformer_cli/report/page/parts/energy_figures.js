// The other figures: energy by layer, the course of the search, the training.

/** Bars of one candidate's layers, and the same as a table. Their sum is the candidate's energy. */
function showLayers(archive, view, row, drawsFigures) {
  const layers = row === null ? [] : layersOf(archive, view.scoring, row);
  const text = document.getElementById("layers-text");
  const div = document.getElementById("layers");
  div.hidden = layers.length === 0;
  layersTable(layers, view, row);
  if (!layers.length) {
    text.textContent = row === null ? "Select a candidate." : "Its energy is not known under these prices.";
    return;
  }
  const total = view.scoring.energy[row];
  const largest = [...layers].sort((a, b) => b.energy - a.energy).slice(0, 3);
  const shares = largest.map(({ name, energy }) => `${name} ${fixed((100 * energy) / total, 1)} %`);
  const whose = `${archive.candidates.ids[row]}: ${withUnit(total, view.unit)} in ${plural(layers.length, "layer")}.`;
  text.textContent = `${whose} The most: ${shares.join(", ")}.`;
  if (drawsFigures) drawLayers(layers, total);
}

function drawLayers(layers, total) {
  const unit = energyUnit(layers.map(({ energy }) => energy));
  const kinds = {
    convolution: "#0072b2", attention: "#e69f00", linear: "#009e73", head: "#cc79a7", batchnorm: "#56b4e9",
  };
  document.getElementById("layers").style.height = `${90 + 17 * layers.length}px`;
  const traces = Object.entries(kinds).map(([kind, fill]) => {
    const own = layers.filter((layer) => layer.kind === kind);
    return {
      type: "bar", orientation: "h", name: kind, visible: own.length > 0,
      y: own.map(({ name }) => shownAsIs(name)), x: own.map(({ energy }) => energy / unit.joules),
      customdata: own.map(({ energy }) => (100 * energy) / total),
      hovertemplate: `<b>%{y}</b><br>%{x:.4~g} ${unit.symbol}, %{customdata:.1f} %<extra></extra>`,
      marker: { color: fill },
    };
  });
  draw("layers", traces, {
    barmode: "stack", bargap: 0.25, legend: { ...layoutOf({}).legend, traceorder: "normal" },
    xaxis: { title: { text: `Energy of one image (${unit.symbol})` } },
    yaxis: {
      categoryorder: "array", categoryarray: layers.map(({ name }) => shownAsIs(name)), autorange: "reversed",
      tickfont: { size: 10 }, fixedrange: true,
    },
    hovermode: "closest",
  });
}

function layersTable(layers, view, row) {
  const table = document.getElementById("layers-table");
  table.replaceChildren();
  if (!layers.length) return;
  const total = view.scoring.energy[row];
  const percent = (energy) => fixed((100 * energy) / total, 2);
  const digits = { ...view.unit, decimals: view.unit.decimals + 2 };
  const head = ["Layer", "Kind", "Synaptic operations", `Energy (${view.unit.symbol})`, "Share (%)"];
  table.createTHead().append(rowOf(head.map((text, place) => cellOf("th", text, { scope: "col", number: place > 1 }))));
  const body = table.createTBody();
  for (const { name, kind, sops, energy } of layers) {
    const counted = Number.isNaN(sops) ? ABSENT : formatCount(sops);
    body.append(layerLine([name, kind], [counted, inUnit(energy, digits), percent(energy)]));
  }
  const sum = layers.reduce((found, { energy }) => found + energy, 0);
  table.createTFoot().append(layerLine(["sum", ""], ["", inUnit(sum, view.unit), percent(sum)]));
}

function layerLine([name, kind], numbers) {
  const cells = numbers.map((text) => cellOf("td", text, { number: true }));
  return rowOf([cellOf("th", name, { scope: "row" }), cellOf("td", kind), ...cells]);
}

/** The best F_AEB after each evaluation, under bounds that hold for all: each generation's own cannot be compared. */
function courseOfFitness(archive, view) {
  const { candidates } = archive;
  const { scoring } = view;
  const bounds = scoring.bounds ?? extremesOf(archive, view);
  const clip = archive.normalise === "fixed" || archive.normalise === "percentile";
  const [x, y] = [[], []];
  let best = -Infinity;
  for (let row = 0; bounds && row < candidates.ids.length; row++) {
    const value = scoring.refused[row] ? -Infinity
      : fitnessOf(candidates.top1[row], scoring.energy[row], bounds, view.alpha, clip);
    if (value > best) [best] = [value, x.push(row + 1), y.push(value)];
  }
  if (x.length) [x.push(candidates.ids.length), y.push(best)];
  return { x, y };
}

function extremesOf(archive, view) {
  if (!view.order.length) return null;
  const ends = (column) => view.order.reduce(
    ([low, high], row) => [Math.min(low, column[row]), Math.max(high, column[row])], [Infinity, -Infinity]);
  return { top1: ends(archive.candidates.top1), energy_j: ends(view.scoring.energy) };
}

function courseOfHypervolume(archive, scoring) {
  const { generation } = archive.candidates;
  const shares = scoring.hypervolume ?? [];
  const ends = new Array(shares.length).fill(0);
  for (const each of generation) if (each >= 0 && each < ends.length) ends[each] += 1;
  for (let place = 1; place < ends.length; place++) ends[place] += ends[place - 1];
  return { x: ends, y: shares };
}

function courseText(archive, { bounds, hypervolume_text: text }, { x, y }) {
  const volume = text.join(" ") || "No hypervolume: no usable baseline says what it is of.";
  if (!y.length) return volume;
  const scale = bounds ? "" : ", scaled by the extremes of all candidates instead of each generation's";
  return `Best F_AEB${scale}: ${repr(y.at(-1))}, first reached after ${plural(x.at(-2), "evaluation")}. ${volume}`;
}

/** Hypervolume and the best fitness by evaluations. */
function showCourse(archive, view, drawsFigures) {
  const text = document.getElementById("course-text");
  const div = document.getElementById("course");
  const { scoring } = view;
  const volume = courseOfHypervolume(archive, scoring);
  const fitness = scoring.priced ? courseOfFitness(archive, view) : { x: [], y: [] };
  div.hidden = !fitness.x.length && !volume.x.length;
  if (div.hidden) {
    text.textContent = "Neither a hypervolume nor a fitness is known.";
    return;
  }
  text.textContent = courseText(archive, scoring, fitness);
  if (!drawsFigures) return;
  draw("course", [
    {
      type: "scatter", mode: "lines+markers", name: "hypervolume", ...volume, visible: volume.x.length > 0,
      line: { color: colour("series1"), width: 2, shape: "hv" }, marker: { size: 4 },
      hovertemplate: "%{x} evaluations<br>share of the box %{y:.4f}<extra></extra>",
    },
    {
      type: "scatter", mode: "lines", name: "best F_AEB", ...fitness, visible: fitness.x.length > 0,
      line: { color: colour("series2"), width: 2, dash: "dash", shape: "hv" },
      hovertemplate: "%{x} evaluations<br>best F_AEB %{y:.4f}<extra></extra>",
    },
  ], {
    xaxis: { title: { text: "Evaluations (subnets)" }, rangemode: "tozero" },
    yaxis: { title: { text: "Share of the box; F_AEB" } },
  });
}

/** Loss, and accuracies of the largest and the smallest subnet, one above the other. */
function showTraining(archive, drawsFigures) {
  const { training } = archive;
  const div = document.getElementById("training");
  const text = document.getElementById("training-text");
  div.hidden = training.length === 0;
  if (div.hidden) {
    text.textContent = "This run has no training of its own, or no epoch of it is finished.";
    return;
  }
  text.textContent = trainingText(training, archive.trained);
  if (drawsFigures) drawTraining(training);
}

function trainingText(training, trained) {
  const [first, last] = [training[0], training.at(-1)];
  const loss = `${plural(last.epoch, "epoch")}; the loss went from ${general(first.loss)} to ${general(last.loss)}.`;
  if (trained.largest === null) return loss;
  const [largest, smallest] = [trained.largest, trained.smallest ?? NaN].map((top1) => fixed(top1, 2));
  const chosen = trained.epoch === last.epoch ? "" : ` with the weights of epoch ${trained.epoch}`;
  return `${loss} Validation accuracy${chosen}: largest subnet ${largest} %, smallest ${smallest} %.`;
}

function drawTraining(training) {
  const x = training.map(({ epoch }) => epoch);
  const line = (name, key, place, dash, extra) => ({
    type: "scatter", mode: "lines", name, x, y: training.map((record) => record[key]), connectgaps: true,
    line: { color: colour(`series${place}`), width: 2, dash }, ...extra,
  });
  const measured = training.some((record) => record.val_top1_largest !== null);
  draw("training", [
    line("loss", "loss", 3, "solid", {}),
    line("largest subnet", "val_top1_largest", 1, "solid", { yaxis: "y2", visible: measured }),
    line("smallest subnet", "val_top1_smallest", 2, "dash", { yaxis: "y2", visible: measured }),
  ], {
    xaxis: { title: { text: "Epoch" } },
    yaxis: { title: { text: "Training loss" }, domain: measured ? [0, 0.46] : [0, 1], rangemode: "tozero" },
    ...(measured ? { yaxis2: { ...layoutOf({}).yaxis, title: { text: "Accuracy (%)" }, domain: [0.54, 1] } } : {}),
    hovermode: "x unified",
  });
}
