// Texts next to tables and figures: the selected candidate, remarks, provenance, the recipe.

function described(terms) {
  return terms.filter(([, text]) => text !== "" && text !== null && text !== undefined).flatMap(([term, text]) => {
    const [name, value] = [document.createElement("dt"), document.createElement("dd")];
    name.textContent = term;
    value.textContent = text;
    return [name, value];
  });
}

/** The genes of the paper's tuple, by name. */
function genesOf(text) {
  const numbers = text.slice(1, -1).split(", ");
  const depth = Number(numbers[0]);
  const block = (place) => numbers.slice(1 + place * depth, 1 + (place + 1) * depth).join(", ");
  return [
    ["depth", numbers[0]], ["MLP ratio", block(0)], ["heads", block(1)], ["threshold", block(2)], ["tau", block(3)],
    ["time steps", numbers.at(-2)], ["embedding", numbers.at(-1)],
  ];
}

/** Everything that is known of the selected candidate, numbers with all their digits. */
function showSelected(archive, view, row) {
  const panel = document.getElementById("selected");
  if (row === null) {
    panel.replaceChildren("Click a point, or a row of the table.");
    return;
  }
  const { candidates } = archive;
  const { scoring } = view;
  const exact = (value, unit) => (Number.isFinite(value) ? `${repr(value)} ${unit}`.trim() : "not known");
  const refused = scoring.refused[row];
  const rank = `${whole(view.rank[row])} of ${whole(view.order.length)}`;
  const answers = `${whole(candidates.correct[row])} of ${plural(candidates.images[row], "image")}`;
  const energy = `${withUnit(scoring.energy[row], view.unit)}, ${exact(scoring.energy[row], "J")}`;
  const list = document.createElement("dl");
  list.append(...described([
    ["Id", candidates.ids[row] + (candidates.ids[row] === archive.best ? ", the search's own choice" : "")],
    ["Candidate", candidates.subnets[row]],
    ["Rank", refused ? `rejected: ${scoring.reasons[refused - 1]}` : rank],
    ["F_AEB", refused ? "" : exact(view.fitness[row], "")],
    ["Accuracy", `${exact(candidates.top1[row], "%")}, ${answers}`],
    ["95 % interval", `${fixed(candidates.low[row], 2)} to ${fixed(candidates.high[row], 2)} %`],
    ["Energy", Number.isFinite(scoring.energy[row]) ? energy : "not known under these prices"],
    ["Against the baseline", againstBaseline(archive, view, row)],
    ...archive.objectives.map(({ label, unit }, place) => [label, exact(scoring.objectives[place][row], unit)]),
    ["Parameters", whole(candidates.params[row])],
    ["Firing rate", candidates.spikes ? exact(candidates.firing_rate[row], "") : ""],
    ["Silent", silentText(candidates, row)],
    ["Equal to", equalsOf(view, row).map((each) => candidates.ids[each]).join(", ")],
    ["Generation", String(candidates.generation[row] + 1)],
    ...genesOf(candidates.subnets[row]),
  ]));
  panel.replaceChildren(list);
}

/** The other rows that agree with one in every measured number. */
function equalsOf(view, row) {
  const group = view.groups.find((rows) => rows.includes(row)) ?? [];
  return group.filter((each) => each !== row);
}

function silentText(candidates, row) {
  const blocks = candidates.silent_blocks[row];
  const [layers, channels] = [candidates.silent_layers[row], candidates.silent_channels[row]];
  if (!layers && !channels) return "";
  return `${plural(layers, "layer")}, ${plural(channels, "channel")}${blocks ? `, block ${blocks.join(", ")}` : ""}`;
}

function againstBaseline(archive, { scoring }, row) {
  const { baseline, candidates } = archive;
  if (!baseline || !scoring.priced || scoring.baseline_j === null) return "";
  const share = fixed((100 * scoring.energy[row]) / scoring.baseline_j, 1);
  const points = fixed(candidates.top1[row] - baseline.top1, 2);
  const chance = candidates.chance[row];
  const tested = Number.isNaN(chance) ? "not tested: answers by image are not stored"
    : `McNemar's exact test: p = ${general(chance)}`;
  return `${share} % of its energy, ${points.startsWith("-") ? "" : "+"}${points} points of accuracy; ${tested}`;
}

/** The warning of `silence_notes`, for the best of this alpha and the front. */
function silenceRemark(archive, view) {
  const blocks = archive.candidates.silent_blocks;
  const rows = [...new Set([...view.order.slice(0, 1), ...view.front])].filter((row) => blocks[row]);
  if (!rows.length) return [];
  const nameOf = (row) => `${archive.candidates.ids[row]} (block ${blocks[row].join(", ")})`;
  const named = rows.slice(0, 5).map(nameOf).join(", ");
  const rest = rows.length > 5 ? ` and ${whole(rows.length - 5)} more` : "";
  const rate = archive.silent_rate;
  return [`! silent blocks, with less than ${rate} spikes a neuron and step: ${named}${rest}; `
    + `--set search.limits.min_block_rate=${rate} excludes such networks`];
}

/** Tau and noise are of the best n, which alpha decides; they were computed for those of the first choice. */
function remarkOnTheBest(archive, view) {
  const same = view.best === archive.best_num && (view.best === null || view.alpha === archive.alpha);
  if (same) return [];
  const first = archive.best_num === null ? "all candidates" : `the best ${archive.best_num} at alpha ${archive.alpha}`;
  const now = `aspk report --alpha ${view.alpha}${view.best === null ? "" : ` --best ${view.best}`}`;
  return [`! Tau and noise below are those of ${first}; for the candidates shown: ${now}`];
}

/** The report's remarks. */
function showRemarks(archive, view) {
  const { remarks: own } = view.scoring;
  const remarks = [
    ...remarkOnTheBest(archive, view), ...own, ...silenceRemark(archive, view), ...legendOf(archive),
  ];
  document.getElementById("remarks").replaceChildren(...remarks.map((text) => {
    const item = document.createElement("li");
    item.textContent = text.replace(/^! /, "");
    item.classList.toggle("warning", text.startsWith("! "));
    return item;
  }));
}

function legendOf(archive) {
  if (!archive.baseline) return [];
  const test = `McNemar's exact test, p < ${archive.significance}`;
  return [`Test, of the accuracy against the baseline's (${test}): + higher, ~ cannot be told apart, - lower, `
    + "? not tested, as answers by image are not stored."];
}

function showProvenance(archive, view) {
  const lines = view.scoring.provenance.map(([name, text]) =>
    [name, name === "F_AEB" ? `${archive.formula}; alpha is ${view.alpha}` : text]);
  document.getElementById("provenance").replaceChildren(...described(lines));
}

/** The recipe, and a button that copies it. */
function showRecipe(archive, say) {
  const text = document.getElementById("recipe");
  text.textContent = archive.recipe;
  document.getElementById("recipe-name").textContent = archive.recipe_name;
  document.getElementById("copy-recipe").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(archive.recipe);
    } catch {
      getSelection().selectAllChildren(text); // a browser without clipboard: the text is ready to be copied by hand
      say("The recipe is selected: copy it with the keyboard.");
      return;
    }
    say("The recipe is copied.");
  });
}
