// The table of candidates: sorted by any column, in pages, with rows that the keyboard reaches.

function cellOf(tag, text, { scope, number = false, title } = {}) {
  const cell = document.createElement(tag);
  cell.textContent = text;
  if (scope) cell.scope = scope;
  if (number) cell.className = "number";
  if (title) cell.title = title;
  return cell;
}

function rowOf(cells) {
  const row = document.createElement("tr");
  row.append(...cells);
  return row;
}

/** The columns of a table: key, head, the value that it is sorted by, and the text of a row. absent: left out. */
function columnsOf(archive, view, shown, allDigits) {
  const { candidates, objectives, baseline } = archive;
  const { scoring, unit } = view;
  const rejected = shown === "rejected";
  /** A column of numbers, as all their digits, which `exact` writes, or as `format` writes them. */
  const numbers = (key, head, column, format, absent = false, exact = repr) => ({
    key, head, absent, number: true, value: (row) => column[row],
    text: (row) => (allDigits && Number.isFinite(column[row]) ? exact(column[row]) : format(column[row], row)),
  });
  const interval = (row) => `(${fixed(candidates.low[row], 1)}–${fixed(candidates.high[row], 1)})`;
  const rank = (row) => view.rank[row];
  const mark = (row) => markOf(archive, row);
  const silent = (row) => `${candidates.silent_layers[row]}, ${candidates.silent_channels[row]}`;
  const columns = [
    {
      key: "rank", head: "Rank", value: rank, number: true, absent: rejected,
      text: (row) => (allDigits ? String(rank(row)) : whole(rank(row))),
    },
    { key: "id", head: "Id", value: (row) => row, text: (row) => candidates.ids[row] },
    {
      key: "mark", head: "Test", value: (row) => "+~-?".indexOf(mark(row)), text: mark, absent: !baseline,
    },
    {
      key: "genes", head: "Candidate", value: (row) => candidates.genes[row], genes: true,
      text: (row) => candidates.subnets[row],
    },
    numbers("rate", "Firing rate", candidates.firing_rate, (rate) => fixed(rate, 3), !candidates.spikes),
    numbers("energy", `Energy (${allDigits ? "J" : unit.symbol})`, scoring.energy, (energy) => inUnit(energy, unit)),
    numbers("top1", "Accuracy (%)", candidates.top1, (top1, row) => `${fixed(top1, 2)} ${interval(row)}`),
    ...objectives.map(({ name, label, unit: of }, place) =>
      numbers(`objective-${name}`, of ? `${label} (${of})` : label, scoring.objectives[place], formatObjective)),
    numbers("params", "Parameters", candidates.params, formatCount, false, String),
    {
      key: "silent", head: "Silent", value: (row) => candidates.silent_layers[row], text: silent, number: true,
      absent: !candidates.silent_layers.some((number) => number > 0),
    },
    numbers("fitness", "F_AEB", view.fitness, (fitness) => fixed(fitness, 3), rejected || !scoring.priced),
    {
      key: "reason", head: "Why it is rejected", value: (row) => scoring.refused[row], absent: !rejected,
      text: (row) => scoring.reasons[scoring.refused[row] - 1],
    },
  ].filter(({ absent }) => !absent);
  if (!isNarrow()) return columns;
  return [...columns.filter(({ genes }) => !genes), ...columns.filter(({ genes }) => genes)]; // numbers are seen first
}

const LISTS = { ranked: "ranked candidates", front: "candidates on the front", rejected: "rejected candidates" };

class CandidateGrid {
  constructor(archive, onSelect) {
    this.archive = archive;
    this.onSelect = onSelect;
    this.table = document.getElementById("table");
    this.shown = "ranked";
    this.sorts = { // each list has its own order
      ranked: { key: "rank", down: false }, front: { key: "energy", down: false }, rejected: { key: "id", down: false },
    };
    this.page = 0;
    this.pageSize = 25;
    this.find = "";
    this.allDigits = false;
    this.selected = null;
    this.focused = 0;
    this.table.addEventListener("click", (event) => this.clicked(event));
    this.table.addEventListener("keydown", (event) => this.pressed(event));
    document.getElementById("pages").addEventListener("click", ({ target }) => {
      if (target.dataset.step) this.turn(Number(target.dataset.step));
    });
  }

  /** Show a view: the same page of it, unless the selected row shall be seen. */
  show(view, seesSelected = false) {
    this.view = view;
    this.columns = columnsOf(this.archive, view, this.shown, this.allDigits);
    const isThere = this.columns.some(({ key }) => key === this.sort.key); // not after other prices, perhaps
    if (!isThere) this.sorts[this.shown] = { key: this.columns[0].key, down: false };
    this.rows = this.sorted();
    if (seesSelected) this.turnTo(this.selected);
    this.render();
  }

  sorted() {
    const { ids, subnets } = this.archive.candidates;
    const lists = { ranked: this.view.taken, front: this.view.front, rejected: this.view.rejected };
    const wanted = this.find.toLowerCase();
    const matches = (row) => ids[row].toLowerCase().includes(wanted) || subnets[row].includes(wanted);
    const rows = wanted ? lists[this.shown].filter(matches) : lists[this.shown];
    const { value } = this.columns.find(({ key }) => key === this.sort.key);
    const turn = this.sort.down ? -1 : 1;
    const keys = new Map(rows.map((row) => [row, value(row)]));
    const absent = (row) => (Number.isNaN(keys.get(row)) ? 1 : 0);
    return [...rows].sort((a, b) => absent(a) - absent(b) || (absent(a) ? 0 : turn * (keys.get(a) - keys.get(b))));
  }

