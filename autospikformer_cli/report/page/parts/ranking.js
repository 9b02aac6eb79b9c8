// F_AEB and the order of candidates: the operations of search/fitness.py on float64, in the same order.

function scaled(value, [low, high], clip) {
  if (low === high) return null;
  const share = (value - low) / (high - low);
  return clip ? Math.min(1, Math.max(0, share)) : share;
}

/** Equation 6. A term whose range is 0 counts 0. */
function fitnessOf(top1, energy, bounds, alpha, clip) {
  const accuracy = scaled(top1, bounds.top1, clip);
  const cost = scaled(energy, bounds.energy_j, clip);
  const saving = cost === null ? 0 : alpha * (1 - cost);
  return saving + (accuracy === null ? 0 : (1 - alpha) * accuracy);
}

/** The bounds that scale a candidate: those of its generation, or those of all. */
function boundsOf(archive, scoring, row) {
  return scoring.bounds ?? scoring.generation_bounds[archive.candidates.generation[row]] ?? null;
}

/** Every candidate's fitness, NaN without one, and the rows of the ranked ones, best first. */
function ranked(archive, scoring, alpha) {
  const { top1, params, genes } = archive.candidates;
  const { energy, refused } = scoring;
  const clip = archive.normalise === "fixed" || archive.normalise === "percentile";
  const fitness = new Float64Array(top1.length).fill(NaN);
  const order = [];
  for (let row = 0; row < top1.length; row++) {
    if (refused[row]) continue;
    order.push(row);
    const bounds = scoring.priced ? boundsOf(archive, scoring, row) : null;
    if (bounds) fitness[row] = fitnessOf(top1[row], energy[row], bounds, alpha, clip);
  }
  order.sort((a, b) =>
    (scoring.priced ? fitness[b] - fitness[a] : 0) || top1[b] - top1[a]
    || (scoring.priced ? energy[a] - energy[b] : 0) || params[a] - params[b] || genes[a] - genes[b]);
  return { fitness, order };
}

/** Rows that agree in every measured number, as lists in the order of `rows`, by the first of each. */
function different(archive, scoring, rows) {
  const groups = new Map();
  for (const row of rows) {
    const values = scoring.objectives.map((column) => column[row]);
    const key = `${archive.candidates.alike[row]} ${scoring.energy[row]} ${values}`;
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  }
  return [...groups.values()];
}

/** The rows that no other dominates, least energy first: more accuracy and less energy are better. */
function frontOf(archive, scoring, rows) {
  if (!scoring.priced) return [];
  const { top1 } = archive.candidates;
  const { energy } = scoring;
  const ordered = [...rows].sort((a, b) => energy[a] - energy[b] || top1[b] - top1[a]);
  const front = [];
  for (const row of ordered) {
    const last = front.at(-1);
    const equals = last !== undefined && energy[row] === energy[last] && top1[row] === top1[last];
    if (last === undefined || top1[row] > top1[last] || equals) front.push(row);
  }
  return front;
}

/** All that tables and figures show of a scoring, for one alpha. best: take the best n; null for all. */
function viewOf(archive, scoring, alpha, best, before) {
  const { fitness, order } = ranked(archive, scoring, alpha);
  const rank = new Int32Array(fitness.length);
  order.forEach((row, place) => { rank[row] = place + 1; });
  const view = { scoring, alpha, best, fitness, order, rank, taken: best === null ? order : order.slice(0, best) };
  // Without a best n, alpha changes the order of results, but not which are alike, and which no other dominates.
  const same = before && before.scoring === scoring && before.best === null && best === null;
  view.groups = same ? before.groups : different(archive, scoring, view.taken);
  view.front = same ? before.front : frontOf(archive, scoring, view.groups.map(([first]) => first));
  view.unit = same ? before.unit : energyUnit([...view.taken.map((row) => scoring.energy[row]), scoring.baseline_j]);
  view.rejected = same ? before.rejected : rejectedRows(scoring);
  return view;
}

function rejectedRows(scoring) {
  const rows = [];
  scoring.refused.forEach((reason, row) => { if (reason) rows.push(row); });
  return rows;
}

/** How a candidate's accuracy compares with the baseline's, as `CandidateRow.mark` says it. */
function markOf(archive, row) {
  const { baseline, candidates, significance } = archive;
  if (!baseline) return "";
  const chance = candidates.chance[row];
  if (Number.isNaN(chance)) return "?";
  if (chance >= significance) return "~";
  return candidates.top1[row] > baseline.top1 ? "+" : "-";
}
