// Four pictures in SVG that share one axis of lengths: what is in each, and how it is drawn.
"use strict";

const SAMPLES = 240;
const MARGIN = { left: 46, right: 26, top: 12, bottom: 34 };

// Everything that is known at one length.
function known(t, p) {
  const after = afterTuning(t, p), before = lossBefore(t, p), rise = noiseRise(t, p);
  return { s: features(t, p), before, noise: before + rise, rise, pre: after.pretraining, down: after.downstream, tuned: after.rise };
}

// A setting as it was chosen.
const plain = (x) => (x !== 0 && x < 0.001 ? x.toExponential().replace("-", "−") : String(x));

const subscript = (i) => "₀₁₂₃₄₅₆₇₈"[i];
const curve = (name, look, of, least = 5e-13) => ({ name, look, of, say: (v) => show(of(v), least) });
const MINIMA = {
  last: { name: "last minimum: inflection point", glyph: (x, y, r) => star(x, y, r, "noise") },
  deeper: { name: "earlier, deeper", glyph: (x, y, r) => `<path d="M${x} ${y - r}L${x + r} ${y}L${x} ${y + r}L${x - r} ${y}Z" class="mark fill-noise"/>` },
  earlier: { name: "earlier", glyph: (x, y, r) => dot(x, y, 0.6 * r, "noise open") },
};
const BEFORE = curve("before", "before", (v) => v.before);
const PICTURES = {
  features: {
    axis: "singular value",
    curves: (p) => spectrum(p).map((_, i) => curve(`s${subscript(i + 1)}`, "ink", (v) => v.s[i], 0)),
    key: () => [{ glyph: dot(9, 5, 4, "fill-noise"), name: "stops helping under this noise" }],
  },
  loss: {
    axis: "pretraining loss",
    curves: () => [BEFORE, curve("after noise", "noise", (v) => v.noise)],
    key: ({ marks }) => Object.entries(MINIMA).filter(([kind]) => marks.some((one) => one.kind === kind))
      .map(([, { glyph, name }]) => ({ glyph: glyph(9, 5, 6), name })),
  },
  rise: {
    axis: "sensitivity Δ",
    curves: () => [curve("of noise", "noise", (v) => v.rise), curve("of fine-tuning", "tuned", (v) => v.tuned)],
  },
  tuned: {
    axis: "loss after fine-tuning",
    curves: () => [BEFORE, curve("pretraining", "tuned", (v) => v.pre), curve("downstream", "down", (v) => v.down)],
  },
};

// The axis of lengths: where a length is, from 0 to 1, and back.
function lengths(p) {
  const most = horizon(p), least = p.axis === "log" ? most / 1000 : 0;
  return p.axis === "log"
    ? { least, most, place: (t) => Math.max(0, Math.log(Math.max(t, least) / least) / Math.log(most / least)), at: (x) => least * (most / least) ** x }
    : { least, most, place: (t) => t / most, at: (x) => x * most };
}

// To three digits; a difference of losses below `least` is rounding.
function show(x, least = 5e-13) {
  if (!Number.isFinite(x)) return "∞";
  const size = Math.abs(x), sign = x < 0 ? "−" : "";
  if (size <= least) return "0";
  if (size < 0.001) return sign + size.toExponential(1).replace("-", "−");
  return sign + (size >= 1000 ? String(Math.round(size)) : size.toPrecision(3));
}

function ticks(least, most, count) {
  const raw = (most - least) / count, unit = 10 ** Math.floor(Math.log10(raw));
  const step = unit * [1, 2, 2.5, 5, 10].find((x) => x * unit >= raw * 0.999);
  const first = Math.ceil(least / step - 1e-9);
  return Array.from({ length: Math.floor(most / step + 1e-9) - first + 1 }, (_, i) => round((first + i) * step, 12));
}

function decades(least, most) {
  const found = [];
  for (let e = Math.ceil(Math.log10(least) - 1e-9); 10 ** e <= most * 1.0001; e++) found.push(Number(`1e${e}`));
  return found;
}

// A difference of losses up to this is none. Every loss is computed from singular values, each to some 1e-15 of the
// largest, so that it is rounding below about 1e-14 of the loss of a network that has learned nothing: here a hundred
// times that. No turn is told, marked or shaded for less.
const rounding = (p) => 1e-12 * lossBefore(0, p);

