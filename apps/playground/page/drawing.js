// Maps on canvases, and charts in SVG. The style sheet has the colours of the charts.

// A table of 256 colours between equally spaced ones, as words of an ImageData.
function colourTable(colours) {
  const stops = colours.split(" ").map(hex => [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16)));
  return Uint32Array.from({length: 256}, (_, i) => {
    const at = i / 255 * (stops.length - 1), left = Math.min(Math.floor(at), stops.length - 2), share = at - left;
    const [red, green, blue] = stops[left].map((value, channel) => Math.round(value + share * (stops[left + 1][channel] - value)));
    return (255 << 24 | blue << 16 | green << 8 | red) >>> 0;
  });
}
// viridis, and PRGn of ColorBrewer from green to purple: both can be read by people who see few colours.
const viridis = "#440154 #482475 #414487 #355f8d #2a788e #21918c #22a884 #44bf70 #7ad151 #bddf26 #fde725";
const diverging = "#00441b #1b7837 #5aae61 #a6dba0 #d9f0d3 #f7f7f7 #e7d4e8 #c2a5cf #9970ab #762a83 #40004b";
const tables = {grey: colourTable("#000000 #ffffff"), sequential: colourTable(viridis), diverging: colourTable(diverging)};
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Paints side^2 values, low .. high, with the colours of a table.
function paintMap(canvas, values, low, high, table) {
  const side = Math.sqrt(values.length), small = new OffscreenCanvas(side, side), pixels = new ImageData(side, side);
  const words = new Uint32Array(pixels.data.buffer), scale = 255 / (high - low);
  values.forEach((value, i) => { words[i] = table[Math.round(Math.min(255, Math.max(0, scale * (value - low))))]; });
  small.getContext("2d").putImageData(pixels, 0, 0);
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
}

// Draws the border of the pixels where inside(i).
function outline(canvas, side, inside, colour, width) {
  const context = canvas.getContext("2d"), scale = canvas.width / side;
  const at = (x, y) => x >= 0 && y >= 0 && x < side && y < side && inside(y * side + x);
  context.beginPath();
  for (let y = 0; y <= side; ++y)
    for (let x = 0; x <= side; ++x) {
      const here = at(x, y);
      if (here !== at(x - 1, y)) {
        context.moveTo(x * scale, y * scale);
        context.lineTo(x * scale, (y + 1) * scale);
      }
      if (here !== at(x, y - 1)) {
        context.moveTo(x * scale, y * scale);
        context.lineTo((x + 1) * scale, y * scale);
      }
    }
  context.lineCap = "square";
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.stroke();
}

// About `count` round numbers in low .. high.
function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough);
  const all = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i) all.push(i * step);
  return all;
}

const shortNumber = value => String(Number(value.toPrecision(3)));

function element(name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

// Draws a chart as wide as the SVG is. x and y: {low, high, name}. lines: [{points: [[x, y], ..], style, name}];
// marks: [{x, y, style, square}].
function drawChart(svg, {x, y, lines = [], marks = [], height = 200, right = 12}) {
  const width = Math.max(200, svg.clientWidth || 360), left = 46, top = 12, bottom = 36;
  const across = value => left + (value - x.low) / (x.high - x.low) * (width - left - right);
  const up = value => height - bottom - (value - y.low) / (y.high - y.low) * (height - top - bottom);
  const parts = [];
  for (const tick of ticks(y.low, y.high, 5)) {
    parts.push(element("line", {class: "grid", x1: left, x2: width - right, y1: up(tick), y2: up(tick)}));
    parts.push(element("text", {class: "end", x: left - 6, y: up(tick) + 4}, shortNumber(tick)));
  }
  for (const tick of ticks(x.low, x.high, width < 300 ? 3 : 5))
    parts.push(element("text", {class: "middle", x: across(tick), y: height - bottom + 15}, shortNumber(tick)));
  parts.push(element("path", {class: "axis", d: `M${left} ${top}V${height - bottom}H${width - right}`}));
  parts.push(element("text", {class: "middle", x: (left + width - right) / 2, y: height - 5}, x.name));
  const middle = (top + height - bottom) / 2;
  parts.push(element("text", {class: "middle", x: 11, y: middle, transform: `rotate(-90 11 ${middle})`}, y.name));

  const within = value => Math.min(y.high, Math.max(y.low, value));
  const names = [];
  for (const {points, style, name} of lines) {
    const shown = points.filter(point => Number.isFinite(point[1]));
    if (shown.length === 0) continue;
    const path = shown.map(([px, py]) => `${across(px).toFixed(1)} ${up(within(py)).toFixed(1)}`).join("L");
    parts.push(element("path", {class: "line " + style, d: "M" + path}));
    if (name) names.push({name, style, at: up(within(shown.at(-1)[1])), x: across(shown.at(-1)[0])});
  }
  // Names stand at the ends of the lines, and move apart where they would overlap.
  names.sort((p, q) => p.at - q.at);
  if (names.length === 2 && names[1].at - names[0].at < 15) {
    const centre = Math.min(height - bottom - 8, Math.max(top + 8, (names[0].at + names[1].at) / 2));
    names[0].at = centre - 7.5;
    names[1].at = centre + 7.5;
  }
  for (const {name, style, at, x: end} of names)
    parts.push(element("text", {class: "name " + style, x: end + 6, y: at + 4}, name));
  for (const {x: px, y: py, style, square} of marks) {
    const cx = across(px), cy = up(within(py));
    parts.push(square ? element("rect", {class: "mark " + style, x: cx - 4, y: cy - 4, width: 8, height: 8})
                      : element("circle", {class: "mark " + style, cx, cy, r: 4.5}));
  }
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.style.height = height + "px";
  svg.replaceChildren(...parts);
}

// At most `most` points, each the mean of those that it stands for.
function thinned(points, most) {
  const group = Math.ceil(points.length / most);
  if (group <= 1) return points;
  const means = [];
  for (let begin = 0; begin < points.length; begin += group) {
    const part = points.slice(begin, begin + group);
    means.push([0, 1].map(axis => part.reduce((sum, point) => sum + point[axis], 0) / part.length));
  }
  return means;
}
