// The page: two workers learn in step, and what they report is drawn.
const byId = id => document.getElementById(id);
const state = readFragment(location.hash);
const compareEvery = 10;  // steps between two looks at all pictures

// The worker of one network, and what the page has heard of it.
class Learner {
  constructor(letter, url) {
    this.letter = letter;
    this.waiting = [];
    this.worker = new Worker(url);
    this.worker.onmessage = ({data}) => {
      const {resolve, reject} = this.waiting.shift();
      if (data.error) reject(new Error(data.error));
      else resolve(data);
    };
    this.worker.onerror = event => this.waiting.shift()?.reject(new Error(event.message));
    this.card = byId("network").content.firstElementChild.cloneNode(true);
    this.card.classList.add(letter);
    this.card.querySelector(".badge").textContent = letter.toUpperCase();
    byId("networks").append(this.card);
    this.forget();
  }

  ask(message, transfer = []) {
    return new Promise((resolve, reject) => {
      this.waiting.push({resolve, reject});
      this.worker.postMessage(message, transfer);
    });
  }

  forget() {
    this.steps = 0;
    this.losses = [];  // one per step
    this.compared = [];  // [{steps, dice}], the Dice at every threshold
  }

  // Keeps what a reply says.
  take(reply) {
    this.steps = reply.steps;
    this.look = reply.look;
    this.picture = reply.picture;
    if (reply.pictures) Object.assign(this, {pictures: reply.pictures, truth: reply.truth});
    this.losses.push(...reply.losses ?? []);
    if (!reply.probabilities) return;
    this.histograms = histograms(reply.probabilities, this.truth, side * side);
    if (this.compared.at(-1)?.steps === this.steps) this.compared.pop();
    this.compared.push({steps: this.steps, dice: thresholds.map(threshold => this.scores(threshold).dice)});
  }

  scores(threshold) { return scores(this.histograms, threshold); }
  tell(problem) { this.card.querySelector(".problem").textContent = problem; }
}

const thresholds = Array.from({length: 19}, (_, i) => (i + 1) / 20);
let learners = [], losses = [], side = 64;
let running = false, ready = false, trial = 0, stride = 1, rate = 0;
let learning = null;  // the trial whose loop is under way

// --- Learning ---

// Begins anew with the settings of `state`.
async function restart() {
  const mine = ++trial;
  ready = false;
  show();
  history.replaceState(null, "", writeFragment(state));
  const replies = await Promise.allSettled(learners.map(learner => learner.ask(
    {kind: "start", state: {...state}, loss: state[learner.letter], picture: state.picture, compare: true})));
  if (mine !== trial) return;
  replies.forEach(({value, reason}, i) => {
    learners[i].tell(reason?.message ?? "");
    if (!value) return;
    learners[i].forget();
    learners[i].take(value);
  });
  ready = replies.every(reply => reply.value);
  rate = 0;
  if (!ready) running = false;
  if (ready) drawThumbnails();
  show();
  if (running) learn();
  else if (ready) rest(mine);
}

// Both do a few steps and report, again and again, until something else is wanted.
async function learn() {
  const mine = trial;
  if (learning === mine) return;  // it waits for a reply, and goes on then
  learning = mine;
  byId("status").textContent = "";
  while (running && mine === trial) {
    const begin = performance.now(), steps = learners[0].steps;
    const left = Math.min(compareEvery - steps % compareEvery, state.until > steps ? state.until - steps : Infinity);
    const count = Math.min(stride, left);
    if (!await advance(count, mine)) break;
    const seconds = (performance.now() - begin) / 1000;
    rate = rate ? 0.8 * rate + 0.2 * count / seconds : count / seconds;
    stride = Math.max(1, Math.min(compareEvery, Math.round(rate * 0.15)));  // about seven reports in a second
    if (state.until > 0 && learners[0].steps >= state.until) running = false;
  }
  if (learning === mine) learning = null;
  if (mine === trial && ready && !running && await rest(mine) && !running) pause();
}