  get sort() {
    return this.sorts[this.shown];
  }

  get numPages() {
    return Math.max(1, Math.ceil(this.rows.length / this.pageSize));
  }

  turnTo(row) {
    const place = this.rows.indexOf(row);
    if (place < 0) return;
    this.page = Math.floor(place / this.pageSize);
    this.focused = place % this.pageSize;
  }

  turn(step) {
    this.page = Math.min(this.numPages - 1, Math.max(0, this.page + step));
    this.focused = 0;
    this.render();
  }

  /** Show the list that has a row, and the page that has it. */
  select(row) {
    this.selected = row;
    if (row !== null && !this.rows.includes(row)) {
      this.find = "";
      document.getElementById("find").value = "";
      this.shown = this.view.scoring.refused[row] ? "rejected" : "ranked";
      document.getElementById("shown").value = this.shown;
      this.show(this.view);
    }
    this.turnTo(row);
    this.render();
  }

  render() {
    this.page = Math.min(this.page, this.numPages - 1);
    const first = this.page * this.pageSize;
    const rows = this.rows.slice(first, first + this.pageSize);
    this.focused = Math.max(0, Math.min(this.focused, rows.length - 1));
    const hadFocus = this.table.tBodies[0]?.contains(document.activeElement);
    const sortFocus = document.activeElement?.dataset?.sort;
    const head = document.createElement("thead");
    head.append(rowOf(this.columns.map((column) => this.headOf(column))));
    const body = document.createElement("tbody");
    body.append(...rows.map((row, place) => this.lineOf(row, place, first)));
    this.table.replaceChildren(head, body);
    this.table.setAttribute("aria-rowcount", this.rows.length + 1);
    if (hadFocus) body.rows[this.focused]?.focus();
    if (sortFocus) head.querySelector(`[data-sort="${CSS.escape(sortFocus)}"]`)?.focus();
    this.renderPages(first, rows.length);
  }

  headOf({ key, head, number }) {
    const cell = cellOf("th", "", { scope: "col", number });
    const own = this.sort.key === key;
    cell.setAttribute("aria-sort", own ? (this.sort.down ? "descending" : "ascending") : "none");
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.sort = key;
    button.textContent = head;
    cell.append(button);
    return cell;
  }

  lineOf(row, place, first) {
    const line = rowOf(this.columns.map((column) => {
      const cell = cellOf("td", column.text(row), column);
      if (column.genes) cell.className = "genes";
      return cell;
    }));
    line.dataset.row = row;
    line.tabIndex = place === this.focused ? 0 : -1;
    line.setAttribute("aria-rowindex", first + place + 2);
    line.setAttribute("aria-selected", row === this.selected);
    return line;
  }

  renderPages(first, num) {
    const nav = document.getElementById("pages");
    const step = (text, by, disabled) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: text, disabled });
      button.dataset.step = by;
      return button;
    };
    const had = document.activeElement?.dataset?.step;
    const label = document.createElement("span");
    const noun = LISTS[this.shown];
    label.textContent = this.rows.length
      ? `${whole(first + 1)} to ${whole(first + num)} of ${whole(this.rows.length)} ${noun}` : `no ${noun}`;
    nav.replaceChildren(step("Previous", -1, this.page === 0), label, step("Next", 1, this.page >= this.numPages - 1));
    if (had) nav.querySelector(`[data-step="${had}"]`)?.focus();
  }

  clicked({ target }) {
    const button = target.closest("button[data-sort]");
    if (button) {
      const { sort } = button.dataset;
      this.sorts[this.shown] = { key: sort, down: this.sort.key === sort && !this.sort.down };
      this.page = 0;
      this.show(this.view);
      return;
    }
    const line = target.closest("tbody tr");
    if (line) this.onSelect(Number(line.dataset.row));
  }

  pressed(event) {
    const line = event.target.closest("tbody tr");
    if (!line || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.table.tBodies[0].rows.length - 1;
    const places = { ArrowDown: this.focused + 1, ArrowUp: this.focused - 1, Home: 0, End: last };
    if (event.key === "Enter" || event.key === " ") this.onSelect(Number(line.dataset.row));
    else if (event.key === "PageDown") this.turn(1);
    else if (event.key === "PageUp") this.turn(-1);
    else if (event.key in places) this.moveTo(places[event.key], last);
    else return;
    event.preventDefault();
  }

  /** Move the focus within the page, and over its end to the next one. */
  moveTo(place, last) {
    if (place > last && this.page < this.numPages - 1) return this.turn(1);
    if (place < 0 && this.page > 0) {
      this.page -= 1;
      this.focused = this.pageSize - 1;
      return this.render();
    }
    this.focused = Math.max(0, Math.min(place, last));
    const { rows } = this.table.tBodies[0];
    for (const [number, line] of [...rows].entries()) line.tabIndex = number === this.focused ? 0 : -1;
    return rows[this.focused].focus();
  }

  /** All rows of the present list as comma-separated values, every number with all its digits. */
  csv() {
    const columns = columnsOf(this.archive, this.view, this.shown, true);
    const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const line = (texts) => `${texts.map(quoted).join(",")}\n`;
    const lines = this.rows.map((row) => line(columns.map(({ text }) => text(row))));
    return line(columns.map(({ head }) => head)) + lines.join("");
  }
}
