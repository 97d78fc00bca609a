// What to try. `shows(a, b)` is true if what `look` says has happened after the steps of the preset; the scores are those
// of shared.js. tests/apps/playground/presets.mjs runs all of them.
const presets = [
  {
    title: "Who decides an ambiguous rim?",
    question: "Objects fade away, and each label ends somewhere in the rim.",
    settings: {task: "blobs", rim: 8, noise: 0.06, a: "ce", b: "dice", until: 300},
    look: "Cross entropy (A) stays undecided in the rim: its probabilities are those of the labels. Dice (B) decides for " +
          "each pixel. Move the threshold: the size that A finds changes, that of B hardly.",
    shows: (a, b) => a.undecided > 1.5 * b.undecided &&
                     a.at(0.2).size - a.at(0.8).size > 1.5 * (b.at(0.2).size - b.at(0.8).size),
  },
  {
    title: "Small lesions",
    question: "A few bright spots in noise, about one pixel in a hundred.",
    settings: {task: "lesions", noise: 0.12, a: "ce", b: "dice", until: 300},
    look: "Cross entropy (A) finds too little, because most pixels in doubt are outside. Dice (B) counts every lesion.",
    shows: (a, b) => a.size < 0.8 && b.size > a.size + 0.1 && b.dice > a.dice,
  },
  {
    title: "The boundary loss alone",
    question: "Probability times distance to the border: enough to learn from?",
    settings: {task: "lesions", a: "boundary", b: "dice+0.02*boundary", until: 200},
    look: "Alone (A) it finds nothing at all: far from every border each probability costs much, and few pixels pull the " +
          "other way. Beside Dice (B) it works.",
    shows: (a, b) => a.size < 0.05 && b.dice > 0.5,
  },
  {
    title: "Pictures without objects",
    question: "Half of the pictures are empty. What is the weight 1/G\u00b2 of a class that is absent?",
    settings: {task: "blobs", empty: 0.5, a: "generalized_dice:absent=clamp", b: "generalized_dice", until: 200},
    look: "A gives an absent class the largest weight, and nothing else counts. B leaves it out.",
    shows: (a, b) => b.dice > a.dice + 0.1,
  },
  {
    title: "Too much or too little",
    question: "Tversky weighs false alarms (alpha) against misses (beta).",
    settings: {task: "lesions", noise: 0.12, a: "tversky:alpha=0.9,beta=0.1", b: "tversky:alpha=0.1,beta=0.9", until: 200},
    look: "A pays for false alarms and finds too little, B pays for misses and finds too much. The scatter plot shows it " +
          "for every picture.",
    shows: (a, b) => a.size < 0.9 && b.size > 1.2,
  },
  {
    title: "The same loss twice",
    question: "How much of a difference is chance?",
    settings: {a: "dice", b: "dice", until: 100},
    look: "None: both networks have the same bits, so every difference that you see elsewhere comes from the loss. Change " +
          "the seed to see how much another start and other pictures change.",
    shows: (a, b) => a.dice === b.dice && a.undecided === b.undecided,
  },
];
