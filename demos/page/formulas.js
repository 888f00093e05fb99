// The closed forms behind the pictures, for a balanced aligned start and white inputs; claims as in the ledger.
// Times are gradient-flow time. Only decaying exponentials, so that everything is finite at every setting of the page.
"use strict";
const WIDTH = 8; // inputs, hidden units and outputs of the network

const exprel = (x) => (x === 0 ? 1 : Math.expm1(x) / x);
const sum = (xs) => xs.reduce((total, x) => total + x, 0);
const square = (x) => x * x;
const half = (xs) => sum(xs.map(square)) / 2;

// Teacher: σ_i = i^−α.
const spectrum = (p) => Array.from({ length: p.n }, (_, i) => (i + 1) ** -p.alpha);

// A3: 1/s = (1 − e^−2σt)/σ + e^−2σt/ε, a sum of positive terms whose first is 2t where σ = 0.
const learned = (t, sigma, epsilon) => 1 / (2 * t * exprel(-2 * sigma * t) + Math.exp(-2 * sigma * t) / epsilon);

// A3: σ − s = s (σ − ε) e^−2σt/ε, which keeps its digits where s is near σ.
const unlearned = (t, sigma, epsilon) =>
  learned(t, sigma, epsilon) * (sigma - epsilon) * (Math.exp(-2 * sigma * t) / epsilon);

const features = (t, p) => spectrum(p).map((sigma) => learned(t, sigma, p.eps));
const lossBefore = (t, p) => half(spectrum(p).map((sigma) => unlearned(t, sigma, p.eps)));

// B1: what noise of standard deviation γ on every weight adds, c Σ s + ½ γ⁴ d³ with c = γ² d.
const noiseCost = (p) => WIDTH * square(p.gamma);
const noiseRise = (t, p) => noiseCost(p) * sum(features(t, p)) + (WIDTH * square(noiseCost(p))) / 2;
const lossAfterNoise = (t, p) => lossBefore(t, p) + noiseRise(t, p);

// C1: from here on a feature costs more than it helps: s = σ − c; 0 where it never helps, ∞ without noise.
const turn = (sigma, epsilon, c) =>
  sigma - c - epsilon <= 0 ? 0 : Math.log1p(((sigma / epsilon) * (sigma - c - epsilon)) / c) / (2 * sigma);
const turns = (p) => spectrum(p).map((sigma) => turn(sigma, p.eps, noiseCost(p)));

// C4: slope of the loss after noise, Σ 2 s u (c − u) with u = σ − s.
const slope = (t, p) =>
  sum(spectrum(p).map((sigma) => {
    const u = unlearned(t, sigma, p.eps);
    return 2 * learned(t, sigma, p.eps) * u * (noiseCost(p) - u);
  }));

// C4: the lengths where the loss after noise has a minimum; the last one is the inflection point.
function noiseMinima(p, steps = 1500) {
  if (p.gamma === 0) return []; // without noise it only falls
  const last = 1.001 * Math.max(...turns(p)); // past the last feature's turn it only rises
  const found = slope(0, p) >= 0 ? [0] : [];
  for (let i = 1; i <= steps; i++) {
    let [low, high] = [i - 1, i].map((j) => last * 1e-4 ** (1 - j / steps)); // a feature's stage is as wide as it is late
    if (i === 1) low = 0;
    if (!(slope(low, p) < 0 && slope(high, p) >= 0)) continue;
    for (let j = 0; j < 60; j++) {
      const middle = (low + high) / 2;
      if (slope(middle, p) < 0) low = middle;
      else high = middle;
    }
    found.push(high);
  }
  return found;
}

// D1 on a task with the same features: each goes its own way from s toward kσ, by A3. What it lacks of A and of B.
function tunedInModes(t, p) {
  const sigma = spectrum(p), s = features(t, p);
  return {
    ofTeacher: sigma.map((x, i) => x - learned(p.T, p.k * x, s[i])),
    ofTask: sigma.map((x, i) => unlearned(p.T, p.k * x, s[i])),
  };
}

// D1 on two rotated features, B = k R diag(σ) Rᵀ (A5): f⁻¹ = e^−BT f₀⁻¹ e^−BT + (1 − e^−2BT) B⁻¹ in B's axes, times
// s₁s₂ and inverted with its determinant as a sum of positive terms. Symmetric entries 11, 12, 22.
function tunedRotated(t, p) {
  const [x, y] = spectrum(p), [s1, s2] = features(t, p);
  const cos = Math.cos((p.angle * Math.PI) / 180), sin = Math.sin((p.angle * Math.PI) / 180);
  const rotated = (a, b) => [a * cos * cos + b * sin * sin, (b - a) * sin * cos, a * sin * sin + b * cos * cos];
  const task = [p.k * x, 0, p.k * y], teacher = rotated(x, y);
  const [e1, e2] = [task[0], task[2]].map((b) => Math.exp(-b * p.T));
  const [c1, c2] = [task[0], task[2]].map((b) => 2 * p.T * exprel(-2 * b * p.T));
  const [k11, k12, k22] = rotated(s2, s1); // s₁s₂ f₀⁻¹
  const determinant = e1 * e1 * e2 * e2 + e1 * e1 * k11 * c2 + e2 * e2 * k22 * c1 + s1 * s2 * c1 * c2;
  const product = [e2 * e2 * k22 + s1 * s2 * c2, -e1 * e2 * k12, e1 * e1 * k11 + s1 * s2 * c1].map((z) => z / determinant);
  const missing = (goal) => [0, 1, 1, 2].map((i) => goal[i] - product[i]); // the entry 12 counts twice
  return { ofTeacher: missing(teacher), ofTask: missing(task) };
}

// Both losses after fine-tuning, and what it adds to the first.
const tuned = (t, p) => (p.task === "turned" ? tunedRotated(t, p) : tunedInModes(t, p));
function afterTuning(t, p) {
  const missing = tuned(t, p);
  const pretraining = half(missing.ofTeacher);
  return { pretraining, downstream: half(missing.ofTask), rise: pretraining - lossBefore(t, p) };
}