// `rests` says that no step follows for now, so that all that is shown is of the last one.
async function advance(count, mine, rests = false) {
  const compare = rests || (learners[0].steps + count) % compareEvery === 0 || learners[0].steps + count === state.until;
  const message = {kind: "advance", steps: count, rate: state.rate, picture: state.picture, compare};
  const replies = await Promise.allSettled(learners.map(learner => learner.ask(message)));
  if (mine !== trial) return false;
  replies.forEach(({value, reason}, i) => {
    if (value) learners[i].take(value);
    else learners[i].tell(reason.message);
  });
  const whole = replies.every(reply => reply.value);
  if (!whole) {
    running = ready = false;
  } else {
    for (const learner of learners)
      if (learner.losses.length > 0 && !Number.isFinite(learner.losses.at(-1))) {
        learner.tell("The loss is no number any more. Reset, with a lower learning rate.");
        running = false;
      }
  }
  show();
  return whole;
}

// What is shown of networks that rest is of their last step, and of the picture that is chosen.
async function rest(mine) {
  const old = learners.some(({compared, steps, picture}) => compared.at(-1).steps !== steps || picture !== state.picture);
  return !old || await advance(0, mine, true);
}

function play() {
  if (!ready) return;
  running = true;
  if (state.until <= learners[0].steps) state.until = 0;
  show();
  learn();
}

function pause() {
  running = false;
  show();
  if (learning === trial) return;  // the steps that are under way still count
  const said = learners.map(learner =>
    `${learner.letter.toUpperCase()} has a Dice of ${learner.scores(state.threshold).dice.toFixed(2)}`);
  byId("status").textContent = `Paused after ${learners[0].steps} steps. ${said.join(", ")}.`;
}

async function stepOnce() {
  if (!ready || running) return;
  await advance(1, trial, true);
}

// Shows another picture of the same networks.
async function lookAt(picture) {
  state.picture = picture;
  history.replaceState(null, "", writeFragment(state));
  if (running || !ready) return;
  const mine = trial;
  const replies = await Promise.all(learners.map(learner =>
    learner.ask({kind: "advance", steps: 0, rate: state.rate, picture, compare: false})));
  if (mine !== trial) return;
  replies.forEach((reply, i) => learners[i].take(reply));
  show();
}

function reset() {
  running = false;
  restart();
}

function tryPreset(preset) {
  Object.assign(state, standard, preset.settings);
  running = true;
  showControls();
  restart();
}

// --- Drawing ---

let drawing = false;
function show() {
  if (!drawing) requestAnimationFrame(draw);
  drawing = true;
}

function draw() {
  drawing = false;
  const steps = learners[0].steps;
  byId("play").textContent = running ? "Pause" : steps > 0 ? "Go on" : "Learn";
  byId("play").disabled = !ready;
  byId("reset").disabled = false;
  byId("step").disabled = !ready || running;
  byId("steps").textContent = steps;
  byId("until").textContent = state.until > 0 ? `of ${state.until} steps` : "steps";
  byId("speed").textContent = rate > 0 ? `${rate.toFixed(0)} steps/s` : "";
  document.body.dataset.steps = steps;
  document.body.dataset.rate = rate.toFixed(2);
  byId("threshold-value").value = state.threshold.toFixed(2);
  showAdvice();
  if (learners.some(learner => !learner.look)) return;
  drawPicture();
  learners.forEach(drawLearner);
  drawComparison();
}

// Marks the preset that has the settings of the page, if one has, and says what to look at.
function showAdvice() {
  const same = ([key, value]) => key === "until" || state[key] === value;
  const chosen = presets.find(preset => Object.entries({...standard, ...preset.settings})
    .filter(([key]) => !["seed", "picture", "threshold"].includes(key)).every(same));
  for (const preset of presets) preset.button.setAttribute("aria-pressed", preset === chosen);
  if (byId("advice").textContent !== (chosen?.look ?? "")) byId("advice").textContent = chosen?.look ?? "";
}

// The part of an array of all pictures that is the picture looked at.
const shownPart = values => values.subarray(learners[0].picture * side * side, (learners[0].picture + 1) * side * side);
const truthHere = () => shownPart(learners[0].truth);

function drawPicture() {
  const image = byId("image"), truth = truthHere();
  paintMap(image, shownPart(learners[0].pictures), -0.8, 3.2, tables.grey);
  learners.forEach(({letter, look}) =>
    outline(image, side, i => look.probability[i] >= state.threshold, css("--map-" + letter), letter === "a" ? 5 : 2));
  paintMap(byId("truth"), truth, 0, 1, tables.sequential);
  const area = truth.reduce((sum, value) => sum + value, 0);
  image.setAttribute("aria-label", `Picture ${learners[0].picture + 1} with the borders that the networks find`);
  byId("truth").setAttribute("aria-label", `The truth: ${area} pixels are inside`);
}