// The last length from which a sampled curve only rises, made exact on the curve itself; null where it does not.
function inflection(values, ts, f, small) {
  const k = values.length - 1;
  let [lowest, best] = [Infinity, k];
  for (let i = k; i >= 0; i--) {
    if (values[i] > lowest + small) break; // a later length is better
    if (values[i] < lowest) [lowest, best] = [values[i], i];
  }
  if (!(values[k] - lowest > small)) return null;
  if (best === 0) return ts[0];
  let [low, high] = [ts[best - 1], ts[Math.min(best + 1, k)]];
  for (let i = 0; i < 40; i++) {
    const [a, b] = [low + 0.382 * (high - low), low + 0.618 * (high - low)];
    if (f(a) <= f(b)) high = b;
    else low = a;
  }
  return (low + high) / 2;
}

// What a curve does that has no inflection point.
function course(values, small) {
  let [least, rises] = [Infinity, false];
  for (const value of values) {
    rises ||= value > least + small;
    least = Math.min(least, value);
  }
  return rises ? "rises for a while, and falls again" : values[0] - least > small ? "only falls" : "stays the same";
}

// The minima of the loss after noise, by kind; those are left out after which it rises by less than counts.
function minimaOf(p, end, small) {
  const loss = (t) => lossAfterNoise(t, p), all = noiseMinima(p);
  const climb = (t, next) => Math.max(...Array.from({ length: 50 }, (_, i) => loss(t + ((next - t) * (i + 1)) / 50))) - loss(t);
  const kind = (t) => (t === all.at(-1) ? "last" : loss(t) < loss(all.at(-1)) ? "deeper" : "earlier");
  return all.filter((t, i) => climb(t, all[i + 1] ?? end) > small).map((t) => ({ t, kind: kind(t) }));
}

// All that does not depend on the cursor.
function survey(p) {
  const axis = lengths(p);
  const ts = Array.from({ length: SAMPLES + 1 }, (_, i) => axis.at(i / SAMPLES));
  const values = ts.map((t) => known(t, p));
  const later = Array.from({ length: 80 }, (_, i) => axis.most * 3 ** ((i + 1) / 80));
  const start = axis.least > 0 ? [0] : [], all = [...start, ...ts, ...later];
  const whole = [...start.map((t) => known(t, p)), ...values, ...later.map((t) => known(t, p))];
  const small = rounding(p), marks = minimaOf(p, all.at(-1), small);
  const turnOf = (name) => inflection(whole.map((v) => v[name]), all, (t) => known(t, p)[name], small);
  const courses = Object.fromEntries(["noise", "pre", "down"].map((name) => [name, course(whole.map((v) => v[name]), small)]));
  const noise = marks.find((one) => one.kind === "last")?.t ?? null;
  return { p, axis, ts, values, marks, courses, noise, pre: turnOf("pre"), down: turnOf("down") };
}

function frame(svg) {
  const { width, height } = svg.getBoundingClientRect();
  const size = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
  const margin = Object.fromEntries(Object.entries(MARGIN).map(([side, x]) => [side, x * size]));
  return { size, width, height, ...margin, inner: width - margin.left - margin.right, tall: height - margin.top - margin.bottom };
}

function range(picture, found) {
  const all = found.values.flatMap((v) => picture.curves(found.p).map((c) => c.of(v)));
  let [low, high] = [Math.min(0, ...all), Math.max(...all)];
  if (low > -1e-3 * (high - low)) low = 0;
  if (high - low < 1e-12) high = low + 1; // nothing happens, say for a budget of 0
  const room = 0.06 * (high - low);
  return [low < 0 ? low - room : 0, high + room];
}

const line = (x1, y1, x2, y2, look) => `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" class="${look}"/>`;
const text = (x, y, words, how = "") => `<text x="${x}" y="${y}" ${how}>${words}</text>`;
const dot = (x, y, r, look) => `<circle cx="${x}" cy="${y}" r="${r}" class="${look}"/>`;
function star(x, y, r, look) {
  const points = Array.from({ length: 10 }, (_, i) => {
    const [long, angle] = [i % 2 ? 0.42 * r : r, (Math.PI * i) / 5];
    return `${(x + long * Math.sin(angle)).toFixed(1)},${(y - long * Math.cos(angle)).toFixed(1)}`;
  });
  return `<polygon points="${points.join(" ")}" class="mark fill-${look}"/>`;
}

