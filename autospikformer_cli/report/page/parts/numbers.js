// Numbers as Python prints them, so that page, tables and documents agree in every digit.

const ABSENT = "–";
const ENERGY_PREFIXES = [[1, "J"], [1e-3, "mJ"], [1e-6, "µJ"], [1e-9, "nJ"]];
const COUNT_PREFIXES = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
const SIGNIFICANT_DIGITS = 4;
const GUARD = 30;

/** As f"{value:.{decimals}f}": toFixed rounds an exact half away from zero, Python to the even digit. */
function fixed(value, decimals) {
  if (!Number.isFinite(value)) return ABSENT;
  const exact = value.toFixed(decimals + GUARD);
  if (!/^50*$/.test(exact.slice(-GUARD))) return value.toFixed(decimals);
  const cut = exact.slice(0, -GUARD).replace(/\.$/, "");
  return Number(cut.at(-1)) % 2 === 0 ? cut : value.toFixed(decimals);
}

/** As repr(value): the shortest digits that mean this number. */
function repr(value) {
  if (Number.isNaN(value)) return "nan";
  const [mantissa, power] = Math.abs(value).toExponential().split("e");
  const sign = value < 0 ? "-" : "";
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) {
    return `${sign}${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  const digits = mantissa.replace(".", "");
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const padded = digits.padEnd(exponent + 1, "0");
  return `${sign}${padded.slice(0, exponent + 1)}.${padded.slice(exponent + 1) || "0"}`;
}

/** As f"{value:.4g}". */
function general(value) {
  if (!Number.isFinite(value)) return ABSENT;
  const [mantissa, power] = value.toExponential(SIGNIFICANT_DIGITS - 1).split("e");
  const exponent = Number(power);
  const strip = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (exponent < -4 || exponent >= SIGNIFICANT_DIGITS) {
    return `${strip(mantissa)}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  return strip(fixed(value, SIGNIFICANT_DIGITS - 1 - exponent));
}

const rounded = (value) => Number(value.toExponential(SIGNIFICANT_DIGITS - 1));

function decimalsOf(largest) {
  return Math.max(0, SIGNIFICANT_DIGITS - 1 - Math.floor(Math.log10(rounded(largest))));
}

/** The unit in which the largest of some energies is at least 0.1, with four significant digits of that largest. */
function energyUnit(energies) {
  let largest = 0;
  for (const energy of energies) if (Number.isFinite(energy)) largest = Math.max(largest, Math.abs(energy));
  largest = rounded(largest);
  if (largest === 0) return { joules: 1, symbol: "J", decimals: 0 };
  const found = ENERGY_PREFIXES.find(([joules]) => rounded(largest / joules) >= 0.1) ?? ENERGY_PREFIXES.at(-1);
  return { joules: found[0], symbol: found[1], decimals: decimalsOf(largest / found[0]) };
}

const inUnit = (energy, unit) => fixed(energy / unit.joules, unit.decimals);

function withUnit(energy, unit) {
  return Number.isFinite(energy) ? `${inUnit(energy, unit)} ${unit.symbol}` : "not known";
}

/** A count with four significant digits and a prefix of thousands. */
function formatCount(count) {
  const size = rounded(Math.abs(count));
  for (const [step, symbol] of COUNT_PREFIXES) {
    if (size >= step) return `${fixed(count / step, decimalsOf(size / step))} ${symbol}`;
  }
  return Number.isInteger(count) ? fixed(count, 0) : fixed(count, 1);
}

/** A value of a plugin's objective, without its unit. */
function formatObjective(value) {
  if (!Number.isFinite(value)) return ABSENT;
  return Math.abs(value) >= 1e5 && Number.isInteger(value) ? value.toLocaleString("en") : general(value);
}

const whole = (number) => number.toLocaleString("en");
const plural = (number, noun) => `${whole(number)} ${noun}${number === 1 ? "" : "s"}`;
