// The controls of the task and of the losses. They change `state` and call back.

// make("label", {for: "x"}, child, "text", ..)
function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes))
    if (value !== false) made.setAttribute(key, value === true ? "" : value);
  made.append(...children);
  return made;
}

const sliders = [
  {name: "size", label: "Size", high: 2, step: 0.1, meaning: "a factor of all lengths"},
  {name: "contrast", label: "Contrast", high: 0.6, step: 0.02, meaning: "brightness above the surroundings"},
  {name: "noise", label: "Noise", high: 0.4, step: 0.02, meaning: "its standard deviation"},
  {name: "rim", label: "Ambiguous rim", high: 12, step: 1,
   meaning: "pixels in which an object fades; its label ends anywhere in them"},
  {name: "empty", label: "Empty pictures", high: 0.9, step: 0.1, meaning: "share of pictures without an object"},
];

function makeTaskControls(names, state, changed) {
  for (const name of names) {
    const input = make("input", {type: "radio", name: "task", value: name});
    input.onchange = () => {
      state.task = name;
      changed();
    };
    document.getElementById("tasks").append(make("label", {}, input, make("span", {}, name)));
  }
  for (const {name, label, high, step, meaning} of sliders) {
    const input = make("input", {type: "range", id: name, min: ranges[name][0], max: high, step, "aria-describedby": name + "-meaning"});
    const output = make("output", {for: name, id: name + "-value"});
    input.oninput = () => { output.value = input.value; };
    input.onchange = () => {
      state[name] = Number(input.value);
      changed();
    };
    document.getElementById("sliders").append(make("p", {class: "range"}, make("label", {for: name}, label), input, output,
                                                   make("small", {id: name + "-meaning"}, meaning)));
  }
}

function showTask(state) {
  for (const input of document.querySelectorAll("#tasks input")) input.checked = input.value === state.task;
  for (const {name} of sliders)
    document.getElementById(name + "-value").value = document.getElementById(name).value = state[name];
}

const families = {
  distribution: "Distribution: every pixel for itself", region: "Region: overlap", boundary: "Boundary: distances",
  compound: "Compound",
};

// The choice of the loss of one network. changed(text) is called with the text of a loss.
function makeLossControls(card, losses, changed) {
  const choice = card.querySelector(".choice"), text = card.querySelector(".text");
  for (const [family, label] of Object.entries(families))
    choice.append(make("optgroup", {label}, ...losses.filter(loss => loss.family === family)
                                                     .map(loss => make("option", {value: loss.name}, loss.name))));
  choice.append(make("option", {value: "", hidden: true}, "a sum"));
  choice.onchange = () => changed(choice.value);
  text.onchange = () => changed(text.value);
}

// Shows the text of a loss.
function showText(card, losses, written) {
  const terms = readTerms(written);
  const single = terms.length === 1 && !terms[0].weight && losses.some(loss => loss.name === terms[0].name);
  card.querySelector(".choice").value = single ? terms[0].name : "";
  card.querySelector(".text").value = written;
  card.querySelector(".name").textContent = written;
}

// Shows the text of a loss, with the parameters and the description of its terms. changed(text) is called for a loss with
// another parameter.
function showLoss(card, losses, written, changed) {
  showText(card, losses, written);
  const terms = readTerms(written);
  const fields = card.querySelector(".parameters div"), about = card.querySelector(".about dl");
  fields.replaceChildren();
  about.replaceChildren();
  for (const term of terms) {
    const loss = losses.find(one => one.name === term.name);
    if (!loss) continue;
    const set = make("fieldset", {}, make("legend", {}, term.name));
    for (const parameter of loss.parameters)
      set.append(parameterField(parameter, term.settings.get(parameter.name) ?? parameter.standard, value => {
        if (value === parameter.standard || value === "") term.settings.delete(parameter.name);
        else term.settings.set(parameter.name, value);
        changed(writeTerms(terms));
      }));
    fields.append(set);
    for (const [title, words] of [[loss.name, loss.summary], ["Formula", loss.formula], ["Source", loss.source],
                                  ["Helps", loss.helps], ["Fails", loss.fails]])
      if (words) about.append(make("dt", {}, title), make("dd", {}, words));
  }
}

function parameterField({name, kind, low, high, choices, meaning}, value, changed) {
  let input;
  if (kind === "choice") {
    input = make("select", {}, ...choices.map(word => make("option", {}, word)));
    input.value = value;
  } else if (kind === "switch") {
    input = make("input", {type: "checkbox"});
    input.checked = value === "1";
  } else {
    input = make("input", {type: "text", inputmode: kind === "list" ? "text" : "decimal", spellcheck: "false"});
    input.value = value;
  }
  input.onchange = () => changed(kind === "switch" ? String(Number(input.checked)) : input.value.trim());
  const range = kind === "number" || kind === "integer" ? `${low ?? "-inf"} to ${high ?? "inf"}` : "";
  return make("label", {title: range}, make("span", {}, name), input, make("small", {}, meaning));
}
