// What a paper takes from a comparison: the folder DIRECTORY/paper with
//   ranking.tex, classes.tex   tables for \input (they need booktabs); the same numbers in ranking.csv and classes.csv
//   figures/*.svg, *.pdf       every plot of the report
//   methods.tex                how the trainings and the statistics were done, with the settings that were used
//   references.bib             the papers of the losses and of the methods
//   main.tex                   a document that shows all of it: pdflatex, bibtex, pdflatex, pdflatex
#pragma once

#include <string>
#include <vector>

#include "apps/comparison/answers.h"
#include "apps/program/svg.h"

namespace voxgrad::apps {

struct Figure {
  std::string name;     // of the files, without ending
  std::string caption;  // plain text
  Svg picture;
};

// Writes the folder. Files of these names are replaced, others stay. Throws Error(io).
void write_paper(const Comparison& comparison, const std::vector<Analysis>& analyses,
                 const std::vector<Figure>& figures, const std::string& directory);

// Return the tables; in LaTeX with all names escaped.
std::string ranking_tex(const std::vector<Analysis>& analyses);
std::string ranking_csv(const std::vector<Analysis>& analyses);  // of every dataset, and of their mean
std::string classes_tex(const Comparison& comparison, const std::vector<Analysis>& analyses);
std::string classes_csv(const Comparison& comparison, const std::vector<Analysis>& analyses);
// Returns the paragraph of the methods, as LaTeX; `cited` receives the keys of the references that it names.
std::string methods_tex(const Comparison& comparison, const std::vector<Analysis>& analyses,
                        std::vector<std::string>& cited);

}  // namespace voxgrad::apps
