// The page's state, and what changes it: choices, clicks, keys.

const REST_MS = 40;

class Page {
  constructor(archive) {
    this.archive = archive;
    this.drawsFigures = false;
    this.selected = null;
    this.grid = new CandidateGrid(archive, (row) => this.select(row));
    this.fillChoices();
    this.setChoices();
    this.listen();
    showRecipe(archive, (text) => this.say(text));
    this.update(false);
    const first = this.view.order[0] ?? this.view.rejected[0] ?? null;
    this.select(first, false);
  }

  fillChoices() {
    const { conventions, profiles } = this.archive;
    const optionOf = (name, place, missing) => {
      const option = new Option(missing ? `${name} (not available)` : name, place);
      option.disabled = missing;
      return option;
    };
    const options = (id, items, missing) => document.getElementById(id).replaceChildren(
      ...items.map(({ name }, place) => optionOf(name, place, missing(place))));
    const own = profiles.findIndex(({ name }) => name === this.archive.opening.profile);
    options("convention", conventions, (place) => Boolean(this.archive.scorings[place][own].missing));
    options("profile", profiles, () => false);
  }

  /** The choices that the page was written with. */
  setChoices() {
    const { alpha, best_num: best, opening, conventions, profiles } = this.archive;
    this.alpha = alpha;
    this.best = best;
    this.convention = conventions.findIndex(({ name }) => name === opening.convention);
    this.profile = profiles.findIndex(({ name }) => name === opening.profile);
    this.showChoices();
  }

  showChoices() {
    const show = (id, value) => { document.getElementById(id).value = value; };
    show("alpha", this.alpha);
    show("alpha-number", this.alpha);
    show("convention", this.convention);
    show("profile", this.profile);
    show("best-num", this.best ?? "");
  }

  listen() {
    const on = (id, event, act) => document.getElementById(id).addEventListener(event, ({ target }) => act(target));
    on("choices", "submit", () => {});
    document.getElementById("choices").addEventListener("submit", (event) => event.preventDefault());
    on("alpha", "input", ({ value }) => this.setAlpha(Number(value)));
    on("alpha-number", "input", ({ value, validity }) => {
      if (value !== "" && validity.valid) this.setAlpha(Number(value), false);
    });
    on("alpha-number", "change", () => this.showChoices());
    on("convention", "change", ({ value }) => { this.convention = Number(value); this.update(); });
    on("profile", "change", ({ value }) => { this.profile = Number(value); this.update(); });
    on("best-num", "change", ({ value, validity }) => {
      this.best = validity.valid && value !== "" ? Number(value) : null;
      this.update();
    });
    on("reset", "click", () => { this.setChoices(); this.update(); });
    on("shown", "change", ({ value }) => this.grid.show(this.view, false, (this.grid.shown = value)));
    on("find", "input", ({ value }) => {
      this.grid.find = value.trim();
      this.grid.page = 0;
      this.grid.show(this.view);
    });
    on("page-size", "change", ({ value }) => { this.grid.pageSize = Number(value); this.grid.show(this.view, true); });
    on("all-digits", "change", ({ checked }) => { this.grid.allDigits = checked; this.grid.show(this.view); });
    on("save-csv", "click", () => this.saveCsv());
    on("theme", "change", ({ value }) => { document.documentElement.dataset.theme = value; this.redraw(); });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    window.addEventListener("beforeprint", () => this.forPrint(true));
    window.addEventListener("afterprint", () => this.forPrint(false));
  }

  setAlpha(alpha, writesNumber = true) {
    this.alpha = alpha;
    document.getElementById("alpha").value = alpha;
    if (writesNumber) document.getElementById("alpha-number").value = alpha;
    this.later ??= requestAnimationFrame(() => { this.later = null; this.update(); }); // at most once a frame
  }

  /** Rank anew, and show it. */
  update(says = true) {
    const { archive, convention, profile } = this;
    const scoring = scoringOf(archive, convention, profile);
    if (scoring === null) {
      this.say(`${archive.conventions[convention].name}: ${archive.scorings[convention][profile].missing}`);
      return;
    }
    const before = this.view;
    this.view = viewOf(archive, scoring, this.alpha, this.best, before);
    document.getElementById("about").textContent =
      `Convention ${archive.conventions[convention].name}: ${archive.conventions[convention].about}. `
      + `Profile ${archive.profiles[profile].name}: ${archive.profiles[profile].about}.`;
    this.grid.show(this.view);
    document.getElementById("table-help").textContent =
      "Arrow keys move from row to row, Page Up and Page Down from page to page, Enter selects. A head sorts.";
    showSelected(archive, this.view, this.selected);
    showRemarks(archive, this.view);
    showProvenance(archive, this.view);
    document.getElementById("front-text").textContent = frontText(archive, this.view);
    showCourse(archive, this.view, false);
    if (!before || before.scoring !== scoring) this.showSelectedLayers();
    this.drawSoon();
    if (says) this.sayBest();
  }