function drawLearner(learner) {
  const {card, look, letter} = learner, truth = truthHere(), part = name => card.querySelector(name);
  const [probability, gradient] = [part(".probability"), part(".gradient")];
  paintMap(probability, look.probability, 0, 1, tables.sequential);
  outline(probability, side, i => truth[i] === 1, "#fff", 1.5);
  const found = look.probability.reduce((sum, p) => sum + (p >= state.threshold), 0);
  probability.setAttribute("aria-label", `Probabilities of network ${letter.toUpperCase()}: ${found} pixels are inside`);
  const sizes = look.gradient.map(Math.abs).sort(), limit = sizes[Math.floor(0.99 * sizes.length)] || sizes.at(-1);
  paintMap(gradient, look.gradient, -(limit || 1), limit || 1, tables.diverging);
  outline(gradient, side, i => truth[i] === 1, "#222", 1);
  gradient.setAttribute("aria-label", `Gradient of network ${letter.toUpperCase()}, up to ${limit.toExponential(1)}`);
  part(".low").textContent = limit > 0 ? "-" + limit.toExponential(1) : "0";
  part(".high").textContent = limit > 0 ? limit.toExponential(1) : "0";

  const score = learner.scores(state.threshold);
  part(".dice").textContent = score.dice.toFixed(3);
  part(".size").textContent = Number.isFinite(score.size) ? (100 * score.size).toFixed(0) + " %" : "-";
  part(".undecided").textContent = (100 * score.undecided).toFixed(1) + " %";
  for (const name of ["dice", "size", "undecided"]) document.body.dataset[name + letter.toUpperCase()] = score[name];

  const each = learner.losses.map((value, i) => [i + 1, value]), reach = 5;
  const smooth = each.map(([step], i) => {
    const near = learner.losses.slice(Math.max(0, i - reach), i + reach + 1);
    return [step, near.reduce((sum, value) => sum + value, 0) / near.length];
  });
  const values = smooth.map(point => point[1]).filter(Number.isFinite);
  const low = Math.min(0, ...thinned(smooth, 300).map(point => point[1]).filter(Number.isFinite));
  const high = values.reduce((most, value) => Math.max(most, value), low + 1e-6);
  drawChart(part(".curve"), {
    x: {low: 0, high: Math.max(50, learner.steps), name: "steps"}, y: {low, high: high + 0.05 * (high - low), name: "loss"},
    lines: [{points: thinned(each, 400), style: "faint " + letter}, {points: thinned(smooth, 300), style: letter}], height: 150,
  });
  part(".curve").setAttribute("aria-label", `Training loss, now ${shortNumber(smooth.at(-1)?.[1] ?? look.loss)}`);
}

function drawComparison() {
  const column = thresholds.findIndex(threshold => Math.abs(threshold - state.threshold) < 0.01);
  const short = text => text.length > 10 ? text.slice(0, 9) + "\u2026" : text;
  drawChart(byId("dice-chart"), {
    x: {low: 0, high: Math.max(50, learners[0].steps), name: "steps"}, y: {low: 0, high: 1, name: "Dice"}, height: 260, right: 104,
    lines: learners.map(({letter, compared}) => ({
      points: compared.map(({steps, dice}) => [steps, dice[column]]), style: letter,
      name: `${letter.toUpperCase()} ${short(state[letter])}`,
    })),
  });
  const score = learners.map(learner => learner.scores(state.threshold));
  const most = 1.05 * Math.max(10, ...score.flatMap(({found, real}) => [...found, ...real]));
  drawChart(byId("sizes"), {
    x: {low: 0, high: most, name: "true size in pixels"}, y: {low: 0, high: most, name: "size found"}, height: 260,
    lines: [{points: [[0, 0], [most, most]], style: "diagonal"}],
    marks: score.flatMap(({found, real}, i) => found.map((y, j) =>
      ({x: real[j], y, style: learners[i].letter, square: learners[i].letter === "b"}))),
  });
  const words = values => learners.map(({letter}, i) => `${letter.toUpperCase()} ${values[i]}`).join(", ");
  byId("dice-chart").setAttribute("aria-label", "Dice over the steps, now " + words(score.map(({dice}) => dice.toFixed(2))));
  byId("sizes").setAttribute("aria-label", "Sizes found, in all of the true size " + words(score.map(({size}) => size.toFixed(2))));
}

