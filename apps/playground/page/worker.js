// The thread of one network. It answers each message by one, in their order.
let network;

async function answer(message) {
  switch (message.kind) {
    case "load":
      network = new Network(await createNetwork({wasmBinary: message.binary}));
      return {facts: network.facts};
    case "start": {
      const text = network.start(message.state, message.loss);
      return {text, pictures: network.pictures(), truth: network.truth(), ...view(message)};
    }
    case "advance": {
      const losses = [];
      while (losses.length < message.steps) losses.push(network.step(message.rate));
      return {losses, ...view(message)};
    }
  }
}

// What the page shows after the steps. All pictures are predicted only if the page asks for them.
function view({picture, compare}) {
  return {steps: network.steps, picture, look: network.look(picture), probabilities: compare ? network.probabilities() : null};
}

let queue = Promise.resolve();
onmessage = ({data}) => {
  queue = queue.then(() => answer(data)).catch(error => ({error: error.message})).then(reply => postMessage(reply));
};
