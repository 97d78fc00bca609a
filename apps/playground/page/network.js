// One network in WebAssembly. `wasm` is the module that createNetwork() makes; the functions are those of exports.cpp.
class Network {
  constructor(wasm) {
    this.wasm = wasm;
    this.facts = JSON.parse(this.call("facts", "string"));
  }

  // Calls a function that returns a text, a number or an address. Throws what it says about a failure.
  call(name, returns, types = [], values = []) {
    const result = this.wasm.ccall("playground_" + name, returns, types, values);
    const error = this.wasm.ccall("playground_error", "string", [], []);
    if (error) throw new Error(error);
    return result;
  }

  // Begins anew. Returns the text of the loss with all parameters.
  start(state, loss) {
    this.steps = 0;
    return this.call("start", "string", ["string", "number", "number", "number", "number", "number", "string", "number"],
                     [state.task, state.size, state.contrast, state.noise, state.rim, state.empty, loss, state.seed]);
  }

  step(rate) {
    const loss = this.call("step", "number", ["number"], [rate]);
    this.steps += 1;
    return loss;
  }

  pictures() { return this.floats("pictures", this.facts.pictures); }
  probabilities() { return this.floats("predict", this.facts.pictures); }
  truth() {
    const address = this.call("truth", "number");
    return this.wasm.HEAPU8.slice(address, address + this.facts.pictures * this.facts.side ** 2);
  }

  look(picture) {
    const loss = this.call("look", "number", ["number"], [picture]);
    return {loss, probability: this.floats("probability", 1), gradient: this.floats("gradient", 1)};
  }

  floats(name, pictures) {
    const begin = this.call(name, "number") / 4;
    return this.wasm.HEAPF32.slice(begin, begin + pictures * this.facts.side ** 2);
  }
}