// Draws a picture but for its cursor, and returns how lengths and values are placed in it.
function draw(name, found, svg) {
  const picture = PICTURES[name], { p, axis } = found, box = frame(svg), [low, high] = range(picture, found);
  const x = (t) => box.left + axis.place(t) * box.inner, y = (v) => box.top + (1 - (v - low) / (high - low)) * box.tall;
  const right = box.left + box.inner, bottom = box.top + box.tall, parts = [];
  for (const [turn, look] of { loss: [[found.noise, "noise"]], tuned: [[found.pre, "tuned"]] }[name] ?? [])
    if (turn !== null && turn < axis.most)
      parts.push(`<rect x="${x(turn)}" y="${box.top}" width="${right - x(turn)}" height="${box.tall}" class="worse fill-${look}"/>`);
  for (const v of ticks(low, high, box.tall > 130 * box.size ? 5 : 4)) {
    parts.push(line(box.left, y(v), right, y(v), v === 0 && low < 0 ? "zero" : "grid"));
    parts.push(text(box.left - 6, y(v) + 4 * box.size, String(v).replace("-", "−"), 'text-anchor="end"'));
  }
  const marks = p.axis === "log" ? decades(axis.least, axis.most) : ticks(0, axis.most, box.inner > 300 * box.size ? 7 : 5);
  for (const t of marks) parts.push(line(x(t), bottom, x(t), bottom + 4, "axis-line"), text(x(t), bottom + 15 * box.size, t, 'text-anchor="middle"'));
  parts.push(`<path d="M${box.left} ${box.top}V${bottom}H${right}" class="axis-line"/>`);
  parts.push(text(right, bottom + 29 * box.size, "pretraining length t →", 'text-anchor="end"'));
  parts.push(text(box.left - 38 * box.size, bottom + 29 * box.size, `↑ ${picture.axis}`));
  for (const c of picture.curves(p)) {
    const points = found.values.map((v, i) => `${x(found.ts[i]).toFixed(2)} ${y(c.of(v)).toFixed(2)}`);
    parts.push(`<path d="M${points.join("L")}" class="curve ${c.look}"/>`);
  }
  parts.push(...marksOf(name, found, x, y, box));
  svg.querySelector(".still").innerHTML = parts.join("");
  return { x, y, box, axis, length: (px) => axis.at(Math.min(1, Math.max(0, (px - box.left) / box.inner))) };
}

// Where features turn, minima, inflection points; and which curve is which feature.
function marksOf(name, found, x, y, box) {
  const { p, axis } = found, seen = (t) => t !== null && t > axis.least && t <= axis.most;
  const at = (t, of) => [x(t), y(of(known(t, p)))], r = 7 * box.size;
  if (name === "features") {
    let free = Infinity;
    const labels = spectrum(p).map((sigma, i) => {
      const place = y(features(axis.most, p)[i]);
      if (free !== Infinity && place - free < 11 * box.size) return "";
      free = place;
      return text(box.left + box.inner + 5, place + 4 * box.size, `s${subscript(i + 1)}`);
    });
    const dots = turns(p).map((t, i) => (seen(t) ? dot(...at(t, (v) => v.s[i]), 4.2 * box.size, "mark fill-noise") : ""));
    return [...labels, ...dots];
  }
  if (name === "loss")
    return found.marks.filter((one) => seen(one.t)).map(({ t, kind }) => MINIMA[kind].glyph(...at(t, (v) => v.noise), r));
  if (name === "tuned")
    return [["pre", "tuned"], ["down", "down"]].map(([key, look]) => (seen(found[key]) ? star(...at(found[key], (v) => v[key]), r, look) : ""));
  return [];
}

function widthOf(row, box) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `${11.6 * box.size}px ${getComputedStyle(element("loss")).fontFamily}`;
  return pen.measureText(row).width;
}

// The cursor, or the line under the pointer with its values.
function point(name, found, placed, t, hovering) {
  const { x, y, box } = placed, picture = PICTURES[name], values = known(t, found.p), curves = picture.curves(found.p);
  const px = x(t), bottom = box.top + box.tall, parts = [line(px, box.top - 4, px, bottom, "")];
  if (!hovering) parts.push(`<path d="M${px - 6} ${box.top - 11}h12v5l-6 7l-6 -7z"/>`);
  for (const c of curves) parts.push(dot(px, y(c.of(values)), hovering ? 3 : 4 * box.size, `mark fill-${c.look}`));
  if (!hovering) return parts.join("");
  const said = curves.map((c) => `${c.name} ${c.say(values)}`), pairs = said.length > 4 ? 2 : 1;
  const rows = [`t ${show(t)}`, ...said.flatMap((_, i) => (i % pairs ? [] : [said.slice(i, i + pairs).join("\u2003")]))];
  const wide = 12 + Math.max(...rows.map((row) => widthOf(row, box))), high = 14 * box.size;
  const left = px + 10 + wide > box.width ? px - 10 - wide : px + 10, top = box.top + 2;
  parts.push(`<rect x="${left}" y="${top}" width="${wide}" height="${high * rows.length + 6}" rx="3"/>`);
  return parts.join("") + rows.map((row, i) => text(left + 6, top + high * (i + 0.85), row)).join("");
}