function drawThumbnails() {
  const {pictures} = learners[0];
  document.querySelectorAll("#pictures canvas").forEach((canvas, i) =>
    paintMap(canvas, pictures.subarray(i * side * side, (i + 1) * side * side), -0.8, 3.2, tables.grey));
}

// --- Controls ---

function showControls() {
  showTask(state);
  byId("seed").value = state.seed;
  if (![...byId("rate").options].some(option => Number(option.value) === state.rate))
    byId("rate").append(make("option", {}, String(state.rate)));
  byId("rate").value = String(state.rate);
  byId("threshold").value = state.threshold;
  for (const learner of learners) showLoss(learner.card, losses, state[learner.letter], text => changeParameter(learner, text));
  document.querySelectorAll("#pictures input").forEach((input, i) => { input.checked = i === state.picture; });
}

function changeLoss(learner, text) {
  state[learner.letter] = text.trim();
  showLoss(learner.card, losses, state[learner.letter], changed => changeParameter(learner, changed));
  restart();
}

// The fields of the parameters stay, because one of them has the focus.
function changeParameter(learner, text) {
  state[learner.letter] = text;
  showText(learner.card, losses, text);
  restart();
}

function makeControls(facts) {
  makeTaskControls(facts.tasks, state, restart);
  for (const learner of learners) makeLossControls(learner.card, losses, text => changeLoss(learner, text));
  for (let i = 0; i < facts.pictures; ++i) {
    const input = make("input", {type: "radio", name: "picture", "aria-label": `Picture ${i + 1}`});
    input.onchange = () => lookAt(i);
    byId("pictures").append(make("label", {}, input, make("canvas", {width: side, height: side})));
  }
  for (const preset of presets) {
    preset.button = make("button", {type: "button"}, make("b", {}, preset.title), make("span", {}, preset.question));
    preset.button.onclick = () => tryPreset(preset);
    byId("presets").append(preset.button);
  }
  byId("play").onclick = () => running ? pause() : play();
  byId("step").onclick = stepOnce;
  byId("reset").onclick = reset;
  byId("seed").onchange = () => {
    state.seed = readFragment("seed=" + byId("seed").value).seed;
    showControls();
    restart();
  };
  byId("rate").onchange = () => {
    state.rate = Number(byId("rate").value);
    history.replaceState(null, "", writeFragment(state));
  };
  byId("threshold").oninput = () => {
    state.threshold = Number(byId("threshold").value);
    show();
  };
  byId("share").onclick = async () => {
    history.replaceState(null, "", writeFragment(state));
    const said = await navigator.clipboard?.writeText(location.href).then(() => "The link is in the clipboard.", () => "");
    byId("status").textContent = said || "The address of this page has all settings.";
  };
  document.onkeydown = event => {
    // The space belongs to whatever has the focus, a letter only to a field that takes letters.
    const owners = event.key === " " ? "input, select, textarea, button, summary"
                                     : "input:not([type=radio], [type=range], [type=checkbox]), select, textarea";
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest(owners)) return;
    const action = {" ": () => byId("play").click(), s: stepOnce, r: reset}[event.key];
    if (!action) return;
    event.preventDefault();
    if (!event.repeat) action();
  };
  addEventListener("resize", show);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  addEventListener("hashchange", () => {
    Object.assign(state, readFragment(location.hash));
    showControls();
    restart();
  });
  if (matchMedia("(max-width: 700px)").matches) document.querySelector("#task details").open = false;
}

async function load() {
  const packed = Uint8Array.from(atob(byId("binary").textContent), byte => byte.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const binary = await new Response(stream).arrayBuffer();
  const url = URL.createObjectURL(new Blob([byId("worker").textContent], {type: "text/javascript"}));
  learners = ["a", "b"].map(letter => new Learner(letter, url));
  const [{facts}] = await Promise.all(learners.map(learner => learner.ask({kind: "load", binary})));
  losses = facts.losses;
  side = facts.side;
  makeControls(facts);
  showControls();
  await restart();
}

load().catch(error => { byId("status").textContent = "This browser cannot run the networks: " + error.message; });
