// What the file holds: facts as JSON, and columns of numbers.

/** The bytes of a block of the page: base64 of gzip. */
async function unpacked(id) {
  const block = document.getElementById(id);
  const text = atob(block.textContent);
  block.remove(); // its megabytes are not needed twice
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) bytes[place] = text.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

const ARRAYS = {
  float64: Float64Array, float32: Float32Array, int32: Int32Array,
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
};

/** The facts, with a function `column` that gives the typed array of a number. */
async function readArchive() {
  const [facts, block] = await Promise.all([unpacked("facts"), unpacked("columns")]);
  const archive = JSON.parse(new TextDecoder().decode(facts));
  archive.column = (number) => {
    const [type, start, length] = archive.columns[number];
    return new ARRAYS[type](block, start, length);
  };
  const { candidates } = archive;
  for (const name of ["generation", "correct", "images", "params", "low", "high", "firing_rate", "silent_layers",
    "silent_channels", "alike", "genes", "chance"]) {
    candidates[name] = archive.column(candidates[name]);
  }
  candidates.top1 = Float64Array.from(candidates.correct, (correct, row) => (100 * correct) / candidates.images[row]);
  return archive;
}

/** What the search is worth under a convention and a profile, its columns read; null if that cannot be priced. */
function scoringOf(archive, convention, profile) {
  const found = archive.scorings[convention][profile];
  if (found.missing) return null;
  if (!found.energy) {
    found.energy = archive.column(found.energy_j);
    found.refused = archive.column(found.rejected);
    found.objectives = archive.objectives.map(({ name }) => archive.column(found.values[name]));
  }
  return found;
}

/** The layers of a candidate with their synaptic operations (NaN: none) and their energies in joules. */
function layersOf(archive, scoring, row) {
  const found = [];
  for (const layer of scoring.layers) {
    const which = archive.column(layer.which)[row];
    if (which === 0) continue;
    const prices = archive.column(layer.prices);
    const [each, besides] = [prices[2 * which - 2], prices[2 * which - 1]];
    const sops = layer.sops === null ? NaN : archive.column(layer.sops)[row];
    found.push({ name: layer.name, kind: layer.kind, sops, energy: (layer.sops === null ? 0 : each * sops) + besides });
  }
  return found;
}
