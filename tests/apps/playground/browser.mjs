// The playground in a real browser: it trains fifty steps and reads Dice, uses the keyboard, and looks at what the page
// does on a small screen. With a folder it also writes pictures of the page.
//   node browser.mjs CHROMIUM playground.html [FOLDER]
// The browser is driven by its DevTools protocol, through two pipes.
import assert from "node:assert/strict";
import {spawn} from "node:child_process";
import {mkdtempSync, rmSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {join, resolve} from "node:path";
import {pathToFileURL} from "node:url";

const [chromium, page, folder] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), "playground-"));
const browser = spawn(chromium, ["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
                                 "--disable-dev-shm-usage", "--no-first-run", "--user-data-dir=" + profile, "about:blank"],
                      {stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"]});
const [, , , input, output] = browser.stdio;

const waiting = new Map(), problems = [], requests = [];
let received = "", last = 0, session;
output.on("data", data => {
  const messages = (received + data).split("\0");
  received = messages.pop();
  for (const message of messages.map(text => JSON.parse(text))) {
    if (message.id) waiting.get(message.id)(message);
    if (message.method === "Runtime.exceptionThrown") problems.push(message.params.exceptionDetails.exception.description);
    if (message.method === "Log.entryAdded" && message.params.entry.level === "error") problems.push(message.params.entry.text);
    if (message.method === "Network.requestWillBeSent") requests.push(message.params.request.url);
  }
});

async function send(method, params = {}) {
  const id = ++last;
  const reply = new Promise(take => waiting.set(id, take));
  input.write(JSON.stringify({id, method, params, sessionId: session}) + "\0");
  const {result, error} = await reply;
  assert.ok(result, `${method}: ${error?.message}`);
  return result;
}

async function evaluate(expression) {
  const {result, exceptionDetails} = await send("Runtime.evaluate", {expression, awaitPromise: true, returnByValue: true});
  assert.ok(!exceptionDetails, exceptionDetails?.exception.description);
  return result.value;
}

async function until(expression, seconds = 60) {
  for (const end = Date.now() + 1000 * seconds; Date.now() < end; await new Promise(done => setTimeout(done, 50)))
    if (await evaluate(expression)) return;
  assert.fail(`after ${seconds} s still not: ${expression}\n${problems.join("\n")}\n` +
              await evaluate("document.body.innerText.slice(0, 600)"));
}

async function screen(width, height, scheme) {
  await send("Emulation.setDeviceMetricsOverride", {width, height, deviceScaleFactor: 1, mobile: width < 700});
  await send("Emulation.setEmulatedMedia", {features: [{name: "prefers-color-scheme", value: scheme}]});
}

async function open(fragment) {
  await send("Page.navigate", {url: "about:blank"});
  await send("Page.navigate", {url: pathToFileURL(resolve(page)) + fragment});
  await until("document.readyState === 'complete' && document.querySelector('#play')?.disabled === false");
}

async function press(key) {
  for (const type of ["keyDown", "keyUp"]) await send("Input.dispatchKeyEvent", {type, key, text: type === "keyDown" ? key : ""});
}

const data = name => evaluate(`Number(document.body.dataset.${name})`);

async function test() {
  const {targetId} = await send("Target.createTarget", {url: "about:blank"});
  session = (await send("Target.attachToTarget", {targetId, flatten: true})).sessionId;
  for (const domain of ["Page", "Runtime", "Log", "Network"]) await send(domain + ".enable");

  await screen(1280, 900, "light");
  await open("#until=50&noise=0.06");
  await evaluate("document.querySelector('#play').click()");
  await until("document.body.dataset.steps === '50' && document.querySelector('#play').textContent === 'Go on'");
  const dice = [await data("diceA"), await data("diceB")];
  console.log(`fifty steps: Dice ${dice.map(value => value.toFixed(3)).join(" and ")}, ` +
              `${(await data("rate")).toFixed(1)} steps per second of both networks`);
  assert.ok(Math.min(...dice) > 0.5, "both networks learn");
  assert.ok(dice.every(value => value < 1), "no network is perfect after so few steps");
  assert.match(await evaluate("document.querySelector('#status').textContent"), /Paused after 50 steps/);

  // Another threshold is another Dice, of the same network.
  await evaluate(`{const slider = document.querySelector("#threshold"); slider.value = 0.95;
                   slider.dispatchEvent(new Event("input"));}`);
  await until(`document.body.dataset.diceB !== "${dice[1]}"`);
  await evaluate("document.querySelector('#play').focus()");  // as a click does
  await press("s");
  await until("document.body.dataset.steps === '51'");
  assert.equal(await evaluate("learners[0].compared.at(-1).steps"), 51, "what is shown is of the last step");
  await press("r");
  await until("document.body.dataset.steps === '0'");
  await evaluate("document.activeElement.blur()");
  await press(" ");
  await until("document.querySelector('#play').textContent === 'Pause'");
  await press(" ");
  await until("document.querySelector('#play').textContent !== 'Pause'");

  // A text that is no loss is explained, and the next one is taken.
  const write = text => evaluate(`{const field = document.querySelector(".a .text"); field.value = "${text}";
                                   field.dispatchEvent(new Event("change"));}`);
  await write("dise");
  await until("/dice/.test(document.querySelector('.a .problem').textContent)");
  await write("0.5*tversky:alpha=0.3+ce");
  await until("document.querySelector('.a .problem').textContent === '' && !document.querySelector('#play').disabled");
  assert.match(await evaluate("location.hash"), /a=0.5\*tversky%3Aalpha%3D0.3%2Bce/);

  // What there is to try begins to learn, and says what to look at.
  await evaluate("document.querySelector('#presets button').click()");
  await until("Number(document.body.dataset.steps) > 1 && document.querySelector('#presets button').ariaPressed === 'true'");
  assert.match(await evaluate("document.querySelector('#advice').textContent"), /Cross entropy/);
  assert.match(await evaluate("location.hash"), /rim=8/);

  const nameless = await evaluate(`[...document.querySelectorAll("button, input, select, [role=img]")].filter(part =>
    !(part.textContent.trim() || part.labels?.[0]?.textContent.trim() || part.getAttribute("aria-label"))).map(part => part.outerHTML)`);
  assert.deepEqual(nameless, [], "everything that one can use or look at has a name");

  await screen(390, 844, "dark");
  await open("#until=10");
  assert.equal(await evaluate("document.documentElement.scrollWidth"), 390, "nothing is wider than the screen");

  if (folder) await pictures();
  assert.deepEqual(problems, []);
  assert.deepEqual(requests.filter(url => !/^(file|blob|data|about):/.test(url)), [], "the page loads nothing");
}

async function pictures() {
  for (const width of [1280, 390])
    for (const scheme of ["light", "dark"]) {
      await screen(width, width > 700 ? 900 : 844, scheme);
      await open("#" + (scheme === "light" ? "task=blobs&rim=8&a=ce&b=dice&until=200" : "task=vessels&until=150&picture=2"));
      await evaluate("document.querySelector('#play').click()");
      await until("document.querySelector('#play').textContent === 'Go on'", 120);
      const {cssContentSize} = await send("Page.getLayoutMetrics");
      const {data: bytes} = await send("Page.captureScreenshot",
        {captureBeyondViewport: true, clip: {x: 0, y: 0, width, height: cssContentSize.height, scale: 1}});
      writeFileSync(join(folder, `${width}_${scheme}.png`), Buffer.from(bytes, "base64"));
    }
}

try {
  await test();
} finally {
  browser.kill("SIGKILL");
  await new Promise(done => browser.on("close", done));
  rmSync(profile, {recursive: true, force: true, maxRetries: 5});
}
process.exit(0);
