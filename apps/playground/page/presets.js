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
    title: "Small lesions in noise",
    question: "Faint spots, about one pixel in a hundred. Which loss dares to find them?",
    settings: {task: "lesions", noise: 0.2, a: "ce", b: "dice", until: 300},
    look: "Cross entropy (A) finds much too little, because a pixel in doubt is most likely outside. Dice (B) dares to. " +
          "Lower the threshold: A knows where the lesions are, but not with a probability of one half.",
    shows: (a, b) => a.size < 0.6 && b.size > 1.3 * a.size && b.dice > a.dice + 0.04 && a.at(0.2).dice > a.dice + 0.04,
  },
  {
    title: "The boundary loss alone",
    question: "Probability times distance to the border: is that enough to learn from?",
    settings: {task: "lesions", a: "boundary", b: "dice+0.02*boundary", until: 200},
    look: "Alone (A) it finds nothing at all: far from all borders a probability costs much, and the few pixels inside " +
          "pull back too little. Beside Dice (B) it works.",
    shows: (a, b) => a.size < 0.05 && b.dice > 0.5,
  },
  {
    title: "Empty pictures and Dice",
    question: "Most pictures have no lesion. What does Dice learn from those?",
    settings: {task: "lesions", empty: 0.7, a: "dice", b: "dice:batch=1", until: 200},
    look: "Next to nothing: the loss of an empty picture is 1 with hardly a slope, so A finds lesions where there are none. " +
          "One ratio for the whole batch (B) makes such pixels count.",
    shows: (a, b) => a.size > 1.5 * b.size && b.dice > a.dice + 0.05,
  },
  {
    title: "Generalised Dice and absent classes",
    question: "Its weight of a class is 1/G\u00b2. And if a picture has none of it, so that G is 0?",
    settings: {task: "lesions", empty: 0.7, a: "generalized_dice:absent=clamp", b: "generalized_dice", until: 200},
    look: "With a huge weight (A) an empty picture teaches nothing, and A finds several times too much. With the largest " +
          "weight of the other classes (B) it teaches that nothing is there.",
    shows: (a, b) => a.size > 1.5 * b.size,
  },
  {
    title: "Too little or too much",
    question: "Tversky weighs false alarms (alpha) against misses (beta).",
    settings: {task: "lesions", noise: 0.16, a: "tversky:alpha=0.9,beta=0.1", b: "tversky:alpha=0.1,beta=0.9", until: 200},
    look: "A pays for false alarms and finds too little, B pays for misses and finds too much: see the sizes of all " +
          "pictures below.",
    shows: (a, b) => a.size < 1 && b.size > 1.5,
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
