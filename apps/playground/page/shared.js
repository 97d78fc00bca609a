"use strict";
// What the page knows without a network: its settings, the text of a loss, and scores of probabilities.

// The settings, as they stand in a link. `until`: the number of steps after which the networks pause; 0: none.
const standard = {
  task: "blobs", size: 1, contrast: 0.3, noise: 0.1, rim: 1, empty: 0, a: "dice", b: "ce", seed: 1, rate: 0.01,
  picture: 0, threshold: 0.5, until: 0,
};
const ranges = {
  size: [0.5, 2], contrast: [0, 1], noise: [0, 0.5], rim: [0, 16], empty: [0, 0.9], seed: [0, 999999],
  rate: [0.0001, 0.1], picture: [0, 15], threshold: [0.05, 0.95], until: [0, 100000],
};

// The settings of a link. What it does not say, or says wrongly, is standard.
function readFragment(fragment) {
  const state = {...standard};
  for (const [name, text] of new URLSearchParams(fragment.replace(/^#/, ""))) {
    if (Object.hasOwn(ranges, name)) {
      const [low, high] = ranges[name], value = Number(text);
      const whole = Number.isInteger(value) || !["seed", "picture", "until"].includes(name);
      if (text !== "" && value >= low && value <= high && whole) state[name] = value;
      if (name === "threshold") state.threshold = Math.round(20 * state.threshold) / 20;
    } else if (Object.hasOwn(standard, name)) {
      state[name] = text;
    }
  }
  return state;
}

function writeFragment(state) {
  const changed = Object.keys(standard).filter(name => state[name] !== standard[name]);
  return "#" + new URLSearchParams(changed.map(name => [name, state[name]]));
}

// The terms of the text of a loss: "0.5*dice:batch=1+ce". A sign in an exponent ends no term.
function readTerms(text) {
  return text.replace(/\s/g, "").split(/(?<![0-9.][eE])\+/).map(term => {
    const [, weight = "", name, settings = ""] = /^(?:([^*:]*)\*)?([^:]*)(?::(.*))?$/.exec(term);
    return {weight, name, settings: new Map(settings.split(",").filter(Boolean).map(pair => pair.split("=", 2)))};
  });
}

function writeTerms(terms) {
  return terms.map(({weight, name, settings}) =>
    (weight && weight + "*") + name + (settings.size > 0 ? ":" : "") +
    [...settings].map(pair => pair.join("=")).join(",")).join("+");
}

// How often each probability occurs, per picture: pixels inside and outside of the truth, in bins of 1/20.
const bins = 20;
function histograms(probabilities, truth, pixels) {
  const all = [];
  for (let begin = 0; begin < truth.length; begin += pixels) {
    const counts = [new Uint32Array(bins), new Uint32Array(bins)];
    for (let i = begin; i < begin + pixels; ++i) counts[truth[i]][Math.min(bins - 1, Math.floor(bins * probabilities[i])) || 0] += 1;
    all.push({outside: counts[0], inside: counts[1]});
  }
  return all;
}

// Scores of a network over all pictures, for a threshold that is a multiple of 1/20:
//   dice       mean Dice; 1 if a picture has no object and none is found
//   size       pixels found, divided by pixels of the truth
//   undecided  share of the pixels with 0.1 <= p < 0.9
//   found, real  pixels per picture
function scores(pictures, threshold) {
  const first = Math.round(bins * threshold);
  const sum = (list, begin = 0, end = bins) => list.slice(begin, end).reduce((total, value) => total + value, 0);
  const found = pictures.map(({inside, outside}) => sum(inside, first) + sum(outside, first));
  const real = pictures.map(({inside}) => sum(inside));
  const dice = pictures.map(({inside}, i) => found[i] + real[i] > 0 ? 2 * sum(inside, first) / (found[i] + real[i]) : 1);
  const between = pictures.map(({inside, outside}) => sum(inside, 2, 18) + sum(outside, 2, 18));
  const pixels = pictures.map(({inside, outside}) => sum(inside) + sum(outside));
  return {dice: sum(dice, 0) / dice.length, size: sum(found) / sum(real), undecided: sum(between) / sum(pixels), found, real};
}