  /** Draw once the slider rests for a moment: numbers follow it at once, pictures of thousands of points cannot. */
  drawSoon() {
    if (!this.drawsFigures) return;
    clearTimeout(this.drawing);
    this.drawing = setTimeout(() => {
      this.showFront();
      showCourse(this.archive, this.view, true);
    }, REST_MS);
  }

  /** The layers of the selected candidate: in words at once, as a picture after the table is on the screen. */
  showSelectedLayers() {
    showLayers(this.archive, this.view, this.selected, false);
    if (!this.drawsFigures) return;
    clearTimeout(this.drawingLayers);
    this.drawingLayers = setTimeout(() => showLayers(this.archive, this.view, this.selected, true), REST_MS);
  }

  showFront() {
    const div = document.getElementById("front");
    div.hidden = !this.view.scoring.priced || (!this.view.taken.length && !this.view.rejected.length);
    if (!div.hidden) this.front.show(this.view, this.selected);
  }

  /** All figures, as soon as plotly is there. */
  startFigures() {
    this.drawsFigures = true;
    this.front = new FrontFigure(this.archive, (row) => this.select(row));
    this.redraw();
  }

  redraw() {
    if (!this.drawsFigures) return;
    this.front.redraw(this.selected);
    this.showFront();
    showLayers(this.archive, this.view, this.selected, true);
    showCourse(this.archive, this.view, true);
    showTraining(this.archive, true);
  }

  select(row, says = true) {
    this.selected = row;
    this.grid.select(row);
    showSelected(this.archive, this.view, row);
    this.showSelectedLayers();
    if (this.drawsFigures) this.front.select(row);
    if (says && row !== null) this.say(`Selected ${this.inWords(row)}`);
  }

  inWords(row) {
    const { candidates } = this.archive;
    const { view } = this;
    const refused = view.scoring.refused[row];
    const rank = `rank ${whole(view.rank[row])} of ${whole(view.order.length)}`;
    const place = refused ? `rejected, ${view.scoring.reasons[refused - 1]}` : rank;
    const energy = withUnit(view.scoring.energy[row], view.unit);
    const fitness = Number.isFinite(view.fitness[row]) ? `, F_AEB ${fixed(view.fitness[row], 3)}` : "";
    const accuracy = fixed(candidates.top1[row], 2);
    return `${candidates.ids[row]}: ${place}, accuracy ${accuracy} %, energy ${energy}${fitness}.`;
  }

  /** After a choice: the best now. A moving slider says it once it rests. */
  sayBest() {
    clearTimeout(this.speaking);
    const [best] = this.view.order;
    const text = best === undefined ? "No candidate is ranked." : `Best at alpha ${this.alpha}: ${this.inWords(best)}`;
    this.speaking = setTimeout(() => this.say(text), 300);
  }

  say(text) {
    document.getElementById("said").textContent = text;
  }

  saveCsv() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([this.grid.csv()], { type: "text/csv" }));
    link.download = `${this.archive.search}-${this.grid.shown}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  /** On paper there are neither hidden tables nor dark colours. */
  forPrint(begins) {
    const { dataset } = document.documentElement;
    const hidden = [...document.querySelectorAll("details")];
    if (begins && !this.beforePrint) {
      this.beforePrint = { theme: dataset.theme ?? "", opened: hidden.map(({ open }) => open) };
      dataset.theme = "light";
      for (const each of hidden) each.open = true;
    } else if (!begins && this.beforePrint) {
      dataset.theme = this.beforePrint.theme;
      hidden.forEach((each, place) => { each.open = this.beforePrint.opened[place]; });
      this.beforePrint = null;
    } else return;
    this.redraw();
  }
}

function trouble(text) {
  const place = document.getElementById("trouble");
  place.textContent = text;
  place.hidden = false;
}

/** Run plotly's own text. The page's policy knows its hash. */
async function startPlotly() {
  const script = document.createElement("script");
  script.textContent = new TextDecoder().decode(await unpacked("plotly"));
  document.head.append(script);
  if (typeof Plotly === "undefined") throw new Error("the browser did not run it");
}

async function start() {
  if (typeof DecompressionStream === "undefined") {
    trouble("This browser is too old: it cannot unpack gzip. Firefox 113, Chrome 80, Safari 16.4 and later can.");
    return;
  }
  const page = new Page(await readArchive());
  showTraining(page.archive, false);
  try {
    await startPlotly();
    page.startFigures();
  } catch (error) {
    trouble(`The figures could not be drawn: ${error.message}. The tables are complete.`);
  }
  document.documentElement.dataset.ready = "true";
}

start().catch((error) => trouble(`The page's data could not be read: ${error.message}.`));
