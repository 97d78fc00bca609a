// Runs everything that the page offers to try, and checks that what it says happens. It takes a minute or two.
//   node presets.mjs FOLDER_OF_THE_BUILD [WORD_OF_A_TITLE..]
import {readFileSync} from "node:fs";
import {createRequire} from "node:module";
import {join, resolve} from "node:path";

const [build, ...wanted] = process.argv.slice(2);
const page = join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../../../apps/playground/page");
const source = ["shared.js", "presets.js", "network.js"].map(name => readFileSync(join(page, name), "utf8")).join("\n");
const {standard, histograms, scores, presets, Network} = new Function(source + "; return {standard, histograms, scores, presets, Network};")();
const createNetwork = createRequire(import.meta.url)(resolve(build, "network.js"));
const network = new Network(await createNetwork({wasmBinary: readFileSync(join(build, "network.wasm"))}));

const lost = scores(histograms(new Float32Array([NaN, NaN]), new Uint8Array([1, 0]), 2), 0.5);
if (lost.dice !== 0 || lost.size !== 0) throw new Error("a network whose probabilities are no numbers finds nothing");

let wrong = 0;
for (const preset of presets) {
  if (wanted.length > 0 && !wanted.some(word => preset.title.includes(word))) continue;
  const state = {...standard, ...preset.settings}, results = {};
  for (const letter of ["a", "b"]) {
    network.start(state, state[letter]);
    while (network.steps < state.until) network.step(state.rate);
    const pictures = histograms(network.probabilities(), network.truth(), network.facts.side ** 2);
    results[letter] = {...scores(pictures, state.threshold), at: threshold => scores(pictures, threshold)};
    const {dice, size, undecided} = results[letter];
    console.log(`${preset.title}: ${letter} ${state[letter]}: Dice ${dice.toFixed(3)}, size ${size.toFixed(3)}, ` +
                `undecided ${(100 * undecided).toFixed(2)} %`);
  }
  const shown = preset.shows(results.a, results.b);
  console.log(shown ? "  it shows that" : "  WRONG: it does not show that");
  wrong += !shown;
}
process.exit(wrong > 0 ? 1 : 0);
