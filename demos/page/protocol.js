// The settings of the page, how they are written into the address, and situations to try.
"use strict";

const round = (x, digits = 3) => Number(x.toPrecision(digits));
const evenly = (least, most, step) =>
  Array.from({ length: Math.round((most - least) / step) + 1 }, (_, i) => round(least + i * step, 12));
const perDecade = (least, most, count) =>
  Array.from({ length: Math.round(Math.log10(most / least) * count) + 1 }, (_, i) => round(least * 10 ** (i / count), 2));

// The stops of each slider. An address may hold any number from the first stop to the last.
const STOPS = {
  n: evenly(1, 8, 1),
  alpha: evenly(0, 2, 0.05),
  eps: perDecade(1e-30, 1e-2, 2),
  gamma: evenly(0, 0.4, 0.005),
  T: [0, ...perDecade(0.01, 100, 20)],
  k: evenly(0, 2, 0.05),
  angle: evenly(0, 90, 1),
};
const CHOICES = { task: ["aligned", "turned"], axis: ["linear", "log"] };
const NAMES = {
  n: "the number of features n", alpha: "the exponent α", eps: "the start ε", gamma: "the noise γ", T: "the budget T",
  k: "the strength k of the task", angle: "the angle of the task", t: "the pretraining length t",
  task: "the task", axis: "the axis",
};
const DEFAULT = {
  n: 2, alpha: 1, eps: 0.001, t: 6, gamma: 0.2, T: 1, task: "turned", k: 1.5, angle: 60, axis: "linear",
};

// The longest pretraining in the pictures: the weakest feature is learned to a hundredth, and has turned.
function horizon(p) {
  const longest = spectrum(p).map((sigma) => Math.log((100 * sigma) / p.eps) / (2 * sigma));
  const late = Math.max(...longest, ...turns(p).filter(Number.isFinite)) * 1.15;
  const unit = 10 ** Math.floor(Math.log10(late)) / 5;
  return round(Math.ceil(late / unit) * unit, 12);
}

// A protocol that keeps within what the pictures show and the formulas cover.
function settled(p) {
  const made = p.task === "turned" ? { ...p, n: 2 } : p;
  return { ...made, t: Math.min(made.t, horizon(made)) };
}

const written = (p) => "#" + Object.keys(DEFAULT).map((key) => `${key}=${p[key]}`).join("&");

// Reads an address: { protocol } or { refused: a sentence }. What it does not name has its default.
function read(hash) {
  const refused = (why) => ({ refused: `${why} The page shows its first situation instead.` });
  const given = { ...DEFAULT, t: null };
  for (const part of hash.replace(/^#/, "").split("&").filter(Boolean)) {
    const [key, text = ""] = part.split("=").map((one) => (one.length > 40 ? `${one.slice(0, 39)}…` : one));
    if (!Object.hasOwn(DEFAULT, key)) return refused(`The address sets “${key}”, which this page does not know.`);
    if (key in CHOICES) {
      if (!CHOICES[key].includes(text)) return refused(`In the address ${NAMES[key]} is “${text}”, and not ${CHOICES[key].join(" or ")}.`);
      given[key] = text;
      continue;
    }
    const value = text.trim() === "" ? NaN : Number(text);
    const [least, most] = key === "t" ? [0, Infinity] : [STOPS[key][0], STOPS[key].at(-1)];
    const range = most === Infinity ? "a number from 0 on" : `a number from ${least} to ${most}`;
    if (!Number.isFinite(value) || value < least || value > most || (key === "n" && !Number.isInteger(value)))
      return refused(`In the address ${NAMES[key]} is “${text}”, and not ${key === "n" ? range.replace("number", "whole number") : range}.`);
    given[key] = value;
  }
  if (given.task === "turned" && given.n !== 2)
    return refused(`The address asks for a rotated task and ${given.n} features; a rotated task is computed for 2.`);
  const protocol = settled({ ...given, t: given.t ?? DEFAULT.t });
  if (given.t !== null && given.t > protocol.t)
    return refused(`The address asks for t = ${given.t}; with these features the pictures end at ${protocol.t}.`);
  return { protocol };
}

// The same protocol for the package: the loss after noise, and after fine-tuning, at this length.
function python(p) {
  const list = (xs) => `(${xs.join(", ")}${xs.length === 1 ? "," : ""})`;
  const sigma = spectrum(p), cos = Math.cos((p.angle * Math.PI) / 180), sin = Math.sin((p.angle * Math.PI) / 180);
  const [x, y] = sigma.map((s) => p.k * s);
  const rows = [[x * cos * cos + y * sin * sin, (x - y) * sin * cos], [(x - y) * sin * cos, x * sin * sin + y * cos * cos]];
  const [teacher, task] = p.task === "turned"
    ? [`ot.Matrix(((${sigma[0]}, 0.0), (0.0, ${sigma[1]})))`, `ot.Matrix((
        ${list(rows[0])},
        ${list(rows[1])}))`]
    : [`ot.Spectrum(${list(sigma)})`, `ot.SharedVectors(${list(sigma.map((s) => p.k * s))})`];
  return `import overtraining as ot
from dataclasses import replace

noise = ot.Protocol(
    ot.Spectrum(${list(sigma)}),
    lengths=(${p.t},), strengths=(${p.gamma},),
    network=ot.Network(8, 8, 8), start=ot.Aligned(${p.eps}),
)
tuning = replace(
    noise, teacher=${teacher},
    strengths=(${p.T},), network=ot.Network(${p.n}, ${p.n}, ${p.n}),
    perturbation=ot.FineTuning(${task}),
)
print(ot.theory.respond(noise).after.item())
print(ot.theory.respond(tuning).after.item())`;
}

// Each has a question to answer before dragging. `about` is the perturbation that the answer names first.
const SITUATIONS = [
  { name: "Overtraining", sets: {},
    asks: "Where does more pretraining stop helping: without any change, under noise, and after fine-tuning on a rotated task? Predict, then drag." },
  { name: "The U", about: "noise", sets: { n: 8, gamma: 0.15, T: 1, task: "aligned", k: 0.5, t: 3 },
    asks: "Eight features, and noise. Which of them still help? Find the bottom of the U, then double the noise: where does it move?" },
  { name: "Many minima", about: "noise", sets: { n: 3, eps: 1e-9, gamma: 0.16, T: 1, task: "aligned", k: 0.5, t: 8 },
    asks: "Someone trains to t = 14, sees the loss after noise rise, and stops. What do they miss?" },
  { name: "An aligned task protects the old one", about: "tuning", sets: { n: 3, gamma: 0.1, T: 0.2, task: "aligned", k: 0.5, t: 4 },
    asks: "The new task asks for the same features, half as strong. After fine-tuning, does longer pretraining ever hurt the old task? And the new one?" },
  { name: "The trap", about: "tuning", sets: { n: 1, gamma: 0, T: 0.1, task: "aligned", k: 0, t: 3.9 },
    asks: "Sensitivity to fine-tuning rises and then falls while one feature is learned. Is the model robust in the end?" },
  { name: "Learning more, forgetting less", about: "tuning", sets: { n: 2, eps: 1e-30, gamma: 0.1, T: 8, task: "turned", k: 1.5, angle: 84, t: 42 },
    asks: "The new task is strongest almost in the direction of feature 2. While only feature 1 is learned, fine-tuning must rotate it there, and the old task loses it. Will the old task lose more, or less, once feature 2 is learned too? Say why, then drag on from t = 42." },
];
